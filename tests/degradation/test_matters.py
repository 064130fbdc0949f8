from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.degradation import Explanation, Rule, matters

ALARM = Explanation(
    alarm=True, rule=Rule.JUMP, since=1.0, value=125.0, baseline=100.0, threshold=6.0, score=6.0, limit=6.0,
    recent=(120.0, 122.0, 121.0, 124.0, 125.0),
)  # fmt: skip


def latest(*values: float) -> Explanation:
    return replace(ALARM, recent=values)


def test_ten_per_cent_and_ten_milliseconds() -> None:
    assert matters(ALARM)
    assert matters(latest(110.0, 110.0, 110.0, 110.0, 110.0))
    assert not matters(latest(109.0, 109.0, 109.0, 109.0, 109.0))
    assert not matters(replace(latest(15.0, 15.0, 15.0, 15.0, 15.0), baseline=6.0)), "9 ms is little"
    assert not matters(replace(latest(215.0, 215.0, 215.0, 215.0, 215.0), baseline=200.0)), "7.5 % is little"


def test_the_median_of_the_latest_five_counts() -> None:
    assert matters(latest(130.0, 100.0, 130.0, 100.0, 130.0))
    assert not matters(latest(130.0, 100.0, 100.0, 100.0, 130.0))
    assert not matters(latest(130.0, 130.0, 130.0, 130.0)), "four are too few"


def test_a_requirement_decides_where_there_is_one() -> None:
    assert not matters(ALARM, 150.0)
    assert matters(ALARM, 120.0)
    assert matters(latest(103.0, 103.0, 103.0, 103.0, 103.0), 102.0)


def test_without_an_alarm_nothing_matters() -> None:
    assert not matters(replace(ALARM, alarm=False), 1.0)


@pytest.mark.parametrize(("requirement", "matter"), [(130.0, True), (110.0, False)])
def test_rates_are_bad_below(requirement: float, matter: bool) -> None:
    rate = replace(ALARM, rule=Rule.RATE, higher_is_better=True)
    assert matters(rate, requirement) is matter
    assert rate.excess == -25.0


def test_nothing_known_matters_nothing() -> None:
    assert not matters(replace(ALARM, baseline=None))
    assert replace(ALARM, value=None).excess is None
