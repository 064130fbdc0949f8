"""Order-statistic bounds against the binomial definition, and the printed facts of the design."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, quantile_test

from monitor.readiness.statistics import LossTest, bounds, least_n, lower_rank, upper_rank

quantiles = st.sampled_from([0.05, 0.1, 0.5, 0.9, 0.95, 0.99])


def at_most(n: int, p: Fraction, k: int) -> Fraction:
    return sum((math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)), Fraction(0))


@settings(max_examples=60)
@given(n=st.integers(1, 150), p=quantiles)
def test_ranks_are_those_of_the_definition(n: int, p: float) -> None:
    exact, c = Fraction(str(p)), Fraction("0.95")
    upper = next((k for k in range(1, n + 1) if at_most(n, exact, k - 1) >= c), None)
    lower = next((k for k in range(n, 0, -1) if 1 - at_most(n, exact, k - 1) >= c), None)
    assert (upper_rank(n, p), lower_rank(n, p)) == (upper, lower)


@pytest.mark.parametrize(("p", "n"), [(0.95, 59), (0.99, 299), (0.05, 59), (0.5, 5)])
def test_least_n(p: float, n: int) -> None:
    assert least_n(p) == n
    rank = upper_rank if p >= 0.5 else lower_rank
    assert rank(n, p) is not None
    assert rank(n - 1, p) is None


@pytest.mark.parametrize(("n", "k"), [(72, 1), (92, 1), (93, 2), (144, 3), (288, 9)])
def test_the_lower_bound_of_q05(n: int, k: int) -> None:
    assert lower_rank(n, 0.05) == k


def test_the_upper_bound_of_q05_exists_at_one_value() -> None:
    assert upper_rank(1, 0.05) == 1


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.inf), min_size=1, max_size=400), quantiles)
def test_bounds_enclose_the_estimate(values: list[float], p: float) -> None:
    found = bounds(np.array(values), p)
    assert found.n == len(values)
    assert found.lower is None or found.lower <= found.estimate
    assert found.upper is None or found.estimate <= found.upper


def test_bounds_hold_as_often_as_they_say() -> None:
    rng, held = random.Random(7), 0
    for _ in range(2000):
        found = bounds(np.array([rng.expovariate(1) for _ in range(100)]), 0.95)
        held += found.upper is not None and found.upper >= -math.log(0.05)
    assert held / 2000 > 0.94


def test_many_values_stay_exact() -> None:
    n = 200_000
    spread = 1.6449 * math.sqrt(n * 0.95 * 0.05)
    assert upper_rank(n, 0.95) == pytest.approx(n * 0.95 + spread, abs=3)


def test_loss_free_packets_that_pass() -> None:
    test = LossTest.of(300)
    assert test.least_packets == 292
    assert test.passes(291, 0) is None
    assert test.passes(292, 0) is True


def test_losses_that_fail() -> None:
    test = LossTest.of(300)
    assert test.passes(30, 3) is False
    assert test.passes(300, 2) is None
    assert test.truncated(10_000)
    assert not test.truncated(9_999)


def test_short_runs_are_taken_as_twelve() -> None:
    assert LossTest.of(1) == LossTest.of(12)


@pytest.mark.parametrize(("times", "right"), [(1, True), (4, False)])
def test_the_sequential_test_errs_as_rarely_as_it_says(times: int, right: bool) -> None:
    rng, test, wrong = random.Random(11), LossTest.of(100), 0
    for _ in range(400):
        packets = losses = 0
        while (decided := test.passes(packets, losses)) is None:
            packets += 1
            losses += rng.random() < times / 100
        wrong += decided is not right
    assert wrong / 400 < 0.08


# Against scipy


@settings(max_examples=200)
@given(n=st.integers(1, 3000), p=quantiles)
def test_ranks_hold_what_they_promise_by_scipy_s_binomial(n: int, p: float) -> None:
    """P(X(k) >= quantile) = P(Bin(n, p) <= k - 1) is the confidence, and one rank nearer lacks it."""
    upper, lower = upper_rank(n, p), lower_rank(n, p)
    assert upper is None or binom.cdf(upper - 1, n, p) >= 0.95 - 1e-9
    assert upper == 1 or binom.cdf((upper or n + 1) - 2, n, p) < 0.95 + 1e-9
    assert lower is None or binom.sf(lower - 1, n, p) >= 0.95 - 1e-9
    assert lower == n or binom.sf(lower or 0, n, p) < 0.95 + 1e-9


ODD = 0.9437
"""A confidence that no binomial sum meets exactly: there the two differ in whether it is enough."""


@settings(max_examples=60)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=300, unique=True), quantiles)
def test_bounds_are_scipy_s_confidence_interval_of_a_quantile(values: list[float], p: float) -> None:
    """`quantile_test` gives the same order statistics, NaN where there is none."""
    found = bounds(np.array(values), p, ODD)
    above: Any = quantile_test(values, p=p, alternative="less").confidence_interval(ODD)
    below: Any = quantile_test(values, p=p, alternative="greater").confidence_interval(ODD)
    for side, theirs in ((found.upper, above.high), (found.lower, below.low)):
        if math.isfinite(theirs):
            assert side == theirs
        else:
            assert side is None


ALPHA = BETA = 0.05
WORST = ALPHA / (1 - BETA)
"""What Wald proves for each error; their sum stays below alpha + beta."""


@pytest.mark.parametrize("per_loss", [12, 50, 300, 432, 2000])
@pytest.mark.parametrize("burst", [1, 10, 20])
def test_the_sequential_test_keeps_its_error_rates_exactly(per_loss: int, burst: int) -> None:
    test = LossTest.of(per_loss, ALPHA, BETA)
    _, wrong_fail, _ = outcome(test, 1 / per_loss, burst)
    wrong_pass, _, _ = outcome(test, 4 / per_loss, burst)
    assert wrong_fail <= WORST
    assert wrong_pass <= WORST
    assert wrong_fail + wrong_pass <= ALPHA + BETA


@pytest.mark.parametrize("per_loss", [12, 50, 300, 432])
def test_it_decides_before_it_is_truncated(per_loss: int) -> None:
    test = LossTest.of(per_loss)
    for times in (1, 4):
        assert outcome(test, times / per_loss, 20)[2] < 0.01


def test_half_the_loss_passes_and_eight_times_fails_almost_always() -> None:
    test = LossTest.of(300)
    assert outcome(test, 0.5 / 300, 20)[0] > 0.99
    assert outcome(test, 8 / 300, 20)[1] > 0.99


def outcome(test: LossTest, p: float, burst: int) -> tuple[float, float, float]:
    """Return the exact chances to pass, to fail, and to be truncated, deciding after each burst."""
    step = binom.pmf(np.arange(burst + 1), burst, p)
    chances, passed, failed, packets = np.ones(1), 0.0, 0.0, 0
    while not test.truncated(packets):
        packets += burst
        chances = np.convolve(chances, step)
        losses = np.arange(len(chances))
        good = losses <= test.slope * packets - test.accept
        bad = losses >= test.slope * packets + test.reject
        passed, failed = passed + float(chances[good].sum()), failed + float(chances[bad].sum())
        chances = np.where(good | bad, 0.0, chances)[: int(test.slope * packets + test.reject) + 1]
    return passed, failed, float(chances.sum())
