"""A file that is to come by a time of day: which one is due, what is in it, what its control file says."""

from __future__ import annotations

import datetime as dt
import fnmatch
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import regex
from pydantic import AfterValidator, Field, model_validator

from probes._patterns import Pattern, pattern
from probes.api import Params
from probes.errors import ExpectationFailed, Inconclusive, ProberFault
from probes.interface._store import Entry

LAST_LINE = 4096
"""Bytes of the last line that are kept."""
CONTROL_BYTES = 65_536
"""Longest control file."""
SEARCH_S = 0.02
Algorithm = Literal["md5", "sha1", "sha256", "sha512", "sm3"]


def _name(text: str) -> str:
    when = dt.datetime(2027, 1, 15, tzinfo=dt.UTC)
    directory, _, name = when.strftime(text).rpartition("/")
    if not name or any(c in directory for c in "*?["):
        raise ValueError("write DIRECTORY/NAME, where the name may hold %Y %m %d, * and ?")
    return text


def _group(text: str) -> str:
    if pattern(text).groups != 1:
        raise ValueError("the pattern needs one group, which holds the value: count=(\\d+)")
    return text


PathPattern = Annotated[
    str, Field(min_length=1, max_length=500, pattern=r"^[^\r\n\x00-]"), AfterValidator(_name)
]
Grouped = Annotated[Pattern, AfterValidator(_group)]


class Control(Params):
    """Where the sender says how many records there are, and their digest."""

    file: PathPattern | None = None
    """The control file, named as the file itself is; without one, the file's own last line says it."""
    count: Grouped | None = None
    """Pattern with one group: the number of records."""
    digest: Grouped | None = None
    """Pattern with one group: the file's digest, in hexadecimal digits."""
    algorithm: Algorithm = "sha256"
    """Of the digest."""

    @model_validator(mode="after")
    def _says_something(self) -> Control:
        if self.count is None and self.digest is None:
            raise ValueError("control needs count or digest")
        if self.file is None and self.digest is not None:
            raise ValueError("a file can't hold its own digest; name a control file")
        return self


def due(now: dt.datetime, by: dt.time, zone: str) -> dt.datetime:
    """Return the last moment, not after `now`, at which a file was to be there by."""
    local = now.astimezone(ZoneInfo(zone))
    today = dt.datetime.combine(local.date(), by, ZoneInfo(zone))
    if today <= now:
        return today
    return dt.datetime.combine(local.date() - dt.timedelta(days=1), by, ZoneInfo(zone))


def named(path: str, moment: dt.datetime, days: int) -> tuple[str, str]:
    """Return directory and name (perhaps a pattern) of the file of the day `days` from that of `moment`."""
    directory, _, name = (moment + dt.timedelta(days=days)).strftime(path).rpartition("/")
    return directory or ("/" if path.startswith("/") else ""), name


def is_pattern(name: str) -> bool:
    """Whether a name stands for several."""
    return any(c in name for c in "*?[")


def matching(name: str, entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that a pattern names, the newest last."""
    right = re.compile(fnmatch.translate(name))
    found = [entry for entry in entries if right.match(entry.name)]
    return sorted(found, key=lambda entry: (entry.modified or 0.0, entry.name))


@dataclass(slots=True)
class Content:
    """Counts and digests a file as it comes. Lines that are blank are no records."""

    algorithm: str = "sha256"
    size: int = 0
    lines: int = 0
    last: bytes = b""
    _open: bytes = b""
    _blank: bool = True
    _sha256: Any = field(default_factory=hashlib.sha256)
    _other: Any = None

    def __post_init__(self) -> None:
        if self.algorithm != "sha256":
            try:
                self._other = hashlib.new(self.algorithm, usedforsecurity=False)
            except ValueError:
                raise ProberFault(f"this machine's OpenSSL has no {self.algorithm}") from None

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        self.size += len(data)
        self._sha256.update(data)
        if self._other is not None:
            self._other.update(data)
        first, *more = data.split(b"\n")
        self._take(first)
        for line in more:
            self._end()
            self._take(line)

    def _take(self, piece: bytes) -> None:
        if piece:
            self._blank = self._blank and not piece.strip()
            self._open = (self._open + piece)[:LAST_LINE]

    def _end(self) -> None:
        if not self._blank:
            self.lines, self.last = self.lines + 1, self._open
        self._open, self._blank = b"", True

    def finish(self) -> None:
        """Take the end: a last line without a line break is a line, too."""
        self._end()

    @property
    def sha256(self) -> str:
        """SHA-256 in hexadecimal digits."""
        return str(self._sha256.hexdigest())

    @property
    def digest(self) -> str:
        """The digest that the control file speaks of."""
        return self.sha256 if self._other is None else str(self._other.hexdigest())


def said(wanted: str | None, text: str, where: str) -> str | None:
    """Return the group of a pattern in `text`. Raises `ExpectationFailed` where it is not there."""
    if wanted is None:
        return None
    try:
        found: regex.Match[str] | None = pattern(wanted).search(text, concurrent=True, timeout=SEARCH_S)
    except TimeoutError:
        raise Inconclusive(f"the pattern {wanted!r} took too long; write it with fewer repeats") from None
    if found is None or found[1] is None:
        raise ExpectationFailed(f"{where} says nothing that matches {wanted!r}")
    return str(found[1]).strip()


def count_of(text: str | None, where: str) -> int | None:
    """Return a number of records. Raises `ExpectationFailed` for what is none."""
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise ExpectationFailed(f"{where}: {text[:40]!r} is no number of records")
    return int(text)


def agree(records: int, wanted: int | None, got: str, digest: str | None, name: str) -> None:
    """Raise `ExpectationFailed` where a file is not what its control file says: rows first, then digest."""
    if wanted is not None and wanted != records:
        by, way = abs(wanted - records), "short" if records < wanted else "over"
        rows = "row" if by == 1 else "rows"
        raise ExpectationFailed(f"{name} is {way} by {by} {rows}: {records} records, {wanted} announced")
    if digest is not None and digest.lower() != got:
        raise ExpectationFailed(f"{name}: its digest is {got}, {digest[:128].lower()} announced")
