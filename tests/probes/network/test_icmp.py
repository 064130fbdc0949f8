"""`icmp` against the kernel's own echo, and against simulated networks that lose, repeat, reorder and lie."""

from __future__ import annotations

import asyncio
import re
import socket
import statistics
import time
from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest
import uvloop
from pydantic import ValidationError

from probes._kernel_clock import KernelClock
from probes._resolve import Address
from probes.api import Context, Outcome, ProbeSettings, Reading, Target
from probes.errors import Inconclusive
from probes.network import _icmp
from probes.network._icmp import IcmpEngine
from probes.network._icmp_channel import Channel
from probes.network.icmp import PROBE, IcmpParams, probe_icmp
from tests.probes.network.busy import busy_loop
from tests.probes.network.networks import (
    error_about_somebody_else,
    every_other_lost,
    foreign_and_broken,
    no_host,
    no_host_quoting_little,
    silence,
    swapped,
    too_far,
    twice,
)
from tests.probes.network.unprivileged import needs_ping, without_raw
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.namespace import (
    Answer,
    Network,
    echo_reply,
    in_namespace,
    is_echo_request,
    needs_namespace,
    tun,
)

FAST: dict[str, Any] = {"count": 5, "interval": 0.01, "wait": 0.3}

pytestmark = pytest.mark.alone


@needs_ping
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_burst_to_this_machine(host: str) -> None:
    reading = await run_once("icmp", host, **FAST)
    assert reading.outcome is Outcome.OK
    figures = reading.metrics
    assert (figures["sent"], figures["received"], figures["loss_pct"]) == (5, 5, 0)
    assert (figures["duplicates"], figures["reordered"]) == (0, 0)
    assert (
        0 < figures["rtt_min_ms"] <= figures["rtt_ms"] <= figures["rtt_p95_ms"] <= figures["rtt_max_ms"] < 50
    )
    assert figures["jitter_ms"] >= 0
    assert reading.facts == {"address": host, "family": "6" if ":" in host else "4", "reply_ttl": "64"}
    assert set(figures) == {metric.name for metric in PROBE.metrics}
    assert set(reading.facts) == {fact.name for fact in PROBE.facts}


@needs_ping
async def test_one_packet_has_no_distribution() -> None:
    reading = await run_once("icmp", "127.0.0.1", count=1)
    assert set(reading.metrics) == {"rtt_ms", "loss_pct", "sent", "received"}


@needs_ping
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_many_bursts_at_once_do_not_mix(run: object) -> None:
    async def main() -> list[Reading]:
        async with shared_here() as shared:
            engine = shared.get(IcmpEngine)
            hosts = [f"127.0.{number >> 8}.{number & 255 or 1}" for number in range(400)]
            found = await asyncio.gather(
                *(run_once("icmp", host, shared=shared, timeout=10, **FAST) for host in hosts)
            )
            assert (engine._bursts, engine._by_ident, engine._outstanding) == ({}, {}, 0)
            return found

    readings = run(main())  # type: ignore[operator]
    assert [reading.metrics["received"] for reading in readings] == [5] * 400


@needs_namespace
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_size_ttl_and_dscp_reach_the_wire(host: str) -> None:
    seen: list[bytes] = []
    target = "10.99.0.7" if "." in host else "fd99::7"

    def network(packet: bytes) -> Iterable[Answer]:
        if is_echo_request(packet):
            seen.append(packet)
            yield 0, echo_reply(packet)

    reading = await simulated(network, target, count=1, size=101, ttl=17, dscp=46)
    assert (reading.outcome, reading.facts["reply_ttl"]) == (Outcome.OK, "61")
    if "." in host:
        assert (len(seen[0]), seen[0][8], seen[0][1] >> 2) == (20 + 8 + 101, 17, 46)
    else:
        assert (len(seen[0]), seen[0][7], (int.from_bytes(seen[0][:2], "big") >> 6) & 63) == (
            40 + 8 + 101,
            17,
            46,
        )


