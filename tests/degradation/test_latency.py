from __future__ import annotations

import math
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.degradation import Detector, LatencyRules, Rule, Sensitivity, matters
from tests.degradation.series import START, Feeder, onsets

DAY = 1440


@pytest.mark.parametrize("step", [30.0, 60.0, 240.0, 600.0])
def test_a_step_is_noticed_after_six_samples_at_any_interval(step: float) -> None:
    feeder = Feeder(Detector(), step)
    assert not any(feeder.steady(40, 400))
    answers = feeder.steady(50, 10)
    assert answers.index(True) == 5
    assert all(answers[5:])


def test_it_ends_after_ten_calm_samples() -> None:
    feeder = Feeder(Detector())
    feeder.steady(40, 400)
    feeder.steady(60, 60)
    answers = feeder.steady(40, 12)
    assert answers.index(False) == 9
    assert not any(answers[9:])


def test_spikes_and_short_bursts_are_no_degradation() -> None:
    feeder = Feeder(Detector())
    feeder.steady(40, 200)
    for _ in range(50):
        assert not any(feeder.steady(200, 4) + feeder.steady(40, 20))


def test_a_third_of_low_samples_is_tolerated() -> None:
    feeder = Feeder(Detector())
    feeder.steady(40, 200)
    answers = [feeder.one(40 if i % 3 == 2 else 55) for i in range(30)]
    assert any(answers)


def test_no_alarm_while_warming_up() -> None:
    feeder = Feeder(Detector())
    assert not any(feeder.steady(40, 20) + feeder.steady(400, 30))


@pytest.mark.parametrize("hours", [15, 48])
def test_after_a_week_a_rise_too_slow_for_a_jump_is_found(hours: int) -> None:
    detector = Detector()
    feeder = Feeder(detector)
    feeder.steady(50, 8 * DAY)
    rising = (50 * (1 + 0.4 * i / (60 * hours)) + i % 5 * 0.2 for i in range(60 * hours))
    found = next((value for value in rising if feeder.one(value)), None)
    assert found is not None
    assert found < 68
    assert detector.explain().rule is Rule.LEVEL


def test_the_level_rule_explains_itself_by_the_hour() -> None:
    rules = LatencyRules(relative=10.0)
    detector = Detector(rules=rules)
    feeder = Feeder(detector)
    feeder.steady(50, 2 * DAY)
    answers = feeder.steady(70, 30)
    assert True in answers
    said = detector.explain()
    assert (said.rule, said.limit) == (Rule.LEVEL, rules.level_limit)
    assert said.score >= said.limit
    assert said.baseline == said.hour_median == pytest.approx(50, rel=0.02)
    assert said.excess is not None
    assert said.threshold is not None
    assert said.excess > said.threshold


def test_a_new_level_that_lasts_a_day_is_normal_then() -> None:
    detector = Detector()
    feeder = Feeder(detector)
    feeder.steady(40, 3 * DAY)
    answers = feeder.steady(60, 3 * DAY)
    assert onsets(answers) == 1
    assert not any(answers[DAY + 40 :])
    assert detector.explain().baseline == pytest.approx(60, rel=0.02)


def test_an_improvement_is_taken_silently_and_the_way_back_is_told() -> None:
    feeder = Feeder(Detector())
    feeder.steady(60, DAY)
    assert not any(feeder.steady(45, DAY))
    assert feeder.steady(60, 10).index(True) == 5


def test_a_second_rise_within_an_alarm_shows_as_a_single_false() -> None:
    detector = Detector()
    feeder = Feeder(detector)
    feeder.steady(40, 400)
    feeder.steady(50, 120)
    answers = feeder.steady(70, 20)
    assert answers.count(False) == 1
    assert detector.explain().rule is Rule.AGAIN


def test_a_path_that_swells_by_a_quarter_each_day_alarms_once_at_most() -> None:
    """The first day's alarm teaches how restless the path is."""
    feeder = Feeder(Detector())

    def swell(i: int) -> float:
        return max(0.0, math.sin(math.pi * (i % DAY / 60 - 7) / 12))

    answers = [feeder.one(50 * (1 + 0.25 * swell(i)) + i % 3 * 0.2) for i in range(14 * DAY)]
    assert onsets(answers) <= 1
    assert not any(answers[2 * DAY :])


def test_missing_samples_change_nothing() -> None:
    detector = Detector()
    feeder = Feeder(detector)
    feeder.steady(40, 200)
    before = detector.to_bytes()
    for nothing in (None, math.nan, math.inf, -math.inf, -1.0, 1e10):
        assert not detector.update(nothing, feeder.now + 60)
    for when in (math.nan, math.inf, -1.0):
        assert not detector.update(40.0, when)
    assert detector.to_bytes() == before
    feeder.steady(80, 20)
    assert detector.update(None, feeder.now) is True


@pytest.mark.parametrize("level", [0.0, 0.2, 25.0, 4000.0])
def test_a_constant_series_is_healthy(level: float) -> None:
    feeder = Feeder(Detector())
    assert not any(feeder.steady(level, 2 * DAY, spread=0.0))
    assert any(feeder.steady(level + max(2.0, level / 2), 10, spread=0.0))


