"""How much a run may put on the link, and whether it must stop: one account for trains and transfers."""

from __future__ import annotations

import time

from probes.api import Context
from probes.errors import Inconclusive
from probes.network._rate_params import Direction

SHARE = 0.95
"""Of what the monitor allows: going over it ends the run from outside, and questions take some, too."""
LOOK_NS = 2_000_000
"""A pacing thread asks before each packet; that often the answer is fetched anew."""


class Stopped(Inconclusive):
    """The run had to stop: others suffer, or its time is over."""


class Leave:
    """The account of one run. `hurt` may be called from any thread."""

    def __init__(self, context: Context) -> None:
        self._link = context.link
        self._looked_ns = 0
        self._why = ""
        self._sent: dict[Direction, int] = {"up": 0, "down": 0}

    @property
    def left(self) -> int | None:
        """Bytes that may still be put on the link, None where nobody counts."""
        if self._link is None:
            return None
        return max(0, int(self._link.max_bytes * SHARE) - sum(self._sent.values()))

    def bounded(self, wanted: int) -> int:
        """Return `wanted` bytes, or fewer where no more are left."""
        return wanted if self.left is None else min(wanted, self.left)

    def spent(self, direction: Direction, size: int) -> None:
        """Note bytes put on the link."""
        self._sent[direction] += size
        if self._link is not None and size > 0:
            self._link.spent(size if direction == "up" else 0, size if direction == "down" else 0)

    def total(self, direction: Direction, size: int) -> None:
        """Note that so many bytes were put on the link in all by now (questions and answers, too)."""
        self.spent(direction, max(0, size - self._sent[direction]))

    def sent(self, direction: Direction) -> int:
        """Return what was put on the link so far."""
        return self._sent[direction]

    def fill(self) -> None:
        """Tell that from now on the line's queue is filled on purpose."""
        if self._link is not None:
            self._link.fill()

    def hurt(self) -> str:
        """Return why the run must stop, or an empty text."""
        now = time.perf_counter_ns()
        if self._link is not None and not self._why and now - self._looked_ns >= LOOK_NS:
            self._looked_ns = now
            self._why = self._link.hurt()
        return self._why

    def check(self) -> None:
        """Raise `Stopped` where the run must stop."""
        if why := self.hurt():
            raise Stopped(f"stopped: {why}")
