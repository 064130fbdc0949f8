"""Rates of counters: what came since the run before, or within a second where there was none."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field

from probes.api import Context, Shared

SPAN_S = 1.0
"""Between the two samples of a first run."""
SHORTEST_SPAN_S = 0.8
LONGEST_SPAN_S = 900.0
"""A sample before this is too old to take a rate from."""
MAX_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters at a time of `time.perf_counter`; `epoch` tells one life of a server from the next."""

    values: Mapping[str, float]
    epoch: Hashable = None
    at: float = field(default_factory=time.perf_counter)


class LastCounters:
    """The last counters of each target; a client for `Shared.get`."""

    def __init__(self, _: Shared) -> None:
        self._kept: OrderedDict[Hashable, Sample] = OrderedDict()

    def swap(self, key: Hashable, now: Sample) -> Sample | None:
        """Keep `now` and return what was kept before, where a rate can be taken from it."""
        before = self._kept.pop(key, None)
        self._kept[key] = now
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        if before is None or not SHORTEST_SPAN_S <= now.at - before.at <= LONGEST_SPAN_S:
            return None
        return before if _same_life(before, now) else None


def _same_life(before: Sample, now: Sample) -> bool:
    """Whether no counter has begun anew."""
    if before.epoch != now.epoch:
        return False
    return all(now.values.get(name, value) >= value for name, value in before.values.items())


def deltas(before: Sample, now: Sample) -> tuple[float, dict[str, float]]:
    """Return the seconds between two samples, and by how much each counter of both has grown."""
    grown = {name: now.values[name] - value for name, value in before.values.items() if name in now.values}
    return now.at - before.at, grown


async def grown(
    key: Hashable, now: Sample, context: Context, again: Callable[[], Awaitable[Sample]]
) -> tuple[float, dict[str, float]] | None:
    """Return `deltas` since the run before; in a first run `again` takes a second sample after a second.

    None where there is no time for that, or the server has started anew meanwhile.
    """
    last = context.shared.get(LastCounters)
    before = last.swap(key, now)
    if before is None:
        if context.remaining < 2 * SPAN_S:
            return None
        await asyncio.sleep(SPAN_S)
        before, now = now, await again()
        if last.swap(key, now) is None:
            return None
    return deltas(before, now)
