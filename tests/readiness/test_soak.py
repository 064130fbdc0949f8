"""Long enough: coverage, passing share, gaps, and what starts it again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.calendars.calendar import ALWAYS_OPEN, Calendar, CalendarFile
from monitor.readiness.soak import Mark, Soak, Soaked, evaluate

NOW = 1_795_000_000.0
DAY = 86400.0
GOOD, BAD, DOWN, NONE = Mark.GOOD, Mark.BAD, Mark.DOWN, Mark.NONE
OFFICE = Calendar.of(
    CalendarFile.model_validate({"version": 1, "id": "o", "open": {"mon-fri": ["08:00-18:00"]}})
)


def run(
    changes: dict[int, Mark] | None = None, *, n: int = 1440, soak: Soak | None = None, age: float = 30
) -> Soaked:
    """One reading a minute for `n` minutes, the newest `age` s old; `changes` by index from it."""
    times: NDArray[np.float64] = NOW - age - 60.0 * np.arange(n, dtype=np.float64)[::-1]
    marks: NDArray[np.uint8] = np.full(n, GOOD, dtype=np.uint8)
    for index, mark in (changes or {}).items():
        marks[n - 1 - index] = mark
    return evaluate(soak or Soak(DAY), times, marks, now=NOW, every=60, timeout=10)


def test_a_full_good_window_holds() -> None:
    found = run()
    assert found.holds
    assert found.covered == pytest.approx(DAY, abs=90)
    assert found.left == 0


def test_nothing_measured_does_not_hold() -> None:
    assert not run(n=0).holds
    assert not run(dict.fromkeys(range(1440), NONE)).holds


def test_half_a_window_says_what_is_left() -> None:
    found = run(n=720)
    assert not found.holds
    assert found.left == pytest.approx(0.9 * DAY - DAY / 2, abs=120)
    assert "9.6 h left" in found.text(Soak(DAY))


@pytest.mark.parametrize("mark", [BAD, DOWN])
def test_a_single_bad_reading_does_not_start_it_again(mark: Mark) -> None:
    assert run({700: mark}).holds


@pytest.mark.parametrize(("mark", "length"), [(DOWN, 2), (BAD, 3)])
def test_a_hard_state_starts_it_again(mark: Mark, length: int) -> None:
    found = run({700 + i: mark for i in range(length)})
    assert not found.holds
    assert found.covered == pytest.approx(700 * 60, abs=120)
    assert run({700 + i: mark for i in range(length - 1)}).holds


def test_a_missing_reading_does_not_break_a_run() -> None:
    assert not run({700: DOWN, 701: NONE, 702: DOWN}).holds
    assert run({700: DOWN, 701: GOOD, 702: DOWN}).holds


def test_a_hard_state_that_lasts_leaves_nothing() -> None:
    found = run({0: DOWN, 1: DOWN})
    assert (found.holds, found.covered, found.since) == (False, 0.0, NOW)


def test_a_gap_over_the_limit_starts_it_again() -> None:
    assert run({700 + i: NONE for i in range(28)}).holds
    found = run({700 + i: NONE for i in range(31)})
    assert not found.holds
    assert found.covered == pytest.approx(700 * 60, abs=120)


def test_a_gap_that_lasts_leaves_nothing() -> None:
    assert run(age=1900).covered == 0


def test_many_small_gaps_lack_coverage() -> None:
    found = run(dict.fromkeys(range(0, 1440, 5), NONE))
    assert not found.holds
    assert found.covered == pytest.approx(0.8 * DAY, rel=0.01)


def test_too_many_single_failures_lack_passing() -> None:
    changes = dict.fromkeys(range(0, 1440, 100), BAD)
    assert not run(changes).holds
    assert run(changes, soak=Soak(DAY, min_pass=None)).holds
    assert run(changes, soak=Soak(DAY, min_pass=0.98)).holds


def test_what_a_calendar_closes_is_neither_gap_nor_window() -> None:
    monday_noon = 1_795_406_400.0  # 2026-11-23 04:00 UTC, noon in Shanghai
    times = np.arange(monday_noon - 5 * DAY, monday_noon, 60.0)
    open_hours = OFFICE.clock(times[0], monday_noon, "Asia/Shanghai")(times)
    times = times[np.append(np.diff(open_hours) > 0, False)]
    marks = np.full(len(times), GOOD, dtype=np.uint8)
    soak = Soak(8 * 3600, OFFICE)
    found = evaluate(soak, times, marks, now=monday_noon, every=60, timeout=10, zone="Asia/Shanghai")
    assert found.holds
    assert found.since == pytest.approx(monday_noon - 3 * DAY + 2 * 3600)  # Friday 14:00
    assert not evaluate(Soak(8 * 3600), times, marks, now=monday_noon, every=60, timeout=10).holds


def test_the_least_gap() -> None:
    assert Soak(DAY).gap(60, 10) == 1800
    assert Soak(DAY).gap(3600, 10) == 7210
    assert Soak(DAY, ALWAYS_OPEN, max_gap=60).gap(3600, 10) == 60
