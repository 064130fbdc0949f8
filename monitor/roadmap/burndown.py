"""How many blockers and majors were open, day by day, and how many will be if every due date is kept. Pure.

A unit counts from the day it was first judged; a day on which nobody judged it keeps what was known, and
`judged` says how many of the units were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

MOST_DAYS = 180


@dataclass(frozen=True, slots=True)
class Tally:
    """What was open of one unit at the end of a day."""

    unit: str
    day: date
    failing: int
    unknown: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Point:
    """All units on one day."""

    day: date
    failing: int
    unknown: int
    units: int
    """How many were known."""
    units_open: int
    """How many of them had anything open, or no good verdict."""
    judged: int
    """How many were judged on the day itself."""

    @property
    def open(self) -> int:
        """Return blockers and majors that fail or are unknown."""
        return self.failing + self.unknown

    def plain(self) -> dict[str, Any]:
        """Return it as the contract writes it."""
        return {
            "day": self.day.isoformat(), "open": self.open, "failing": self.failing, "unknown": self.unknown,
            "units": self.units, "units_open": self.units_open, "judged": self.judged,
        }  # fmt: skip


def since(today: date) -> str:
    """Return the first day of which tallies are of use."""
    return (today - timedelta(days=MOST_DAYS - 1)).isoformat()


def burndown(tallies: Iterable[Tally], today: date, first: date | None = None) -> list[Point]:
    """Return a point a day from the first tally (or `first`) until today, at most 180."""
    by_day: dict[date, list[Tally]] = {}
    for tally in tallies:
        by_day.setdefault(tally.day, []).append(tally)
    days = [day for day in by_day if day <= today]
    if not days:
        return []
    state: dict[str, Tally] = {}
    points, day, start = [], min(days), max(first or min(days), today - timedelta(days=MOST_DAYS - 1))
    while day <= today:
        here = by_day.get(day, ())
        state.update({each.unit: each for each in here})
        if day >= start:
            points.append(_point(day, state, len(here)))
        day += timedelta(days=1)
    return points


def _point(day: date, state: Mapping[str, Tally], judged: int) -> Point:
    failing, unknown = (
        sum(getattr(each, name) for each in state.values()) for name in ("failing", "unknown")
    )
    units_open = sum(
        each.failing + each.unknown > 0 or each.verdict not in ("READY", "CONDITIONAL")
        for each in state.values()
    )
    return Point(day, failing, unknown, len(state), units_open, judged)


def planned(units: Iterable[Mapping[str, Any]], today: date) -> list[dict[str, Any]]:
    """Return how many of the rows open now are left at the start of each day, were all due dates kept.

    Rows without a date stay, and so do those whose date has passed.
    """
    rows = [row for unit in units for row in unit["open"]]
    due = [day for row in rows if row["due"] and (day := date.fromisoformat(row["due"])) >= today]
    days = [today, *sorted({day + timedelta(days=1) for day in due})] if rows else []
    return [{"day": day.isoformat(), "open": len(rows) - sum(each < day for each in due)} for day in days]
