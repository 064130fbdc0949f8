"""How things are shown: signs, times in a unit's zone, days left, quantities. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from inventory import units
from monitor.job import Job

SIGNS: Mapping[str, str] = {
    "READY": "✔", "CONDITIONAL": "◐", "NOT_READY": "✖", "UNKNOWN": "?", "SHADOWED": "⋯",
    "OK": "✔", "DEGRADED": "◐", "DOWN": "✖",
    "pass": "✔", "waived": "◐", "fail": "✖", "unknown": "?", "not_applicable": "–",
}  # fmt: skip
"""The sign of each verdict, state and status: never colour alone."""

TOKENS: Mapping[str, str] = {
    "READY": "ready", "CONDITIONAL": "conditional", "NOT_READY": "not-ready", "UNKNOWN": "unknown",
    "SHADOWED": "shadowed", "OK": "ready", "DEGRADED": "conditional", "DOWN": "not-ready",
    "pass": "ready", "waived": "conditional", "fail": "not-ready", "unknown": "unknown",
    "not_applicable": "none", "": "none",
}  # fmt: skip
"""The style class of each verdict, state and status."""


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """Return the time zone, or UTC where the machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as it is shown: `text` for people, `iso` for programs."""

    text: str
    iso: str


def moment(at: float | None, zone_name: str, now: float) -> Moment | None:
    """Return a time in the zone with its offset; the date is left out on the day itself."""
    if at is None:
        return None
    there, today = (datetime.fromtimestamp(each, zone(zone_name)) for each in (at, now))
    clock = there.strftime("%H:%M:%S")
    day = "" if there.date() == today.date() else f"{there.date().isoformat()} "
    offset = there.strftime("%z")
    return Moment(f"{day}{clock} {offset[:3]}:{offset[3:]}", there.isoformat(timespec="seconds"))


@dataclass(frozen=True, slots=True)
class Due:
    """A due date and how many days are left (negative: past)."""

    date: str
    days: int


def due(day: str | None, zone_name: str, now: float) -> Due | None:
    """Return a due date (ISO) with the days left in the unit's zone, or None without one."""
    if not day:
        return None
    today = datetime.fromtimestamp(now, zone(zone_name)).date()
    return Due(day, (date.fromisoformat(day) - today).days)


_COMPARED = re.compile(
    r"\b([a-z]\w*)((?: (?:p\d+|mean|min|max))?) (<=|>=|<|>|=|!=) (-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.])",
    re.ASCII,
)
_WORD = re.compile(r" ([^\s;,)]+)")


def readable(text: str, job: Job | None) -> str:
    """Return an expectation or a finding with units: `rtt_ms <= 50` becomes `rtt_ms <= 50 ms`."""

    def with_unit(found: re.Match[str]) -> str:
        metric = job.spec.metric(found[1]) if job else None
        if metric is None or _has_unit(text[found.end() :], metric.unit):
            return found[0]
        return f"{found[1]}{found[2]} {found[3]} {quantity(float(found[4]), metric.unit)}"

    return _COMPARED.sub(with_unit, text)


def _has_unit(rest: str, unit: str) -> bool:
    word = _WORD.match(rest)
    kind = units.dimension(unit)
    return word is not None and (word[1] == unit or (kind is not None and units.dimension(word[1]) == kind))


def quantity(value: float | None, unit: str) -> str:
    """Return a number with its unit, for people."""
    if value is None or not math.isfinite(value):
        return "–"
    return units.render(value, unit)
