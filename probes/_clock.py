"""Whether the monitor's own clock is synchronised, as the kernel believes (adjtimex(2), read only)."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

TIME_ERROR = 5
"""Returned for a clock that is not synchronised (STA_UNSYNC, or the estimated error grew too large)."""


class Timex(ctypes.Structure):
    """The head of `struct timex`; the rest is room that the kernel fills."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


class ClockState(NamedTuple):
    """What the kernel believes of this machine's clock; the errors (us) mean something if synchronised."""

    believed: str
    """"synchronised", "unsynchronised" or "unknown" (no such call, or not allowed)."""
    esterror_us: int
    maxerror_us: int


def clock_state() -> ClockState:
    """Return what the kernel believes of this machine's clock."""
    timex = Timex()
    state = _adjtimex(ctypes.byref(timex)) if _adjtimex is not None else -1
    if state < 0:
        return ClockState("unknown", 0, 0)
    believed = "unsynchronised" if state == TIME_ERROR else "synchronised"
    return ClockState(believed, timex.esterror, timex.maxerror)


def monitor_clock() -> str:
    """Return "synchronised", "unsynchronised" or "unknown" (no such call, or not allowed)."""
    return clock_state().believed


@cache
def _load() -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)


_adjtimex = _load()
