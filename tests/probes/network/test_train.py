"""What trains say of simulated links, whatever the receiver does to their times."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.network._train import Answer, ImpossibleTrainError, Train, analyse
from tests.probes.network.simulated_link import SimulatedLink

RATES = st.sampled_from((2e6, 10e6, 50e6, 100e6))
SEEDS = st.integers(0, 10_000)
MS = 1_000_000


def _bucket(rate: float) -> int:
    return max(4542, int(rate / 8 * 0.0025))


def _over(link: SimulatedLink, times: float = 2.5) -> Train:
    return link.send(max(12, int(2.5 * link.rate * 0.032 / 8 / 1400)), 1400, times * link.rate)


@given(RATES, SEEDS, st.integers(0, 100_000), st.integers(0, 1_000_000))
def test_the_rate_is_the_links(rate: float, seed: int, jitter: int, late: int) -> None:
    link = SimulatedLink(rate, _bucket(rate), jitter_ns=jitter, late_ns=late, seed=seed)
    answer = analyse(_over(link))
    assert answer.slowed
    assert answer.rate_bps == pytest.approx(rate, rel=0.012)
    assert (answer.loss, answer.loss_events, answer.duplicates) == (0, 0, 0)


@given(RATES, SEEDS, st.floats(0.002, 0.05))
def test_loss_behind_the_bottleneck_does_not_bias_the_rate(rate: float, seed: int, loss: float) -> None:
    link = SimulatedLink(rate, _bucket(rate), loss=loss, jitter_ns=20_000, seed=seed)
    answer = analyse(_over(link))
    assert answer.rate_bps == pytest.approx(rate, rel=0.02)
    assert answer.received + round(answer.loss * answer.packets) == answer.packets


@given(st.sampled_from((10e6, 50e6, 100e6)), SEEDS, st.booleans())
def test_what_a_bottleneck_drops_took_no_time_of_it(rate: float, seed: int, shaper: bool) -> None:
    link = SimulatedLink(rate, _bucket(rate) if shaper else 2 * _bucket(rate), seed=seed, jitter_ns=20_000)
    if shaper:
        link.limit = 3100
    else:
        link.policer = True
    answer = analyse(_over(link))
    assert answer.policed
    assert answer.rate_bps == pytest.approx(rate, rel=0.02)


@given(st.sampled_from((50e6, 100e6)), SEEDS)
def test_a_buckets_credit_is_not_the_rate(rate: float, seed: int) -> None:
    answer = analyse(_over(SimulatedLink(rate, 256_000, seed=seed, jitter_ns=20_000)))
    assert answer.slowed
    assert answer.rate_bps == pytest.approx(rate, rel=0.02)


@given(st.sampled_from((2e6, 10e6)), SEEDS)
def test_a_train_that_ends_within_the_credit_was_not_slowed(rate: float, seed: int) -> None:
    answer = analyse(_over(SimulatedLink(rate, 256_000, seed=seed, jitter_ns=20_000)))
    assert not answer.slowed
    assert not answer.policed


@given(RATES, SEEDS, st.integers(1, 4))
def test_batches_of_a_receiver_hardly_matter(rate: float, seed: int, batch_ms: int) -> None:
    link = SimulatedLink(rate, _bucket(rate), batch_ns=batch_ms * MS, seed=seed)
    assert analyse(_over(link)).rate_bps == pytest.approx(rate, rel=0.03)


@given(RATES, SEEDS)
def test_copies_and_changes_of_order_are_counted_and_change_nothing(rate: float, seed: int) -> None:
    train = _over(SimulatedLink(rate, _bucket(rate), seed=seed))
    plain = analyse(train)
    arrivals, draw = list(train.arrivals), random.Random(seed)
    swapped = draw.randrange(1, len(arrivals))
    first, second = arrivals[swapped - 1], arrivals[swapped]
    arrivals[swapped - 1], arrivals[swapped] = (second[0], first[1]), (first[0], second[1])
    arrivals.append((arrivals[0][0], arrivals[-1][1] + 100))
    answer = analyse(Train(train.size, train.sent_ns, arrivals))
    assert (answer.duplicates, answer.reordered, answer.received) == (1, 1, plain.received)
    assert answer.rate_bps == pytest.approx(plain.rate_bps, rel=0.08)


@given(RATES, SEEDS)
def test_a_burst_beside_other_traffic(rate: float, seed: int) -> None:
    link = SimulatedLink(rate, _bucket(rate), cross=rate / 2, seed=seed)
    seconds = 0.08 if rate < 2.5e6 else 0.048
    answer = analyse(link.send(max(12, int(seconds * rate / 8 / 1400)), 1400, 0))
    assert answer.alone_bps == 0 or answer.alone_bps == pytest.approx(rate, rel=0.01)
    assert answer.rate_bps <= 1.01 * rate


def test_the_queue_is_what_the_train_added() -> None:
    link = SimulatedLink(10e6)
    answer = analyse(_over(link))
    assert answer.queue_ms == pytest.approx(link.worst_queue_s * 1000, rel=0.05)
    assert 40 < answer.queue_ms < 50
    assert analyse(link.send(50, 1400, 5e6)).queue_ms < 2


def test_losses_within_a_round_trip_are_one_event() -> None:
    lost = {3, 4, 6, 30}
    sent = [n * MS for n in range(40)]
    arrivals = [(n, n * MS) for n in range(40) if n not in lost]
    assert analyse(Train(1400, sent, arrivals)).loss_events == 4
    assert analyse(Train(1400, sent, arrivals), rtt_ns=10 * MS).loss_events == 2


def test_a_link_that_dies_in_mid_train_is_told_from_a_policer() -> None:
    link = SimulatedLink(10e6, dies_at=1.03)
    answer = analyse(_over(link))
    assert answer.cut
    assert not analyse(_over(SimulatedLink(10e6, limit=3100))).cut


@pytest.mark.parametrize("arrivals", [[], [(0, 5)], [(0, 5), (1, 6)]])
def test_too_few_packets_say_nothing(arrivals: list[tuple[int, int]]) -> None:
    answer = analyse(Train(1400, [0, MS, 2 * MS], arrivals))
    assert (answer.rate_bps, answer.received) == (0, len(arrivals))
    assert answer.spread == 1


@pytest.mark.parametrize(
    ("arrivals", "why"),
    [
        ([(99, 5)], "packet 99 is said to have come, which was never sent"),
        ([(-1, 5)], "never sent"),
        ([(0, 10 * MS), (1, 5 * MS)], "times of arrival go back by 5.0 ms"),
        ([(n, n * 1000) for n in range(40)], "within 0.0 ms, but were sent over 39.0 ms"),
    ],
)
def test_a_lie_is_refused(arrivals: list[tuple[int, int]], why: str) -> None:
    with pytest.raises(ImpossibleTrainError, match=why):
        analyse(Train(1400, [n * MS for n in range(40)], arrivals))


@given(st.lists(st.tuples(st.integers(-2, 40), st.integers(0, 2**63)), max_size=60))
def test_any_report_is_refused_or_below_the_pace_it_was_sent_at(arrivals: list[tuple[int, int]]) -> None:
    train = Train(1400, [n * MS for n in range(40)], arrivals)
    try:
        answer = analyse(train)
    except ImpossibleTrainError:
        return
    assert isinstance(answer, Answer)
    assert 0 <= answer.rate_bps <= answer.sent_bps
    assert 0 <= answer.loss <= 1
