"""The frames of DL/T 645-2007 and -1997 that read (sections 5 and 7 of both), and their values. Pure.

    FE... | 68 | address, 6 bytes | 68 | control | length | data, each byte + 33H | sum | 16

Numbers are packed decimals, the lowest byte first. Nothing here can write to a meter: the two functions there
are read data and read what follows of it.

The package dlt645 is not used for this: it connects and asks again by itself, and makes one nothing of
refused, silent and garbled.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from probes.errors import ProtocolViolated

Standard = Literal["2007", "1997"]
START, END, OFFSET, PREAMBLE = 0x68, 0x16, 0x33, b"\xfe\xfe\xfe\xfe"
HEAD, TAIL = 10, 2
FROM_METER, REFUSED, FOLLOWED, FUNCTION = 0x80, 0x40, 0x20, 0x1F
READ: dict[Standard, int] = {"2007": 0x11, "1997": 0x01}
READ_ON: dict[Standard, int] = {"2007": 0x12, "1997": 0x02}
WHOEVER = "AAAAAAAAAAAA"
"""The address that the one meter of a line answers to, with its own (5.2.2, abbreviated addressing)."""
BROADCAST = "999999999999"
"""Nobody answers to it."""
REFUSALS: dict[Standard, tuple[tuple[str, str], ...]] = {
    "2007": (
        ("other_error", "another error"), ("no_data", "it has no such data"),
        ("missing_right", "wrong password, or no right"), ("rate", "the rate can't be changed"),
        ("year_zones", "too many zones of the year"), ("day_slots", "too many slots of the day"),
        ("tariffs", "too many tariffs"), ("reserved", "a reserved bit"),
    ),
    "1997": (
        ("illegal_data", "illegal data"), ("no_data", "it has no such data"),
        ("missing_right", "wrong password"), ("reserved", "a reserved bit"),
        ("year_zones", "too many zones of the year"), ("day_slots", "too many slots of the day"),
        ("tariffs", "too many tariffs"), ("reserved", "a reserved bit"),
    ),
}  # fmt: skip
"""Bits of the error byte: a first word of the detail, and what it means."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `meter` is its address as 12 digits, `data` is without the offset."""

    meter: str
    control: int
    data: bytes


def encode(frame: Frame) -> bytes:
    """Return the frame as it is sent, with its preamble."""
    address = bytes.fromhex(frame.meter)[::-1]
    data = bytes((byte + OFFSET) & 0xFF for byte in frame.data)
    body = bytes((START, *address, START, frame.control, len(data))) + data
    return PREAMBLE + body + bytes((sum(body) & 0xFF, END))


@dataclass(frozen=True, slots=True)
class Taken:
    """What was found at the beginning of what has come: a frame or none, and what is left for the next look.

    `broken` says what was wrong with what looked like a frame and was none.
    """

    frame: Frame | None
    left: bytes
    broken: str = ""


def take(data: bytes) -> Taken:
    """Return the first whole frame in `data`; noise before it is passed over."""
    broken, at = "", data.find(START)
    while at >= 0:
        candidate = data[at:]
        if not _begins(candidate):
            return Taken(None, candidate, broken)
        why = _wrong(candidate)
        if why is None:
            size = HEAD + candidate[9] + TAIL
            if len(candidate) < size:
                return Taken(None, candidate, broken)
            return Taken(_frame(candidate[:size]), candidate[size:], broken)
        broken = broken or why
        at = data.find(START, at + 1)
    return Taken(None, b"", broken or ("no frame" if data.strip(b"\xfe") else ""))


def _begins(data: bytes) -> bool:
    """Whether enough has come to tell if it is a frame."""
    return len(data) >= HEAD or (len(data) > 7 and data[7] != START)


def _wrong(data: bytes) -> str | None:
    """Return why `data` begins no frame, as far as it has come."""
    if data[7] != START:
        return "no frame"
    size = HEAD + data[9] + TAIL
    if len(data) < size:
        return None
    if data[size - 1] != END:
        return "no end where its length says"
    return None if sum(data[: size - TAIL]) & 0xFF == data[size - TAIL] else "wrong checksum"


