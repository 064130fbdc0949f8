"""`iperf3` against the real server over emulated links, its errors, and its parser against anything."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import _process
from probes.api import Context, Outcome, Reading
from probes.errors import Ending
from probes.network import iperf3 as module
from probes.network._iperf3_report import ending_of, transfer_of
from probes.network.iperf3 import PROBE, Iperf3Params, plan_of
from tests.probing import run_once, shared_here
from tests.servers.hostile import says, tcp_server
from tests.servers.iperf3 import busy, iperf3
from tests.servers.link import Link, link, needs_link
from tests.servers.ports import closed_port


class Leave:
    """Leave for a run, as the discipline would give it."""

    def __init__(self, most: int, up: float | None = None, down: float | None = None) -> None:
        self.max_bytes, self.up_bps, self.down_bps = most, up, down
        self.loss: float | None = None
        self.rtt_ms: float | None = None
        self.up = self.down = 0
        self.why = ""

    def spent(self, up: int, down: int) -> None:
        self.up, self.down = self.up + up, self.down + down

    def hurt(self) -> str:
        return self.why

    def fill(self) -> None:
        raise AssertionError("not asked for")


async def measured(line: Link, port: int, leave: Leave | None = None, **params: Any) -> Reading:
    async def work() -> Reading:
        async with shared_here() as shared:
            context = Context(shared, 20.0, link=leave)
            return await run_once(
                "iperf3", line.far_address, shared=shared, context=context, port=port, **params
            )

    reading = await line.near.loop(work)
    assert set(reading.metrics) <= {metric.name for metric in PROBE.metrics}
    assert set(reading.facts) <= {fact.name for fact in PROBE.facts}
    return reading


@needs_link
@pytest.mark.alone
async def test_goodput_of_an_asymmetric_link(tmp_path: Path) -> None:
    leave = Leave(10**9)
    leave.rtt_ms = 10
    async with link(up=4e6, down=20e6, rtt_ms=10) as line:
        async with iperf3(tmp_path, line.far, line.far_address) as port:
            reading = await measured(line, port, leave, seconds=2)
        traffic = await line.traffic("down")
    assert reading.outcome is Outcome.OK
    assert reading.metrics["transfer_down_bps"] == pytest.approx(20e6 * 1448 / 1514, rel=0.1)
    assert reading.metrics["transfer_up_bps"] == pytest.approx(4e6 * 1448 / 1514, rel=0.15)
    assert (reading.facts["decided_up"], reading.facts["decided_down"]) == ("exact", "exact")
    assert reading.metrics["sent_bytes"] == pytest.approx(traffic.ip_bytes, rel=0.1)
    assert reading.metrics["queue_down_ms"] == pytest.approx(reading.metrics["rtt_loaded_ms"] - 10)
    assert reading.metrics["queue_down_ms"] > 1
    assert reading.metrics["retransmits_down"] >= 0 <= reading.metrics["retransmits_up"]


@needs_link
async def test_bytes_hold_the_rate_and_the_figure_is_a_lower_bound(tmp_path: Path) -> None:
    leave = Leave(1_000_000)
    async with link(up=50e6, down=50e6) as line:
        async with iperf3(tmp_path, line.far, line.far_address) as port:
            reading = await measured(line, port, leave, seconds=1)
        put = [(await line.traffic(way)).ip_bytes for way in ("up", "down")]
    assert reading.outcome is Outcome.OK
    assert reading.metrics["transfer_down_at_least_bps"] == pytest.approx(4e6, rel=0.2)
    assert not {"transfer_up_bps", "transfer_down_bps"} & set(reading.metrics)
    assert reading.facts["decided_up"] == "at_least"
    assert sum(put) < 1_500_000
    assert leave.up + leave.down == pytest.approx(1_000_000, rel=0.35)


@needs_link
async def test_a_run_that_hurts_others_ends_at_once(tmp_path: Path) -> None:
    leave = Leave(10_000_000)

    async def hurts() -> None:
        await asyncio.sleep(0.5)
        leave.why = "the round trip time rose to 300 ms"

    async with (
        link(up=10e6, down=10e6) as line,
        iperf3(tmp_path, line.far, line.far_address) as port,
    ):
        hurting, began = asyncio.create_task(hurts()), time.monotonic()
        reading = await measured(line, port, leave, seconds=5)
        await hurting
    assert time.monotonic() - began < 3
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail == "stopped: the round trip time rose to 300 ms"
    assert leave.down > 0
    assert not reading.metrics


@needs_link
async def test_a_link_that_dies_gives_no_figure(tmp_path: Path) -> None:
    async with (
        link(up=10e6, down=10e6, relay=True) as line,
        iperf3(tmp_path, line.far, line.far_address) as port,
    ):
        asyncio.get_running_loop().call_later(0.7, line.cut)
        reading = await line.near.loop(
            lambda: run_once("iperf3", line.far_address, timeout=4, port=port, seconds=1, direction="down")
        )
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
    assert not reading.metrics


async def test_a_server_that_is_busy_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_WAIT_S", 0.05)
    async with iperf3(tmp_path) as port, busy(tmp_path, port):
        reading = await run_once("iperf3", "127.0.0.1", port=port, seconds=1, timeout=10)
    assert (reading.outcome, reading.kind) == (Outcome.NOT_RUN, "busy")
    assert "busy" in reading.detail


async def test_a_closed_port_is_refused() -> None:
    with closed_port() as port:
        reading = await run_once("iperf3", "127.0.0.1", port=port, seconds=1, timeout=10)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")


async def test_a_server_of_another_kind_is_a_violation_or_a_timeout() -> None:
    async with tcp_server(says(b"SSH-2.0-OpenSSH\r\n")) as port:
        reading = await run_once("iperf3", "127.0.0.1", port=port, seconds=1, timeout=6)
    assert reading.outcome is not Outcome.OK
    assert not reading.metrics


async def test_without_the_program_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_process.ENVIRONMENT, "PATH", "/nowhere")
    reading = await run_once("iperf3", "127.0.0.1", timeout=20)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")


async def test_seconds_that_do_not_fit_are_refused() -> None:
    reading = await run_once("iperf3", "127.0.0.1", seconds=10, timeout=10)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")


async def test_a_spent_budget_is_no_run() -> None:
    async with shared_here() as shared:
        context = Context(shared, 20.0, link=Leave(5000))
        reading = await run_once("iperf3", "127.0.0.1", shared=shared, context=context)
    assert (reading.outcome, reading.kind) == (Outcome.NOT_RUN, "budget")


@given(
    st.integers(100_000, 10**9), st.sampled_from([None, 1e6, 20e6, 1e9]), st.integers(1, 10),
    st.sampled_from(["up", "down", "both"]),
)  # fmt: skip
def test_a_plan_keeps_within_the_bytes(
    most: int, contracted: float | None, seconds: int, direction: Any
) -> None:
    context = Context(None, 60.0, link=Leave(most, contracted, contracted))  # type: ignore[arg-type]
    params = Iperf3Params(seconds=seconds, direction=direction, bytes=10**9)
    ways = 2 if direction == "both" else 1
    total = sum(plan.seconds * plan.cap_bps / 8 for plan in [plan_of("up", params, context)] * ways)
    assert total <= most * 1.0001
    assert 1 <= plan_of("down", params, context).seconds <= seconds


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("unable to connect to server: Connection refused", "refused"),
        ("unable to connect to server: No route to host", "unreachable"),
        ("unable to connect to server: Network is unreachable", "unreachable"),
        ("unable to connect to server: Connection timed out", "timeout"),
        ("the server is busy running a test. try again later", "busy"),
        ("test authorization failed", "auth"),
        ("control socket has closed unexpectedly", "protocol"),
        ("something that nobody has seen yet", "inconclusive"),
    ],
)
def test_errors_by_kind(text: str, kind: str) -> None:
    assert ending_of(text).reading().kind == kind


NAMES = (
    "start", "end", "streams", "sender", "sum_sent", "sum_received", "bytes", "bits_per_second", "seconds",
    "error",
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


@given(json_values)
def test_a_report_of_anything_is_an_ending_or_figures(value: object) -> None:
    try:
        found = transfer_of(json.dumps(value).encode(), "4")
    except Ending:
        return
    assert found.goodput_bps >= 0
