"""The sketch and the rollups made of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.store import rollups, sketch
from monitor.store.codec import Damaged
from monitor.store.records import DAY_MS
from monitor.store.rollups import WIDTHS

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.lists(FINITE, min_size=1, max_size=60)


def of(values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return sketch.merge(sketch.keys(np.array(values)), np.ones(len(values), np.int64))


@given(VALUES, st.floats(0, 1))
def test_a_quantile_is_within_the_accuracy_of_a_value_of_its_rank(values: list[float], share: float) -> None:
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assume(abs(exact) > 1e-300 or exact == 0)
    found = sketch.quantile(*of(values), share)
    assert abs(found - exact) <= abs(exact) * (sketch.ACCURACY + 1e-9)


@given(VALUES, VALUES, VALUES)
def test_merging_is_exact_in_any_order(a: list[float], b: list[float], c: list[float]) -> None:
    whole = of(a + b + c)
    for parts in ((a, b, c), (c, a, b), (b, c, a)):
        sketches = [of(part) for part in parts]
        merged = sketch.merge(
            np.concatenate([s[0] for s in sketches]), np.concatenate([s[1] for s in sketches])
        )
        assert merged[0].tolist() == whole[0].tolist()
        assert merged[1].tolist() == whole[1].tolist()


@given(st.lists(FINITE, min_size=2))
def test_keys_ascend_with_the_values_and_fit_16_bits(values: list[float]) -> None:
    keys = sketch.keys(np.array(sorted(values)))
    assert (np.diff(keys) >= 0).all()
    assert np.abs(keys).max() < 2**15


def test_extremes() -> None:
    keys = sketch.keys(np.array([-math.inf, -5e-324, -0.0, 0.0, 5e-324, math.inf]))
    assert keys.tolist() == sorted(keys.tolist())
    assert keys[2] == keys[3] == 0
    assert math.isfinite(sketch.middle(int(keys[-1])))
    assert math.isnan(sketch.quantile(keys[:0], keys[:0], 0.5))


@given(
    st.lists(st.tuples(st.integers(0, DAY_MS - 1), st.floats(-1e30, 1e30) | st.just(math.nan)), max_size=80),
    st.sampled_from(list(WIDTHS.values())),
)
def test_a_day_of_buckets(samples: list[tuple[int, float]], width: int) -> None:
    samples.sort(key=lambda s: s[0])
    at = np.array([s[0] for s in samples], np.int64) + 20_000 * DAY_MS
    values = np.array([s[1] for s in samples], np.float64)
    slots = rollups.slots(at, width)
    data = rollups.pack({"other": rollups.build(slots, values * 0), "m": rollups.build(slots, values)})
    buckets = rollups.unpack(data, "m")
    assert buckets is not None
    assert rollups.unpack(data, "missing") is None
    points = {round(p.at * 1000): p for p in rollups.points(buckets, 20_000, width)}
    for start in {int(t) // width * width for t in at}:
        kept = values[(at >= start) & (at < start + width) & ~np.isnan(values)].tolist()
        point = points.pop(start, None)
        assert (point is None) == (not kept)
        if point is not None:
            assert point.count == len(kept)
            assert point.minimum == pytest.approx(min(kept), rel=1e-6, abs=1e-37)
            assert point.maximum == pytest.approx(max(kept), rel=1e-6, abs=1e-37)
            assert point.minimum <= point.mean <= point.maximum
            assert point.minimum <= point.p50 <= point.p95 <= point.maximum
    assert not points


def test_a_damaged_rollup_says_so() -> None:
    data = rollups.pack({})
    for broken in (b"", data[:-1], b"x" + data):
        with pytest.raises(Damaged, match="rollup"):
            rollups.unpack(broken, "m")


@given(st.lists(st.lists(st.integers(0, DAY_MS - 1), max_size=12), min_size=1, max_size=5))
def test_days_of_several_checks_are_told_apart(days: list[list[int]]) -> None:
    width = WIDTHS["5m"]
    ranks = np.repeat(np.arange(len(days)), [len(day) for day in days])
    at = np.array([t for day in days for t in sorted(day)], np.int64)
    values = np.sin(at) * 10
    whole = rollups.build(rollups.slots(at, width, ranks), values)
    for rank in range(len(days)):
        mine = ranks == rank
        alone = rollups.build(rollups.slots(at[mine], width), values[mine])
        found = rollups.of_check(whole, rank, width)
        assert rollups.points(found, 20_000, width) == rollups.points(alone, 20_000, width)
