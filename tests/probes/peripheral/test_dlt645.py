"""Meters by DL/T 645: on a pseudo-terminal and behind a serial server, by published frames."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from probes import registry
from probes.api import Outcome
from probes.peripheral import dlt645
from tests.probing import run_once, shared_here
from tests.servers.hostile import endless, garbage, resets, silent, tcp_server
from tests.servers.meter import RECORDED, Line, frame, meters_on_pty, meters_on_tcp, package_meter
from tests.servers.ports import closed_port

READING = {"11", "12", "01", "02"}
"""Control codes that read; all others would do something to a meter."""
ENERGY, VOLTAGE, DATE, TIME = "00010000", "02010100", "04000101", "04000102"
SHANGHAI = ZoneInfo("Asia/Shanghai")


def energy(meter: str, told: str = "00012345") -> dict[str, Any]:
    """Return the question for a meter's energy, and its answer (in hundredths)."""
    return {frame(meter, "11", ENERGY): frame(meter, "91", told + ENERGY)}


def clock(meter: str, ahead_s: float = 0.0) -> dict[str, Any]:
    """Return the questions for date and time, and the answers of a clock that is so far ahead."""

    def now(form: str) -> str:
        return (dt.datetime.now(SHANGHAI) + dt.timedelta(seconds=ahead_s)).strftime(form)

    return {
        frame(meter, "11", DATE): lambda: frame(meter, "91", now("%y%m%d0%w") + DATE),
        frame(meter, "11", TIME): lambda: frame(meter, "91", now("%H%M%S") + TIME),
    }


async def _read(line: Line, *, timeout: float = 5.0, **params: Any) -> Any:
    async with meters_on_tcp(line) as port:
        reading = await run_once("dlt645", "127.0.0.1", port=port, timeout=timeout, **params)
    assert {asked.split()[8] for asked in line.asked} <= READING
    return reading


@pytest.fixture(autouse=True)
def _synchronised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlt645, "monitor_clock", lambda: "synchronised")


async def test_one_meter_by_published_frames() -> None:
    line = Line(RECORDED)
    reading = await _read(line, meter="161", read=["energy", "voltage"])
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["energy_kwh"] == 0.26
    assert reading.metrics["voltage_min_v"] == reading.metrics["voltage_max_v"] == 100.1
    assert reading.metrics["answered_pct"] == 100
    assert (reading.facts["meter"], reading.facts["missing"]) == ("000000000161", "none")
    assert 0 < reading.metrics["read_ms"] < 1000
    assert {*reading.metrics} <= {metric.name for metric in dlt645.PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in dlt645.PROBE.facts}
    assert [*reading.phases] == ["resolve", "connect", "query"]


async def test_the_standard_of_1997_by_a_published_frame() -> None:
    line = Line(RECORDED)
    reading = await _read(line, standard="1997", meter="3", read=["voltage"])
    assert reading.metrics["voltage_max_v"] == 100
    assert reading.facts["meter"] == "000000000003"


async def test_the_standard_of_1997_energy_and_clock() -> None:
    now = dt.datetime.now(SHANGHAI)
    meter = "000000000003"
    line = Line(
        {
            frame(meter, "01", "901F"): frame(meter, "81", "AA" + "00000200" + "00000345" + "901F"),
            frame(meter, "01", "C010"): frame(meter, "81", f"{now:%y%m%d0%w}C010"),
            frame(meter, "01", "C011"): frame(meter, "81", f"{now:%H%M%S}C011"),
        }
    )
    reading = await _read(line, standard="1997", meter="3", read=["energy", "clock"], tariffs=True)
    assert reading.metrics["energy_kwh"] == 3.45
    assert reading.metrics["energy_t1_kwh"] == 2
    assert abs(reading.metrics["clock_offset_s"]) < 5


async def test_the_only_meter_of_a_serial_line() -> None:
    meter, whoever = "123456789012", "AAAAAAAAAAAA"
    questions = {frame(whoever, "11", DATE): DATE, frame(whoever, "11", TIME): TIME}
    made = clock(meter)
    answers = {frame(whoever, "11", ENERGY): frame(meter, "91", "00012345" + ENERGY)} | {
        question: made[frame(meter, "11", identifier)] for question, identifier in questions.items()
    }
    line = Line(answers, pieces=3)
    async with meters_on_pty(line) as device:
        reading = await run_once("dlt645", "local", device=device, read=["energy", "clock"])
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["meter"] == meter
    assert reading.metrics["energy_kwh"] == 123.45
    assert abs(reading.metrics["clock_offset_s"]) < 5


async def test_a_meter_that_others_have_written(tmp_path: Path) -> None:
    async with package_meter(tmp_path) as port:
        reading = await run_once("dlt645", "127.0.0.1", port=port, meter="161", phases=3)
        other = await run_once("dlt645", "127.0.0.1", port=port, meter="162", answer_within=0.3)
        none = await run_once("dlt645", "127.0.0.1", port=port, meter="161", standard="1997")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["energy_kwh"] == 1234.56
    assert (reading.metrics["voltage_min_v"], reading.metrics["voltage_max_v"]) == (229.3, 231.2)
    noon = dt.datetime(2026, 11, 24, 12, 0, 0, 500_000, SHANGHAI)
    assert abs(reading.metrics["clock_offset_s"] - (noon.timestamp() - time.time())) < 20
    assert other.outcome is Outcome.FAILED
    assert none.outcome is Outcome.FAILED


