"""When tests are allowed: "07:00-21:00", "mon-fri 22:00-06:00", by the clock on the wall of the unit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
_WINDOW = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? +)?(\d\d):(\d\d)-(\d\d):(\d\d)")
WRITE = 'write "HH:MM-HH:MM", with days where they matter: "mon-fri 07:00-21:00"'


@dataclass(frozen=True, slots=True)
class Window:
    """From minute `start` of a day until minute `end` (not included), which may be on the next day.

    `days` are the days it begins on, Monday 0.
    """

    days: frozenset[int]
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """Return what is written. Raises ValueError, saying what to write."""
        found = _WINDOW.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f'"{text[:40]}" is no window; {WRITE}')
        first, last, *clock = found.groups()
        start, end = _minute(*clock[:2]), _minute(*clock[2:])
        if start in (end, DAY_MIN):
            raise ValueError(f'"{text[:40]}" holds no time; {WRITE}')
        return cls(_days(first, last), start, end)

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment (local time) lies in it."""
        minute, day = moment.hour * 60 + moment.minute, moment.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or (
            (day - 1) % 7 in self.days and minute < self.end
        )


def _minute(hours: str, minutes: str) -> int:
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > DAY_MIN:
        raise ValueError(f'"{hours}:{minutes}" is no time of day; write 00:00 to 24:00')
    return minute


def _days(first: str | None, last: str | None) -> frozenset[int]:
    for name in (first, last):
        if name is not None and name not in DAYS:
            raise ValueError(f'"{name}" is no day; write {", ".join(DAYS)}')
    if first is None:
        return frozenset(range(7))
    start = DAYS.index(first)
    count = (DAYS.index(last) - start) % 7 if last else 0
    return frozenset((start + each) % 7 for each in range(count + 1))


def any_holds(windows: Iterable[Window], moment: datetime) -> bool:
    """Tell whether a moment lies in one of the windows; without any, it does."""
    several = tuple(windows)
    return not several or any(window.holds(moment) for window in several)
