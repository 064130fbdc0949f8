"""Who is on call: a list of people that take turns at a weekly or daily handover, with exceptions by date."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from inventory._fields import Timezone
from monitor.alerts.targets import Person
from monitor.calendars.windows import DAYS

_HANDOVER = re.compile(r"(?:([a-z]{3}) +)?([01]\d|2[0-3]):([0-5]\d)")
WRITE = 'write "mon 09:00" for a weekly handover, "09:00" for a daily one'


def parse_handover(text: str) -> tuple[int | None, time]:
    """Return the weekday (Monday 0; None: every day) and time of day. Raises ValueError."""
    found = _HANDOVER.fullmatch(text.strip().lower())
    if found is None or (found[1] and found[1] not in DAYS):
        raise ValueError(f'"{text[:40]}" is no handover; {WRITE}')
    return DAYS.index(found[1]) if found[1] else None, time(int(found[2]), int(found[3]))


def _handover(text: str) -> str:
    parse_handover(text)
    return text


class Rotation(BaseModel):
    """A `[notify.oncall.NAME]` table: the people take turns in the order in which they are named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: tuple[Person, ...] = Field(min_length=1)
    """Mail addresses or channels."""
    handover: Annotated[str, AfterValidator(_handover)] = "mon 09:00"
    zone: Timezone = "UTC"
    since: date = date(2024, 1, 1)
    """The first person has the turn that begins at the first handover on or after this day."""
    overrides: dict[date, Person] = Field(default_factory=dict)
    """Who stands in on single days, from midnight to midnight."""

    def at(self, now: float) -> str:
        """Return who is on call. The clock on the wall counts, so that handovers stay put over DST."""
        local = datetime.fromtimestamp(now, ZoneInfo(self.zone)).replace(tzinfo=None)
        if local.date() in self.overrides:
            return self.overrides[local.date()]
        day, clock = parse_handover(self.handover)
        ahead = 0 if day is None else (day - self.since.weekday()) % 7
        first = datetime.combine(self.since + timedelta(days=ahead), clock)
        turns = (local - first) // timedelta(days=1 if day is None else 7)
        return self.people[turns % len(self.people)]
