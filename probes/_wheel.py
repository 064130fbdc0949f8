"""Many coarse timers behind one: entries are kept by slot of time, and only the next slot has a timer."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
ROUNDING_S = 0.001
"""uvloop rounds to whole milliseconds: a timer that came a little early would spin until its slot is due."""


class Wheel(Generic[T]):
    """Hands out what is due, in batches, at most one slot's width late on a loop that keeps up.

    Times are of `time.perf_counter` (uvloop's own clock has a resolution of 1 ms). An entry that is no
    longer wanted stays until its slot is due; `due` must tell.
    """

    __slots__ = ("_due", "_loop", "_order", "_slots", "_timer", "_timer_slot", "_width")

    def __init__(self, width_s: float, due: Callable[[list[T]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._width, self._due = width_s, due
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0

    def add(self, when: float, entry: T) -> None:
        """Hand out `entry` once `when` has passed, never before."""
        slot = int(when / self._width) + 1
        entries = self._slots.get(slot)
        if entries is not None:
            entries.append(entry)
            return
        self._slots[slot] = [entry]
        heapq.heappush(self._order, slot)
        if self._timer is None or slot < self._timer_slot:
            self._arm()

    def stop(self) -> None:
        """Forget everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()
        self._order.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_slot = self._order[0]
        delay = self._timer_slot * self._width - time.perf_counter()
        self._timer = self._loop.call_later(max(0.0, delay) + ROUNDING_S, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = time.perf_counter()
        while self._order and self._order[0] * self._width <= now:
            self._due(self._slots.pop(heapq.heappop(self._order)))
        if self._order:
            self._arm()
