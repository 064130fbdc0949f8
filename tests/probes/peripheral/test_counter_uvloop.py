"""serial, modbus on a serial line, and ipp on the loop of the daemon (uvloop)."""

from __future__ import annotations

from pathlib import Path

import uvloop

from probes.api import Outcome, Reading
from tests.probes.peripheral.test_modbus import rtu_frame
from tests.probes.peripheral.test_serial import ASK, scale
from tests.probing import run_once
from tests.servers.ippeveprinter import ippeveprinter
from tests.servers.pty import device


def test_serial_lines() -> None:
    async def run() -> tuple[Reading, Reading]:
        async with device(scale) as line:
            weighed = await run_once("serial", "local", device=line.path, exchange=[ASK])
        async with device(lambda heard: rtu_frame(1, 3, 2, 0, 5) if len(heard) == 8 else b"") as line:
            registers = [{"name": "x", "address": 0}]
            read = await run_once("modbus", "local", device=line.path, registers=registers)
        return weighed, read

    weighed, read = uvloop.run(run())
    assert (weighed.outcome, weighed.metrics["weight"]) == (Outcome.OK, 12.5)
    assert (read.outcome, read.metrics["x"]) == (Outcome.OK, 5)


def test_a_printer(tmp_path: Path) -> None:
    async def run() -> Reading:
        async with ippeveprinter(tmp_path, command="exit 0") as printer:
            return await run_once("ipp", "127.0.0.1", port=printer.port, test_page=True)

    reading = uvloop.run(run())
    assert (reading.outcome, reading.facts["job_state"]) == (Outcome.OK, "completed")
