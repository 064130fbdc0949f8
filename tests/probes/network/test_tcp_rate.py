"""When a transfer has shown its rate, and what loss leaves of one."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.network._tcp_rate import AGREE, LEAST_SEGMENTS, MSS, EarlyStop, Gauge, mathis


def _feed(stop: EarlyStop, rate: float, seconds: float, at: float = 0.0, noise: float = 0.0) -> float:
    """Feed what arrives at `rate` for so long or until done, segment by segment; return the time."""
    draw, end = random.Random(1), at + seconds
    while at < end and not stop.done:
        at += MSS * 8 / rate * (1 + noise * draw.uniform(-1, 1))
        stop.feed(at, MSS)
    return at


@given(st.floats(1e6, 200e6), st.floats(0, 0.12))
def test_a_steady_transfer_is_stopped_early_and_its_rate_found(rate: float, rtt: float) -> None:
    stop = EarlyStop(rtt)
    lasted = _feed(stop, rate, 60, noise=0.02)
    assert stop.result().settled
    assert stop.result().bps == pytest.approx(rate, rel=AGREE)
    window = max(0.06, 2 * rtt, LEAST_SEGMENTS * MSS * 8 / rate)
    assert 5 * window * 0.9 <= lasted <= 7 * window + 0.05


@given(st.floats(1e6, 200e6), st.floats(0, 0.12))
def test_a_noisy_transfer_settles_too_if_later(rate: float, rtt: float) -> None:
    stop = EarlyStop(rtt)
    _feed(stop, rate, 60, noise=0.1)
    assert stop.result().settled
    assert stop.result().bps == pytest.approx(rate, rel=AGREE)


def test_slow_start_is_left_behind() -> None:
    stop, at, rate = EarlyStop(0.04), 0.0, 0.5e6
    while rate < 20e6:
        at, rate = _feed(stop, rate, 0.04, at), rate * 2
    _feed(stop, 20e6, 5, at)
    assert stop.result().bps == pytest.approx(20e6, rel=0.02)


def test_the_credit_of_a_bucket_is_left_behind() -> None:
    stop = EarlyStop(0.001)
    at = _feed(stop, 900e6, 256_000 * 8 / 900e6)
    _feed(stop, 2e6, 10, at)
    assert stop.result().bps == pytest.approx(2e6, rel=0.01)


def test_a_transfer_that_never_settles_gives_its_mean() -> None:
    stop, at = EarlyStop(0.001), 0.0
    for _ in range(20):
        at = _feed(stop, 10e6, 0.08, at)
        at = _feed(stop, 2e6, 0.08, at)
    result = stop.result()
    assert not result.settled
    assert result.bps == pytest.approx(result.bytes * 8 / result.seconds)
    assert 4e6 < result.bps < 8e6


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 10**6)), max_size=50))
def test_any_feed_gives_a_finite_rate(pieces: list[tuple[float, int]]) -> None:
    stop, at = EarlyStop(0.01), 0.0
    for later, received in pieces:
        at += later
        stop.feed(at, received)
    result = stop.result()
    assert 0 <= result.bps < math.inf
    assert result.bytes <= sum(received for _, received in pieces)


@given(st.floats(0.001, 1), st.floats(1e-6, 0.5))
def test_mathis_falls_with_delay_and_with_the_root_of_loss(rtt: float, loss: float) -> None:
    assert mathis(2 * rtt, loss) == pytest.approx(mathis(rtt, loss) / 2)
    assert mathis(rtt, 4 * loss) == pytest.approx(mathis(rtt, loss) / 2)


def test_the_figure_of_the_capacity_model() -> None:
    assert mathis(0.025, 0.0023) == pytest.approx(8.09e6, rel=0.001)
    assert mathis(0.025, 0) == mathis(0, 0.1) == math.inf


def test_a_transfer_that_is_held_goes_on_though_it_has_settled() -> None:
    stop = EarlyStop(0.01, held_s=2.0)
    times = [step / 100 for step in range(400)]
    ended = next(at for at in times if stop.feed(at, 12_500))
    assert ended == pytest.approx(2.0, abs=0.02)
    assert stop.result().settled
    assert stop.result().bps == pytest.approx(10e6, rel=0.01)


def test_a_held_one_that_does_not_settle_ends_all_the_same() -> None:
    stop = EarlyStop(0.01, held_s=2.0)
    ended = next(step / 100 for step in range(900) if stop.feed(step / 100, 12_500 * (1 + step // 8 % 2)))
    assert ended == pytest.approx(3.0, abs=0.02)
    assert not stop.result().settled


def test_a_gauge_leaves_the_ramp_out() -> None:
    gauge = Gauge(0.01, held_s=2.0, ramp_s=0.5)
    assert gauge.filled_bps == 0.0
    for step in range(201):
        gauge.feed(step / 100, 12_500 if step > 50 else 100)
    assert gauge.filled_bps == pytest.approx(10e6)
    assert Gauge(0.01, 2.0, 0.5).filled_bps == 0.0
