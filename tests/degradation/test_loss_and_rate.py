from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.degradation import LossDetector, RateDetector, Rule, Sensitivity, matters
from tests.degradation.series import START, Feeder, onsets


def lossy(feeder: Feeder, share: float, count: int, packets: int = 10) -> list[bool]:
    return [
        feeder.one(sum(feeder.rng.random() < share for _ in range(packets)) / packets) for _ in range(count)
    ]


def test_five_per_cent_loss_is_noticed_within_a_quarter_of_an_hour() -> None:
    late = []
    for seed in range(20):
        feeder = Feeder(LossDetector(10))
        feeder.rng = random.Random(seed)
        assert not any(lossy(feeder, 0.001, 600))
        late.append([*lossy(feeder, 0.10, 60), True].index(True))
    assert sorted(late)[10] <= 15


def test_a_clean_path_makes_no_false_alarm_in_a_month() -> None:
    feeder = Feeder(LossDetector(5))
    assert not any(lossy(feeder, 0.002, 20_000, 5))


def test_a_path_that_always_loses_some_is_used_to_it() -> None:
    feeder = Feeder(LossDetector(20))
    assert not any(lossy(feeder, 0.02, 4000, 20))
    assert any(lossy(feeder, 0.25, 30, 20))


def test_a_single_reading_makes_no_alarm() -> None:
    feeder = Feeder(LossDetector(1000), 240.0)
    lossy(feeder, 0.0, 100)
    assert feeder.one(1.0) is False
    assert feeder.one(1.0) is True


def test_ten_seconds_apart_it_takes_as_long_as_a_minute_apart() -> None:
    slow, fast = Feeder(LossDetector(100), 60.0), Feeder(LossDetector(100), 10.0)
    for feeder, healthy in ((slow, 100), (fast, 600)):
        lossy(feeder, 0.0, healthy, 100)
    assert [slow.one(0.5) for _ in range(4)].index(True) == 1
    assert [fast.one(0.5) for _ in range(20)].index(True) <= 12


def test_the_alarm_ends_once_packets_come_through() -> None:
    feeder = Feeder(LossDetector(10))
    lossy(feeder, 0.0, 200)
    assert any(lossy(feeder, 0.3, 40))
    answers = lossy(feeder, 0.0, 60)
    assert answers[0]
    assert not answers[-1]
    assert onsets(answers[1:]) <= 1


def test_loss_that_lasts_a_day_is_normal_then() -> None:
    detector = LossDetector(10)
    feeder = Feeder(detector)
    lossy(feeder, 0.0, 300)
    assert not lossy(feeder, 0.1, 1600)[-1]
    assert detector.explain().baseline == pytest.approx(0.1, abs=0.05)


def test_the_number_sent_may_be_told_each_time() -> None:
    many, few = LossDetector(), LossDetector()
    for i in range(100):
        many.update(0.0, START + 60 * i, 10)
        few.update(0.0, START + 60 * i, 10)
    for i in range(100, 104):
        many.update(0.1, START + 60 * i, 1000)
        few.update(0.1, START + 60 * i, 1)
    assert many.alarm
    assert not few.alarm
    with pytest.raises(ValueError, match="at least one packet"):
        LossDetector(0)


def test_loss_explains_itself() -> None:
    detector = LossDetector(10, Sensitivity.HIGH)
    feeder = Feeder(detector)
    lossy(feeder, 0.0, 100)
    answers = [feeder.one(0.3) for _ in range(8)]
    said = detector.explain()
    assert said.since == feeder.now - 60 * (len(answers) - 1 - answers.index(True))
    assert (said.alarm, said.rule) == (True, Rule.LOSS)
    assert said.limit == pytest.approx(6.3)
    assert said.score >= said.limit
    assert said.value == pytest.approx(0.3)
    assert matters(said)
    assert matters(said, 0.2)
    assert not matters(said, 0.5)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0, 1), st.floats()), st.floats(-1e5, 1e5), st.integers(-1, 10**9)
        ),
        max_size=60,
    )
)
def test_packing_loss_anywhere_changes_no_answer(run: list[tuple[float | None, float, int]]) -> None:
    one, other = LossDetector(10), LossDetector(10)
    now = START
    for value, step, sent in [(0.0, 60.0, 10)] * 40 + run:
        now += step
        other = LossDetector.from_bytes(other.to_bytes(), 10)
        assert one.update(value, now, sent) is other.update(value, now, sent)
    assert one.explain() == other.explain()
    assert math.isfinite(one.explain().score)


def test_three_in_a_row_below_the_requirement() -> None:
    detector = RateDetector(100.0)
    feeder = Feeder(detector, 3600.0)
    answers = [feeder.one(value) for value in (101.0, 99.9, 99.9, 101.0, 99.9, 99.9, 99.9)]
    assert answers == [False] * 6 + [True]
    said = detector.explain()
    assert (said.rule, said.baseline, said.higher_is_better) == (Rule.RATE, 100.0, True)
    assert said.excess == pytest.approx(0.1)
    assert said.since == feeder.now


def test_a_deep_fall_takes_two_and_a_single_one_is_forgiven() -> None:
    feeder = Feeder(RateDetector(100.0), 3600.0)
    assert not any(feeder.one(value) for value in (110.0, 10.0, 110.0, 110.0, 110.0))
    assert [feeder.one(value) for value in (20.0, 20.0)] == [False, True]


def test_it_ends_with_the_third_that_is_enough() -> None:
    feeder = Feeder(RateDetector(100.0), 3600.0)
    for _ in range(3):
        feeder.one(50.0)
    assert [feeder.one(v) for v in (100.0, 120.0, 90.0, 100.0, 100.0, 100.0)] == [True] * 5 + [False]
    assert not feeder.one(99.0)


def test_rates_that_are_none_change_nothing() -> None:
    detector = RateDetector(100.0)
    before = detector.to_bytes()
    for nothing in (None, math.nan, math.inf, -5.0):
        assert not detector.update(nothing, START)
    assert not detector.update(1.0, math.nan)
    assert detector.to_bytes() == before
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="finite number over 0"):
            RateDetector(wrong)


@given(st.lists(st.one_of(st.none(), st.floats(0, 200), st.floats()), max_size=60))
def test_packing_rates_anywhere_changes_no_answer(run: list[float | None]) -> None:
    one, other = RateDetector(100.0), RateDetector(100.0)
    for index, value in enumerate(run):
        other = RateDetector.from_bytes(other.to_bytes(), 100.0)
        assert one.update(value, START + index) is other.update(value, START + index)
    assert one.explain() == other.explain()


@pytest.mark.parametrize("interval", [5.0, 10.0, 20.0, 30.0, 60.0])
def test_loss_is_noticed_as_soon_at_any_interval(interval: float) -> None:
    """Ten packets a sample and 5 % loss: the more often, the more packets there are to tell by."""
    waits = []
    for seed in range(9):
        draw, detector, at = random.Random(seed), LossDetector(10), 0.0
        while at < 6 * 3600:
            at += interval
            detector.update(0.0, at)
        began = at
        while not detector.alarm:
            at += interval
            detector.update(sum(draw.random() < 0.05 for _ in range(10)) / 10, at)
            assert at < began + 3600
        waits.append(at - began)
    assert statistics.median(waits) <= 12 * 60
