"""What the probes of software take as parameters, and how they read what a host prints.

Parsers raise ValueError (or LookupError) for what can't be understood; `_host.told` makes `protocol` of it.
"""

from __future__ import annotations

import asyncio
import posixpath
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from probes._patterns import SEARCH_S, pattern
from probes.api import clip
from probes.errors import Inconclusive

MAX_LISTED = 50
MAX_LINE = 4096
"""Longer lines are searched up to here, in characters."""


def _absolute(path: str) -> str:
    if posixpath.normpath(path) != path.rstrip("/") and path != "/":
        msg = "write the path without ., .. and doubled slashes"
        raise ValueError(msg)
    return path.rstrip("/") or "/"


AbsolutePath = Annotated[
    str, Field(max_length=1000, pattern=r"^/[^\x00-\x1f\x7f]*$"), AfterValidator(_absolute)
]
"""A path on the host, from the root."""
UserName = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_.@-]*\$?$")]
UnitName = Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:\\-]*$")]
"""The name of a systemd unit or an init script."""
ProcessName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f/]+$")]


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, as the host ends them: by nothing but a line feed."""
    return text.removesuffix("\n").split("\n") if text else []


def whole(text: str) -> int:
    """Return a number written in decimal digits. Raises ValueError."""
    if not text.isascii() or not text.isdecimal() or len(text) > 20:
        raise ValueError(clip(text, 50))
    return int(text)


def number(text: str) -> float:
    """Return a finite number of moderate size. Raises ValueError."""
    found = float(text)
    if not -1e18 < found < 1e18 or "_" in text:
        raise ValueError(clip(text, 50))
    return found


def pairs(text: str) -> dict[str, str]:
    """Return the lines `key=value`, of each key the first; others are dropped."""
    found: dict[str, str] = {}
    for line in lines_of(text):
        key, equals, value = line.partition("=")
        if equals:
            found.setdefault(key, value)
    return found


def sections(text: str) -> dict[str, str]:
    """Return the text below each line `@name`, of each name the first."""
    found: dict[str, str] = {}
    for part in f"\n{text}".split("\n@")[1:]:
        name, _, body = part.partition("\n")
        found.setdefault(name, body)
    return found


def listed(items: Iterable[str], separator: str = ", ") -> str:
    """Return items as one bounded text."""
    texts = list(items)
    more = f"{separator}and {len(texts) - MAX_LISTED} more" if len(texts) > MAX_LISTED else ""
    return clip(separator.join(texts[:MAX_LISTED]) + more)


def moment(seconds: float) -> str:
    """Return a time as ISO 8601. Raises ValueError."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError) as error:
        raise ValueError(seconds) from error


def systemd_time(text: str) -> float | None:
    """Return a time as systemctl prints it with TZ=UTC, in seconds since the epoch; None for none.

    Raises ValueError.
    """
    if text in ("", "n/a", "0"):
        return None
    return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()


async def matching(wanted: str, lines: Sequence[str]) -> list[str]:
    """Return the lines in which a pattern is found, searched in a thread.

    Raises `Inconclusive` where that takes too long.
    """
    return await asyncio.to_thread(_matching, wanted, lines)


def _matching(wanted: str, lines: Sequence[str]) -> list[str]:
    compiled, end = pattern(wanted), time.monotonic() + SEARCH_S
    try:
        return [
            line
            for line in lines
            if compiled.search(line[:MAX_LINE], concurrent=True, timeout=max(0.001, end - time.monotonic()))
        ]
    except TimeoutError:
        why = f"the pattern {wanted!r} took too long on this text; write it with fewer repeats"
        raise Inconclusive(why) from None
