"""Days on which people work, by a calendar. Pure."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, timedelta
from functools import lru_cache

from monitor.calendars.calendar import Calendar

FARTHEST = 4000
"""Days ahead or back in which a workday is looked for."""


@lru_cache(maxsize=64)
def _year(calendar: Calendar, year: int) -> tuple[date, ...]:
    first, days = date(year, 1, 1), (date(year + 1, 1, 1) - date(year, 1, 1)).days
    return tuple(day for n in range(days) if calendar.works(day := first + timedelta(days=n)))


def between(calendar: Calendar, start: date, end: date) -> int:
    """Return how many workdays lie after `start` up to and with `end`; negative where `end` is earlier."""
    if end < start:
        return -between(calendar, end, start)
    if start.year == end.year:
        days = _year(calendar, start.year)
        return bisect_right(days, end) - bisect_right(days, start)
    whole = sum(len(_year(calendar, year)) for year in range(start.year, end.year))
    first, last = _year(calendar, start.year), _year(calendar, end.year)
    return whole - bisect_right(first, start) + bisect_right(last, end)


def after(calendar: Calendar, start: date, count: int) -> date:
    """Return the day that is so many workdays after `start`, or before it; `start` itself for 0.

    A calendar without workdays gives the day that is `FARTHEST` days away.
    """
    step, left, day = (1 if count > 0 else -1), abs(count), start
    for _ in range(FARTHEST):
        if not left:
            break
        day += timedelta(days=step)
        left -= calendar.works(day)
    return day
