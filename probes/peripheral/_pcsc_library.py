"""PC/SC as pcsc-lite has it (winscard.h), by ctypes: every call blocks, and belongs into a thread.

pyscard would do, but has no wheels for Linux: it would take a compiler, swig and headers on every machine.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_long, c_ubyte, c_ulong, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from probes.errors import (
    Ending,
    ExpectationFailed,
    Inconclusive,
    MissingDriver,
    PermissionMissing,
    ProtocolViolated,
    Refused,
    Unreachable,
)

LIBRARY = "libpcsclite.so.1"
SOCKET = "/run/pcscd/pcscd.comm"
SCOPE_SYSTEM, SHARE_SHARED, LEAVE_CARD = 2, 2, 0
T0, T1 = 1, 2
MUTE, IN_USE, EXCLUSIVE, PRESENT, UNAVAILABLE = 0x200, 0x100, 0x80, 0x20, 0x08
LONGEST_ATR, LONGEST_NAMES, LONGEST_ANSWER = 33, 16_384, 65_548
NO_READERS, NO_SERVICE, STOPPED = 0x8010002E, 0x8010001D, 0x8010001E
_ENDINGS: dict[int, tuple[type[Ending], str]] = {
    0x80100009: (Unreachable, "no_reader: it is not there any more"),
    0x8010000A: (ProtocolViolated, "the card does not answer in time"),
    0x8010000B: (Inconclusive, "busy: another program has the card for itself"),
    0x8010000C: (ExpectationFailed, "no_card: there is no card in the reader"),
    0x8010000F: (ProtocolViolated, "the card speaks neither T=0 nor T=1"),
    0x80100016: (ProtocolViolated, "the card broke the exchange off"),
    0x80100017: (Unreachable, "no_reader: it does not answer any more"),
    NO_SERVICE: (Refused, "no_service: pcscd does not run"),
    STOPPED: (Refused, "no_service: pcscd was stopped"),
    0x8010002F: (ProtocolViolated, "the reader reports an error of the line to the card"),
    0x80100066: (ProtocolViolated, "mute_card: the card does not answer to a reset"),
    0x80100067: (ProtocolViolated, "mute_card: the card has no power"),
    0x80100068: (Inconclusive, "busy: another program has reset the card"),
    0x80100069: (ExpectationFailed, "no_card: it was taken out"),
    0x8010006A: (PermissionMissing, "missing_right: pcscd does not let the monitor in (polkit)"),
}


class _State(ctypes.Structure):
    """SCARD_READERSTATE."""

    _fields_ = (
        ("reader", c_char_p), ("user", c_void_p), ("current", c_ulong), ("event", c_ulong),
        ("atr_size", c_ulong), ("atr", c_ubyte * LONGEST_ATR),
    )  # fmt: skip


class _Protocol(ctypes.Structure):
    """SCARD_IO_REQUEST."""

    _fields_ = (("protocol", c_ulong), ("size", c_ulong))


@cache
def _library() -> ctypes.CDLL:
    """Return the library with its functions declared. Raises `MissingDriver`."""
    try:
        found = ctypes.CDLL(LIBRARY)
    except OSError:
        raise MissingDriver(f"{LIBRARY} is missing: install libpcsclite1 and pcscd") from None
    size = POINTER(c_ulong)
    for name, arguments in {
        "SCardEstablishContext": (c_ulong, c_void_p, c_void_p, POINTER(c_long)),
        "SCardReleaseContext": (c_long,),
        "SCardListReaders": (c_long, c_char_p, c_char_p, size),
        "SCardGetStatusChange": (c_long, c_ulong, POINTER(_State), c_ulong),
        "SCardConnect": (c_long, c_char_p, c_ulong, c_ulong, POINTER(c_long), size),
        "SCardDisconnect": (c_long, c_ulong),
        "SCardTransmit": (c_long, POINTER(_Protocol), c_char_p, c_ulong, c_void_p, c_char_p, size),
    }.items():
        function = getattr(found, name)
        function.argtypes, function.restype = arguments, c_long
    return found


def ending(code: int) -> Ending:
    """Return what a code of PC/SC stands for."""
    kind, detail = _ENDINGS.get(code, (ProtocolViolated, f"PC/SC error {code:#010x}"))
    if code == NO_SERVICE and _closed_to_us():
        return PermissionMissing("missing_right: the monitor may not write to the socket of pcscd")
    return kind(detail)


def _closed_to_us() -> bool:
    path = os.environ.get("PCSCLITE_CSOCK_NAME", SOCKET)
    return Path(path).exists() and not os.access(path, os.W_OK)


def _call(name: str, *arguments: object) -> int:
    """Call a function and return its code, 0 where all went well."""
    return int(getattr(_library(), name)(*arguments)) & 0xFFFF_FFFF


def _do(name: str, *arguments: object) -> None:
    """Call a function. Raises the ending of its code."""
    if code := _call(name, *arguments):
        raise ending(code)


@dataclass(frozen=True, slots=True)
class ReaderState:
    """What a reader says of its slot: flags of SCARD_STATE_..., and the card's answer to reset."""

    flags: int
    atr: bytes


@dataclass(frozen=True, slots=True)
class Card:
    """A card that is talked to."""

    handle: int
    protocol: int

    def ask(self, command: bytes) -> bytes:
        """Send a command and return the answer, its last two bytes the status (ISO 7816-4)."""
        header = _Protocol(self.protocol, ctypes.sizeof(_Protocol))
        answer, size = ctypes.create_string_buffer(LONGEST_ANSWER), c_ulong(LONGEST_ANSWER)
        _do("SCardTransmit", self.handle, byref(header), command, len(command), None, answer, byref(size))
        data = answer.raw[: size.value]
        if len(data) < 2:
            raise ProtocolViolated(f"an answer of {len(data)} bytes")
        return data


@dataclass(frozen=True, slots=True)
class Service:
    """A session with pcscd."""

    context: int

    def readers(self) -> list[str]:
        """Return the names of all readers."""
        names, size = ctypes.create_string_buffer(LONGEST_NAMES), c_ulong(LONGEST_NAMES)
        code = _call("SCardListReaders", self.context, None, names, byref(size))
        if code == NO_READERS:
            return []
        if code:
            raise ending(code)
        return [name.decode("utf-8", "replace") for name in names.raw[: size.value].split(b"\0") if name]

    def state(self, reader: str) -> ReaderState:
        """Return what a reader says now."""
        state = _State(reader.encode(), None, 0, 0, 0)
        _do("SCardGetStatusChange", self.context, 0, byref(state), 1)
        return ReaderState(int(state.event), bytes(state.atr)[: min(state.atr_size, LONGEST_ATR)])

    @contextmanager
    def card(self, reader: str) -> Iterator[Card]:
        """Talk to the card in a reader, which others may use as well; it is not reset at the end."""
        handle, protocol = c_long(), c_ulong()
        _do(
            "SCardConnect",
            self.context,
            reader.encode(),
            SHARE_SHARED,
            T0 | T1,
            byref(handle),
            byref(protocol),
        )
        try:
            yield Card(handle.value, int(protocol.value))
        finally:
            _call("SCardDisconnect", handle, LEAVE_CARD)


@contextmanager
def service() -> Iterator[Service]:
    """Open a session with pcscd. Raises `MissingDriver`, `Refused` (no_service), `PermissionMissing`."""
    context = c_long()
    _do("SCardEstablishContext", SCOPE_SYSTEM, None, None, byref(context))
    try:
        yield Service(context.value)
    finally:
        _call("SCardReleaseContext", context)
