"""What bursts say of a link that others use, too, and of links that only look as if."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.network._train import Answer, Train, analyse
from probes.network._train_cross import most_alike, near, without_cross
from tests.probes.network.simulated_link import SimulatedLink

RATES = st.sampled_from((10e6, 50e6, 100e6))
SEEDS = st.integers(0, 10_000)
MS = 1_000_000


def _over(link: SimulatedLink) -> Answer:
    return analyse(link.send(int(2.5 * link.rate * 0.032 / 8 / 1400), 1400, 2.5 * link.rate))


def _burst(link: SimulatedLink) -> Answer:
    return analyse(link.send(int(0.048 * link.rate / 8 / 1400), 1400, 0))


@given(RATES, SEEDS, st.floats(0.2, 0.6), st.integers(0, 10_000))
def test_the_capacity_is_found_beside_other_traffic_and_never_exceeded(
    rate: float, seed: int, share: float, jitter: int
) -> None:
    link = SimulatedLink(rate, max(4542, int(rate / 320)), cross=share * rate, jitter_ns=jitter, seed=seed)
    over, bursts = _over(link), [_burst(link), _burst(link)]
    pair = most_alike(bursts) or most_alike([*bursts, _burst(link)])
    if pair is not None:
        found, _ = without_cross(over, pair)
        assert 0.97 * rate <= found <= 1.01 * rate


@given(RATES, SEEDS, st.floats(0.0, 0.05))
def test_loss_behind_the_bottleneck_changes_nothing(rate: float, seed: int, loss: float) -> None:
    link = SimulatedLink(rate, max(4542, int(rate / 320)), loss=loss, jitter_ns=10_000, seed=seed)
    assert without_cross(_over(link), [_burst(link), _burst(link)])[0] == pytest.approx(rate, rel=0.012)


@given(RATES, SEEDS, st.integers(1, 40), st.booleans())
def test_batches_of_a_receiver_hardly_matter(rate: float, seed: int, batch: int, busy: bool) -> None:
    link = SimulatedLink(
        rate, max(4542, int(rate / 320)), batch_ns=batch * MS // 10, seed=seed, cross=rate / 2 * busy
    )
    found, _ = without_cross(_over(link), [_burst(link), _burst(link)])
    assert 0.85 * rate <= found <= 1.04 * rate
    if not busy:
        assert found >= 0.97 * rate


def _in_turns(packets: int, gap_ns: int, rate: float, turn_ms: float, share: float, seed: int) -> Answer:
    """Return a train's answer from a link that serves only a share of each turn, of `rate` on average."""
    size, turn = 1400, turn_ms * 1e6
    open_ns, served = share * turn, size * 8e9 / rate * share
    arrivals, free, phase = [], 0.0, random.Random(seed).random() * turn
    for number in range(packets):
        free = max(free, number * gap_ns * share) + served
        arrivals.append((number, int(free // open_ns * turn + free % open_ns + phase)))
    return analyse(Train(size, [n * gap_ns for n in range(packets)], arrivals, unpaced=gap_ns < 20_000))


@given(RATES, SEEDS, st.floats(1, 10), st.floats(0.3, 0.95))
def test_a_link_that_serves_in_turns_is_not_as_fast_as_its_turns(
    rate: float, seed: int, turn_ms: float, share: float
) -> None:
    packets, gap = int(0.048 * rate / 8 / 1400), int(1400 * 8e9 / rate / 2.5)
    over = _in_turns(int(packets * 1.6), gap, rate, turn_ms, share, seed)
    bursts = [_in_turns(packets, 11_000, rate, turn_ms, share, seed + n) for n in range(2)]
    found, _ = without_cross(over, bursts)
    slowest = min(over.rate_bps, *(burst.rate_bps for burst in bursts))
    assert found <= max(1.06 * max(burst.rate_bps for burst in bursts), slowest)


RATE = st.floats(1e3, 1e10)


@given(RATE, RATE, st.lists(st.tuples(RATE, RATE, st.floats(0, 1e10)), min_size=2, max_size=3))
def test_any_answers_give_a_rate_near_those_of_the_bursts(
    paced: float, share: float, bursts: list[tuple[float, float, float]]
) -> None:
    over = Answer(100, 1400, 100, rate_bps=min(paced, share), sent_bps=paced)
    answers = [Answer(40, 1400, 40, rate_bps=min(r, s), sent_bps=s, alone_bps=a) for r, s, a in bursts]
    found, cross = without_cross(over, answers)
    rates = [answer.rate_bps for answer in answers]
    assert 0.98 * min(rates) <= found <= 1.1001 * max(rates)
    assert cross >= 0
    pair = most_alike(answers)
    assert pair is None or near(pair[0].alone_bps or pair[0].rate_bps, pair[1].alone_bps or pair[1].rate_bps)


def test_a_sender_that_was_held_up_counts_for_nothing_where_another_was_not() -> None:
    over = Answer(100, 1400, 100, rate_bps=84e6, sent_bps=250e6)
    good = Answer(400, 1400, 400, rate_bps=96e6, sent_bps=1e9, alone_bps=99.9e6)
    late = Answer(400, 1400, 400, rate_bps=88e6, sent_bps=345e6, alone_bps=99.5e6)
    assert without_cross(over, [good, late])[0] == 99.9e6
    assert without_cross(over, [late, late])[1] == 0
