"""Readings of a bundle into the store, a few at a time: the loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.store.api import Sink
from probes.api import Reading

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes readings in. They move no state and open no incident: only judging knows of them."""

    store: Sink

    async def take(self, readings: Sequence[Reading]) -> None:
        """Return when they are committed."""
        for first in range(0, len(readings), AT_ONCE):
            for reading in readings[first : first + AT_ONCE]:
                self.store.append(reading)
            await asyncio.sleep(0)
        await self.store.flush()
