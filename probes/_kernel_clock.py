"""The kernel's receive timestamps on the monotonic clock, guarded against steps of the realtime clock.

SO_TIMESTAMPNS stamps are of CLOCK_REALTIME. The two clocks are slewed alike, so the offset between them
changes only when somebody steps the realtime clock; a change seen between two looks means that a stamp in
between can't be placed.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterable

SO_TIMESTAMPNS = 35
"""asm-generic/socket.h; the socket module does not name it. The control message has the same number."""
TIMESPEC = struct.Struct("@ll")
NANO = 1_000_000_000
STEP_NS = 100_000
"""A change of the offset beyond this is a step; reading both clocks takes well under a microsecond."""
READ_NS = 20_000
"""The two clocks were read together only when the readings around took less than this (no preemption)."""


class KernelClock:
    """Places kernel timestamps on the clock of `time.perf_counter`."""

    __slots__ = ("_monotonic", "_offset", "_realtime", "steps")

    def __init__(
        self,
        realtime: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._realtime, self._monotonic = realtime, monotonic
        self._offset = self._read()
        self.steps = 0
        """How many steps of the realtime clock were noticed."""

    def look(self) -> int | None:
        """Return realtime minus monotonic in ns, or None when it was stepped since the last look.

        A stamp taken since the last look is at `stamp - look()` on the monotonic clock.
        """
        offset = self._read()
        stepped = abs(offset - self._offset) > STEP_NS
        self._offset = offset
        if stepped:
            self.steps += 1
        return None if stepped else offset

    def _read(self) -> int:
        offset = 0
        for _ in range(5):
            before = self._monotonic()
            offset = self._realtime() - before
            if self._monotonic() - before < READ_NS:
                break
        return offset


def stamp_ns(ancillary: Iterable[tuple[int, int, bytes]]) -> int:
    """Return the kernel's timestamp among the control messages, in ns since the epoch, or 0."""
    for level, kind, data in ancillary:
        if kind == SO_TIMESTAMPNS and level == socket.SOL_SOCKET and len(data) >= TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack_from(data)
            return int(seconds) * NANO + int(nanoseconds)
    return 0
