"""The daemon watches itself: is the loop late, and for how long was it held."""

from __future__ import annotations

import asyncio
import time
from collections import deque

STEP_S = 0.020
STALL_S = 0.050


class LoopWatch:
    """A timer every 20 ms whose lateness is the loop's own; a stall is one over 50 ms."""

    def __init__(self) -> None:
        self.stalls = 0
        self.worst_ms = 0.0
        self.recent_ms: deque[float] = deque(maxlen=3000)
        self.last_beat = time.monotonic()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + STEP_S
        self._timer = loop.call_at(self._due, self._beat)

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        late = loop.time() - self._due
        self.recent_ms.append(late * 1000)
        self.worst_ms = max(self.worst_ms, late * 1000)
        self.stalls += late > STALL_S
        self.last_beat = time.monotonic()
        self._due = loop.time() + STEP_S
        self._timer = loop.call_at(self._due, self._beat)
