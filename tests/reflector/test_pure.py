"""The reflector's pure parts: budgets, cookies, the window of numbers, records, and figures of a burst."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.reflector.budget import Bucket, Peers
from monitor.reflector.cookies import SLOT_S, Cookies
from monitor.reflector.session import Records
from probes._clock import ClockState
from probes.network._echo_figures import Ways, one_way, reordered_down
from probes.network._reflect_bodies import CLOCK_SYNCHRONISED, Echoed
from probes.network._reflect_echo import EchoSent
from probes.network._reflect_window import Fresh, Window

TIMES = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50)), max_size=60)


@given(st.floats(1, 1000), st.floats(0, 100), TIMES)
def test_a_bucket_never_gives_more_than_it_was_filled_with(
    capacity: float, per_s: float, asked: list[tuple[float, float]]
) -> None:
    bucket, now, given_away = Bucket(capacity, per_s, 0.0), 0.0, 0.0
    for amount, pause in asked:
        now += pause
        if bucket.take(amount, now):
            given_away += amount
        assert given_away <= capacity + now * per_s + 1e-6
        assert 0 <= bucket.left(now) <= capacity


def test_a_bucket_says_when_to_come_again() -> None:
    bucket = Bucket(10, 2, 0.0)
    assert bucket.take(10, 0.0)
    assert bucket.wait_s(4, 0.0) == 2
    assert not bucket.take(4, 1.9)
    assert bucket.take(4, 2.0)
    assert bucket.wait_s(11, 2.0) == 0
    bucket.give_back(100)
    assert bucket.left(2.0) == 10


def test_a_clock_that_goes_back_refills_nothing() -> None:
    bucket = Bucket(10, 1, 100.0)
    assert bucket.take(10, 100.0)
    assert bucket.left(0.0) == 0
    assert bucket.left(101.0) == 1


@given(st.lists(st.integers(0, 50), max_size=300))
def test_peers_stay_bounded(hosts: list[int]) -> None:
    peers = Peers(8, lambda now: Bucket(1, 0, now))
    for host in hosts:
        peers.of(str(host), 0.0)
        assert len(peers) <= 8


NONCE = b"n" * 16


def test_a_cookie_holds_for_its_address_port_nonce_and_time_only() -> None:
    cookies, now = Cookies(), 1000 * SLOT_S
    cookie = cookies.make("10.0.0.1", 5, NONCE, now)
    assert cookies.holds(cookie, "10.0.0.1", 5, NONCE, now)
    assert cookies.holds(cookie, "10.0.0.1", 5, NONCE, now + SLOT_S)
    assert not cookies.holds(cookie, "10.0.0.1", 5, NONCE, now + 2 * SLOT_S)
    assert not cookies.holds(cookie, "10.0.0.2", 5, NONCE, now)
    assert not cookies.holds(cookie, "10.0.0.1", 6, NONCE, now)
    assert not cookies.holds(cookie, "10.0.0.1", 5, b"m" * 16, now)
    assert not Cookies().holds(cookie, "10.0.0.1", 5, NONCE, now)


@given(st.lists(st.integers(-5, 20_000), max_size=200))
def test_no_number_is_new_twice(numbers: list[int]) -> None:
    window, seen = Window(), set[int]()
    for number in numbers:
        fresh = window.judge(number)
        if fresh is Fresh.NEW:
            assert number not in seen
            assert number > 0
            seen.add(number)
        elif number > max(seen, default=0) - Window.WIDTH and number > 0:
            assert fresh is Fresh.COPY
            assert number in seen


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2**60)), max_size=60))
def test_records_keep_each_packet_once_in_order(given_: list[tuple[int, int]]) -> None:
    records, first = Records(20), dict[int, int]()
    for sequence, at_ns in given_:
        new = sequence < 20 and sequence not in first
        assert records.add(sequence, at_ns) is new
        if new:
            first[sequence] = at_ns
    pages = [*records.page(0, 7), *records.page(7, 7), *records.page(14, 7)]
    assert [sequence for sequence, _ in pages] == list(first)
    assert all(0 <= ns < 2**40 for _, ns in pages)


def test_a_burst_lost_altogether_says_nothing_of_the_way_back() -> None:
    figures = Ways(5, frozenset(), frozenset()).metrics()
    assert figures == {"loss_pct": 100, "loss_down_pct": 100}


@given(st.integers(1, 50), st.data())
def test_losses_add_up(sent: int, data: st.DataObject) -> None:
    arrived = data.draw(st.frozensets(st.integers(0, sent - 1)))
    answered = frozenset(number for number in arrived if data.draw(st.booleans()))
    ways = Ways(sent, arrived, answered)
    figures = ways.metrics()
    lost = figures["loss_down_pct"] / 100
    back = figures.get("loss_up_pct", 0.0) / 100
    assert 1 - figures["loss_pct"] / 100 == pytest.approx((1 - lost) * (1 - back) if arrived else 0)


@given(st.permutations(range(8)))
def test_reordering_is_what_came_after_a_later_one(order: list[int]) -> None:
    late = sum(any(before > number for before in order[:place]) for place, number in enumerate(order))
    assert reordered_down([(number, 0) for number in order]) == late


def _echo(down_ms: float, up_ms: float, clock: int = CLOCK_SYNCHRONISED, error_us: int = 1000) -> EchoSent:
    start = 10**18
    received = start + int(down_ms * 1e6)
    echo = EchoSent(0, 1, 5, start, 100, sure=True)
    echo.answer = Echoed(0, 1, 0, received, received + 1000, 2**32 - 1, 0, 64, 0, clock, error_us)
    echo.arrived_ns, echo.arrived_real_ns = 6, received + 1000 + int(up_ms * 1e6)
    return echo


GOOD = ClockState("synchronised", 100, 1000)


def test_delays_each_way_need_both_clocks() -> None:
    figures, note = one_way([_echo(3, 7)], GOOD, 10, stepped=False)
    assert figures == {"delay_down_ms": pytest.approx(3), "delay_up_ms": pytest.approx(7)}
    assert note == "within 2.0 ms"


@pytest.mark.parametrize(
    ("echo", "own", "stepped", "says"),
    [
        (_echo(3, 7), ClockState("unsynchronised", 0, 0), False, "the monitor's clock is not synchronised"),
        (_echo(3, 7), ClockState("unknown", 0, 0), False, "the monitor's clock is not synchronised"),
        (_echo(3, 7, clock=0), GOOD, False, "the reflector's clock is not synchronised"),
        (_echo(3, 7, error_us=20_000), GOOD, False, "the clocks may be off by 21.0 ms"),
        (_echo(-5, 15), GOOD, False, "the clocks contradict each other"),
        (_echo(3, 7), GOOD, True, "the monitor's clock was stepped"),
    ],
)
def test_and_otherwise_say_why_not(echo: EchoSent, own: ClockState, stepped: bool, says: str) -> None:
    assert one_way([echo], own, 10, stepped=stepped) == ({}, says)
