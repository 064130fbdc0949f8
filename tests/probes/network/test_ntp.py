"""`ntp` against chronyd, its arithmetic, and its decoder against anything."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes._clock import monitor_clock
from probes._udp import kernel_elapsed_ns
from probes.api import Outcome
from probes.network._ntp_packet import (
    PACKET,
    Packet,
    decode,
    difference,
    from_unix_ns,
    offset_and_delay,
    request,
)
from tests.probing import run_once
from tests.servers.chronyd import chronyd
from tests.servers.hostile import udp_server

FULL = 1 << 64
SECOND = 1 << 32


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_server_on_this_machine_has_no_offset(tmp_path: Path, address: str) -> None:
    async with chronyd(tmp_path) as port:
        reading = await run_once("ntp", address, port=port, spacing=0.01)
    assert reading.outcome is Outcome.OK
    offset = reading.metrics.get("offset_ms", reading.metrics.get("offset_unsynchronised_ms"))
    assert offset is not None
    assert abs(offset) < 5
    assert 0 <= reading.metrics["delay_ms"] < 100
    assert (reading.metrics["stratum"], reading.metrics["samples"]) == (8, 3)
    assert reading.facts["leap"] == "none"


async def test_an_unsynchronised_monitor_blames_nobody(tmp_path: Path) -> None:
    async with chronyd(tmp_path) as port:
        reading = await run_once("ntp", "127.0.0.1", port=port, samples=1)
    assert reading.facts["monitor_clock"] == monitor_clock()
    assert ("offset_ms" in reading.metrics) is (monitor_clock() != "unsynchronised")


async def test_an_unsynchronised_server_has_failed(tmp_path: Path) -> None:
    async with chronyd(tmp_path, stratum=None) as port:
        reading = await run_once("ntp", "127.0.0.1", port=port, samples=1)
        lenient = await run_once("ntp", "127.0.0.1", port=port, samples=1, require_synchronised=False)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.facts["leap"] == "unsynchronised"
    assert lenient.outcome is Outcome.OK


def _answering(question: bytes, *, stratum: int = 1, refid: bytes = b"GPS\0", ahead_s: float = 0.0) -> bytes:
    cookie = PACKET.unpack(question)[10]
    now = (from_unix_ns(time.time_ns()) + int(ahead_s * SECOND)) % FULL
    return PACKET.pack(0x24, stratum, 0, 0, 0, 0, int.from_bytes(refid, "big"), now, cookie, now, now)


async def test_an_offset_is_found() -> None:
    async with udp_server(lambda data: [_answering(data, ahead_s=2.5)]) as port:
        reading = await run_once("ntp", "127.0.0.1", port=port, samples=1)
    offset = reading.metrics.get("offset_ms", reading.metrics.get("offset_unsynchronised_ms", 0.0))
    assert offset == pytest.approx(2500, abs=20)
    assert reading.facts["refid"] == "GPS"


async def test_a_kiss_is_a_failure_that_names_its_code() -> None:
    async with udp_server(lambda data: [_answering(data, stratum=0, refid=b"RATE")]) as port:
        reading = await run_once("ntp", "127.0.0.1", port=port)
    assert (reading.kind, reading.detail) == ("protocol", "kiss-o'-death RATE")


async def test_strays_are_ignored_and_counted() -> None:
    async with udp_server(lambda data: [b"x", _answering(request(5)), _answering(data)]) as port:
        reading = await run_once("ntp", "127.0.0.1", port=port, samples=1)
    assert (reading.outcome, reading.metrics["strays"]) == (Outcome.OK, 2)


@pytest.mark.may_block
async def test_a_busy_loop_does_not_change_the_delay() -> None:
    async def busy() -> None:
        while True:
            time.sleep(0.005)
            await asyncio.sleep(0)

    async with udp_server(lambda data: [_answering(data)], own_thread=True) as port:
        blocker = asyncio.create_task(busy())
        reading = await run_once("ntp", "127.0.0.1", port=port, samples=5, spacing=0.01)
        blocker.cancel()
    assert reading.metrics["delay_ms"] < 2


@given(st.integers(0, FULL - 1), st.integers(-(10**9), 10**9))
def test_differences_hold_across_the_era(start: int, milliseconds: int) -> None:
    later = (start + milliseconds * SECOND // 1000) % FULL
    assert difference(later, start) == pytest.approx(milliseconds / 1000, abs=1e-6)


@given(st.integers(0, FULL - 1), st.floats(-1e6, 1e6), st.floats(0, 10), st.floats(0, 10), st.floats(0, 10))
def test_offset_and_delay(sent: int, offset: float, there: float, held: float, back: float) -> None:
    def at(seconds: float) -> int:
        return (sent + int(seconds * SECOND)) % FULL

    packet = Packet("none", 4, 1, 0, 0, "", 0, at(there + offset), at(there + held + offset))
    found, delay = offset_and_delay(packet, sent, at(there + held + back))
    assert found == pytest.approx(offset + (there - back) / 2, abs=1e-4)
    assert delay == pytest.approx(there + back, abs=1e-4)


@given(st.binary(max_size=100))
def test_the_decoder_takes_anything(data: bytes) -> None:
    assert decode(data, 7) is None or data[24:32] == (7).to_bytes(8, "big")


@given(st.binary(min_size=40, max_size=40), st.integers(0, 255))
def test_the_decoder_takes_any_field(fields: bytes, first: int) -> None:
    data = bytes([first]) + fields[:23] + (7).to_bytes(8, "big") + fields[23:39]
    found = decode(data, 7)
    assert found is None or (found.version in range(1, 5) and found.leap)


@pytest.mark.parametrize(
    ("sent", "at", "passed", "elapsed"),
    [(100, 150, 80, 50), (100, 50, 80, 80), (100, 500, 80, 80), (100, 0, 80, 80)],
)
def test_a_stepped_clock_falls_back_to_the_monotonic_one(
    sent: int, at: int, passed: int, elapsed: int
) -> None:
    assert kernel_elapsed_ns(sent, at, passed) == elapsed