@pytest.mark.parametrize("jump", [-86400.0 * 400, -7200.0, -30.0, 600.0, 86400.0 * 3, 86400.0 * 400])
def test_clock_jumps_and_gaps_make_no_alarm_and_hide_none(jump: float) -> None:
    feeder = Feeder(Detector())
    feeder.now += 86400.0 * 500
    feeder.steady(40, 2 * DAY)
    feeder.now += jump
    assert not any(feeder.steady(40, 100))
    assert any(feeder.steady(60, 10))
    feeder.now += jump
    assert not feeder.steady(40, 300)[-1]


def test_a_clock_that_swings_each_sample_breaks_nothing() -> None:
    detector = Detector()
    for i in range(3000):
        assert not detector.update(40.0 + i % 5 * 0.1, START + 60 * i + (86400 * 30 if i % 2 else 0))


def test_sensitivity_is_one_scale() -> None:
    def noticed(sensitivity: Sensitivity | float) -> bool:
        feeder = Feeder(Detector(sensitivity))
        feeder.steady(100, 300, spread=0.002)
        return any(feeder.steady(107.5, 30, spread=0.002))

    assert not noticed(Sensitivity.LOW)
    assert noticed(Sensitivity.NORMAL)
    assert noticed(Sensitivity.HIGH)
    assert not noticed(1.5)
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="finite number over 0"):
            Detector(wrong)


def test_scaling_touches_thresholds_only() -> None:
    rules, scaled = LatencyRules(), LatencyRules().scaled(2)
    changed = {
        field.name for field in fields(rules) if getattr(rules, field.name) != getattr(scaled, field.name)
    }
    assert changed == {"relative", "absolute", "restless", "level_limit"}


def test_the_explanation_reproduces_the_jump() -> None:
    detector = Detector()
    assert detector.explain().baseline is None
    feeder = Feeder(detector)
    feeder.steady(80, 300)
    assert not detector.explain().alarm
    feeder.steady(100, 6)
    said = detector.explain()
    assert (said.alarm, said.rule, said.since) == (True, Rule.JUMP, feeder.now)
    assert said.baseline == pytest.approx(80, rel=0.01)
    assert said.threshold == pytest.approx(max(0.06 * 80, 1.0, 4 * (said.restlessness or 0)), rel=0.01)
    assert said.score == said.limit == 6.0
    assert said.excess == pytest.approx(20, abs=4)
    assert matters(said)


def test_the_zone_decides_what_a_weekend_is() -> None:
    """Eight hours east a Saturday begins at 16:00 UTC on Friday."""
    friday_17_utc = START + 4 * 86400 + 17 * 3600
    utc, east = Detector(), Detector(utc_offset_s=8 * 3600)
    utc.update(10.0, friday_17_utc)
    east.update(10.0, friday_17_utc)
    assert utc._hours._bin == 17
    assert east._hours._bin == 24 + 1


values = st.one_of(
    st.none(),
    st.floats(0, 500),
    st.sampled_from([0.0, 40.0, 41.0, 60.0, 90.0]),
    st.floats(allow_nan=True, allow_infinity=True),
)
times = st.one_of(
    st.floats(0, 400),
    st.sampled_from([60.0, 240.0]),
    st.floats(-1e6, 1e6),
    st.floats(allow_nan=True, allow_infinity=True),
)
runs = st.lists(st.tuples(values, times, st.integers(1, 60)), min_size=1, max_size=12)


@given(runs, st.integers(0, 3), st.sampled_from([Sensitivity.LOW, Sensitivity.NORMAL, Sensitivity.HIGH]))
def test_packing_anywhere_changes_no_answer(
    run: list[tuple[float | None, float, int]], every: int, sensitivity: Sensitivity
) -> None:
    one, other = Detector(sensitivity), Detector(sensitivity)
    now, index = START, 0
    warm = [(40.0 + i % 7 * 0.3, 60.0, 1) for i in range(100)]
    for value, step, count in warm + run:
        for _ in range(count):
            now = now + step if math.isfinite(now + step) else step
            index += 1
            if index % (every + 1) == 0:
                data = other.to_bytes()
                assert len(data) < 2100
                other = Detector.from_bytes(data, sensitivity)
                assert other.to_bytes() == data
            assert one.update(value, now) is other.update(value, now)
        now = now if math.isfinite(now) else START
    assert one.to_bytes() == other.to_bytes()
    assert one.explain() == other.explain()


def test_packing_goes_on_over_weeks() -> None:
    """Through warm-up, hours that come to be trusted, days of restlessness, alarms and adopted levels."""
    one, other = Detector(utc_offset_s=3600), Detector(utc_offset_s=3600)
    level = 40.0
    for i in range(9 * 360):
        level = 60.0 if 2000 <= i < 2600 else 40.0 + i % 11 * 0.2
        at = START + 240 * i
        assert one.update(level, at) is other.update(level, at)
        if i % 5 == 0:
            other = Detector.from_bytes(other.to_bytes(), utc_offset_s=3600)
    assert one.to_bytes() == other.to_bytes()
    assert len(one.to_bytes()) < 2100
