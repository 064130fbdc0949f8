"""Modbus, the four functions that read: frames and values (Modbus Application Protocol V1.1b3, Modbus over
Serial Line V1.02, Modbus Messaging on TCP/IP V1.0b). Pure but for the two that read an answer.

pymodbus is not used for this: its client makes one "not connected" of refused, reset and unreachable, and
repeats a request by itself.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Literal, Protocol

from probes.errors import Ending, ExpectationFailed, ProtocolViolated, TimedOut, Unreachable

Kind = Literal["coil", "discrete", "holding", "input"]
Type = Literal["bit", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64"]
FUNCTIONS: dict[Kind, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
FORMATS: dict[Type, tuple[int, str]] = {
    "bit": (1, "H"), "u16": (1, "H"), "s16": (1, "h"), "u32": (2, "I"), "s32": (2, "i"),
    "u64": (4, "Q"), "s64": (4, "q"), "f32": (2, "f"), "f64": (4, "d"),
}  # fmt: skip
"""Registers that a value takes, and what struct calls it."""
MOST_REGISTERS, MOST_BITS = 125, 2000
MOST_LENGTH = 254
EXCEPTIONS = {
    1: ("illegal_function", "the device does not know this function"),
    2: ("illegal_address", "the device has no such register"),
    3: ("illegal_value", "the device takes no such count"),
    4: ("device_failure", "the device could not do it"),
    5: ("acknowledge", "the device wants more time"),
    6: ("device_busy", "the device is busy"),
    7: ("negative_acknowledge", "the device can't do it"),
    8: ("memory_parity_error", "the device's memory is damaged"),
    10: ("gateway_path_unavailable", "the gateway has no way to the device"),
    11: ("gateway_no_response", "the device behind the gateway does not answer"),
}
"""First word of the detail, and what it means (V1.1b3, section 7)."""


class Wire(Protocol):
    """Where an answer is read from."""

    async def exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request to read; `count` is of registers or bits."""

    unit: int
    kind: Kind
    address: int
    count: int

    def pdu(self) -> bytes:
        """Return the request without its frame."""
        return struct.pack(">BHH", FUNCTIONS[self.kind], self.address, self.count)

    @property
    def size(self) -> int:
        """Bytes of data that the answer must hold."""
        bits = self.kind in ("coil", "discrete")
        return (self.count + 7) // 8 if bits else 2 * self.count


def crc(data: bytes) -> int:
    """Return the CRC of serial frames (V1.02, section 6.2.2)."""
    found = 0xFFFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = (found >> 1) ^ 0xA001 if found & 1 else found >> 1
    return found


def framed(question: Question, transaction: int, *, rtu: bool) -> bytes:
    """Return the bytes of a request."""
    pdu = question.pdu()
    if rtu:
        data = bytes([question.unit]) + pdu
        return data + struct.pack("<H", crc(data))
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, question.unit) + pdu


async def answer(wire: Wire, question: Question, transaction: int, *, rtu: bool) -> bytes:
    """Return the data of the answer. Raises `ProtocolViolated`, and what `exception` makes of a refusal."""
    pdu = await (_rtu_pdu(wire, question) if rtu else _tcp_pdu(wire, question, transaction))
    return data_of(pdu, question)


async def _tcp_pdu(wire: Wire, question: Question, transaction: int) -> bytes:
    number, protocol, length, unit = struct.unpack(">HHHB", await wire.exactly(7))
    if protocol or not 3 <= length <= MOST_LENGTH:
        raise ProtocolViolated(f"no Modbus frame (protocol {protocol}, length {length})")
    pdu = await wire.exactly(length - 1)
    if number != transaction or unit != question.unit:
        raise ProtocolViolated(
            f"an answer to another question (transaction {number}, unit {unit}; "
            f"asked were {transaction} and {question.unit})"
        )
    return pdu


async def _rtu_pdu(wire: Wire, question: Question) -> bytes:
    """Return what a serial frame holds; noise is told by its first bytes, before more is waited for."""
    head = await wire.exactly(3)
    unit, function, size = head
    if unit != question.unit:
        raise ProtocolViolated(f"an answer of unit {unit}, asked was {question.unit}: {head.hex(' ')}")
    refused = function == FUNCTIONS[question.kind] | 0x80
    if not refused and (function, size) != (FUNCTIONS[question.kind], question.size):
        raise ProtocolViolated(f"no answer to this question: {head.hex(' ')}")
    frame = head + await wire.exactly(2 if refused else size + 2)
    if struct.unpack("<H", frame[-2:])[0] != crc(frame[:-2]):
        raise ProtocolViolated("bad_checksum: the CRC of the answer is wrong")
    return frame[1:-2]


def data_of(pdu: bytes, question: Question) -> bytes:
    """Return the data of an answer without its frame. Raises as `answer` does."""
    function = FUNCTIONS[question.kind]
    if len(pdu) == 2 and pdu[0] == function | 0x80:
        raise exception(pdu[1], question)
    if len(pdu) < 2 or pdu[0] != function:
        raise ProtocolViolated(f"an answer with function {pdu[0] if pdu else 'none'}, asked was {function}")
    if pdu[1] != question.size or len(pdu) != 2 + question.size:
        raise ProtocolViolated(f"an answer of {len(pdu) - 2} bytes, asked were {question.size}")
    return pdu[2:]


def exception(code: int, question: Question) -> Ending:
    """Return the ending that a device's refusal stands for."""
    word, meaning = EXCEPTIONS.get(code, ("exception", f"the device refuses with code {code}"))
    what = f"{word}: {meaning} ({question.kind} {question.address}, count {question.count})"
    return {10: Unreachable, 11: TimedOut}.get(code, ExpectationFailed)(what)


def bits(data: bytes, count: int) -> list[float]:
    """Return coils or discrete inputs, the first in the lowest bit."""
    return [float(data[at // 8] >> at % 8 & 1) for at in range(count)]


def values(data: bytes, kind: Type, *, little_words: bool, little_bytes: bool) -> list[float | int]:
    """Return the numbers in registers; by the standard the first word and byte are the highest."""
    size, code = FORMATS[kind]
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    if little_bytes:
        words = [word[::-1] for word in words]
    found: list[float | int] = []
    for at in range(0, len(words), size):
        group = words[at : at + size]
        found.append(struct.unpack(">" + code, b"".join(group[::-1] if little_words else group))[0])
    return found


def told(value: float, absent: tuple[float, ...]) -> bool:
    """Tell whether a value is a measurement: finite, and none of those that stand for "no sensor"."""
    return math.isfinite(value) and value not in absent
