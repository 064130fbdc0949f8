"""Processor sharing against a slow and plain one, and gamma distributions against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma as reference

from monitor.capacity import gamma
from monitor.capacity.sharing import departures


def plain(arrivals: list[float], services: list[float]) -> list[float]:
    """Return the ends by going from event to event, all transfers in service losing alike."""
    left, ends, now = dict[int, float](), [0.0] * len(arrivals), 0.0
    for index in range(len(arrivals) + 1):
        until = arrivals[index] if index < len(arrivals) else math.inf
        while left:
            first = min(left, key=lambda each: left[each])
            through = now + left[first] * len(left)
            if through > until:
                break
            took = left.pop(first)
            left = {key: rest - took for key, rest in left.items()}
            ends[first] = now = through
        if index < len(arrivals):
            left = {key: rest - (until - now) / len(left) for key, rest in left.items()}
            left[index], now = services[index], until
    return ends


TRANSFERS = st.lists(st.tuples(st.floats(0, 20), st.floats(0.001, 5)), min_size=1, max_size=25)


@given(TRANSFERS)
def test_as_the_plain_one(transfers: list[tuple[float, float]]) -> None:
    arrivals = sorted(each for each, _ in transfers)
    services = [each for _, each in transfers]
    found = departures(np.array(arrivals), np.array(services)).tolist()
    assert found == pytest.approx(plain(arrivals, services), rel=1e-6, abs=1e-6)


def test_alone_two_and_three() -> None:
    assert departures(np.array([1.0]), np.array([2.0])).tolist() == [3.0]
    assert departures(np.array([0.0, 1.0]), np.array([3.0, 1.0])).tolist() == [4.0, 3.0]
    three = departures(np.zeros(3), np.array([1.0, 2.0, 3.0]))
    assert three.tolist() == pytest.approx([3, 5, 6])
    assert departures(np.empty(0), np.empty(0)).tolist() == []


def test_a_long_run_has_the_mean_of_the_theory() -> None:
    """M/G/1 processor sharing: a transfer of x takes x / (1 - rho) on average, whatever the sizes' spread."""
    random = np.random.default_rng(5)
    arrivals = np.cumsum(random.exponential(1.0, 100_000))
    services = random.gamma(2, 0.25, 100_000)
    took = departures(arrivals, services) - arrivals
    for low, high in ((0.1, 0.3), (0.3, 0.8), (0.8, 3.0)):
        chosen = (services >= low) & (services < high)
        slowed = took[chosen].mean() / services[chosen].mean()
        assert slowed == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("shape", [0.21, 0.5, 0.9, 1.0, 2.0, 3.3, 4.0, 7.0, 42.0, 900.0])
def test_the_ratio_of_a_shape(shape: float) -> None:
    wanted = reference.ppf(0.95, shape) / shape
    assert gamma.ratio(shape) == pytest.approx(wanted, rel=0.002)
    assert gamma.shape(1.0, wanted) == pytest.approx(shape, rel=0.06)


@given(st.floats(1e-3, 1e9), st.floats(1.02, gamma.LARGEST_RATIO))
def test_the_shape_has_the_percentile(mean: float, ratio: float) -> None:
    shape = gamma.shape(mean, ratio * mean)
    assert reference.ppf(0.95, shape, scale=mean / shape) == pytest.approx(ratio * mean, rel=0.005)


def test_the_shapes_of_the_method() -> None:
    assert gamma.shape(8, 8 * 2.37) == pytest.approx(gamma.SIZE_SHAPE, rel=0.01)
    assert gamma.shape(1, 1.94) == pytest.approx(gamma.SERVER_SHAPE, rel=0.01)
    assert gamma.shape(1, 1) == pytest.approx(10_000)
