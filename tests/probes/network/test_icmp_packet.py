"""ICMP as bytes, and a burst as arithmetic: for any input."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probes._resolve import Address
from probes.network._icmp import Bucket
from probes.network._icmp_burst import OUTSTANDING, Burst, distribution
from probes.network._icmp_packet import (
    ECHO_REQUEST,
    ECHO_REQUEST6,
    Echo,
    intact,
    ones_sum,
    padding,
    parse_echo,
    parse_error,
    request,
)
from tests.servers.namespace import icmp_error, packet4, packet6

KEY = b"12345678"
WORD = st.integers(0, 0xFFFF)


def naive_sum(data: bytes) -> int:
    """RFC 1071, word by word."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=600))
@example(b"\xff\xff")
@example(b"")
def test_the_sum_is_that_of_rfc_1071(data: bytes) -> None:
    assert ones_sum(data) % 0xFFFF == naive_sum(data) % 0xFFFF


@given(WORD, WORD, st.binary(min_size=8, max_size=8), st.integers(8, 300))
def test_a_request_is_intact_and_comes_back(ident: int, sequence: int, key: bytes, size: int) -> None:
    data = key + padding(size)
    packet = request(ECHO_REQUEST, ident, sequence, data, ones_sum(data))
    assert len(packet) == 8 + size
    assert naive_sum(packet) == 0xFFFF
    assert intact(packet)
    assert parse_echo(packet) == Echo(ident, sequence, key)


@given(WORD, st.integers(0, 63), st.integers(0, 7))
def test_one_flipped_bit_is_noticed(ident: int, at: int, bit: int) -> None:
    data = KEY + padding(56)
    packet = bytearray(request(ECHO_REQUEST, ident, 1, data, ones_sum(data)))
    packet[at] ^= 1 << bit
    assert not intact(packet)


@given(WORD, WORD, st.integers(0, 64))
def test_an_error_about_an_echo_is_read_however_little_it_quotes(
    ident: int, sequence: int, extra: int
) -> None:
    data = KEY + padding(56)
    echo = request(ECHO_REQUEST, ident, sequence, data, ones_sum(data))
    sent = packet4(b"\x0a\x63\0\1", b"\x0a\x63\0\2", echo, 64)
    message = icmp_error(sent, "10.99.0.9", 3, 1, quoted=28 + extra)[20:]
    error = parse_error("4", message)
    assert error is not None
    assert (error.destination, error.text) == ("10.99.0.2", "host unreachable")
    assert error.echo == Echo(ident, sequence, KEY if extra >= 8 else b"")


def test_an_error_of_icmpv6() -> None:
    echo = request(ECHO_REQUEST6, 7, 9, KEY, 0)
    sent = packet6(bytes(15) + b"\1", bytes(15) + b"\2", echo, 64)
    error = parse_error("6", icmp_error(sent, "::9", 1, 3)[40:])
    assert error is not None
    assert (error.destination, error.echo, error.text) == ("::2", Echo(7, 9, KEY), "address unreachable")


@given(st.sampled_from(["4", "6"]), st.binary(max_size=120))
@example("4", bytes(8) + b"\x4f" + bytes(8) + b"\x01" + bytes(20))
def test_anything_else_is_ignored_without_an_exception(family: str, message: bytes) -> None:
    parse_error(family, message)
    parse_echo(message)


TIMES = st.lists(st.floats(0, 1e4), min_size=1, max_size=50)


@given(TIMES)
def test_the_distribution_is_ordered_and_its_median_the_usual_one(rtts: list[float]) -> None:
    figures = distribution(rtts)
    assert figures["rtt_ms"] == statistics.median(rtts)
    assert figures["rtt_min_ms"] == min(rtts)
    assert figures["rtt_max_ms"] == max(rtts)
    assert figures["rtt_min_ms"] <= figures["rtt_ms"] <= figures["rtt_max_ms"]
    assert figures["rtt_p95_ms"] in rtts
    assert sum(rtt <= figures["rtt_p95_ms"] for rtt in rtts) >= 0.95 * len(rtts)
    assert ("jitter_ms" in figures) == (len(rtts) > 1)
    assert 0 <= figures.get("jitter_ms", 0) <= max(rtts) - min(rtts) + 1e-9


def test_jitter_is_the_mean_step() -> None:
    assert distribution([1.0, 3.0, 2.0])["jitter_ms"] == pytest.approx(1.5)
    assert distribution([5.0], single=True) == {"rtt_ms": 5.0}
    assert distribution([]) == {}


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def burst_of(count: int, future: asyncio.Future[None]) -> Burst:
    return Burst(
        Address("10.0.0.1", "4"), KEY, 1, count=count, interval=0.1, wait=1.0, size=56, until=100.0,
        control=[], future=future,
    )  # fmt: skip


EVENTS = st.lists(
    st.tuples(st.sampled_from(["send", "reply", "untimed", "late", "complain"]), st.integers(0, 12)),
    max_size=60,
)


@given(st.integers(1, 10), EVENTS)
def test_a_burst_adds_up_whatever_happens(count: int, events: list[tuple[str, int]]) -> None:
    loop = asyncio.new_event_loop()
    burst = burst_of(count, loop.create_future())
    loop.close()
    now = 1000
    for what, number in events:
        now += 1000
        if what == "send" and burst.unsent:
            burst.sent(now, now + (300 if number % 3 else 10_000_000), 200_000)
        elif what == "complain":
            burst.complain(number, "host unreachable")
        elif what != "send":
            stamp = {"reply": now - 100, "untimed": None, "late": now + 5}[what]
            burst.reply(number, stamp, now, 64)
    outstanding = burst.rtts.count(OUTSTANDING)
    assert burst.answered + burst.complained + outstanding == len(burst.rtts) <= count
    metrics = burst.metrics()
    assert 0 <= metrics.get("loss_pct", 0) <= 100
    assert metrics["received"] <= metrics["sent"]
    assert burst.reordered <= burst.answered
    assert all(rtt < now for rtt in burst.rtts)
    assert burst.complete == (burst.answered + burst.complained == count)


def test_a_burst_knows_when_it_needs_attention(loop: asyncio.AbstractEventLoop) -> None:
    burst = burst_of(2, loop.create_future())
    assert burst.next_at == 100
    burst.sent(10 * 10**9, 10 * 10**9 + 1, 200_000)
    assert burst.next_at == pytest.approx(10.1)
    assert burst.unsent
    burst.sent(99_500_000_000, 99_500_000_001, 200_000)
    assert (burst.next_at, burst.unsent) == (100, False)


@given(st.floats(1, 1e5), st.lists(st.floats(0, 0.1), max_size=200))
def test_the_bucket_never_gives_more_than_its_rate(rate: float, pauses: list[float]) -> None:
    bucket, now, taken = Bucket(rate, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now)
    assert taken <= max(1.0, rate * 0.05) + rate * now + 1e-6


def test_the_bucket_fills_again() -> None:
    bucket = Bucket(1000, 0.0)
    assert sum(bucket.take(0.0) for _ in range(100)) == 50
    assert sum(bucket.take(0.01) for _ in range(100)) in (9, 10)
    assert sum(bucket.take(100.0) for _ in range(100)) == 50
