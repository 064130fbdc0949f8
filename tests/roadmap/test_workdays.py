"""Workdays, by China's calendar as it was announced, and against counting day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.calendars.calendar import ALWAYS_OPEN, Calendar
from monitor.paths import shipped
from monitor.readiness.checklists import load_calendars
from monitor.roadmap.workdays import FARTHEST, after, between

CHINA = load_calendars([shipped("config") / "calendars"])["china"]
DAYS = st.dates(date(2025, 1, 1), date(2029, 12, 31))
CALENDARS = st.sampled_from([CHINA, ALWAYS_OPEN, Calendar("none", None, ((),) * 7)])
ANNOUNCED = {
    "off": "01-01 01-02 01-03 02-15 02-16 02-17 02-18 02-19 02-20 02-21 02-22 02-23 04-04 04-05 04-06 05-01 "
    "05-02 05-03 05-04 05-05 06-19 06-20 06-21 09-25 09-26 09-27 10-01 10-02 10-03 10-04 10-05 10-06 10-07",
    "worked": "01-04 02-14 02-28 05-09 09-20 10-10",
}


@pytest.mark.parametrize("day", ANNOUNCED["off"].split())
def test_holidays_of_2026(day: str) -> None:
    assert not CHINA.works(date.fromisoformat(f"2026-{day}"))


@pytest.mark.parametrize("day", ANNOUNCED["worked"].split())
def test_worked_weekends_of_2026(day: str) -> None:
    found = date.fromisoformat(f"2026-{day}")
    assert found.weekday() >= 5
    assert CHINA.works(found)


def test_a_year_of_work_and_what_is_not_announced() -> None:
    assert sum(CHINA.works(date(2026, 1, 1) + timedelta(days=n)) for n in range(365)) == 248
    assert CHINA.known_until == date(2026, 12, 31)
    assert not CHINA.works(date(2027, 2, 8))


@given(CALENDARS, DAYS, DAYS)
def test_between_counts_days(calendar: Calendar, start: date, end: date) -> None:
    low, high = sorted((start, end))
    slow = sum(calendar.works(low + timedelta(days=n)) for n in range(1, (high - low).days + 1))
    assert between(calendar, start, end) == (slow if start <= end else -slow)


@given(st.sampled_from([CHINA, ALWAYS_OPEN]), DAYS, st.integers(-300, 300))
def test_after_and_between_agree(calendar: Calendar, start: date, count: int) -> None:
    end = after(calendar, start, count)
    if count > 0:
        assert calendar.works(end)
        assert between(calendar, start, end) == count
    elif count < 0:
        assert calendar.works(end)
        assert between(calendar, start, end) in (count, count + 1)
    else:
        assert end == start


def test_a_calendar_without_workdays_ends() -> None:
    none = Calendar("none", None, ((),) * 7)
    assert after(none, date(2026, 1, 1), 3) == date(2026, 1, 1) + timedelta(days=FARTHEST)
    at = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert none.ahead(at, 3600) == at + 400 * 86_400


@given(st.floats(0, 30 * 28_800), st.integers(0, 700 * 86_400))
def test_open_time_ahead(seconds: float, offset: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp() + offset
    end = CHINA.ahead(start, seconds)
    assert CHINA.open_between(start, end) == pytest.approx(seconds, abs=0.01)
    assert ALWAYS_OPEN.ahead(start, seconds) == start + seconds
