"""Where secrets come from. Their values are returned to whoever asks and kept nowhere else.

In this order: `$CREDENTIALS_DIRECTORY/NAME` (systemd's LoadCredential=), the environment variable
`MUSTER_SECRET_NAME` (upper case, what is no letter or digit as `_`), the secrets file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from inventory._fields import Version
from inventory.problems import ConfigError, Problem
from inventory.source import read, validate

MAX_BYTES = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class SecretMissing(LookupError):  # noqa: N818 - reads better where it is raised
    """No place holds the secret; the text says where it was looked for, and never a value."""


def _text(value: object) -> object:
    if not isinstance(value, str):
        msg = "must be a text; put it in quotes"
        raise ValueError(msg)  # noqa: TRY004 - pydantic takes ValueError
    return value


class SecretsFile(BaseModel):
    """The secrets file: `version: 1` and `secrets: {NAME: value}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Version
    secrets: dict[str, Annotated[str, BeforeValidator(_text)]]


class Secrets:
    """Looks secrets up by name. Its repr shows no value."""

    def __init__(self, file: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        """Take the secrets file, if there is one.

        Raises ConfigError when others may read it, or when its form is wrong.
        """
        self._environ = os.environ if environ is None else environ
        self._file = file
        self._values = _read(file) if file is not None else {}

    def get(self, name: str) -> str:
        """Return the secret's value, without a line end behind it. Raises SecretMissing."""
        if _NAME.fullmatch(name):
            for value in (self._credential(name), self._environ.get(variable(name)), self._values.get(name)):
                if value is not None:
                    return value
        raise SecretMissing(f'no secret "{name[:128]}": looked in {", ".join(self._places(name[:128]))}')

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of `names` that no place holds, sorted."""
        return tuple(sorted(name for name in set(names) if not self._has(name)))

    def _has(self, name: str) -> bool:
        try:
            self.get(name)
        except SecretMissing:
            return False
        return True

    def _credential(self, name: str) -> str | None:
        directory = self._environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            return None
        try:
            with (Path(directory) / name).open("rb") as file:
                content = file.read(MAX_BYTES)
            return content.decode("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            return None

    def _places(self, name: str) -> list[str]:
        places = ["$CREDENTIALS_DIRECTORY", variable(name)]
        return [*places, str(self._file)] if self._file else places


def variable(name: str) -> str:
    """Return the name of the environment variable that may hold a secret."""
    return "MUSTER_SECRET_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def _read(file: Path) -> Mapping[str, str]:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise ConfigError([Problem(str(file), 1, 1, "", f"the file can't be read: {reason}")]) from None
    if stat.S_IMODE(mode) & 0o077:
        text = f"others may read the secrets (mode {stat.S_IMODE(mode):04o})"
        raise ConfigError([Problem(str(file), 1, 1, "", text, f"chmod 600 {file}")])
    return validate(read(file)[0], SecretsFile).secrets