@pytest.mark.parametrize("ahead", [-86_400.0, -61.0, 90.0])
async def test_a_clock_that_is_wrong(ahead: float) -> None:
    reading = await _read(Line(clock("000000000161", ahead)), meter="161", read=["clock"])
    assert abs(reading.metrics["clock_offset_s"] - ahead) < 5


async def test_a_clock_says_nothing_while_the_monitors_own_is_not_synchronised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dlt645, "monitor_clock", lambda: "unsynchronised")
    reading = await _read(Line(clock("000000000161")), meter="161", read=["clock"])
    assert "clock_offset_s" not in reading.metrics
    assert abs(reading.metrics["clock_offset_unsynchronised_s"]) < 2
    assert reading.facts["monitor_clock"] == "unsynchronised"


async def test_midnight_between_date_and_time() -> None:
    meter, dates = "000000000161", iter(["26112302", "26112403"])
    line = Line(
        {
            frame(meter, "11", DATE): lambda: frame(meter, "91", next(dates) + DATE),
            frame(meter, "11", TIME): frame(meter, "91", "000001" + TIME),
        }
    )
    reading = await _read(line, meter="161", read=["clock"])
    now = dt.datetime.now(SHANGHAI)
    told = dt.datetime(2026, 11, 24, 0, 0, 1, 500_000, SHANGHAI)
    assert abs(reading.metrics["clock_offset_s"] - (told - now).total_seconds()) < 2


async def test_three_phases_and_tariffs_over_frames_that_follow() -> None:
    meter = "000000000161"
    first, second = "0000010000020000", "00000300" + "00000400" + "00000500"
    answers = {
        frame(meter, "11", "0001FF00"): frame(meter, "B1", first + "0001FF00"),
        frame(meter, "12", "01" + "0001FF00"): frame(meter, "B2", "01" + second[16:] + "0001FF00"),
        frame(meter, "12", "02" + "0001FF00"): frame(meter, "92", "02" + second[:16] + "0001FF00"),
    }
    for identifier, volts in (("02010100", "2301"), ("02010200", "2286"), ("02010300", "2330")):
        answers[frame(meter, "11", identifier)] = frame(meter, "91", volts + identifier)
    reading = await _read(Line(answers), meter="161", read=["energy", "voltage"], phases=3, tariffs=True)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert (reading.metrics["voltage_min_v"], reading.metrics["voltage_max_v"]) == (228.6, 233.0)
    tariffs = [reading.metrics[f"energy_t{tariff}_kwh"] for tariff in range(1, 5)]
    assert (reading.metrics["energy_kwh"], tariffs) == (200, [1, 5, 4, 3])


async def test_a_frame_that_follows_out_of_turn() -> None:
    meter = "000000000161"
    answers = {
        frame(meter, "11", ENERGY): frame(meter, "B1", "0100" + ENERGY),
        frame(meter, "12", "01" + ENERGY): frame(meter, "92", "02" + "0000" + ENERGY),
    }
    reading = await _read(Line(answers), meter="161", read=["energy"])
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")


async def test_a_sample_of_a_hundred() -> None:
    wanted = [f"{number:012}" for number in range(1, 101)]
    answers: dict[str, Any] = {}
    for meter in wanted:
        answers |= energy(meter)
    answers[frame(wanted[6], "11", ENERGY)] = None
    reading = await _read(Line(answers), meters=wanted, read=["energy"], answer_within=0.3)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert (reading.metrics["meters"], reading.metrics["answered"]) == (100, 99)
    assert reading.metrics["answered_pct"] == 99
    assert reading.facts["missing"] == "000000000007 (no answer within 0.3 s)"
    assert "energy_kwh" not in reading.metrics


async def test_what_becomes_of_single_meters_of_a_sample() -> None:
    good, refuses, garbles, late = "000000000001", "000000000002", "000000000003", "000000000004"
    right = frame(garbles, "91", "00000001" + ENERGY)
    answers = energy(good)
    answers[frame(refuses, "11", ENERGY)] = frame(refuses, "D1", "02")
    answers[frame(garbles, "11", ENERGY)] = right[:-5] + "00 16"
    # the answer of a meter that was asked before comes first
    answers |= {frame(late, "11", ENERGY): f"{frame(good, '91', '00000001' + ENERGY)} "
                                           f"{frame(late, '91', '00000002' + ENERGY)}"}  # fmt: skip
    wanted = [good, refuses, garbles, late]
    reading = await _read(Line(answers), meters=wanted, read=["energy"], answer_within=0.3)
    assert reading.metrics["answered_pct"] == 50
    assert reading.metrics["strays"] == 1
    assert reading.facts["missing"] == f"{refuses} (no_data), {garbles} (wrong checksum)"


