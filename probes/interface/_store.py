"""What `file_exchange` asks of a file server, whatever it speaks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from probes.errors import ExpectationFailed, Inconclusive

MAX_NAMES = 20_000
"""Names of a directory that are looked at."""
Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file; `modified` is in seconds since the epoch, `exact` where the server says it in UTC.

    Where it does not, times of one listing can still be told from each other.
    """

    name: str
    size: int
    modified: float | None
    exact: bool = True


class Absent(ExpectationFailed):
    """There is no such file or directory."""


class Store(Protocol):
    """A file server, logged in to. Its methods raise `Absent`, and the other endings of what they meet."""

    async def put(self, path: str, body: bytes) -> None:
        """Write a new file."""

    async def names(self, directory: str) -> list[Entry]:
        """Return the files of a directory, without directories."""

    async def entry(self, path: str) -> Entry:
        """Return one file, its time as exact as the server has it."""

    async def get(self, path: str, sink: Sink, limit: int) -> None:
        """Give the file's content to `sink`, piece by piece. Raises `Inconclusive` over `limit` bytes."""

    async def delete(self, path: str) -> None:
        """Delete a file."""


def joined(directory: str, name: str) -> str:
    """Return the path of a file."""
    return f"{directory.rstrip('/')}/{name}" if directory not in ("", ".") else name


def too_many(directory: str) -> Inconclusive:
    """Return the ending for a directory that is not read to its end."""
    return Inconclusive(f"{directory} holds more than {MAX_NAMES} names; give it a directory of its own")


def too_large(path: str, limit: int) -> Inconclusive:
    """Return the ending for a file that is not read to its end."""
    return Inconclusive(f"{path} has more than {limit} bytes; raise max_size")


_FULL = re.compile(
    r"no space|disk full|insufficient (?:storage|disk)|quota|storage allocation", re.IGNORECASE
)


def is_full(said: str) -> bool:
    """Whether a server's words say that there is no room."""
    return _FULL.search(said) is not None
