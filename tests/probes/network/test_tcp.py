"""`tcp` against servers that behave and servers that don't; each ends as documented, within its deadline."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

from probes.api import Outcome
from probes.network.tcp import MAX_BANNER, PROBE, TcpParams
from tests.probes.network.busy import busy_loop, greeter
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.hostile import (
    Handler,
    endless,
    forever,
    garbage,
    garbage_kept_open,
    resets,
    says,
    silent,
    tcp_server,
    unanswering,
)
from tests.servers.ports import closed_port
from tests.servers.sshd import sshd

MARGIN_S = 0.5


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_open_port(host: str) -> None:
    async with tcp_server(silent, host) as port:
        reading = await run_once("tcp", host, port=port)
    assert reading.outcome is Outcome.OK
    assert 0 < reading.metrics["connect_ms"] < 1000
    assert reading.metrics["connect_ms"] == reading.phases["connect"] == reading.metrics["total_ms"]
    assert reading.metrics["syn_retransmits"] == 0
    assert reading.facts == {"address": host, "family": "6" if ":" in host else "4"}


async def test_a_banner_is_read_until_it_matches() -> None:
    async with tcp_server(says(b"220 mail.exam", b"ple ESMTP\r\n", pause=0.05, hold=True)) as port:
        reading = await run_once(
            "tcp", "127.0.0.1", port=port, send="EHLO me\r\n", expect_banner=r"^220 \S+ ESMTP"
        )
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["banner"] == "220 mail.example ESMTP"
    assert list(reading.phases) == ["connect", "banner"]
    assert 45 < reading.phases["banner"] < 1000
    assert 0 < reading.metrics["first_byte_ms"] < reading.phases["banner"]
    assert reading.metrics["total_ms"] == pytest.approx(sum(reading.phases.values()))


CASES: dict[str, tuple[Handler, str, str]] = {
    "accepts, never answers": (silent, "timeout", "receive: no answer after"),
    "garbage, then the end": (garbage, "expectation", "does not match /^SSH-/"),
    "garbage, then nothing": (garbage_kept_open, "expectation", "does not match /^SSH-/"),
    "sends without end": (endless, "expectation", "does not match /^SSH-/"),
    "sends slowly without end": (forever(b"x", lambda n: b"y", 0.01), "expectation", "does not match"),
    "resets": (resets, "protocol", "Connection reset by peer"),
    "closes without a word": (says(), "protocol", "closed the connection without a word"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_server_that_misbehaves(case: str) -> None:
    handler, kind, detail = CASES[case]
    async with tcp_server(handler) as port:
        started = time.perf_counter()
        reading = await run_once("tcp", "127.0.0.1", timeout=0.8, port=port, send="x", expect_banner="^SSH-")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)
    assert reading.kind in PROBE.kinds
    assert detail in reading.detail
    assert "connect_ms" in reading.metrics
    assert time.perf_counter() - started < 0.8 + MARGIN_S


async def test_an_endless_banner_takes_bounded_memory() -> None:
    async with tcp_server(endless) as port, shared_here() as shared:
        await run_once("tcp", "127.0.0.1", port=port, shared=shared, expect_banner="^SSH-")
        tracemalloc.start()
        reading = await run_once("tcp", "127.0.0.1", port=port, shared=shared, expect_banner="^SSH-")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert reading.kind == "expectation"
    assert len(reading.facts["banner"]) <= 200
    assert peak < 1_000_000 + MAX_BANNER


async def test_a_closed_port_refuses() -> None:
    with closed_port() as port:
        reading = await run_once("tcp", "127.0.0.1", port=port)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "refused", "connect")


async def test_a_filtered_port_times_out_within_the_deadline() -> None:
    with unanswering() as port:
        started = time.perf_counter()
        reading = await run_once("tcp", "127.0.0.1", timeout=0.5, port=port)
        took = time.perf_counter() - started
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "timeout", "connect")
    assert "connect: no answer after 0." in reading.detail
    assert took < 0.5 + MARGIN_S


async def test_no_route_is_unreachable() -> None:
    reading = await run_once("tcp", "255.255.255.255", port=9)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "unreachable")


@asynccontextmanager
async def filtered_beside_open() -> AsyncIterator[tuple[int, int]]:
    async with tcp_server(silent) as opened:
        with unanswering() as filtered:
            yield filtered, opened


class TestNegative:
    """A port that should be closed."""

    async def test_passes_when_refused(self) -> None:
        with closed_port() as port:
            reading = await run_once("tcp", "127.0.0.1", port=port, closed=True)
        assert (reading.outcome, reading.metrics) == (Outcome.OK, {})
        assert reading.detail == f"port {port}: connect: Connection refused"

    async def test_fails_when_open(self) -> None:
        async with tcp_server(silent) as port:
            reading = await run_once("tcp", "127.0.0.1", port=port, closed=True)
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
        assert reading.detail == f"port {port} is open"

    async def test_passes_on_silence_beside_an_open_control(self) -> None:
        async with filtered_beside_open() as (port, control):
            reading = await run_once(
                "tcp", "127.0.0.1", port=port, closed=True, wait=0.2, control_port=control
            )
        assert reading.outcome is Outcome.OK
        assert reading.detail.endswith(f"control port {control} is open")

    async def test_silence_alone_says_nothing(self) -> None:
        with unanswering() as port:
            reading = await run_once("tcp", "127.0.0.1", port=port, closed=True, wait=0.2)
        assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
        assert "without a control_port" in reading.detail

    async def test_silence_beside_a_silent_or_refused_control_says_nothing(self) -> None:
        with unanswering() as port, unanswering() as mute, closed_port() as shut:
            for control in (mute, shut):
                started = time.perf_counter()
                reading = await run_once(
                    "tcp", "127.0.0.1", timeout=1, port=port, closed=True, control_port=control
                )
                assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
                assert f"control port {control}" in reading.detail
                assert time.perf_counter() - started < 1 + MARGIN_S


async def test_a_real_sshd_introduces_itself() -> None:
    async with sshd() as server:
        reading = await run_once("tcp", "127.0.0.1", port=server.port, expect_banner=r"^SSH-2\.0-")
    assert reading.outcome is Outcome.OK
    assert reading.facts["banner"].startswith("SSH-2.0-OpenSSH")


@pytest.mark.alone
async def test_a_busy_loop_changes_no_figure() -> None:
    with greeter(b"SSH-2.0-x\r\n") as port:
        async with shared_here() as shared:
            idle = await medians(shared, port)
            async with busy_loop():
                busy = await medians(shared, port)
    for name, value in idle.items():
        assert abs(value - busy[name]) < 0.1, name


async def medians(shared: SharedHere, port: int) -> dict[str, float]:
    readings = [
        await run_once("tcp", "127.0.0.1", shared=shared, port=port, expect_banner="^SSH") for _ in range(60)
    ]
    names = ("connect_ms", "first_byte_ms", "total_ms")
    return {name: statistics.median(reading.metrics[name] for reading in readings) for name in names}


async def test_a_loop_held_up_over_the_deadline_makes_no_false_time_out() -> None:
    with greeter(b"SSH-2.0-x\r\n") as port:
        async with busy_loop(held_s=0.045, every_s=0.046):
            reading = await run_once("tcp", "127.0.0.1", timeout=0.05, port=port)
    assert reading.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"port": 0}, "greater than or equal to 1"),
        ({"port": 65536}, "less than or equal to 65535"),
        ({"port": 1, "closed": True, "send": "x"}, "a closed port says nothing"),
        ({"port": 1, "closed": True, "expect_banner": "x"}, "a closed port says nothing"),
        ({"port": 1, "control_port": 2}, "only counts together with closed: true"),
        ({"port": 1, "closed": True, "control_port": 1}, "must be another port"),
        ({"port": 1, "expect_banner": "("}, "no regular expression: missing )"),
        ({"port": 1, "wait": 0}, "greater than 0"),
        ({"port": 1, "banner": "x"}, "Extra inputs"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        TcpParams.model_validate(params)


async def test_a_pattern_that_runs_away_on_what_the_server_says_accuses_nobody_and_holds_nothing() -> None:
    async def shouts(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a" * 3000 + b"!")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shouts, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reading = await run_once("tcp", "127.0.0.1", port=port, expect_banner="(a|aa)+$")
    server.close()
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert "took too long" in reading.detail
