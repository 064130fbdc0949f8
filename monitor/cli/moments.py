"""Times as people write them, and as they are shown on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from inventory import units
from monitor.cli.common import CONFIG_ERROR, fail


def past(text: str, option: str, now: float) -> float:
    """Return the time a person wrote, or so long ago; without an offset it is UTC."""
    moment = _iso(text)
    if moment is None:
        try:
            return now - units.parse(text, "s")
        except ValueError:
            fail(f'{option} {text}: write 2027-01-15, 2027-01-15T08:00:00+08:00, or "24h"', CONFIG_ERROR)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def ahead(text: str, option: str, now: float, zone: str = "") -> float:
    """Return the time a person wrote, or in so long; without an offset it is of the zone, if one is given."""
    if text == "now":
        return now
    moment = _iso(text)
    if moment is None:
        return now + duration(text, option)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(zone, option, text))
    return moment.timestamp()


def duration(text: str, option: str) -> float:
    """Return how long a person wrote, in seconds; more than none, and with its unit."""
    try:
        seconds = 0.0 if text.strip().isdecimal() else units.parse(text, "s")
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        fail(f'{option} {text}: write how long, "4h" or "30 min", or 2027-01-15T08:00:00+08:00', CONFIG_ERROR)
    return seconds


def shown(at: float | None, zone: str = "", empty: str = "") -> str:
    """Return a time for people, with its offset: in a zone, or in that of this machine."""
    if at is None:
        return empty
    where = ZoneInfo(zone) if zone else None
    return datetime.fromtimestamp(at, where).astimezone(where).strftime("%Y-%m-%d %H:%M %z")


def span(seconds: float) -> str:
    """Return how long something lasted, roughly."""
    return units.render(float(round(seconds)), "s")


def _zone(zone: str, option: str, text: str) -> ZoneInfo:
    if not zone:
        example = "2027-01-15T08:00:00+08:00"
        fail(f"{option} {text}: write the offset, as in {example}", CONFIG_ERROR)
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        fail(f"--zone {zone}: there is no such time zone; write one such as Asia/Shanghai", CONFIG_ERROR)


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
