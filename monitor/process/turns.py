"""Long work on the loop in turns of 5 ms."""

from __future__ import annotations

import asyncio
import time

TURN_S = 0.005


class Turn:
    """Lets the loop run when a turn is over, by time: under load each such rest is long, and so to be few."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def end(self) -> None:
        """Let the loop run where the turn is over."""
        if time.perf_counter() - self._since > TURN_S:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
