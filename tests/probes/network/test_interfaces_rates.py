"""Rates between two samples: wraps are told from resets, and what can't be told is no rate."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, sampled_from

from probes.network._if_rates import LastSamples, Rates, Sample, rates
from probes.network._if_rows import Row, slug
from tests.probing import SharedHere

GIGABIT, HUNDRED = 1e9, 1e8


def sample(at: int, read: float, index: str = "1", **values: int) -> Sample:
    return Sample(Row(index, "gi1", at, {"discontinuity": 0, **values}), read)


def minute(before: dict[str, int], after: dict[str, int], speed: float | None = GIGABIT) -> Rates:
    return rates(sample(1000, 0.0, "1", **before), sample(7000, 60.0, "1", **after), speed)


@given(
    start=integers(0, 2**64 - 1),
    mbits=floats(0, 999),
    seconds=integers(1, 3000),
    ahead=floats(-1, 1),
)
def test_a_64_bit_counter_is_exact_through_its_wrap(
    start: int, mbits: float, seconds: int, ahead: float
) -> None:
    carried = int(mbits * 125_000 * seconds)
    before = sample(1000, 0.0, in64=start, out64=0)
    after = sample(1000 + seconds * 100, seconds + ahead, in64=(start + carried) % 2**64, out64=0)
    found = rates(before, after, GIGABIT)
    assert found.by_name["rate_in_bps"] == pytest.approx(carried * 8 / seconds)
    assert found.by_name["rate_out_bps"] == 0


@given(start=integers(0, 2**32 - 1), share=floats(0, 1))
def test_a_32_bit_counter_wraps_once_on_a_line_too_slow_for_more(start: int, share: float) -> None:
    carried = int(share * HUNDRED / 8 * 60)
    found = minute({"in32": start}, {"in32": (start + carried) % 2**32}, HUNDRED)
    assert found.by_name["rate_in_bps"] == pytest.approx(carried * 8 / 60)


@given(start=integers(0, 2**32 - 1), end=integers(0, 2**32 - 1))
def test_a_32_bit_counter_that_may_have_wrapped_twice_is_no_rate(start: int, end: int) -> None:
    for speed in (GIGABIT, None):
        found = minute({"in32": start}, {"in32": end}, speed)
        assert (found.by_name, found.why) == ({}, "counters ambiguous or reset")


@given(start=integers(10**11, 2**63), end=integers(0, 10**10), speed=sampled_from([GIGABIT, None]))
def test_a_64_bit_counter_that_was_reset_is_no_rate(start: int, end: int, speed: float | None) -> None:
    found = minute({"in64": start, "errors_in": 5}, {"in64": end, "errors_in": 0}, speed)
    assert (found.by_name, found.why) == ({}, "counters ambiguous or reset")


@given(own=floats(1, 3000), drift=floats(-0.05, 0.05), before=integers(2**32 - 300_000, 2**32 - 1))
def test_an_uptime_that_wraps_is_no_restart(own: float, drift: float, before: int) -> None:
    at = before + int(own * (1 + drift) * 100)
    found = rates(sample(before, 0.0, in64=0), sample(at % 2**32, own, in64=1000), GIGABIT)
    assert not found.restarted
    assert found.why in {"", "the agent's clock stands still"}


@given(before=integers(100_000, 2**31), after=integers(0, 99_999), own=floats(1, 3000))
def test_an_uptime_that_fell_is_a_restart(before: int, after: int, own: float) -> None:
    found = rates(sample(before, 0.0, in64=0), sample(after, own, in64=1000), GIGABIT)
    assert (found.by_name, found.restarted, found.flapped) == ({}, True, None)


def test_errors_wrap_too_and_absent_ones_stay_absent() -> None:
    found = minute({"errors_in": 2**32 - 6, "discards_in": 1}, {"errors_in": 54, "discards_out": 3})
    assert found.by_name == {"errors_in_per_s": 1.0}


def test_errors_and_discards_are_a_share_of_packets() -> None:
    before = {"errors_in": 0, "discards_in": 0, "packets_in64": 2**64 - 100, "packets_in32": 7}
    found = minute(before, {"errors_in": 3, "discards_in": 1, "packets_in64": 9_896, "packets_in32": 8})
    assert found.by_name["errors_in_pct"] == pytest.approx(0.03)
    assert found.by_name["discards_in_pct"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    "after",
    [
        {"errors_in": 3, "discards_in": 1},
        {"errors_in": 3, "packets_in64": 9_896},
        {"errors_in": 0, "discards_in": 0, "packets_in64": 100},
    ],
)
def test_without_packets_or_all_counters_there_is_no_share(after: dict[str, int]) -> None:
    found = minute({"errors_in": 0, "discards_in": 0, "packets_in64": 100}, after)
    assert not [name for name in found.by_name if name.endswith("_pct")]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (sample(1000, 0, in64=1), sample(7000, 60, "9", in64=2), "renumbered"),
        (sample(1000, 0, in64=1), sample(7000, 60, in64=2, discontinuity=5), "discontinuity"),
        (sample(1000, 0, in64=1), sample(1000, 60, in64=2), "the agent's clock stands still"),
        (sample(1000, 0, in64=1), sample(1000 + 500_000, 5000, in64=2), "last sample too old"),
    ],
)
def test_what_may_not_be_compared(before: Sample, after: Sample, why: str) -> None:
    found = rates(before, after, GIGABIT)
    assert (found.by_name, found.why) == ({}, why)


def test_samples_are_kept_by_who_asks_and_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(LastSamples, "MOST", 5)
    kept = LastSamples(SharedHere())
    for who in range(4):
        assert kept.swap(who, {name: sample(1, 0) for name in "ab"}) == {}
    assert kept.swap(3, {}).keys() == {"a", "b"}
    assert kept.swap(0, {}) == {}


@given(sampled_from(["GigabitEthernet0/0/1", "Gi 1", "汉", "", "x" * 300, "1/1/1"]))
def test_a_name_ends_a_metric(name: str) -> None:
    assert f"up_{slug(name)}".isidentifier()
    assert len(slug(name)) <= 48
