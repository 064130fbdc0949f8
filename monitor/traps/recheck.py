"""An asset's checks run for a trap: at once, and however many traps come, once in a while at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

Ask = Callable[[str], int]
"""Runs the checks of an asset (`unit/asset`) now; returns how many."""


class Rechecks:
    """Which assets were asked, and when; one that sends again meanwhile is asked once more after `again`."""

    def __init__(self, ask: Ask, again: float) -> None:
        self._ask, self._again = ask, again
        self._waiting: dict[str, bool] = {}
        """Assets asked less than `again` ago, and whether they have sent since."""
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def hear(self, assets: Iterable[str]) -> int:
        """Have the checks of assets run; return how many were."""
        return sum(self._hear(asset) for asset in assets)

    def _hear(self, asset: str) -> int:
        if asset in self._waiting:
            self._waiting[asset] = True
            return 0
        self._waiting[asset] = False
        loop = asyncio.get_running_loop()
        self._timers[asset] = loop.call_later(self._again, self._over, asset)
        return self._ask(asset)

    def _over(self, asset: str) -> None:
        del self._timers[asset]
        if self._waiting.pop(asset):
            self._hear(asset)

    def close(self) -> None:
        """Ask nobody any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()
