"""Meters on one line, asked one after the other (DL/T 645): a serial line, or a serial server's TCP port.

A line carries one talk at a time, so runs of this monitor that use the same one wait for each other (phase
"queued").
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from probes._sockets import Stream
from probes.api import Context, Shared
from probes.errors import ExpectationFailed, ProtocolViolated, TimedOut
from probes.peripheral._dlt645_frame import (
    FOLLOWED,
    START,
    Frame,
    Standard,
    answers,
    encode,
    question,
    refusal,
    take,
    value,
)

MOST_FRAMES = 16
"""Frames of one answer that are read."""
MOST_BYTES = 4096
"""Bytes that may come between a question and its answer."""
PIECE = 1024


class Turns:
    """Whose turn it is on a line that is reached by TCP. A client of `Shared.get`."""

    def __init__(self, _shared: Shared) -> None:
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    def of(self, address: str, port: int) -> asyncio.Lock:
        """Return the lock of a line."""
        return self._locks.setdefault((address, port), asyncio.Lock())


class MeterRefused(ExpectationFailed):
    """The meter answered with an error; the text begins with its first word."""


class NoTimeLeft(Exception):  # noqa: N818 - it is no error: the meter was not asked
    """The run has not the time left that a meter may take to answer."""


class LineClosed(ProtocolViolated):
    """The other side closed the connection: no further meter can be asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a meter gave."""

    meter: str
    """Its own address."""
    data: bytes
    at: float
    """When half of the time from the question to the answer had passed, seconds since the epoch."""


@dataclass(slots=True)
class Bus:
    """A line with meters; each has `patience` seconds for an answer, `until` (perf_counter) ends all."""

    stream: Stream
    context: Context
    standard: Standard
    patience: float
    until: float
    strays: int = 0
    """Frames that were no answer to what was asked (a meter that was late, an echo of the line)."""
    took_ms: list[float] = field(default_factory=list)
    """From each question to the last byte of its answer."""
    _left: bytes = b""

    async def read(self, meter: str, identifier: int) -> Answer:
        """Return what a meter holds, all frames of it.

        Raises `MeterRefused`, `TimedOut`, `ProtocolViolated` (only garbage came), `LineClosed` and
        `NoTimeLeft`.
        """
        asked = question(meter, identifier, self.standard)
        frame, at = await self._ask(asked)
        data = value(frame, asked)
        for follow in range(1, MOST_FRAMES):
            if not frame.control & FOLLOWED:
                return Answer(frame.meter, data, at)
            asked = question(frame.meter, identifier, self.standard, follow)
            frame, at = await self._ask(asked)
            data += value(frame, asked)
        raise ProtocolViolated(f"an answer of more than {MOST_FRAMES} frames")

    async def _ask(self, asked: Frame) -> tuple[Frame, float]:
        start = time.perf_counter()
        if start + self.patience > self.until:
            raise NoTimeLeft
        until, self._left = start + self.patience, b""
        sent_at = await self.stream.send(encode(asked), until)
        frame, at = await self._answer(asked, until)
        self.took_ms.append((at - sent_at) * 1000)
        said = refusal(frame, self.standard)
        if said is not None:
            raise MeterRefused(f"{said[0]}: {said[1]}")
        return frame, time.time() - (time.perf_counter() - (sent_at + at) / 2)

    async def _answer(self, asked: Frame, until: float) -> tuple[Frame, float]:
        broken, came, at = "", 0, 0.0
        while came <= MOST_BYTES:
            taken = take(self._left)
            self._left, broken = taken.left, broken or taken.broken
            if taken.frame is None:
                more, at = await self._more(until, broken)
                came += len(more)
                self._left += more
            elif answers(taken.frame, asked):
                return taken.frame, at
            elif taken.frame != asked:
                self.strays += 1
        raise ProtocolViolated(f"more than {MOST_BYTES} bytes, and no answer among them")

    async def _more(self, until: float, broken: str) -> tuple[bytes, float]:
        try:
            more, at = await self.stream.recv(PIECE, until)
        except TimedOut:
            if broken or self._left[:1] == bytes((START,)):
                raise ProtocolViolated(broken or "a frame that breaks off") from None
            raise TimedOut(f"no answer within {self.patience:g} s") from None
        if not more:
            raise LineClosed("the other side closed the connection")
        return more, at
