"""`ipp` against CUPS' ippeveprinter, and against printers that misbehave."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import logging
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from probes.api import Context, Outcome, Reading
from probes.peripheral._ipp_job import GET_JOBS, PRINT_JOB
from probes.peripheral._ipp_raster import KINDS, page
from probes.peripheral.ipp import GET_PRINTER, PROBE
from tests.probes.peripheral.ipp_answers import IDLE
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import HTTP, garbage, silent, tcp_server
from tests.servers.ippeveprinter import Printer, ippeveprinter

MARKER = "marker-Pa55/w0rd+9"


@pytest.fixture
async def printer(tmp_path: Path) -> AsyncIterator[Printer]:
    async with ippeveprinter(tmp_path, command="exit 0") as server:
        yield server


async def _asked(printer: Printer, /, **params: Any) -> Reading:
    return await run_once(PROBE.name, "127.0.0.1", port=printer.port, **params)


async def test_a_printer_that_is_ready(printer: Printer) -> None:
    reading = await _asked(printer, version="2.0")
    assert reading.outcome is Outcome.OK, reading
    assert reading.facts["state"] == "idle"
    assert reading.facts["model"] == "Muster Receipt"
    assert reading.facts["name"] == "Till 1"
    assert (reading.facts["error_reasons"], reading.facts["obstacle_reasons"]) == ("none", "none")
    assert reading.facts["media_ready"].startswith("na_letter")
    assert reading.facts["supplies_found"] == "Toner Waste Tank 25 % (waste); Black Toner 75 %"
    expected = {
        "accepting": 1, "errors": 0, "warnings": 0, "reports": 0, "obstacles": 0, "queued": 0, "supplies": 1,
        "supplies_empty": 0, "supplies_unknown": 0, "supply_lowest_pct": 75, "supply_lowest_known_pct": 75,
        "trays_loaded": 1, "trays_empty": 0, "trays_unknown": 3,
    }  # fmt: skip
    assert {name: reading.metrics[name] for name in expected} == expected
    assert printer.printed() == []


async def test_what_runs_out_is_an_obstacle_though_the_printer_calls_it_a_report(printer: Printer) -> None:
    await printer.set("supplies", supply0="95", supply1="5")
    low = await _asked(printer)
    await printer.set("supplies", supply0="100", supply1="0")
    await printer.set("media", size1="", type1="", level1="0")
    out = await _asked(printer)
    assert (low.metrics["obstacles"], low.metrics["supply_lowest_pct"]) == (0, 5)
    assert low.facts["report_reasons"] == "marker-waste-almost-full-report, toner-low-report"
    assert (out.metrics["errors"], out.metrics["obstacles"], out.metrics["supplies_empty"]) == (0, 3, 1)
    assert "media-empty-report" in out.facts["obstacle_reasons"]
    assert (out.metrics["trays_loaded"], out.metrics["trays_empty"]) == (0, 2)
    page = await _asked(printer, test_page=True)
    assert (page.kind, page.detail.partition(":")[0]) == ("expectation", "not_ready")
    assert printer.printed() == []


async def test_a_page_is_printed_and_its_job_followed(printer: Printer) -> None:
    reading = await _asked(printer, test_page=True)
    assert reading.outcome is Outcome.OK, reading
    assert reading.facts["job_state"] == "completed"
    assert reading.metrics["job_ms"] > 0
    assert any(b"Muster test page" in path.read_bytes() for path in printer.printed())


async def test_a_page_of_pwg_raster_where_text_is_not_taken(tmp_path: Path) -> None:
    async with ippeveprinter(tmp_path, formats="image/pwg-raster", command="exit 0") as printer:
        reading = await _asked(printer, test_page=True)
        assert reading.facts["job_state"] == "completed", reading
        assert [path.read_bytes()[:13] for path in printer.printed() if path.suffix == ".pwg"] == [
            b"RaS2PwgRaster"
        ]


async def test_no_page_that_the_printer_takes(tmp_path: Path) -> None:
    async with ippeveprinter(tmp_path, formats="image/jpeg", command="exit 0") as printer:
        reading = await _asked(printer, test_page=True)
    assert (reading.kind, reading.detail.partition(":")[0]) == ("expectation", "no_test_page")


async def test_a_job_that_is_aborted(tmp_path: Path) -> None:
    async with ippeveprinter(tmp_path, command="exit 1") as printer:
        reading = await _asked(printer, test_page=True)
    assert (reading.kind, reading.detail) == ("expectation", "job_aborted: aborted-by-system")
    assert reading.facts["job_state"] == "aborted"


async def test_a_job_that_takes_too_long_is_canceled(tmp_path: Path) -> None:
    async with ippeveprinter(tmp_path, command="exec sleep 4") as printer:
        reading = await _asked(printer, test_page=True, timeout=2.5)
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
        assert reading.detail.startswith("job: still processing")
        await _gone(printer)


async def test_a_run_killed_in_the_middle_leaves_no_job(tmp_path: Path) -> None:
    async with ippeveprinter(tmp_path, command="exec sleep 4") as printer, shared_here() as shared:
        run = asyncio.create_task(_asked(printer, test_page=True, timeout=20, shared=shared))
        while "Print-Job" not in printer.log.read_text():
            await asyncio.sleep(0.02)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await _gone(printer)


async def test_a_printer_that_takes_a_page_and_falls_silent_is_told_to_cancel_it() -> None:
    asked: list[int] = []
    again = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
            _, operation, number = struct.unpack_from(">HHI", await reader.readexactly(size))
            asked.append(operation)
            if operation == GET_JOBS:
                again.set()
                return
            if operation != GET_PRINTER:
                await asyncio.sleep(60)
            body = IDLE[:4] + struct.pack(">I", number) + IDLE[8:]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async with tcp_server(handle) as port, shared_here() as shared:
        reading = await run_once("ipp", "127.0.0.1", port=port, test_page=True, timeout=0.5, shared=shared)
        await asyncio.wait_for(again.wait(), 5)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "timeout", "job")
    assert asked == [GET_PRINTER, PRINT_JOB, GET_JOBS]


async def _gone(printer: Printer) -> None:
    """Wait until the job is canceled, and none is left."""
    for _ in range(300):
        if "Cancel-Job" in printer.log.read_text() and (await _asked(printer)).metrics["queued"] == 0:
            return
        await asyncio.sleep(0.05)
    pytest.fail(printer.log.read_text()[-2000:])


async def test_no_such_queue(printer: Printer) -> None:
    reading = await _asked(printer, path="/printers/nobody")
    assert (reading.kind, reading.detail.partition(":")[0]) == ("expectation", "no_such_queue")


async def test_ipps_is_verified(tmp_path: Path) -> None:
    authority, keys = Authority(tmp_path), tmp_path / "keys"
    keys.mkdir()
    certificate, begin, key = authority.issue("localhost").file.read_text().partition("-----BEGIN PRIVATE")
    (keys / "localhost.crt").write_text(certificate)
    (keys / "localhost.key").write_text(begin + key)
    async with ippeveprinter(tmp_path, "-K", str(keys)) as printer:
        ca = str(authority.file)
        good = await run_once("ipp", "localhost", port=printer.port, tls="on", ca=ca)
        stranger = await run_once("ipp", "localhost", port=printer.port, tls="on")
        named = await _asked(printer, tls="on", ca=ca, server_name="other.example")
    assert good.outcome is Outcome.OK, good
    assert good.metrics["tls_ms"] > 0
    assert [(r.outcome, r.kind) for r in (stranger, named)] == [(Outcome.FAILED, "tls")] * 2


async def test_an_account_that_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with ippeveprinter(tmp_path, "-A") as printer, shared_here(secrets={"pw": MARKER}) as shared:
        context = Context(shared, 10.0, trace=[])
        login: dict[str, Any] = {"user": "nobody", "password": "secret:pw"}
        reading = await _asked(printer, test_page=True, timeout=10, context=context, shared=shared, **login)
        nameless = await _asked(printer, test_page=True)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
    assert nameless.kind == "auth"
    assert MARKER not in f"{reading}{context.trace}{caplog.text}"


@pytest.mark.parametrize("name", sorted(HTTP))
async def test_a_printer_that_talks_strangely(name: str) -> None:
    async with tcp_server(HTTP[name]) as port:
        reading = await run_once("ipp", "127.0.0.1", port=port, timeout=0.5)
    assert (reading.outcome, reading.kind in ("protocol", "timeout", "expectation")) == (Outcome.FAILED, True)


async def test_silence_and_noise() -> None:
    for handler, kind in ((silent, "timeout"), (garbage, "protocol")):
        async with tcp_server(handler) as port:
            reading = await run_once("ipp", "127.0.0.1", port=port, timeout=0.5)
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_libcups_reads_the_raster_page(tmp_path: Path, kind: Any) -> None:
    found = ctypes.util.find_library("cups")
    if found is None:
        pytest.skip("libcups is not installed")
    cups = ctypes.CDLL(found)
    cups.cupsRasterOpen.restype = ctypes.c_void_p
    path = tmp_path / "page.pwg"
    path.write_bytes(page(kind, 100, (80.0, 120.0), "custom_x_80x120mm"))
    with path.open("rb") as file:
        raster = ctypes.c_void_p(cups.cupsRasterOpen(file.fileno(), 0))
        header = ctypes.create_string_buffer(1796)
        assert cups.cupsRasterReadHeader2(raster, header) == 1
        width, height, _, _, _, line = struct.unpack_from("=6I", header.raw, 372)
        assert (width, height) == (315, 472)
        row = ctypes.create_string_buffer(line)
        rows = []
        for _ in range(height):
            assert cups.cupsRasterReadPixels(raster, row, line) == line
            rows.append(row.raw)
        cups.cupsRasterClose(raster)
    *_, white, black = KINDS[kind]
    marks = [set(row) == set(black) for row in rows]
    assert all(set(row) in (set(white), set(black)) for row in rows)
    assert (marks.index(True), sum(marks)) == (79, 19)