async def simulated(network: Network, target: str, timeout: float = 3.0, **params: Any) -> Reading:
    async def work() -> Reading:
        with tun(network):
            return await run_once("icmp", target, timeout=timeout, **params)

    return await in_namespace(work)


@needs_namespace
@pytest.mark.parametrize(
    ("network", "received", "duplicates", "reordered"),
    [(every_other_lost, 3, 0, 0), (twice, 6, 5, 0), (swapped, 6, 0, 1)],
)
async def test_loss_repetition_and_order_are_counted(
    network: Network, received: int, duplicates: int, reordered: int
) -> None:
    reading = await simulated(network, "10.99.0.7", count=6, interval=0.01, wait=0.3)
    figures = reading.metrics
    assert reading.outcome is Outcome.OK
    assert figures["received"] == received
    assert figures["loss_pct"] == pytest.approx(100 * (6 - received) / 6)
    assert duplicates <= figures["duplicates"] <= duplicates + 1
    assert figures["reordered"] >= reordered
    assert bool(figures["reordered"]) == bool(reordered)


@needs_namespace
@pytest.mark.parametrize(
    ("network", "target", "kind", "detail"),
    [
        (silence, "10.99.0.7", "timeout", "no reply to 5 packets"),
        (silence, "fd99::7", "timeout", "no reply to 5 packets"),
        (foreign_and_broken, "10.99.0.7", "timeout", "10.99.0.200 answered in its place"),
        (no_host, "10.99.0.7", "unreachable", "host unreachable, says 10.99.0.254"),
        (no_host, "fd99::7", "unreachable", "address unreachable, says fd99::254"),
        (no_host_quoting_little, "10.99.0.7", "unreachable", "host unreachable, says 10.99.0.254"),
        (too_far, "10.99.0.7", "unreachable", "time to live exceeded, says 10.99.0.254"),
        (error_about_somebody_else, "10.99.0.7", "timeout", "no reply to 5 packets"),
    ],
)
async def test_what_never_answers_says_why(network: Network, target: str, kind: str, detail: str) -> None:
    started = time.perf_counter()
    reading = await simulated(network, target, **FAST)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)
    assert detail in reading.detail
    assert (reading.metrics["sent"], reading.metrics["received"], reading.metrics["loss_pct"]) == (5, 0, 100)
    assert time.perf_counter() - started < 2


@needs_namespace
async def test_no_route_is_unreachable_and_the_timeout_bounds_the_wait() -> None:
    async def work() -> Reading:
        return await run_once("icmp", "203.0.113.1", timeout=1, count=1)

    reading = await in_namespace(work)
    assert (reading.outcome, reading.kind, reading.detail) == (
        Outcome.FAILED, "unreachable", "send: Network is unreachable",
    )  # fmt: skip
    started = time.perf_counter()
    reading = await simulated(silence, "10.99.0.7", timeout=0.5, count=1)
    assert (reading.kind, time.perf_counter() - started < 1.2) == ("timeout", True)
    assert reading.metrics["loss_pct"] == 100


@needs_namespace
async def test_dead_targets_hold_up_nobody_and_packets_are_paced() -> None:
    def network(packet: bytes) -> Iterable[Answer]:
        if is_echo_request(packet) and packet[19] >= 100:
            yield 0, echo_reply(packet)

    async def work() -> tuple[list[Reading], float]:
        with tun(network):
            async with shared_here(ProbeSettings(icmp_rate=2000)) as shared:
                started = time.perf_counter()
                hosts = [f"10.99.0.{2 + number % 200}" for number in range(1000)]
                found = await asyncio.gather(
                    *(run_once("icmp", host, shared=shared, count=1, wait=0.5, timeout=5) for host in hosts)
                )
                return found, time.perf_counter() - started

    readings, took = await in_namespace(work)
    kinds = [reading.kind for reading in readings]
    assert kinds == ["timeout" if 2 + number % 200 < 100 else "" for number in range(1000)]
    assert 0.4 < took < 3


