"""What the settings allow probes to run (`ProbeSettings.exec_allow`): an inventory runs nothing by itself."""

from __future__ import annotations

import posixpath

from probes.errors import PermissionMissing


def require(program: str, allow: tuple[str, ...]) -> None:
    """Raise `PermissionMissing`, with what to write, for a program that is not on the list."""
    if not allowed(program, allow):
        where = f'"{program}" (or "{_directory(program)}/*")'
        raise PermissionMissing(f"{program} is not allow-listed; add {where} to exec_allow in the settings")


def allowed(program: str, allow: tuple[str, ...]) -> bool:
    """Tell whether a program is on the list: by its path, or by `directory/*` for those right in it."""
    return program in allow or f"{_directory(program)}/*" in allow


def checked(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command whose first word is a plain absolute path. Raises ValueError."""
    if not command[0].startswith("/") or posixpath.normpath(command[0]) != command[0]:
        msg = "the first word must be an absolute path without ., e.g. /usr/lib/nagios/plugins/check_ssh"
        raise ValueError(msg)
    if any("\0" in word for word in command):
        msg = "a word holds a NUL character; leave it out"
        raise ValueError(msg)
    return command


def _directory(program: str) -> str:
    return program.rpartition("/")[0]
