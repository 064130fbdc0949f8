"""When a unit is open: weekly hours, holidays and make-up workdays, in local time and safe over DST.

    version: 1
    id: counter-hours
    timezone: Asia/Shanghai             # left out: the unit's own
    open: {mon-fri: ["08:30-12:00", "14:00-17:30"], sat: ["09:00-12:00"]}
    holidays: ["2027-01-01"]
    workdays: {"2027-02-14": mon}       # open like a Monday

`24x7` is built in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from inventory._fields import Slug, Timezone, Version
from monitor.calendars.windows import DAYS

ALWAYS = "24x7"
DAY_S = 86400.0
WEEK_S = 7 * DAY_S
MAX_SPAN_S = 400 * DAY_S
Clock = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Seconds since the epoch to open seconds since some start."""

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


def _hours(text: str) -> str:
    found = _HOURS.fullmatch(text)
    if found is None or _minutes(text)[0] >= _minutes(text)[1] or _minutes(text)[1] > 1440:
        raise ValueError(f'"{text}" is no span of hours; write "08:30-12:00" (until midnight: "22:00-24:00")')
    return text


def _minutes(text: str) -> tuple[int, int]:
    start, end = text.split("-")
    return int(start[:2]) * 60 + int(start[3:]), int(end[:2]) * 60 + int(end[3:])


def _weekdays(value: object) -> object:
    """Spread `mon-fri` over its days; refuse days that are given twice."""
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, hours in value.items():
        first, _, last = str(key).partition("-")
        last = last or first
        if first not in DAYS or last not in DAYS or DAYS.index(first) > DAYS.index(last):
            raise ValueError(f'"{key}" is no day; write mon, tue, wed, thu, fri, sat, sun, or mon-fri')
        for day in DAYS[DAYS.index(first) : DAYS.index(last) + 1]:
            if day in found:
                raise ValueError(f'"{day}" is given twice; write each day once')
            found[day] = hours
    return found


_DAY = f"(?:{'|'.join(DAYS)})"
_OPEN_SCHEMA = {
    "type": "object",
    "description": "Days, or spans such as mon-fri, with their hours",
    "additionalProperties": False,
    "patternProperties": {
        f"^{_DAY}(?:-{_DAY})?$": {
            "type": "array",
            "items": {"type": "string", "pattern": f"^{_HOURS.pattern}$"},
        }
    },
}
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Hours = Annotated[str, AfterValidator(_hours)]


class CalendarFile(BaseModel):
    """One calendar as written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    id: Slug
    timezone: Timezone | None = None
    open: Annotated[
        dict[Day, tuple[Hours, ...]],
        BeforeValidator(_weekdays),
        WithJsonSchema(_OPEN_SCHEMA, mode="validation"),
    ]
    holidays: tuple[date, ...] = ()
    workdays: dict[date, Day] = {}
    known_until: date | None = None
    """The last day whose holidays have been announced; None: all are known."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Open hours; `week` has the (start, end) minutes of each day, Monday first."""

    id: str = ALWAYS
    timezone: str | None = None
    week: tuple[tuple[tuple[int, int], ...], ...] = (((0, 1440),),) * 7
    holidays: frozenset[date] = frozenset()
    workdays: Mapping[date, int] = field(default_factory=dict, hash=False)
    known_until: date | None = None

    @classmethod
    def of(cls, written: CalendarFile) -> Self:
        """Return the calendar a file states."""
        week = tuple(tuple(sorted(_minutes(each) for each in written.open.get(day, ()))) for day in DAYS)  # type: ignore[call-overload]
        workdays = {day: DAYS.index(like) for day, like in written.workdays.items()}
        days = frozenset(written.holidays)
        return cls(written.id, written.timezone, week, days, workdays, written.known_until)

    @property
    def always(self) -> bool:
        """Whether it never closes."""
        return self.id == ALWAYS

    @property
    def weekly(self) -> float:
        """Open seconds of a usual week."""
        return 60.0 * sum(end - start for day in self.week for start, end in day)

    def spans(self, start: float, end: float, zone: str = "UTC") -> list[tuple[float, float]]:
        """Return the open spans within [start, end), UTC seconds, in order and not touching.

        Hours that a change to summer time skips do not exist; those that it repeats count twice.
        """
        if self.always:
            return [(start, end)] if end > start else []
        local = ZoneInfo(self.timezone or zone)
        start = max(start, end - MAX_SPAN_S)
        day = datetime.fromtimestamp(start, local).date() - timedelta(days=1)
        last = datetime.fromtimestamp(end, local).date()
        found: list[tuple[float, float]] = []
        while day <= last:
            for opens, closes in self._hours(day):
                _add(found, max(_instant(day, opens, local), start), min(_instant(day, closes, local), end))
            day += timedelta(days=1)
        return found

    def _hours(self, day: date) -> tuple[tuple[int, int], ...]:
        if (like := self.workdays.get(day)) is not None:
            return self.week[like]
        return () if day in self.holidays else self.week[day.weekday()]

    def works(self, day: date) -> bool:
        """Tell whether it is open on a day at all."""
        return self.always or bool(self._hours(day))

    def ahead(self, start: float, seconds: float, zone: str = "UTC") -> float:
        """Return the earliest instant until which `seconds` of open time pass from `start`.

        Looks at most 400 days ahead, and returns that instant where there is not so much open time.
        """
        if self.always:
            return start + seconds
        left, at = seconds, start
        while at < start + MAX_SPAN_S:
            until = min(at + 2 * WEEK_S, start + MAX_SPAN_S)
            for opens, closes in self.spans(at, until, zone):
                if closes - opens >= left:
                    return opens + left
                left -= closes - opens
            at = until
        return at

    def open_between(self, start: float, end: float, zone: str = "UTC") -> float:
        """Return the open seconds between two instants."""
        return sum((b - a for a, b in self.spans(start, end, zone)), 0.0)

    def back(self, end: float, seconds: float, zone: str = "UTC") -> float:
        """Return the latest instant from which `seconds` of open time pass until `end`.

        Looks back at most 400 days, and returns that instant where there is not so much open time.
        """
        if self.always:
            return end - seconds
        left = seconds
        for opens, closes in reversed(self.spans(end - MAX_SPAN_S, end, zone)):
            if closes - opens >= left:
                return closes - left
            left -= closes - opens
        return end - MAX_SPAN_S

    def clock(self, start: float, end: float, zone: str = "UTC") -> Clock:
        """Return the function from an instant to the open seconds since `start` (flat outside)."""
        spans = self.spans(start, end, zone)
        at = np.array([start, *(edge for span in spans for edge in span), end])
        steps = [0.0, *(length for a, b in spans for length in (0.0, b - a)), 0.0]
        opened = np.cumsum(steps)
        return lambda instants: np.interp(instants, at, opened)


ALWAYS_OPEN = Calendar()
BUILT_IN: Mapping[str, Calendar] = {ALWAYS: ALWAYS_OPEN}


def _instant(day: date, minutes: int, local: ZoneInfo) -> float:
    midnight = datetime(day.year, day.month, day.day, tzinfo=local) + timedelta(minutes=minutes)
    return midnight.astimezone(UTC).timestamp()


def _add(spans: list[tuple[float, float]], start: float, end: float) -> None:
    if end <= start:
        return
    if spans and start <= spans[-1][1]:
        spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
    else:
        spans.append((start, end))
