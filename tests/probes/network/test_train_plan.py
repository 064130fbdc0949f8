"""What the course of trains decides on simulated links: no false figure, and bounded bytes."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from probes.network._train import Answer, Train, analyse
from probes.network._train_plan import (
    CREDIT,
    GENEROUS,
    LEAST_PACKETS,
    Order,
    Verdict,
    decide,
    own_bytes,
    packet_size,
    sustained_bps,
)
from tests.probes.network.simulated_link import SimulatedLink

RATES = (2e6, 10e6, 50e6, 100e6)
SEEDS = st.integers(0, 10_000)


@dataclass
class Course:
    verdict: Verdict
    orders: list[Order]
    link: SimulatedLink

    @property
    def error(self) -> float:
        return abs(self.verdict.bps / self.link.rate - 1)

    def share_of_iperf3(self) -> float:
        return self.link.sent_bytes * 8 / (5 * self.link.rate)


def _run(link: SimulatedLink, nominal: float | None, max_bytes: int = 0) -> Course:
    course = decide(nominal, max_bytes or own_bytes(nominal))
    orders, answer = list[Order](), None
    try:
        while True:
            order = next(course) if answer is None else course.send(answer)
            answer = analyse(link.send(order.packets, order.size, order.bps))
            orders.append(order)
    except StopIteration as end:
        return Course(end.value, orders, link)


def _link(rate: float, seed: int = 0, **settings: Any) -> SimulatedLink:
    return SimulatedLink(
        rate, seed=seed, **{"bucket": max(4542, int(rate / 320)), "jitter_ns": 50_000} | settings
    )


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("loss", [0.0, 0.01])
def test_the_marks_of_a_plain_link(rate: float, loss: float) -> None:
    runs = [_run(_link(rate, seed, loss=loss), rate) for seed in range(40)]
    assert {run.verdict.decided for run in runs} == {"exact"}
    errors = sorted(run.error for run in runs)
    assert statistics.median(errors) <= 0.005
    assert errors[37] <= 0.03
    assert statistics.median(run.share_of_iperf3() for run in runs) <= (0.10 if rate == 2e6 else 0.05)
    assert statistics.median(run.link.worst_queue_s for run in runs) <= (0.080 if rate == 2e6 else 0.050)


@given(st.sampled_from(RATES), SEEDS, st.floats(0.1, 10), st.integers(0, 2_000_000))
def test_a_wrong_nominal_rate_makes_no_false_figure(rate: float, seed: int, times: float, late: int) -> None:
    run = _run(_link(rate, seed, late_ns=late), times * rate)
    _check_truth(run, 0.05)
    assert run.link.sent_bytes <= own_bytes(times * rate)
    if times >= 1.0:
        assert run.verdict.decided == "exact"


@given(st.sampled_from(RATES), SEEDS, st.floats(0.5, 10), st.sampled_from((1e9, 2.0)))
def test_burst_credit_is_never_reported_as_sustained(
    rate: float, seed: int, times: float, peak: float
) -> None:
    if peak < 10:
        assume(peak > 1.05 * GENEROUS * times)
        peak *= rate
    link = _link(rate, seed, bucket=CREDIT, peak=peak)
    run = _run(link, times * rate)
    _check_truth(run, 0.05)


@given(st.sampled_from(RATES), SEEDS, st.floats(0.1, 1.0), st.integers(1, 10**6), st.floats(1.1, 10))
def test_a_bucket_that_ends_in_a_train_queues_little(
    rate: float, seed: int, times: float, bucket: int, peak: float
) -> None:
    run = _run(_link(rate, seed, bucket=max(3000, bucket), peak=peak * rate, jitter_ns=0), times * rate)
    assert run.link.worst_queue_s <= 0.080


@pytest.mark.parametrize("rate", RATES)
def test_where_no_rate_is_known_the_queue_stays_short(rate: float) -> None:
    runs = [_run(_link(rate, seed, bucket=b), None) for seed in range(5) for b in (3000, int(rate / 320))]
    assert max(run.link.worst_queue_s for run in runs) <= (0.080 if rate == 2e6 else 0.050)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("times", [1.0, 10.0, 0.1])
def test_a_policer_with_a_large_bucket_is_not_flooded(rate: float, times: float) -> None:
    run = _run(_link(rate, policer=True, bucket=1_300_000), times * rate)
    _check_truth(run, 0.05)
    assert run.link.sent_bytes <= own_bytes(times * rate)


@given(st.sampled_from(RATES[1:]), SEEDS, st.booleans())
def test_a_policers_rate_is_found(rate: float, seed: int, queue: bool) -> None:
    settings: dict[str, Any] = {"limit": 3100} if queue else {"policer": True, "bucket": int(rate / 800)}
    run = _run(_link(rate, seed, **settings), rate)
    assert run.verdict.decided == "exact"
    assert run.error <= 0.03


@pytest.mark.parametrize("rate", RATES)
def test_the_capacity_beside_other_traffic(rate: float) -> None:
    runs = [_run(_link(rate, seed, cross=rate / 2, jitter_ns=20_000), rate) for seed in range(60)]
    errors = [run.error for run in runs if run.verdict.decided == "exact"]
    assert len(errors) >= 55
    assert max(errors) <= 0.03
    assert max(run.verdict.bps for run in runs) <= 1.01 * rate
    assert statistics.median(run.verdict.cross_bps for run in runs) == pytest.approx(rate / 2, rel=0.35)


@given(st.sampled_from(RATES), SEEDS, st.floats(0.0, 0.6))
def test_a_link_that_dies_gives_no_figure_of_a_piece(rate: float, seed: int, after: float) -> None:
    run = _run(_link(rate, seed, dies_at=1.0 + after, rtt=0.1), rate)
    assert run.verdict.died or run.verdict.decided == "exact"
    if run.verdict.died:
        assert run.verdict.bps == 0
    _check_truth(run, 0.05)


def test_a_dead_link_costs_two_trains() -> None:
    run = _run(_link(10e6, dies_at=0.0), 10e6)
    assert (run.verdict.died, run.verdict.decided, len(run.orders)) == (True, "undecided", 3)
    assert "0 of 71 packets came" in run.verdict.why


@pytest.mark.parametrize(
    ("rate", "nominal", "max_bytes", "decided"),
    [(10e6, None, 1_000_000, "exact"), (10e6, None, 100_000, "undecided"), (2e6, None, 1_000_000, "exact"),
     (10e6, 5e6, 1_000_000, "exact"), (10e6, 10e6, 20_000, "undecided"), (10e6, 8.5e6, 0, "exact")],
)  # fmt: skip
def test_what_the_bytes_allow(rate: float, nominal: float | None, max_bytes: int, decided: str) -> None:
    run = _run(_link(rate), nominal, max_bytes)
    assert run.verdict.decided == decided
    assert run.link.sent_bytes <= (max_bytes or own_bytes(nominal))
    _check_truth(run, 0.02)


@given(st.sampled_from(RATES), SEEDS, st.integers(1_000, 3_000_000), st.booleans())
def test_without_a_nominal_rate(rate: float, seed: int, max_bytes: int, bucket: bool) -> None:
    run = _run(_link(rate, seed, **({"bucket": CREDIT, "peak": 2 * rate} if bucket else {})), None, max_bytes)
    _check_truth(run, 0.05)
    assert run.link.sent_bytes <= max_bytes


def test_a_sender_that_cannot_keep_the_pace_says_so() -> None:
    class Slow(SimulatedLink):
        def send(self, packets: int, size: int, bps: float) -> Train:
            return super().send(packets, size, min(bps or 9e6, 9e6))

    run = _run(Slow(1e9, bucket=10**7), 10e6)
    assert run.verdict.decided == "undecided"
    assert "the sender kept to 9.0 Mbit/s" in run.verdict.why


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60), st.sampled_from((None, 2e6, 1e8)))
def test_any_answers_end_within_the_bytes_allowed(rates: list[int], nominal: float | None) -> None:
    course, cap, spent = decide(nominal, own_bytes(nominal)), own_bytes(nominal), 0
    order = next(course)
    for number in range(10_000):
        spent += order.bytes
        assert spent <= cap
        rate = float(rates[number % len(rates)])
        answer = Answer(
            order.packets, order.size, order.packets, 0, 0, 0, rate, order.bps or 1e9, 0.001,
            slowed=rate < 0.9 * (order.bps or 1e9), span_s=0.05, steady_bytes=order.bytes,
        )  # fmt: skip
        try:
            order = course.send(answer)
        except StopIteration:
            return
    pytest.fail("no end")


def _check_truth(run: Course, tolerance: float) -> None:
    if run.verdict.decided == "exact":
        assert run.error <= tolerance, (run.verdict, run.orders)
    elif run.verdict.decided == "at_least":
        assert 0 < run.verdict.bps <= run.link.rate * (1 + tolerance), run.verdict
    else:
        assert run.verdict.bps == 0


def test_bytes_and_sizes() -> None:
    assert [own_bytes(rate) for rate in (1e6, 2e6, 10e6, None)] == [62_500, 125_000, 312_500, 1_000_000]
    assert (packet_size(None), packet_size(100e6), packet_size(1e6), packet_size(1e3)) == (
        1400,
        1400,
        833,
        200,
    )
    assert sustained_bps(CREDIT, 1.0) == 0
    assert sustained_bps(2 * CREDIT, 1.0) == CREDIT * 8
    assert LEAST_PACKETS * packet_size(64e3) < own_bytes(64e3)
