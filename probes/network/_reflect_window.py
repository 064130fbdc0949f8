"""Which packets of one direction of a session are new, and which are copies or replays (pure)."""

from __future__ import annotations

from enum import IntEnum

from probes.network._reflect_bodies import MAX_PACKETS


class Fresh(IntEnum):
    """What a packet's number says of it."""

    NEW = 1
    COPY = 2
    """Its number was seen before."""
    OLD = 3
    """Too far behind to tell."""


class Window:
    """Which numbers of one direction were seen (RFC 4303, 3.4.3, with room for a train under way)."""

    __slots__ = ("_highest", "_seen")

    WIDTH = 2 * MAX_PACKETS + 192

    def __init__(self) -> None:
        self._highest = self._seen = 0

    def judge(self, number: int) -> Fresh:
        """Tell whether `number` is new, and remember it. Call it only for a packet whose tag was right."""
        ahead = number - self._highest
        if ahead > 0:
            kept = self._seen << ahead if ahead < self.WIDTH else 0
            self._seen = (kept | 1) & _ALL
            self._highest = number
            return Fresh.NEW
        if -ahead >= self.WIDTH or number <= 0:
            return Fresh.OLD
        bit = 1 << -ahead
        if self._seen & bit:
            return Fresh.COPY
        self._seen |= bit
        return Fresh.NEW


_ALL = (1 << Window.WIDTH) - 1