def _frame(data: bytes) -> Frame:
    return Frame(data[6:0:-1].hex().upper(), data[8], bytes((b - OFFSET) & 0xFF for b in data[HEAD:-TAIL]))


def question(meter: str, identifier: int, standard: Standard, follow: int | None = None) -> Frame:
    """Return the frame that reads an identifier; `follow` numbers those that follow the first answer."""
    data = identifier.to_bytes(4 if standard == "2007" else 2, "little")
    if follow is None:
        return Frame(meter, READ[standard], data)
    return Frame(meter, READ_ON[standard], data + bytes((follow,)) if standard == "2007" else data)


def answers(frame: Frame, asked: Frame) -> bool:
    """Whether a frame is the meter's answer to what was asked, well or badly."""
    if frame.control & ~(REFUSED | FOLLOWED) != asked.control | FROM_METER:
        return False
    if any(a not in (b, "A") for a, b in zip(asked.meter, frame.meter, strict=True)):
        return False
    size = len(asked.data) - (asked.control == READ_ON["2007"])
    return bool(frame.control & REFUSED) or frame.data[:size] == asked.data[:size]


def refusal(frame: Frame, standard: Standard) -> tuple[str, str] | None:
    """Return what an answer that is an error says (its first word, what it means), else None."""
    if not frame.control & REFUSED:
        return None
    bits = frame.data[0] if frame.data else 0
    said = [words for bit, words in enumerate(REFUSALS[standard]) if bits >> bit & 1]
    return said[0] if said else ("other_error", f"error byte {bits:#04x}")


def value(frame: Frame, asked: Frame) -> bytes:
    """Return what an answer holds beside the identifier and the frame's number.

    Raises `ProtocolViolated` where it is another frame of those that follow.
    """
    if asked.control != READ_ON["2007"]:
        return frame.data[len(asked.data) :]
    if frame.data[-1:] != asked.data[-1:] or len(frame.data) < len(asked.data):
        raise ProtocolViolated("another frame than the one that follows")
    return frame.data[len(asked.data) - 1 : -1]


def number(data: bytes, size: int, decimals: int) -> float:
    """Return a packed decimal. Raises `ProtocolViolated` for another length, or other than digits."""
    digits = data[::-1].hex()
    if len(data) != size:
        raise ProtocolViolated(f"a value of {len(data)} bytes, not {size}")
    if not digits.isdecimal():
        raise ProtocolViolated(f"a value that is no number: {digits}")
    return int(digits) / float(10**decimals)


def numbers(data: bytes, size: int, decimals: int) -> list[float]:
    """Return the packed decimals of a block of them. Raises `ProtocolViolated`."""
    return [number(bytes(piece), size, decimals) for piece in _pieces(data, size)]


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def date_of(data: bytes) -> dt.date:
    """Return a date (YYMMDDWW). Raises `ProtocolViolated` for one that is none."""
    number(data, 4, 0)
    _, day, month, year = (int(f"{byte:x}") for byte in data)
    try:
        return dt.date(2000 + year, month, day)
    except ValueError:
        raise ProtocolViolated(f"a date that is none: {data[:0:-1].hex()}") from None


def time_of(data: bytes) -> dt.time:
    """Return a time of day (hhmmss). Raises `ProtocolViolated` for one that is none."""
    number(data, 3, 0)
    second, minute, hour = (int(f"{byte:x}") for byte in data)
    try:
        return dt.time(hour, minute, second)
    except ValueError:
        raise ProtocolViolated(f"a time that is none: {data[::-1].hex()}") from None


def shown(meters: Sequence[str], most: int = 20) -> str:
    """Return a list of meters, bounded."""
    more = len(meters) - most
    return ", ".join(meters[:most]) + (f" and {more} more" if more > 0 else "")
