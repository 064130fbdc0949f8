"""When tests are allowed, by the clock on the wall."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.discipline.windows import DAYS, Window, any_holds

MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001 - the wall has no zone
MINUTES = st.integers(0, 7 * 1440 - 1)


def at(minute: int) -> datetime:
    return MONDAY + timedelta(minutes=minute)


def text(start: int, end: int) -> str:
    return f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}"


@given(MINUTES, st.integers(0, 1439), st.integers(0, 1440), st.sets(st.sampled_from(range(7)), min_size=1))
def test_a_window_holds_the_minutes_from_its_start_for_its_length(
    minute: int, start: int, end: int, days: set[int]
) -> None:
    if start == end:
        return
    length = (end - start) % 1440 or 1440
    windows = [Window.parse(f"{DAYS[day]} {text(start, end)}") for day in days]
    begins = [day * 1440 + start for day in days]
    inside = any((minute - begin) % (7 * 1440) < length for begin in begins)
    assert any_holds(windows, at(minute)) == inside


@given(MINUTES)
def test_without_windows_it_is_always_allowed(minute: int) -> None:
    assert any_holds((), at(minute))


def test_days_go_over_the_end_of_the_week() -> None:
    window = Window.parse("fri-mon 22:00-06:00")
    held = [day for day in range(7) if window.holds(at(day * 1440 + 23 * 60))]
    assert held == [0, 4, 5, 6]
    assert window.holds(at(1440 + 5 * 60)), "Monday's window ends on Tuesday"
    assert not window.holds(at(4 * 1440 + 5 * 60)), "Friday morning belongs to Thursday"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("7-21", '"7-21" is no window; write "HH:MM-HH:MM"'),
        ("07:00-07:00", "holds no time"),
        ("24:00-07:00", "holds no time"),
        ("07:60-08:00", '"07:60" is no time of day'),
        ("07:00-24:01", '"24:01" is no time of day'),
        ("mon-fry 07:00-08:00", '"fry" is no day; write mon, tue, wed'),
        ("", "is no window"),
        ("x" * 1000, "is no window"),
    ],
)
def test_what_is_no_window_is_told(written: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        Window.parse(written)
    assert len(str(raised.value)) < 200
