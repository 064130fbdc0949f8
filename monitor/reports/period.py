"""What span a report covers: from the same local time a day, a week or a month before, until now. Pure.

Reports that are made at the same time of day leave no gap between them and tell nothing twice, also where the
clock was put forward or back.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["daily", "weekly", "monthly"]
KINDS: tuple[Kind, ...] = ("daily", "weekly", "monthly")


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, before `end`, in seconds since the epoch; `zone` is the clock it was counted by."""

    kind: Kind
    start: float
    end: float
    zone: str

    def plain(self) -> dict[str, str]:
        """Return it as the contract writes it: local times with their offset."""
        return {"from": local(self.start, self.zone), "to": local(self.end, self.zone), "timezone": self.zone}

    @property
    def days(self) -> tuple[str, str]:
        """Return the local dates it begins and ends on."""
        return local(self.start, self.zone)[:10], local(self.end, self.zone)[:10]


def period(kind: Kind, end: float, zone: str, due: float | None = None) -> Period:
    """Return the period that ends at a moment; one that was due earlier begins earlier, too."""
    there = ZoneInfo(zone)
    now = datetime.fromtimestamp(end if due is None else min(due, end), there)
    before = _before(kind, now.replace(tzinfo=None)).replace(tzinfo=there)
    return Period(kind, before.astimezone(UTC).timestamp(), end, zone)


def _before(kind: Kind, now: datetime) -> datetime:
    if kind != "monthly":
        return now - timedelta(days=1 if kind == "daily" else 7)
    year, month = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    return now.replace(year=year, month=month, day=min(now.day, calendar.monthrange(year, month)[1]))


def local(at: float, zone: str) -> str:
    """Return a moment as ISO 8601 in a zone, to the second, with its offset."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat(timespec="seconds")
