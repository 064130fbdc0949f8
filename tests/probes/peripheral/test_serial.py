"""`serial` against scripted devices on pseudo-terminals."""

from __future__ import annotations

import asyncio
import fcntl
import os
import termios
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Outcome, Reading
from probes.peripheral._serial_line import LineParams, attributes
from probes.peripheral.serial import PROBE, SerialParams
from tests.probing import run_once, shared_here
from tests.servers.process import program, running
from tests.servers.pty import Line, device


def scale(heard: bytes) -> bytes:
    return b"ST,GS,  12.50kg\r\n" if heard.endswith(b"\r\n") else b""


ASK = {"send": "READ\r\n", "expect": r"(?P<status>ST|US),GS, *(?P<weight>[\d.]+)kg", "within": 1}


async def _asked(line: Line, /, **params: Any) -> Reading:
    return await run_once(PROBE.name, "local", device=line.path, **params)


async def test_a_device_that_answers() -> None:
    async with device(scale) as line:
        reading = await _asked(line, exchange=[ASK])
    assert reading.outcome is Outcome.OK, reading
    assert (reading.metrics["weight"], reading.facts["status"]) == (12.5, "ST")
    assert reading.metrics["received"] == 17
    assert reading.metrics["exchange_ms"] > 0
    assert reading.facts["device"] == line.path
    assert "answer" not in reading.facts
    assert line.heard == b"READ\r\n"


async def test_an_answer_in_pieces_and_several_steps() -> None:
    def answer(heard: bytes) -> bytes:
        if heard.endswith(b"\x05"):
            asyncio.get_running_loop().call_later(0.05, os.write, line.master, b"\x02")
            return b"\x06\x01"
        return b"READY" if heard.endswith(b"?") else b""

    async with device(answer) as line:
        ask = {"send_hex": "05", "expect_hex": "01 02"}
        steps = [{"send_hex": "1B 40"}, ask, {"send": "?", "expect": "READY$"}]
        reading = await _asked(line, exchange=steps, keep=True)
    assert reading.outcome is Outcome.OK, reading
    assert reading.facts["answer"] == "READY"
    assert line.heard == b"\x1b@\x05?"


async def test_only_opened() -> None:
    async with device(scale) as line:
        reading = await _asked(line)
    assert reading.outcome is Outcome.OK
    assert set(reading.metrics) == {"connect_ms"}
    assert line.heard == b""


@pytest.mark.parametrize(
    ("said", "kind", "detail"),
    [
        (b"", "timeout", "no_answer: nothing within 0.1 s"),
        (b"NAK\x15", "expectation", "wrong_answer: 'NAK\\x15'"),
        (b"x" * 3000, "expectation", f"wrong_answer: '{'x' * 60}'"),
    ],
)
async def test_another_answer(said: bytes, kind: str, detail: str) -> None:
    async with device(lambda heard: said) as line:
        reading = await _asked(line, exchange=[ASK | {"within": 0.1}])
    assert (reading.outcome, reading.kind, reading.detail) == (Outcome.FAILED, kind, detail)


async def test_a_device_that_talks_without_end() -> None:
    async with device(lambda heard: b"") as line:

        def talk() -> None:
            for _ in range(4):
                os.write(line.master, b"y" * 1000)

        loop = asyncio.get_running_loop()
        talking = [loop.call_later(0.02 * at, talk) for at in range(1, 8)]
        reading = await _asked(line, exchange=[ASK])
        for handle in talking:
            handle.cancel()
    assert (reading.kind, reading.detail.split(" ", 1)[1]) == ("protocol", "bytes, and not what is expected")


async def test_a_device_that_goes_away() -> None:
    async with device(lambda heard: b"") as line:
        asyncio.get_running_loop().call_later(0.1, line.hang_up)
        reading = await _asked(line, exchange=[ASK])
    assert (reading.kind, reading.detail) == ("protocol", "hung_up: the device went away")


async def test_no_device_and_no_serial_line(tmp_path: Path) -> None:
    missing = await run_once("serial", "local", device="/dev/muster-none")
    other = await run_once("serial", "local", device="/dev/null")
    elsewhere = await run_once("serial", "10.0.0.1", device="/dev/null")
    assert (missing.outcome, missing.kind) == (Outcome.FAILED, "unreachable")
    assert missing.detail.startswith("no_device: /dev/muster-none")
    assert (other.kind, other.detail) == ("expectation", "no_serial_line: /dev/null is no terminal")
    assert (elsewhere.kind, elsewhere.phase) == ("prober_error", "")


