"""An sshd with an ordinary account, and sudoers of its own, that nobody else on the machine sees.

The server runs in a private mount namespace in which copies of the account files, with one account more, lie
over the machine's own; so do other files that a test wants to be different there.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.servers.sshd import Sshd, sshd

ACCOUNT = "mustertest"
UID = 64_201
HASH = "$6$rounds=5000$marker$0123456789abcdefghijklmnopqrstuvwxyz"
"""Stands where the account's password is kept: a text that no reading may show."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a private mount namespace needs root")


@asynccontextmanager
async def account_sshd(
    *, sudoers: Sequence[str] = (), over: Mapping[str, Path] | None = None
) -> AsyncIterator[Sshd]:
    """Run an sshd for an ordinary account that may run what the lines of `sudoers` say.

    `over` are files or directories to be seen in place of the machine's, by the path that they hide.
    """
    directory = Path(tempfile.mkdtemp(prefix="accounts-"))
    try:
        await asyncio.to_thread(_prepare, directory, sudoers)
        own = {f"/etc/{name}": directory / name for name in ("passwd", "group", "shadow", "sudoers")}
        binds = {**own, **(over or {})}.items()
        lines = [f"mount --bind {shlex.quote(str(seen))} {path}" for path, seen in binds]
        script = "\n".join(["set -e", "mount --make-rprivate /", *lines, 'exec "$@"'])
        async with sshd(account=ACCOUNT, wrap=("unshare", "-m", "sh", "-c", script, "sh")) as server:
            yield server
    finally:
        shutil.rmtree(directory)


def _prepare(directory: Path, sudoers: Sequence[str]) -> None:
    home = directory / "home"
    home.mkdir()
    directory.chmod(0o711)
    os.chown(home, UID, UID)
    entry = f"{ACCOUNT}:x:{UID}:{UID}::{home}:/bin/sh\n"
    shadow = f"{ACCOUNT}:{HASH}:20000:0:90:7:::\n"
    for name, line, mode in (
        ("passwd", entry, 0o644), ("group", f"{ACCOUNT}:x:{UID}:\n", 0o644), ("shadow", shadow, 0o640),
    ):  # fmt: skip
        path = directory / name
        shutil.copy(f"/etc/{name}", path)
        path.write_text(path.read_text() + line)
        path.chmod(mode)
    (directory / "sudoers").write_text(
        "\n".join(["Defaults !syslog, !lecture", *(f"{ACCOUNT} {line}" for line in sudoers), ""])
    )
    (directory / "sudoers").chmod(0o440)