@needs_ping
async def test_a_rate_that_leaves_no_room_is_overload_and_no_failure() -> None:
    async with shared_here(ProbeSettings(icmp_rate=10)) as shared:
        readings = await asyncio.gather(
            *(run_once("icmp", "127.0.0.1", shared=shared, count=1, timeout=0.5) for _ in range(30))
        )
        part = await run_once("icmp", "127.0.0.1", shared=shared, count=8, interval=0.01, timeout=0.5)
    outcomes = {(reading.outcome, reading.kind) for reading in readings}
    assert outcomes == {(Outcome.OK, ""), (Outcome.NOT_RUN, "overload")}
    assert part.outcome is Outcome.OK
    assert 0 < part.metrics["sent"] < 8
    assert part.metrics["loss_pct"] == 0
    assert "packets could be sent in time" in part.detail


@needs_ping
async def test_more_than_memory_allows_is_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_icmp, "MOST_OUTSTANDING", 25)
    async with shared_here() as shared:
        readings = await asyncio.gather(
            *(run_once("icmp", "127.0.0.1", shared=shared, **FAST) for _ in range(8))
        )
    assert [reading.kind for reading in readings] == [""] * 5 + ["overload"] * 3


@pytest.mark.alone
@needs_ping
async def test_losses_while_the_queue_overflowed_are_inconclusive() -> None:
    async with shared_here() as shared:
        engine = shared.get(IcmpEngine)
        channel = engine._channel("4")
        channel._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        context = Context(shared, 5)
        params = IcmpParams(count=50, interval=0.01, wait=0.2, size=1000)
        run = asyncio.create_task(probe_icmp(Target("127.0.0.1"), params, context))
        engine._loop.remove_reader(channel.fileno())
        await asyncio.sleep(0)
        for _ in range(40):
            engine._send(next(iter(engine._bursts.values())))
        with pytest.raises(Inconclusive, match="our own receive queue overflowed"):
            await run


@needs_ping
async def test_cancellation_forgets_the_burst() -> None:
    async with shared_here() as shared:
        engine = shared.get(IcmpEngine)
        task = asyncio.create_task(
            probe_icmp(Target("127.0.0.1"), IcmpParams(interval=0.5), Context(shared, 20))
        )
        await asyncio.sleep(0.05)
        assert len(engine._bursts) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (engine._bursts, engine._by_ident, engine._outstanding) == ({}, {}, 0)


