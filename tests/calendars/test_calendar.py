"""Open time: weekly hours, holidays, make-up days, and the two days of the year that are no 24 hours."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.calendars.calendar import ALWAYS_OPEN, Calendar, CalendarFile

OFFICE = Calendar.of(
    CalendarFile.model_validate(
        {
            "version": 1,
            "id": "office",
            "open": {"mon-fri": ["08:30-12:00", "14:00-17:30"], "sat": ["09:00-12:00"]},
            "holidays": ["2027-01-01"],
            "workdays": {"2027-01-03": "mon"},
        }
    )
)
NIGHT = Calendar.of(
    CalendarFile.model_validate(
        {"version": 1, "id": "night", "open": {"mon-sun": ["00:00-06:00", "22:00-24:00"]}}
    )
)
SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"


def at(text: str, zone: str = SHANGHAI) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-12-30T00:00", "2026-12-31T00:00", 7),
        ("2026-12-30T09:00", "2026-12-30T15:00", 4),
        ("2026-12-31T17:30", "2027-01-02T09:00", 0),  # New Year's Day is closed
        ("2027-01-02T00:00", "2027-01-03T00:00", 3),
        ("2027-01-03T00:00", "2027-01-04T00:00", 7),  # a Sunday that is worked like a Monday
        ("2026-12-28T00:00", "2027-01-04T00:00", 4 * 7 + 3 + 7),
    ],
)
def test_open_hours(start: str, end: str, hours: float) -> None:
    assert OFFICE.open_between(at(start), at(end), SHANGHAI) == hours * 3600


def test_the_short_and_the_long_day() -> None:
    spring = at("2027-03-28T00:00", BERLIN), at("2027-03-29T00:00", BERLIN)
    autumn = at("2027-10-31T00:00", BERLIN), at("2027-11-01T00:00", BERLIN)
    assert NIGHT.open_between(*spring, BERLIN) == 7 * 3600
    assert NIGHT.open_between(*autumn, BERLIN) == 9 * 3600


def test_spans_that_meet_at_midnight_are_one() -> None:
    spans = NIGHT.spans(at("2026-12-28T20:00"), at("2026-12-29T20:00"), SHANGHAI)
    assert spans == [(at("2026-12-28T22:00"), at("2026-12-29T06:00"))]


def test_a_week() -> None:
    assert OFFICE.weekly == (5 * 7 + 3) * 3600
    assert ALWAYS_OPEN.weekly == 7 * 86400


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("open", {"mon": ["12:00-08:00"]}, 'write "08:30-12:00"'),
        ("open", {"mon": ["8-12"]}, 'write "08:30-12:00"'),
        ("open", {"mon": ["20:00-24:30"]}, 'write "08:30-12:00"'),
        ("open", {"monday": ["08:00-12:00"]}, '"monday" is no day'),
        ("open", {"mon-wed": [], "tue": []}, '"tue" is given twice'),
        ("timezone", "Asia/Guangzhou", "unknown time zone"),
        ("holidays", ["2027-02-30"], "date"),
    ],
)
def test_refuses(key: str, value: object, message: str) -> None:
    good: dict[str, object] = {"version": 1, "id": "x", "open": {"mon": ["08:00-12:00"]}}
    with pytest.raises(ValidationError) as caught:
        CalendarFile.model_validate({**good, key: value})
    assert message in str(caught.value)


instants = st.floats(1.79e9, 1.83e9)
calendars = st.sampled_from([ALWAYS_OPEN, OFFICE, NIGHT])
zones = st.sampled_from([SHANGHAI, BERLIN, "UTC", "America/St_Johns"])


@given(calendars, instants, st.floats(0, 30 * 86400), st.floats(0, 30 * 86400), zones)
def test_open_time_adds_up(calendar: Calendar, start: float, one: float, two: float, zone: str) -> None:
    mid, end = start + one, start + one + two
    parts = calendar.open_between(start, mid, zone) + calendar.open_between(mid, end, zone)
    assert parts == pytest.approx(calendar.open_between(start, end, zone), abs=1e-3)
    assert 0 <= parts <= end - start + 1e-3


@given(calendars, instants, st.floats(1, 72 * 3600), zones)
def test_back_is_the_inverse_of_open_between(
    calendar: Calendar, end: float, seconds: float, zone: str
) -> None:
    start = calendar.back(end, seconds, zone)
    assert calendar.open_between(start, end, zone) == pytest.approx(seconds, abs=1e-3)


@given(calendars, instants, st.lists(st.floats(0, 20 * 86400), min_size=1, max_size=10), zones)
def test_the_clock_agrees_with_open_between(
    calendar: Calendar, start: float, offsets: list[float], zone: str
) -> None:
    clock = calendar.clock(start, start + 20 * 86400, zone)
    found = clock(np.array([start + each for each in offsets]))
    wanted = [calendar.open_between(start, start + each, zone) for each in offsets]
    assert found == pytest.approx(wanted, abs=1e-2)


@given(instants, zones)
def test_minute_by_minute(start: float, zone: str) -> None:
    """The oracle asks the wall clock of each minute."""
    local = ZoneInfo(zone)
    start = start // 60 * 60
    wanted = 0
    for minute in range(36 * 60):
        then = datetime.fromtimestamp(start + 60 * minute, UTC).astimezone(local)
        wanted += then.hour < 6 or then.hour >= 22
    assert NIGHT.open_between(start, start + 36 * 3600, zone) == pytest.approx(wanted * 60, abs=1e-3)
