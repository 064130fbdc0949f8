"""`modbus` against pymodbus' server over TCP, TLS and a serial line, and against devices that misbehave."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Outcome, Reading
from probes.errors import Ending, ExpectationFailed, ProtocolViolated, TimedOut, Unreachable
from probes.peripheral import modbus
from probes.peripheral._modbus_frame import (
    EXCEPTIONS,
    Question,
    answer,
    bits,
    crc,
    data_of,
    exception,
    framed,
    told,
    values,
)
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import garbage, silent, tcp_server
from tests.servers.modbus import BROKEN, BUSY, SLOW, modbus_serial, modbus_tcp, room
from tests.servers.ports import closed_port
from tests.servers.pty import device

ROOM: list[dict[str, Any]] = [
    {"name": "temperature", "address": 0, "type": "s16", "scale": 0.1},
    {"name": "humidity", "address": 1, "scale": 0.1},
    {"name": "outside", "address": 2, "type": "s16", "scale": 0.1},
    {"name": "leak", "kind": "discrete", "address": 0, "count": 2},
]


async def _asked(port: int, registers: list[dict[str, Any]], /, **params: Any) -> Reading:
    return await run_once(modbus.PROBE.name, "127.0.0.1", port=port, registers=registers, **params)


async def test_a_room() -> None:
    async with modbus_tcp() as port:
        reading = await _asked(port, ROOM)
    assert reading.outcome is Outcome.OK, reading
    found = {
        name: reading.metrics[name] for name in ("temperature", "humidity", "outside", "leak_1", "leak_2")
    }
    assert found == pytest.approx(
        {"temperature": 23.5, "humidity": 45.6, "outside": -5.5, "leak_1": 0, "leak_2": 1}
    )
    assert (reading.metrics["values"], reading.metrics["values_absent"]) == (5, 0)
    assert reading.metrics["query_ms"] > 0


async def test_every_type_and_order() -> None:
    registers = [
        {"name": "f", "address": 10, "type": "f32", "count": 2}, {"name": "u", "address": 20, "type": "u32"},
        {"name": "s", "address": 22, "type": "s32"}, {"name": "long", "address": 24, "type": "u64"},
        {"name": "double", "address": 28, "type": "f64"},
        {"name": "swapped", "address": 40, "type": "u32", "words": "little"},
        {"name": "bytes", "address": 42, "type": "f32", "bytes": "little", "words": "little"},
        {"name": "bit", "address": 4, "type": "bit", "bit": 2},
        {"name": "input", "kind": "input", "address": 101, "offset": -8.0},
        {"name": "coil", "kind": "coil", "address": 0, "count": 3},
    ]  # fmt: skip
    async with modbus_tcp() as port:
        reading = await _asked(port, registers)
    expected = {
        "f_1": 3.25, "f_2": -1.5, "u": 70_000, "s": -70_000, "long": 2.0**40, "double": 0.1,
        "swapped": 0x11170, "bytes": struct.unpack(">f", b"\x40\x50\x00\x00")[0], "bit": 1, "input": 0,
        "coil_1": 1, "coil_2": 0, "coil_3": 1,
    }  # fmt: skip
    assert {name: reading.metrics[name] for name in expected} == expected, reading


async def test_no_sensor_is_no_figure() -> None:
    registers = [
        {"name": "dead", "address": 3, "type": "s16", "absent": [32767]},
        {"name": "nan", "address": 44, "type": "f32"}, *ROOM,
    ]  # fmt: skip
    async with modbus_tcp() as port:
        reading = await _asked(port, registers)
    assert reading.outcome is Outcome.OK
    assert not {"dead", "nan"} & set(reading.metrics)
    assert (reading.metrics["values"], reading.metrics["values_absent"]) == (5, 2)
    assert reading.facts["not_told"].startswith("dead: the device says that it has no value (32767)")


@pytest.mark.parametrize(
    ("address", "word"), [(999, "illegal_address"), (BUSY, "device_busy"), (BROKEN, "device_failure")]
)
async def test_a_refusal_leaves_the_other_values(address: int, word: str) -> None:
    async with modbus_tcp() as port:
        reading = await _asked(port, [{"name": "bad", "address": address}, *ROOM])
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith(f"{word}: ")
    assert reading.detail.endswith(f"(holding {address}, count 1)")
    assert reading.metrics["temperature"] == 23.5
    assert "bad" not in reading.metrics


async def test_another_unit() -> None:
    async with modbus_tcp(room(1), room(7)) as port:
        there = await _asked(port, ROOM, unit=7)
        nobody = await _asked(port, ROOM, unit=9)
    assert there.outcome is Outcome.OK
    assert (nobody.outcome, nobody.kind) == (Outcome.FAILED, "expectation")
    assert nobody.detail.startswith("device_failure: ")


async def test_a_gateway_of_serial_frames() -> None:
    async with modbus_tcp(rtu=True) as port:
        reading = await _asked(port, ROOM, framing="rtu")
        refused = await _asked(port, [{"name": "bad", "address": 999}], framing="rtu")
    assert reading.outcome is Outcome.OK, reading
    assert reading.metrics["temperature"] == 23.5
    assert refused.detail.startswith("illegal_address: ")


async def test_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.issue("localhost", "127.0.0.1").server_context()
    async with modbus_tcp(tls=context) as port:
        good = await _asked(port, ROOM, tls="on", ca=str(authority.file))
        stranger = await _asked(port, ROOM, tls="on")
    assert good.outcome is Outcome.OK, good
    assert good.metrics["tls_ms"] > 0
    assert (stranger.outcome, stranger.kind) == (Outcome.FAILED, "tls")


@pytest.mark.may_block
async def test_a_serial_line(tmp_path: Path) -> None:
    async with modbus_serial(tmp_path) as path, shared_here() as shared:
        asked: dict[str, Any] = {"device": path, "shared": shared}
        reading = await run_once("modbus", "local", registers=ROOM, **asked)
        refused = await run_once("modbus", "local", registers=[{"name": "bad", "address": 999}], **asked)
        silent = await run_once("modbus", "local", registers=ROOM, unit=9, timeout=0.5, **asked)
        again = await run_once("modbus", "local", registers=ROOM, **asked)
    assert reading.outcome is Outcome.OK, reading
    assert reading.metrics["humidity"] == pytest.approx(45.6)
    assert reading.facts["address"] == path
    assert refused.detail.startswith("illegal_address: ")
    assert silent.outcome is Outcome.FAILED
    assert again.outcome is Outcome.OK


def rtu_frame(*data: int) -> bytes:
    frame = bytes(data)
    return frame + struct.pack("<H", crc(frame))


@pytest.mark.parametrize(
    ("said", "kind", "detail"),
    [
        (rtu_frame(1, 3, 2, 0, 5), "", ""),
        (b"\x01\x03\x02\x00\x05\xff\xff", "protocol", "bad_checksum: the CRC of the answer is wrong"),
        (rtu_frame(2, 3, 2, 0, 5), "protocol", "an answer of unit 2, asked was 1: 02 03 02"),
        (b"\xff" * 8, "protocol", "an answer of unit 255, asked was 1: ff ff ff"),
        (b"\x01\x03\xff\x00", "protocol", "no answer to this question: 01 03 ff"),
        (b"\x01\x03\x02", "timeout", "receive: no answer of the device"),
        (rtu_frame(1, 0x83, 6), "expectation", "device_busy: the device is busy (holding 0, count 1)"),
        (
            rtu_frame(1, 0x83, 0x55),
            "expectation",
            "exception: the device refuses with code 85 (holding 0, count 1)",
        ),
    ],
)  # fmt: skip
async def test_what_comes_over_a_serial_line(said: bytes, kind: str, detail: str) -> None:
    async with device(lambda heard: said if len(heard) == 8 else b"") as line:
        registers = [{"name": "x", "address": 0}]
        reading = await run_once("modbus", "local", device=line.path, registers=registers, timeout=0.5)
        assert line.heard == rtu_frame(1, 3, 0, 0, 0, 1)
    assert (reading.kind, reading.detail) == (kind, detail)


def _tcp(transaction: int, unit: int, *pdu: int, protocol: int = 0) -> bytes:
    return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1, unit) + bytes(pdu)


@pytest.mark.parametrize(
    ("said", "kind", "detail"),
    [
        (_tcp(1, 1, 3, 2, 0, 5), "", ""),
        (_tcp(1, 1, 3, 2, 0, 5, protocol=9), "protocol", "no Modbus frame (protocol 9, length 5)"),
        (_tcp(2, 1, 3, 2, 0, 5), "protocol",
         "an answer to another question (transaction 2, unit 1; asked were 1 and 1)"),
        (_tcp(1, 1, 4, 2, 0, 5), "protocol", "an answer with function 4, asked was 3"),
        (_tcp(1, 1, 3, 4, 0, 5, 0, 5), "protocol", "an answer of 4 bytes, asked were 2"),
        (_tcp(1, 1, 3, 2, 0)[:8], "protocol", "closed amid the answer"),
        (b"", "protocol", "closed without an answer"),
        (_tcp(1, 1, 0x83, 11), "timeout",
         "gateway_no_response: the device behind the gateway does not answer (holding 0, count 1)"),
        (_tcp(1, 1, 0x83, 10), "unreachable",
         "gateway_path_unavailable: the gateway has no way to the device (holding 0, count 1)"),
    ],
)  # fmt: skip
async def test_what_comes_over_tcp(said: bytes, kind: str, detail: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(12) == _tcp(1, 1, 3, 0, 0, 0, 1)
        writer.write(said)
        await writer.drain()

    async with tcp_server(handle) as port:
        reading = await _asked(port, [{"name": "x", "address": 0}])
    assert (reading.kind, reading.detail) == (kind, detail)


async def test_silence_noise_and_a_closed_port() -> None:
    for handler, kind in ((silent, "timeout"), (garbage, "protocol")):
        async with tcp_server(handler) as port:
            reading = await _asked(port, ROOM, timeout=0.4)
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)
    with closed_port() as port:
        reading = await _asked(port, ROOM)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")


async def test_killed_in_the_middle_closes_the_connection() -> None:
    open_now: list[asyncio.StreamWriter] = []
    ended = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.append(writer)
        while await reader.read(100):
            pass
        ended.set()

    async with tcp_server(handle) as port, shared_here() as shared:
        run = asyncio.create_task(_asked(port, ROOM, shared=shared))
        while not open_now:
            await asyncio.sleep(0.01)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await asyncio.wait_for(ended.wait(), 5)


async def test_a_slow_device_is_waited_for() -> None:
    async with modbus_tcp() as port:
        start = time.monotonic()
        reading = await _asked(port, [{"name": "x", "address": SLOW}])
    assert reading.outcome is Outcome.OK
    assert time.monotonic() - start >= 1
    assert reading.metrics["query_ms"] >= 1000


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"registers": []}, "at least 1 item"),
        ({"registers": [{"name": "values", "address": 0}]}, "not the probe's own: values"),
        ({"registers": [{"name": "a", "address": 0}, {"name": "a", "address": 1}]}, "distinct"),
        ({"registers": [{"name": "a", "address": 65535, "type": "u32"}]}, "over 65535"),
        ({"registers": [{"name": "a", "address": 0, "type": "u64", "count": 40}]}, "at most 125 registers"),
        ({"registers": [{"name": "a", "address": 0, "kind": "coil", "type": "u16"}]}, "one bit"),
        ({"registers": [{"name": f"a{n}", "address": 0, "count": 125} for n in range(5)]}, "at most 512"),
        ({"registers": [{"name": "a", "address": 0}], "device": "/dev/ttyS0", "tls": "on"}, "no TLS"),
        ({"registers": [{"name": "a", "address": 0}], "device": "/dev/ttyS0", "unit": 0}, "1 to 247"),
    ],
)
def test_parameters_that_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        modbus.ModbusParams.model_validate(params)


QUESTIONS = st.builds(
    Question,
    unit=st.integers(0, 255),
    kind=st.sampled_from(["coil", "discrete", "holding", "input"]),
    address=st.integers(0, 60_000),
    count=st.integers(1, 125),
)


class Said:
    """A wire that has said all it will."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def exactly(self, size: int) -> bytes:
        if len(self._data) < size:
            raise ProtocolViolated("closed amid the answer")
        data, self._data = self._data[:size], self._data[size:]
        return data


