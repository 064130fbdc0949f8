"""How fast TCP is: when a transfer has shown it, and what to expect of a link by its loss (pure).

A transfer is watched in windows of what arrived; once five in a row agree it has settled, and going on would
only cost bytes. Windows are long enough to hold many segments and two round trips, so that neither a queue
that is handed over in one piece nor the sawtooth of one round trip passes for a rate.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOWS = 5
AGREE = 0.04
"""Largest minus smallest of the windows' rates, as a share of their mean."""
LEAST_S, LEAST_RTTS, LEAST_SEGMENTS = 0.060, 2, 30
LONGEST_HELD = 1.5
MSS = 1400
"""Bytes of a segment, as the capacity model has it."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a transfer came to: goodput in bit/s, and whether it had settled (else it is of all that came)."""

    bps: float
    settled: bool
    bytes: int
    seconds: float


class EarlyStop:
    """Watches one transfer. Feed it what arrived, in order, until `done`."""

    def __init__(self, rtt_s: float, held_s: float = 0.0, segments: int = LEAST_SEGMENTS) -> None:
        """`rtt_s` is the connection's round trip time; a window holds `segments` at least.

        With `held_s` it is not done before it took so long, and is done when it took half as long again.
        """
        self._least_bytes = segments * MSS
        self._least_s = max(LEAST_S, LEAST_RTTS * rtt_s)
        self._held_s = held_s
        self._windows: deque[tuple[int, float]] = deque(maxlen=WINDOWS)
        self._agreed: tuple[tuple[int, float], ...] = ()
        self._begin = self._at = self._window_at = -math.inf
        self._bytes = self._in_window = 0
        self.done = False

    def feed(self, at: float, received: int) -> bool:
        """Take `received` more bytes that came at `at` (seconds, never going back); return `done`.

        The bytes of the first call only start the clock.
        """
        if self._begin == -math.inf:
            self._begin = self._at = self._window_at = at
            return False
        self._at = max(self._at, at)
        self._bytes += received
        self._in_window += received
        lasted = self._at - self._window_at
        if not self._agreed and lasted >= self._least_s and self._in_window >= self._least_bytes:
            self._windows.append((self._in_window, lasted))
            self._window_at, self._in_window = self._at, 0
            self._look()
        lasted = self._at - self._begin
        over = bool(self._held_s) and lasted >= LONGEST_HELD * self._held_s
        self.done = over or (bool(self._agreed) and lasted >= self._held_s)
        return self.done

    def _look(self) -> None:
        rates = [received / seconds for received, seconds in self._windows]
        if len(rates) == WINDOWS and max(rates) - min(rates) <= AGREE * sum(rates) / WINDOWS:
            self._agreed = tuple(self._windows)

    def result(self) -> Settled:
        """Return the rate of the windows that agreed, or of the whole where they did not."""
        seconds = self._at - self._begin if self._begin != -math.inf else 0.0
        if self._agreed:
            received, lasted = (sum(column) for column in zip(*self._agreed, strict=True))
            return Settled(received * 8 / lasted, True, self._bytes, seconds)
        return Settled(self._bytes * 8 / seconds if seconds >= LEAST_S else 0.0, False, self._bytes, seconds)


class Gauge(EarlyStop):
    """Watches a transfer that is held, and how fast it was once it had had time to fill the line."""

    def __init__(self, rtt_s: float, held_s: float, ramp_s: float) -> None:
        """`ramp_s`: how long it may take to fill the line."""
        super().__init__(rtt_s, held_s)
        self._ramp_s = ramp_s
        self._ramped: tuple[float, int] | None = None

    def feed(self, at: float, received: int) -> bool:
        """Take what came, as `EarlyStop` does."""
        done = super().feed(at, received)
        if self._ramped is None and self._at - self._begin >= self._ramp_s:
            self._ramped = (self._at, self._bytes)
        return done

    @property
    def filled_bps(self) -> float:
        """Goodput in bit/s after the ramp, 0 where nothing came after it."""
        if self._ramped is None or self._at <= self._ramped[0]:
            return 0.0
        return (self._bytes - self._ramped[1]) * 8 / (self._at - self._ramped[0])


def mathis(rtt_s: float, loss: float) -> float:
    """Return what loss leaves to one loss-based TCP connection, bit/s: (MSS / RTT) * sqrt(3 / 4p).

    With delayed acknowledgements (Mathis, Semke, Mahdavi and Ott 1997). Infinite without loss or delay.
    """
    if loss <= 0 or rtt_s <= 0:
        return math.inf
    return MSS * 8 / rtt_s * math.sqrt(3 / (4 * loss))
