"""When log lines were written: the forms of time at their head that are understood. Pure.

Forms: RFC 5424 and ISO 8601, `2026-11-24 15:47:50`, nginx's error log, syslog of RFC 3164 (without a year),
the common log format of web servers, seconds since the epoch (journalctl -o short-unix).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_ISO = re.compile(
    r"[\[(<]?(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d{1,9})? ?(Z|[+-]\d\d:?\d\d)?"
)
_SYSLOG = re.compile(r"(?:<\d{1,3}>)?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)\b")
_COMMON = re.compile(r"[^\[]{0,300}\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]")
_EPOCH = re.compile(r"(\d{10})\.\d{1,9} ")
MONTHS = {name: number for number, name in enumerate(
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clock:
    """The host's clock: seconds since the epoch, and its zone (`+0800`), in which lines without one are."""

    now: float
    zone: str = "+0000"


@dataclass(frozen=True, slots=True)
class Line:
    """A line and when it was written, in seconds since the epoch; None before the first that says so."""

    text: str
    at: float | None


def stamped(lines: Iterable[str], clock: Clock) -> list[Line]:
    """Return lines with their times; one that has none was written with the line before it."""
    found: list[Line] = []
    at: float | None = None
    for text in lines:
        own = written(text, clock)
        at = at if own is None else own
        found.append(Line(text, at))
    return found


def written(line: str, clock: Clock) -> float | None:
    """Return when a line says that it was written, or None."""
    try:
        if match := _ISO.match(line):
            year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
            return _seconds(year, month, day, hour, minute, second, match[7] or clock.zone)
        if match := _SYSLOG.match(line):
            return _yearless(match, clock)
        if match := _EPOCH.match(line):
            return float(match[0])
        if match := _COMMON.match(line):
            day, year, hour, minute, second = (int(match[n]) for n in (1, 3, 4, 5, 6))
            return _seconds(year, MONTHS[match[2]], day, hour, minute, second, match[7])
    except (ValueError, KeyError, OverflowError):
        return None
    return None


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int, zone: str) -> float:
    made = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=_zone(zone))
    return made.timestamp() + max(0, second - 59)


def _yearless(match: re.Match[str], clock: Clock) -> float:
    """Return the time in the year that makes it neither far in the future nor more than a year ago."""
    day, hour, minute, second = (int(match[n]) for n in (2, 3, 4, 5))
    month, year = MONTHS[match[1]], datetime.fromtimestamp(clock.now, _zone(clock.zone)).year
    for candidate in (year + 1, year, year - 1):
        try:
            at = _seconds(candidate, month, day, hour, minute, second, clock.zone)
        except ValueError:
            continue
        if at <= clock.now + 86_400:
            return at
    raise ValueError(match[0])


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return timezone(-offset if text.startswith("-") else offset)