@needs_ping
async def test_a_step_of_the_realtime_clock_gives_no_false_time() -> None:
    async with shared_here() as shared:
        engine = shared.get(IcmpEngine)
        steps = count()
        engine._clock = KernelClock(realtime=lambda: time.time_ns() + 10**10 * (next(steps) // 2))
        readings = [await run_once("icmp", "127.0.0.1", shared=shared, count=1) for _ in range(20)]
    assert all(reading.outcome is Outcome.OK for reading in readings)
    assert all(reading.metrics.get("rtt_ms", 0) < 50 for reading in readings)
    assert any("not timed exactly" in reading.detail for reading in readings)


@needs_ping
@pytest.mark.alone
async def test_a_busy_loop_changes_no_figure() -> None:
    async with shared_here() as shared:
        idle = await median_rtt(shared)
        async with busy_loop():
            busy = await median_rtt(shared)
    assert abs(idle - busy) < 0.05


async def median_rtt(shared: SharedHere) -> float:
    readings = [await run_once("icmp", "127.0.0.1", shared=shared, count=20, interval=0.01) for _ in range(3)]
    return statistics.median(reading.metrics["rtt_ms"] for reading in readings)


@needs_ping
async def test_replies_that_wait_in_the_socket_are_read_before_anything_is_lost() -> None:
    async with busy_loop(held_s=0.045, every_s=0.046):
        reading = await run_once("icmp", "127.0.0.1", count=3, interval=0.01, wait=0.01)
    assert (reading.outcome, reading.metrics["loss_pct"]) == (Outcome.OK, 0)


@needs_namespace
async def test_a_ping_socket_serves_where_raw_is_not_allowed() -> None:
    allow = "echo 0 0 > /proc/sys/net/ipv4/ping_group_range; ip addr add 10.9.9.1/24 dev lo"
    (
        (outcome, _, _, metrics, facts),
        (outcome6, _, _, metrics6, facts6),
        (nobody, kind, detail, _, _),
        (again, *_),
    ) = await without_raw(allow, "127.0.0.1", "::1", "203.0.113.1", "127.0.0.1")
    assert (outcome, outcome6, again) == ("ok", "ok", "ok")
    assert metrics["received"] == metrics6["received"] == 3  # type: ignore[index]
    assert facts["reply_ttl"] == facts6["reply_ttl"] == "64"  # type: ignore[index]
    assert (nobody, kind, detail) == ("failed", "unreachable", "send: Network is unreachable")


@needs_namespace
async def test_neither_socket_allowed_says_what_to_do() -> None:
    ((outcome, kind, detail, metrics, _),) = await without_raw("true", "127.0.0.1")
    assert (outcome, kind, metrics) == ("error", "permission", {})
    assert "CAP_NET_RAW" in str(detail)
    assert "net.ipv4.ping_group_range" in str(detail)


@needs_namespace
@pytest.mark.parametrize("raw", [True, False])
async def test_what_an_address_without_neighbour_says(raw: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a ping socket, errors come off its error queue."""

    async def work() -> list[Reading]:
        with open("/proc/sys/net/ipv4/ping_group_range", "w") as file:  # noqa: PTH123
            file.write("0 0")
        with tun(no_host):
            async with shared_here() as shared:
                targets = ("10.99.0.7", "10.99.0.8", "fd99::7")
                found = await asyncio.gather(
                    *(run_once("icmp", target, shared=shared, timeout=2, **FAST) for target in targets)
                )
                channels = shared.get(IcmpEngine)._channels
                assert [channels[family].raw for family in "46"] == [raw, raw]
                return found

    if not raw:
        original = Channel.__init__.__globals__["_socket"]

        def refuse(family: str, kind: int) -> object:
            if kind & 3 == 3:
                raise PermissionError(1, "no")
            return original(family, kind)

        monkeypatch.setitem(Channel.__init__.__globals__, "_socket", refuse)
    for reading, text in zip(await in_namespace(work), ("host", "host", "address"), strict=True):
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "unreachable")
        assert reading.detail.startswith(f"{text} unreachable, says ")


@needs_ping
async def test_a_burst_that_has_no_room_in_the_timeout_is_our_own_contradiction() -> None:
    reading = await run_once("icmp", "127.0.0.1", count=100, interval=1, timeout=5)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert reading.detail == "sending 100 packets takes 99 s, which the timeout of 5 s has no room for"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"count": 0}, "greater than or equal to 1"),
        ({"count": 1001}, "less than or equal to 1000"),
        ({"interval": 0.001}, "greater than or equal to 0.01"),
        ({"size": 7}, "greater than or equal to 8"),
        ({"size": 65_001}, "less than or equal to 65000"),
        ({"ttl": 0}, "greater than or equal to 1"),
        ({"dscp": 64}, "less than or equal to 63"),
        ({"wait": 0}, "greater than 0"),
        ({"packets": 3}, "Extra inputs"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        IcmpParams.model_validate(params)


def test_defaults_fit_the_default_timeout() -> None:
    params = IcmpParams()
    assert (params.count - 1) * params.interval + params.wait < PROBE.default_timeout
    assert Address("10.0.0.1", "4").sockaddr(0) == ("10.0.0.1", 0)
