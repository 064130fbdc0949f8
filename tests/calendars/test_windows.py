"""When tests are allowed, by the clock on the wall."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.problems import ConfigError
from monitor import plan
from monitor.calendars.windows import DAYS, Window, any_holds, wait
from monitor.child.wire import Packer, card
from monitor.units import Units

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


PERIODS = st.sampled_from([60.0, 900.0, 3600.0, 86_400.0, 7 * 86_400.0])
SHANGHAI = ZoneInfo("Asia/Shanghai")


@given(
    MINUTES, st.lists(st.sampled_from(["07:00-21:00", "22:00-06:00", "sat 03:00-03:30"]), max_size=3), PERIODS
)
def test_a_run_waits_only_where_the_next_would_miss_the_window_too(
    minute: int, written: list[str], every: float
) -> None:
    windows = [Window.parse(each) for each in written]
    due = at(minute).replace(tzinfo=SHANGHAI)
    seconds = wait(windows, due, every)
    if seconds == 0:
        assert any_holds(windows, due)
        return
    assert not any_holds(windows, due)
    following = due + timedelta(seconds=every)
    if seconds is None:
        until = (due + timedelta(seconds=each) for each in range(0, int(every), 600))
        assert any_holds(windows, following) or not any(any_holds(windows, each) for each in until)
        return
    assert 0 < seconds < every
    assert not any_holds(windows, following)
    opens = due + timedelta(seconds=seconds)
    assert any_holds(windows, opens)
    assert not any_holds(windows, opens - timedelta(minutes=1))


def test_a_wait_over_a_change_of_the_clocks_is_in_real_time() -> None:
    evening = datetime(2026, 10, 24, 22, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert wait([Window.parse("07:00-08:00")], evening, 86_400.0) == 10 * 3600


INVENTORY = """version: 1
units:
  - {{id: u, name: U, level: hall, assets: [{{id: a, kind: channel, address: 127.0.0.1, checks: [
      {check}]}}]}}
"""


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("{probe: iperf3, windows: [night]}", 'checks[0].windows: "night" is no window; write "HH:MM-HH:MM"'),
        ('{probe: icmp, windows: ["22:00-06:00"]}', '"icmp" does not load a link'),
        ("{probe: iperf3, windows: [700]}", "windows[0]: must be a text"),
    ],
)
def test_windows_of_a_check_are_checked_at_load(tmp_path: Path, check: str, message: str) -> None:
    file = tmp_path / "i.yaml"
    file.write_text(INVENTORY.format(check=check))
    with pytest.raises(ConfigError) as raised:
        plan.read(file, [])
    assert message in str(raised.value)
    assert "i.yaml:4:" in str(raised.value)


def test_windows_of_a_check_reach_the_daemon(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    file.write_text(INVENTORY.format(check='{probe: iperf3, windows: ["22:00-06:00"]}'))
    inventory, _, made = plan.read(file, [])
    wire = Packer().wire(card(inventory, "u"), list(made.jobs.values()))
    units = Units()
    units.apply(wire)
    (job,) = units.jobs()
    assert job.windows == (Window.parse("22:00-06:00"),)
    assert job == made.jobs["u/a/iperf3"]
