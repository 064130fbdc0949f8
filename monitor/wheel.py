"""Deadlines of all runs in flight on one wheel: one timer for all, and a truthful clock.

The wheel turns with the time the loop was *serving* sockets. When the loop was held up (or the machine
was), the wheel does not catch up: nobody's deadline passes while nobody looked at the sockets. So
overload lengthens deadlines a little, and never makes a time-out of a healthy target's answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

WIDTH_S = 0.025
SLOTS = 4096
MOST_TURNS = 2
"""Slots the wheel advances in one tick: lateness of a slot is caught up, more is forgiven."""


class Deadline:
    """One entry: `expire` is called once unless `done` was set before."""

    __slots__ = ("done", "expire", "rounds")

    def __init__(self, expire: Callable[[], object], rounds: int) -> None:
        self.expire, self.rounds, self.done = expire, rounds, False


class Wheel:
    """A hashed timing wheel of 25 ms slots on the running loop."""

    def __init__(self) -> None:
        self._slots: list[list[Deadline]] = [[] for _ in range(SLOTS)]
        self._last_call: list[Deadline] = []
        self._position = 0
        self._last = time.perf_counter()
        self._timer: asyncio.TimerHandle | None = None
        self.forgiven_s = 0.0
        """Seconds by which deadlines were extended because the loop was held up."""

    def start(self) -> None:
        """Begin to turn."""
        self._last = time.perf_counter()
        self._timer = asyncio.get_running_loop().call_later(WIDTH_S, self._tick)

    def stop(self) -> None:
        """Stop turning; nothing expires any more."""
        if self._timer is not None:
            self._timer.cancel()

    def add(self, seconds: float, expire: Callable[[], object]) -> Deadline:
        """Call `expire` when `seconds` of served time have passed; set `done` on the entry to forget it."""
        turns = int(seconds / WIDTH_S) + 1
        entry = Deadline(expire, turns // SLOTS)
        self._slots[(self._position + turns) % SLOTS].append(entry)
        return entry

    def _tick(self) -> None:
        now = time.perf_counter()
        due = int((now - self._last) / WIDTH_S)
        turns = min(due, MOST_TURNS)
        self._last += due * WIDTH_S
        self.forgiven_s += (due - turns) * WIDTH_S
        self._expire_last_call()
        for _ in range(turns):
            self._turn()
        self._timer = asyncio.get_running_loop().call_later(WIDTH_S, self._tick)

    def _turn(self) -> None:
        """Advance one slot. What is due gets one more tick: its answer may be in a socket by now."""
        self._position = (self._position + 1) % SLOTS
        waiting: list[Deadline] = []
        for entry in self._slots[self._position]:
            if entry.done:
                continue
            if entry.rounds:
                entry.rounds -= 1
                waiting.append(entry)
            else:
                self._last_call.append(entry)
        self._slots[self._position] = waiting

    def _expire_last_call(self) -> None:
        due, self._last_call = self._last_call, []
        for entry in due:
            if not entry.done:
                entry.done = True
                entry.expire()
