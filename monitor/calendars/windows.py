"""When tests are allowed: "07:00-21:00", "mon-fri 22:00-06:00", by the clock on the wall of the unit."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta

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
    def parse(cls, text: object) -> Window:
        """Return what is written. Raises ValueError, saying what to write."""
        text = str(text)
        found = _WINDOW.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f'"{text[:40]}" is no window; {WRITE}')
        first, last, *clock = found.groups()
        start, end = _minute(*clock[:2]), _minute(*clock[2:])
        if start in (end, DAY_MIN):
            raise ValueError(f'"{text[:40]}" holds no time; {WRITE}')
        return cls(_days(first, last), start, end)

    def opens(self, moment: datetime) -> datetime:
        """Return when it next begins, after a moment (local time, with its zone)."""
        clock = time(self.start // 60, self.start % 60, tzinfo=moment.tzinfo)
        starts = (datetime.combine(moment.date() + timedelta(days=ahead), clock) for ahead in range(9))
        return next(each for each in starts if each.weekday() in self.days and each > moment)

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


def any_holds(windows: Collection[Window], moment: datetime) -> bool:
    """Tell whether a moment lies in one of the windows; without any, it does."""
    return not windows or any(window.holds(moment) for window in windows)


def wait(windows: Collection[Window], moment: datetime, every: float) -> float | None:
    """Return how many seconds a run that is due now (local time, with its zone) waits for a window.

    It waits where one opens before the next run is due, `every` seconds from now, and that one would miss
    it too: else a nightly check whose phase lies in the day would never run. None: it is not to be run.
    """
    if any_holds(windows, moment):
        return 0.0
    now = moment.timestamp()
    opens = min(window.opens(moment).timestamp() for window in windows) - now
    then = datetime.fromtimestamp(now + every, moment.tzinfo)
    return None if opens >= every or any_holds(windows, then) else opens