async def test_a_device_that_another_program_has() -> None:
    async with device(scale) as line:
        fcntl.flock(line.slave, fcntl.LOCK_EX)
        reading = await _asked(line, exchange=[ASK])
        fcntl.flock(line.slave, fcntl.LOCK_UN)
        free = await _asked(line, exchange=[ASK])
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail == f"busy: another program has {line.path}"
    assert free.outcome is Outcome.OK


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who has no right")
async def test_a_device_that_the_monitor_may_not_open() -> None:
    async with device(scale) as line:
        await asyncio.to_thread(Path(line.path).chmod, 0o600)
        os.seteuid(65534)
        try:
            reading = await _asked(line)
        finally:
            os.seteuid(0)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert reading.detail.startswith("missing_right: ")


async def test_two_runs_wait_for_each_other() -> None:
    async with device(scale) as line, shared_here() as shared:
        readings = await asyncio.gather(*(_asked(line, exchange=[ASK], shared=shared) for _ in range(3)))
    assert [reading.outcome for reading in readings] == [Outcome.OK] * 3
    assert line.heard == b"READ\r\n" * 3


async def test_the_line_is_set_and_put_back() -> None:
    seen: list[Any] = []

    def note(heard: bytes) -> bytes:
        seen.append(termios.tcgetattr(line.slave))
        return scale(heard)

    async with device(note) as line:
        before = termios.tcgetattr(line.slave)
        settings = {"baud": 2400, "bits": 7, "parity": "even", "stop": 2, "flow": "xonxoff"}
        reading = await _asked(line, exchange=[ASK], line=settings)
        after = termios.tcgetattr(line.slave)
    assert reading.outcome is Outcome.OK, reading
    assert seen[0][4:6] == [termios.B2400] * 2
    assert seen[0][2] & termios.CSTOPB
    assert seen[0][0] & termios.IXON
    assert after == before


async def test_a_run_killed_in_the_middle_lets_the_device_go() -> None:
    async with device(lambda heard: b"") as line, shared_here() as shared:
        before = termios.tcgetattr(line.slave)
        run = asyncio.create_task(_asked(line, exchange=[ASK], line={"baud": 300}, shared=shared))
        while not line.heard:
            await asyncio.sleep(0.01)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        until = time.monotonic() + 5
        while time.monotonic() < until and termios.tcgetattr(line.slave) != before:
            await asyncio.sleep(0.01)
        assert termios.tcgetattr(line.slave) == before
        fcntl.flock(line.slave, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_between_two_ports_of_socat(tmp_path: Path) -> None:
    ends = tmp_path / "near", tmp_path / "far"
    command = (program("socat"), *(f"PTY,link={end},rawer" for end in ends))
    async with running(*command, log=tmp_path / "socat.log"):
        while not all(end.exists() for end in ends):
            await asyncio.sleep(0.02)
        far = os.open(ends[1], os.O_RDWR | os.O_NOCTTY)
        near = os.path.realpath(ends[0])
        asyncio.get_running_loop().call_later(0.2, os.write, far, b"ST,GS,   1.00kg\r\n")
        reading = await run_once("serial", "local", device=near, exchange=[ASK])
        os.close(far)
    assert reading.outcome is Outcome.OK, reading
    assert reading.metrics["weight"] == 1


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({}, "a step sends or expects something"),
        ({"send": "a", "send_hex": "00"}, "give send or send_hex"),
        ({"expect": "a", "expect_hex": "00"}, "give expect or expect_hex"),
        ({"expect": "("}, "no regular expression"),
        ({"send_hex": "0"}, "pattern"),
        ({"expect": "(?P<device>a)"}, "not the probe's own: device"),
    ],
)
def test_steps_that_are_refused(step: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SerialParams.model_validate({"device": "/dev/ttyS0", "exchange": [step]})


@pytest.mark.parametrize("path", ["/etc/passwd", "ttyS0", "/dev/a b", "/dev/tty\n"])
def test_devices_that_are_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="device"):
        SerialParams.model_validate({"device": path})


@given(st.from_type(LineParams))
def test_any_settings_are_a_raw_line(settings: LineParams) -> None:
    found = attributes([0xFFFF, 1, termios.HUPCL, 1, 0, 0, [0] * 32], settings)
    assert found[1] == found[3] == 0
    assert found[2] & termios.CLOCAL
    assert found[2] & termios.HUPCL
    assert bool(found[2] & termios.PARENB) is (settings.parity != "none")
    assert bool(found[0] & termios.INPCK) is (settings.parity != "none")
    assert found[4] == found[5] == getattr(termios, f"B{settings.baud}")
