"""When a report that is mailed was last due. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

from monitor.reports.period import Kind
from monitor.reports.settings import ReportSettings, Weekday

THREAD = "report"
WEEK: tuple[Weekday, ...] = get_args(Weekday)


def last_due(kind: Kind, rules: ReportSettings, now: float) -> float:
    """Return the latest moment until now at which a report of that kind was due."""
    zone = ZoneInfo(rules.zone)
    local = datetime.fromtimestamp(now, zone)
    hour, minute = (int(part) for part in rules.at.split(":"))
    day = local.date()
    while True:
        at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
        if at.timestamp() <= now and _fits(kind, rules, at):
            return at.timestamp()
        day -= timedelta(days=1)


def _fits(kind: Kind, rules: ReportSettings, at: datetime) -> bool:
    if kind == "weekly":
        return WEEK.index(rules.weekday) == at.weekday()
    return kind == "daily" or at.day == rules.day


def thread(name: str, kind: Kind) -> str:
    """Return the thread of a list's reports."""
    return f"{THREAD}:{name}:{kind}"


def due_of(key: str | None) -> float | None:
    """Return the moment that a message's key names, None for other keys."""
    parts = (key or "").split(":", 4)
    return float(parts[3]) if len(parts) == 5 and parts[0] == THREAD and parts[3].isdigit() else None
