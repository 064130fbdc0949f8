"""`echo` against a real reflector, through a relay that loses, reorders and doubles, and against liars."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from monitor.reflector.limits import Limits
from probes._kernel_clock import KernelClock
from probes.api import Outcome, Reading
from probes.network import _reflect_socket
from probes.network import echo as _echo_probe  # noqa: F401 - imported before the loop runs
from probes.network._reflect_bodies import Echoed, Reported, unpack
from probes.network._reflect_wire import Frame, Kind, header
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.hostile import udp_server
from tests.servers.liar import Lie, Seal, lying, port_of, reflector_here, silent_port
from tests.servers.link import link, needs_link
from tests.servers.ports import free_port
from tests.servers.reflector import SECRETS, UNIT, reflecting
from tests.servers.udp_relay import Piece, Treatment, relaying

FAST = {"count": 10, "interval": 0.01, "wait": 0.3}


async def _echo(port: int, address: str = "127.0.0.1", *, timeout: float = 5.0, **params: Any) -> Reading:
    async with shared_here(secrets=SECRETS) as shared:
        return await _shared(shared, port, address, timeout=timeout, **params)


async def _shared(
    shared: SharedHere, port: int, address: str = "127.0.0.1", *, timeout: float = 5.0, **params: Any
) -> Reading:
    given = {"secret": "secret:reflect", "key_of": UNIT, **FAST, **params}
    return await run_once("echo", address, shared=shared, timeout=timeout, port=port, **given)


def _nth(kind: Kind, treat: dict[int, list[float]]) -> Treatment:
    """Send the n-th datagram of a kind again after each of these pauses (none: it is lost)."""
    seen: Counter[Kind] = Counter()

    def treatment(__: int, data: bytes) -> Iterable[Piece]:
        found = header(data).kind
        seen[found] += 1
        pauses = treat.get(seen[found] - 1, [0.0]) if found is kind else [0.0]
        return [(pause, data) for pause in pauses]

    return treatment


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_good_path_loses_nothing(tmp_path: Path, host: str) -> None:
    async with reflecting(tmp_path, host=host) as reflector:
        reading = await _echo(reflector.port, host, dscp=10, count=20)
        counts = await reflector.stop()
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    metrics = reading.metrics
    assert (metrics["sent"], metrics["received"]) == (20, 20)
    for name in ("loss_pct", "loss_up_pct", "loss_down_pct", "loss_events", "reordered", "duplicates"):
        assert metrics[name] == 0, name
    assert 0 < metrics["rtt_min_ms"] <= metrics["rtt_ms"] <= metrics["rtt_p95_ms"] <= metrics["rtt_max_ms"]
    assert metrics["rtt_ms"] < 5
    assert (metrics["ttl_down"], metrics["ttl_up"]) == (64, 64)
    assert (reading.facts["dscp_down"], reading.facts["dscp_up"]) == ("10", "10")
    assert "delay_up_ms" in metrics or "clock" in reading.facts["clocks"]
    assert (counts["echoes"], counts["opened"]) == (20, 1)


async def test_loss_is_told_apart_by_direction() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        relay.to_server = _nth(Kind.ECHO, {2: [], 3: []})
        relay.to_client = _nth(Kind.ECHOED, {5: []})
        reading = await _echo(relay.port)
    metrics = reading.metrics
    assert reading.outcome is Outcome.OK
    assert (metrics["sent"], metrics["received"], metrics["loss_pct"]) == (10, 7, 30)
    assert (metrics["loss_down_pct"], metrics["loss_up_pct"]) == (20, 12.5)
    assert metrics["loss_events"] == 3, "they were sent more than a round trip apart"


async def test_the_last_echoes_lost_are_told_apart_too() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        relay.to_server = _nth(Kind.ECHO, {9: []})
        relay.to_client = _nth(Kind.ECHOED, {8: []})
        reading = await _echo(relay.port)
    metrics = reading.metrics
    assert metrics["loss_down_pct"] == 10
    assert metrics["loss_up_pct"] == pytest.approx(100 / 9)
    assert metrics["loss_events"] == 2


async def test_reordering_and_copies_are_counted_each_way() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        relay.to_server = _nth(Kind.ECHO, {1: [0.05], 4: [0, 0]})
        relay.to_client = _nth(Kind.ECHOED, {6: [0.05], 8: [0, 0, 0]})
        reading = await _echo(relay.port, count=20)
    metrics = reading.metrics
    assert (reading.outcome, metrics["received"], metrics["loss_pct"]) == (Outcome.OK, 20, 0)
    assert (metrics["reordered"], metrics["duplicates"]) == (2, 3)


async def test_a_lost_handshake_is_asked_for_again() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        relay.to_server = _nth(Kind.HELLO, {0: []})
        relay.to_client = _nth(Kind.OPENED, {0: []})
        reading = await _echo(relay.port, count=2)
        assert service.counts["opened"] == 1
    assert reading.outcome is Outcome.OK
    assert reading.phases["handshake"] > 900


@pytest.mark.parametrize("params", [{"key_of": "another-unit"}, {"secret": "secret:other"}])
async def test_another_key_is_an_error_of_ours(params: dict[str, Any]) -> None:
    async with (
        reflector_here() as service,
        shared_here(secrets={**SECRETS, "other": "another master secret"}) as shared,
    ):
        reading = await _shared(shared, port_of(service), **params)
        assert service.counts["refused_auth"] == 1
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
    assert "the secret, or the unit it was made for" in reading.detail
    assert not reading.metrics


@pytest.mark.parametrize(
    ("secret", "params", "says"),
    [
        ("too-little", {}, "shorter than 16"),
        ("no key at all, only words", {"derived": False}, "64 hexadecimal digits"),
        ("a master secret of the tests", {"key_of": ""}, "no unit is named"),
    ],
)
async def test_an_unusable_secret_says_so_and_not_what_it_is(
    secret: str, params: dict[str, Any], says: str
) -> None:
    async with shared_here(secrets={"reflect": secret}) as shared:
        reading = await _shared(shared, 9, **params)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert says in reading.detail
    assert secret not in reading.detail


async def test_a_closed_port_is_refused() -> None:
    reading = await _echo(free_port())
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")


async def test_silence_is_a_timeout() -> None:
    with silent_port() as held:
        reading = await _echo(held.getsockname()[1], timeout=1)
    assert (reading.outcome, reading.kind, reading.detail) == (
        Outcome.FAILED, "timeout", "no answer from a reflector",
    )  # fmt: skip


async def test_something_else_on_the_port_is_a_protocol_failure() -> None:
    async with udp_server(lambda data: [b"hello", data[::-1], data]) as port:
        reading = await _echo(port, timeout=1)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")


def _about(kind: Kind, change: Any) -> Lie:
    """Lie in each answer of a kind: `change` gives another body."""
    bodies = {Kind.ECHOED: Echoed, Kind.REPORTED: Reported}

    def lie(frame: Frame, seal: Seal) -> Iterable[bytes] | None:
        return [seal(kind, change(unpack(bodies[kind], frame.body)))] if frame.kind is kind else None

    return lie


def _twice(frame: Frame, seal: Seal) -> Iterable[bytes] | None:
    if frame.kind is not Kind.ECHOED:
        return None
    answer = unpack(Echoed, frame.body)
    return [seal(Kind.ECHOED, answer), seal(Kind.ECHOED, answer)]


LIES: dict[str, tuple[Lie, str]] = {
    "answered before asked": (
        _about(Kind.ECHOED, lambda answer: answer._replace(sent_ns=answer.received_ns - 1)),
        "before it was asked",
    ),
    "held for longer than the round trip": (
        _about(Kind.ECHOED, lambda answer: answer._replace(received_ns=answer.sent_ns - 10**9)),
        "longer than the whole round trip",
    ),
    "received more than was sent": (
        _about(Kind.ECHOED, lambda answer: answer._replace(received=1000)),
        "more echoes than were sent",
    ),
    "an echo never sent": (
        _about(Kind.ECHOED, lambda answer: answer._replace(sequence=500)),
        "never sent",
    ),
    "one echo answered twice": (_twice, "second answer"),
    "an account of what never was": (
        _about(Kind.REPORTED, lambda page: page._replace(records=((99, 0),), total=1)),
        "never part of the train",
    ),
    "one packet twice": (
        _about(Kind.REPORTED, lambda page: page._replace(records=((1, 0), (1, 5)), total=2)),
        "one packet twice",
    ),
    "an account without what was answered": (
        _about(Kind.REPORTED, lambda page: page._replace(records=page.records[1:], total=page.total - 1)),
        "by its own account never came",
    ),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_lying_reflector_is_a_protocol_failure(name: str) -> None:
    lie, says = LIES[name]
    async with lying(lie) as port:
        reading = await _echo(port, timeout=2)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol"), reading
    assert says in reading.detail


async def test_a_reflector_that_never_ends_its_account_costs_only_the_time() -> None:
    endless = _about(Kind.REPORTED, lambda page: page._replace(records=(), total=4000))
    async with lying(endless) as port:
        started = time.perf_counter()
        reading = await _echo(port, timeout=2)
    assert time.perf_counter() - started < 2.5
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")


async def test_replayed_answers_are_copies_and_change_no_figure() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        replayed: list[bytes] = []

        def again(_: int, data: bytes) -> Iterable[Piece]:
            replayed.append(data)
            return [(0, data), (0.02, replayed[0]), (0.02, replayed[-1])]

        relay.to_client = again
        reading = await _echo(relay.port, count=40)
    assert (reading.outcome, reading.metrics["received"]) == (Outcome.OK, 40)
    assert reading.metrics["loss_pct"] == 0
    assert reading.metrics["duplicates"] >= 5
    assert reading.metrics["rtt_max_ms"] < 20


async def test_a_reflector_restarted_in_mid_burst_is_inconclusive() -> None:
    port = free_port()
    async with relaying(port) as relay:
        async with reflector_here(port=port):
            running = asyncio.create_task(_echo(relay.port, count=60))
            await asyncio.sleep(0.3)
        async with reflector_here(port=port):
            reading = await running
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert "restarted" in reading.detail
    assert not reading.metrics


async def test_a_reflector_that_dies_in_mid_burst_is_a_failure_that_says_what_was_measured() -> None:
    async with reflector_here() as service:
        running = asyncio.create_task(_echo(port_of(service), count=60))
        await asyncio.sleep(0.3)
    reading = await running
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")
    assert 0 < reading.metrics["received"] < reading.metrics["sent"] <= 60


async def test_a_path_that_breaks_in_mid_burst_shows_as_loss_and_accuses_no_direction() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        running = asyncio.create_task(_echo(relay.port, count=20, timeout=2))
        await asyncio.sleep(0.1)
        relay.to_server = relay.to_client = lambda _, __: []
        reading = await running
    assert reading.outcome is Outcome.OK
    assert 0 < reading.metrics["loss_pct"] < 100
    assert not {"loss_up_pct", "loss_down_pct", "reordered"} & reading.metrics.keys()
    assert "loss each way is not known" in reading.detail


async def test_the_reflector_s_budget_is_not_the_link_s_failure() -> None:
    async with reflector_here(Limits(requests_s=5)) as service:
        reading = await _echo(port_of(service))
    assert (reading.outcome, reading.kind) == (Outcome.NOT_RUN, "overload")


async def test_a_step_of_our_clock_times_nothing_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(10**6))

    def stepping() -> int:
        return time.time_ns() + (3600 * 10**9 if next(looks) > 8 else 0)

    monkeypatch.setattr(_reflect_socket, "KernelClock", lambda: KernelClock(stepping))
    async with reflector_here() as service:
        reading = await _echo(port_of(service))
    assert (reading.outcome, reading.metrics["received"]) == (Outcome.OK, 10)
    assert "a clock was stepped" in reading.detail
    assert reading.metrics.get("rtt_max_ms", 0) < 100
    assert "delay_up_ms" not in reading.metrics


async def test_a_burst_that_does_not_fit_is_ours() -> None:
    reading = await _echo(9, count=100, interval=0.1)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert "has no room for" in reading.detail


@pytest.mark.may_block
async def test_a_busy_loop_does_not_change_the_round_trip(tmp_path: Path) -> None:
    async def busy() -> None:
        while True:
            time.sleep(0.005)
            await asyncio.sleep(0)

    async with reflecting(tmp_path) as reflector:
        blocker = asyncio.create_task(busy())
        reading = await _echo(reflector.port, count=20)
        blocker.cancel()
    assert (reading.outcome, reading.metrics["loss_pct"]) == (Outcome.OK, 0)
    assert reading.metrics["rtt_ms"] < 2


@needs_link
@pytest.mark.alone
async def test_an_uneven_link_is_told_as_it_is(tmp_path: Path) -> None:
    async with link(relay=True) as line:
        line.set("down", delay=25.0, loss=0.2)
        line.set("up", delay=5.0)
        async with reflecting(tmp_path, host=line.far_address, inside=line.far) as reflector:
            reading = await line.near.loop(
                lambda: _echo(reflector.port, line.far_address, count=100, wait=1.0, dscp=46)
            )
    metrics = reading.metrics
    assert reading.outcome is Outcome.OK, reading
    assert metrics["rtt_ms"] == pytest.approx(30, abs=1)
    assert (metrics["sent"], metrics["loss_up_pct"]) == (100, 0)
    assert 5 < metrics["loss_down_pct"] == metrics["loss_pct"] < 40
    assert 1 < metrics["loss_events"] <= metrics["loss_pct"]
    assert (reading.facts["dscp_down"], reading.facts["dscp_up"]) == ("46", "46")


@needs_link
@pytest.mark.alone
async def test_a_full_queue_one_way_is_in_the_round_trip(tmp_path: Path) -> None:
    async with (
        link(up=0.5e6, down=10e6, queue_ms=500) as line,
        reflecting(tmp_path, host=line.far_address, inside=line.far) as reflector,
    ):
        quiet = await line.near.loop(lambda: _echo(reflector.port, line.far_address))
        large = await line.near.loop(lambda: _echo(reflector.port, line.far_address, size=1400, count=20))
    assert quiet.metrics["rtt_ms"] < 5
    assert 100 < large.metrics["rtt_max_ms"] < 500
    assert large.metrics["sent_bytes"] > 20 * 1428
    assert large.metrics["loss_pct"] == 0
