"""The daemon watches itself: is the loop late, and for how long was it held."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

STEP_S = 0.020
STALL_S = 0.050
DEAD_S = 5.0
OVERDUE_S, OVERDUE_ROUNDS = 600.0, 10.0


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


@dataclass(slots=True)
class Rounds:
    """Whether work that comes round again and again still does. Times are monotonic seconds."""

    done_at: float = field(default_factory=time.monotonic)
    took_s: float = 0.0

    def done(self, now: float, took_s: float) -> None:
        """Note that a round has ended well."""
        self.done_at, self.took_s = now, took_s

    def overdue(self, now: float) -> float:
        """Return for how long none has ended, where that is too long: ten minutes, or ten rounds; else 0."""
        age = now - self.done_at
        return age if age > max(OVERDUE_S, OVERDUE_ROUNDS * self.took_s) else 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the daemon does its work: the loop turns, the store commits, a configuration is loaded."""

    loop_watch: LoopWatch
    commit_age: Callable[[], float]
    """Seconds since the store last committed, or since it has had nothing to commit."""
    reload_error: Callable[[], str]
    loaded: Callable[[], bool]

    def healthy(self) -> tuple[bool, str]:
        """Return whether a supervisor should leave the daemon alone, and why not."""
        if time.monotonic() - self.loop_watch.last_beat > DEAD_S:
            return False, "the loop is held up"
        if (age := self.commit_age()) > DEAD_S:
            return False, f"the store has not committed for {age:.0f} s"
        return True, "ok"

    def ready(self) -> tuple[bool, str]:
        """Return whether the daemon works by the files as they are, and why not."""
        if not self.loaded():
            return False, "the inventory is not loaded yet"
        if error := self.reload_error():
            return False, f"the last reload was refused, the old configuration stays: {error.splitlines()[0]}"
        return True, "ok"