@given(QUESTIONS, st.binary(max_size=300), st.booleans())
def test_any_answer_is_read_or_refused(question: Question, data: bytes, rtu: bool) -> None:
    try:
        found = asyncio.run(answer(Said(data), question, 1, rtu=rtu))
    except Ending:
        return
    assert len(found) == question.size


@given(QUESTIONS, st.data(), st.booleans())
def test_a_right_answer_is_read(question: Question, data: st.DataObject, rtu: bool) -> None:
    content = data.draw(st.binary(min_size=question.size, max_size=question.size))
    pdu = bytes([framed(question, 1, rtu=False)[7], len(content)]) + content
    frame = rtu_frame(question.unit, *pdu) if rtu else _tcp(5, question.unit, *pdu)
    assert asyncio.run(answer(Said(frame), question, 5, rtu=rtu)) == content


@given(st.binary(max_size=200))
def test_one_wrong_bit_is_told(data: bytes) -> None:
    for bit in range(0, len(data) * 8, 7):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        assert crc(bytes(wrong)) != crc(data)


def test_the_example_of_the_standard() -> None:
    """V1.02, 6.2.2 has the CRC of 02 07 as 41 12."""
    assert struct.pack("<H", crc(b"\x02\x07")) == b"\x41\x12"


@given(
    st.sampled_from(["u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64"]),
    st.binary(min_size=8, max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_orders_are_permutations(kind: Any, data: bytes, little_words: bool, little_bytes: bool) -> None:
    plain = values(data, kind, little_words=False, little_bytes=False)
    turned = values(data, kind, little_words=little_words, little_bytes=little_bytes)
    assert len(turned) == len(plain)
    if not (little_words or little_bytes):
        assert repr(turned) == repr(plain)


@pytest.mark.parametrize(
    ("code", "ending"),
    [(code, {10: Unreachable, 11: TimedOut}.get(code, ExpectationFailed)) for code in (*EXCEPTIONS, 99)],
)
def test_every_exception_is_an_ending(code: int, ending: type[Ending]) -> None:
    question = Question(1, "input", 7, 2)
    assert type(exception(code, question)) is ending
    with pytest.raises(ending):
        data_of(bytes([0x84, code]), question)


def test_bits_and_absent_values() -> None:
    assert bits(b"\x05\x01", 9) == [1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert told(1.0, (2.0,))
    assert not told(2.0, (2.0,))
    assert not told(float("inf"), ())
