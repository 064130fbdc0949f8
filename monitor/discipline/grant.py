"""Leave for one run to load its lines: `probes.api.Link` as the discipline gives it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from monitor.discipline.budget import Amount
from probes.api import Reading

USE_FACT = "link_use"
TURN_MS = 1.0


def _nobody(_: Grant) -> None:
    """Tell nobody."""


class Grant:
    """How much one run may put on its lines, how the line is, and whether it must stop.

    `spent` and `hurt` may be called from any thread. `over` is called once, from whichever thread notices,
    when the run must stop; on a stop that comes from outside that is the loop's.
    """

    def __init__(
        self,
        lines: tuple[str, ...],
        amount: Amount,
        *,
        up_bps: float | None = None,
        down_bps: float | None = None,
        loss: float | None = None,
        rtt_ms: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        over: Callable[[Grant], object] = _nobody,
    ) -> None:
        self.lines = lines
        self.max_bytes = self._bytes = amount.bytes
        self.seconds = amount.ms / 1000
        self.up_bps, self.down_bps, self.loss, self.rtt_ms = up_bps, down_bps, loss, rtt_ms
        self._clock, self._over, self._lock = clock, over, threading.Lock()
        self.began = clock()
        self.waited = 0.0
        """Seconds the run waited for its turn."""
        self.use_known = False
        """Whether somebody measures how much of each line is in use."""
        self.abort: Callable[[str], None] | None = None
        """Ends the run, with the reason; to be called on the loop."""
        self.fills = False
        """Whether the run fills the queue of its own line (the first) on purpose."""
        self.up_bytes = self.down_bytes = 0
        self.why = ""
        """Why the run had to stop; empty as long as it need not."""
        self.cause = ""
        """The same in one word: `rtt`, `bytes` or `time`."""

    @property
    def total(self) -> int:
        """Bytes put on the lines until now."""
        return self.up_bytes + self.down_bytes

    def spent(self, up: int, down: int) -> None:
        """Tell what was put on the link since the last call."""
        with self._lock:
            self.up_bytes += max(0, up)
            self.down_bytes += max(0, down)
            over = self.total >= self._bytes
        if over:
            self._stop("bytes", f"all {self._bytes} bytes of this run are spent")

    def fill(self) -> None:
        """The run fills the queue of its own line from now on: that round trips grow there ends it not."""
        self.fills = True

    def hurt(self) -> str:
        """Return why the run must stop at once, or an empty text."""
        if not self.why and self._clock() - self.began >= self.seconds:
            self._stop("time", f"the {self.seconds:g} s of this run are over")
        return self.why

    def stop(self, why: str) -> None:
        """End the run, since others suffer."""
        self._stop("rtt", why)

    def renew(self) -> None:
        """Begin another attempt of the same run, with what is left."""
        self.max_bytes = max(0, self._bytes - self.total)
        self.fills = False

    def close(self) -> None:
        """The run is over: nobody is to be told any more."""
        self.abort, self._over = None, _nobody

    def used(self) -> Amount:
        """Return what the run has taken until now."""
        return Amount(self.total, max(0, round((self._clock() - self.began) * 1000)))

    def sign(self, reading: Reading) -> None:
        """Add to the run's reading how it came about: the wait for its turn, and if the use was known."""
        reading.facts = {**reading.facts, USE_FACT: "measured" if self.use_known else "not measured"}
        if self.waited * 1000 >= TURN_MS:
            reading.phases = {"turn": self.waited * 1000, **reading.phases}

    def _stop(self, cause: str, why: str) -> None:
        with self._lock:
            if self.why:
                return
            self.cause, self.why = cause, why
        self._over(self)