@pytest.mark.parametrize(
    ("bits", "word"),
    [("01", "other_error"), ("02", "no_data"), ("04", "missing_right"), ("00", "other_error")],
)
async def test_an_answer_that_is_an_error(bits: str, word: str) -> None:
    answers = {frame("000000000161", "11", ENERGY): frame("000000000161", "D1", bits)}
    reading = await _read(Line(answers), meter="161", read=["energy"])
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith(f"{word}: ")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (None, "timeout"),
        ("68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8B 16", "protocol"),
        ("68 61 01 00 00 00 00 68 91 08 33 33 34 33 59", "protocol"),
        ("68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 17", "protocol"),
        ("68 61 01 00 00 00 00 68 91 07 33 33 34 33 59 33 33 56 16", "protocol"),
        (frame("000000000161", "91", "0000001A" + ENERGY), "protocol"),
        ("48 54 54 50 2F 31 2E 31 20 34 30 30", "protocol"),
        ("FE FE FE", "timeout"),
        (frame("000000000161", "91", "00000001" + "00020000"), "timeout"),
    ],
)
async def test_a_bad_answer(answer: str | None, kind: str) -> None:
    answers = {frame("000000000161", "11", ENERGY): answer}
    reading = await _read(Line(answers), meter="161", read=["energy"], answer_within=0.3)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)
    assert reading.metrics["answered"] == 0
    assert "answered_pct" not in reading.metrics


async def test_nothing_of_a_sample_was_read() -> None:
    reading = await _read(Line({}), meters=["1", "2"], read=["energy"], answer_within=0.2)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
    assert reading.detail == "none of the 2 meters asked was read"
    assert reading.facts["missing"].startswith("000000000001 (no answer")


async def test_time_that_is_up_before_all_were_asked_is_no_share() -> None:
    answers = energy("000000000001")
    wanted = ["1", *(str(number) for number in range(2, 30))]
    reading = await _read(Line(answers), meters=wanted, read=["energy"], answer_within=0.3, timeout=1.5)
    assert reading.outcome is Outcome.OK
    assert "answered_pct" not in reading.metrics
    assert reading.metrics["answered"] == 1
    assert reading.facts["not_told"].startswith("answered_pct: time was up before 2")


async def test_a_line_that_breaks_off_is_no_share() -> None:
    line = Line(energy("000000000001"))

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line.answer(await reader.read(100)))
        await writer.drain()
        await reader.read(100)

    async with tcp_server(once) as port:
        reading = await run_once("dlt645", "127.0.0.1", port=port, meters=["1", "2", "3"], read=["energy"])
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert (reading.metrics["meters"], reading.metrics["answered"]) == (3, 1)
    assert "answered_pct" not in reading.metrics


async def test_a_line_in_use_is_waited_for_and_accuses_nobody() -> None:
    line = Line(energy("000000000161"), delay=0.4)
    async with meters_on_tcp(line) as port, shared_here() as shared:
        ask: dict[str, Any] = {"shared": shared, "port": port, "meter": "161", "read": ["energy"]}
        first = asyncio.create_task(run_once("dlt645", "127.0.0.1", **ask))
        await asyncio.sleep(0.1)
        second = await run_once("dlt645", "127.0.0.1", **ask, timeout=0.8, answer_within=0.6)
        third = await run_once("dlt645", "127.0.0.1", **ask)
        assert (await first).outcome is Outcome.OK
    assert (second.outcome, second.kind) == (Outcome.ERROR, "inconclusive")
    assert third.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("handler", "kind"),
    [(silent, "timeout"), (garbage, "protocol"), (endless, "protocol"), (resets, "protocol")],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("dlt645", "127.0.0.1", port=port, meter="1", answer_within=0.3)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


async def test_a_closed_port_and_no_device() -> None:
    with closed_port() as port:
        reading = await run_once("dlt645", "127.0.0.1", port=port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")
    reading = await run_once("dlt645", "local", device="/dev/muster-none")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "unreachable")


async def test_a_run_that_is_cancelled_lets_the_line_go() -> None:
    line = Line(energy("000000000161"), delay=30)
    async with meters_on_tcp(line) as port, shared_here() as shared:
        run = asyncio.create_task(run_once("dlt645", "127.0.0.1", shared=shared, port=port, meter="161"))
        while not line.asked:
            await asyncio.sleep(0.01)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        line.delay = 0
        reading = await run_once(
            "dlt645", "127.0.0.1", shared=shared, port=port, meter="161", read=["energy"]
        )
    assert reading.outcome is Outcome.OK


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"port": 1, "device": "/dev/ttyS0"},
        {"port": 1, "meter": "1", "meters": ["2"]},
        {"port": 1, "meter": "999999999999"},
        {"port": 1, "meters": ["1", "000000000001"]},
        {"port": 1, "meter": "12345678901A"},
        {"port": 1, "read": []},
        {"device": "/dev/ttyS0", "tls": "on"},
        {"port": 1, "timezone": "Peking"},
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registry.get("dlt645").params.model_validate(params)
