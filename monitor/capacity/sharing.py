"""A link that all transfers share equally (egalitarian processor sharing), exactly and mostly in closed form.

Busy periods are the same whatever the discipline, so they are found for all transfers at once; those of one
or two transfers have a closed form, and only longer ones are played through.
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def departures(arrivals: Floats, services: Floats) -> Floats:
    """Return when each transfer ends; `services` is how long each takes alone. Arrivals are sorted."""
    ends = arrivals + services
    if len(arrivals) < 2:
        return ends
    first, last = _busy_periods(arrivals, services)
    sizes = last - first
    _pairs(first[sizes == 2], arrivals, services, ends)
    for start, stop in zip(first[sizes > 2].tolist(), last[sizes > 2].tolist(), strict=True):
        ends[start:stop] = _played(arrivals[start:stop].tolist(), services[start:stop].tolist())
    return ends


def _busy_periods(arrivals: Floats, services: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first index of each busy period and the one behind its last (Lindley's recursion)."""
    work = np.cumsum(services)
    cleared = work + np.maximum.accumulate(arrivals - (work - services))
    begins = np.flatnonzero(np.concatenate(([True], arrivals[1:] >= cleared[:-1])))
    return begins, np.append(begins[1:], len(arrivals))


def _pairs(first: NDArray[np.intp], arrivals: Floats, services: Floats, ends: Floats) -> None:
    """Write the ends of two transfers that overlap: both slow down until the shorter rest is through."""
    second = first + 1
    left = services[first] - (arrivals[second] - arrivals[first])
    later = arrivals[second]
    ends[first] = later + np.where(left <= services[second], 2 * left, left + services[second])
    ends[second] = later + np.where(left <= services[second], left + services[second], 2 * services[second])


def _played(arrivals: list[float], services: list[float]) -> list[float]:
    """Return the ends within one busy period, on a clock that runs as fast as each transfer is served."""
    ends = [0.0] * len(arrivals)
    active: list[tuple[float, int]] = []
    now = served = 0.0
    for index, arrival in enumerate(arrivals):
        while active:
            through = now + (active[0][0] - served) * len(active)
            if through > arrival:
                break
            served, done = heappop(active)
            ends[done] = now = through
        if active:
            served += (arrival - now) / len(active)
        now = arrival
        heappush(active, (served + services[index], index))
    while active:
        now += (active[0][0] - served) * len(active)
        served, done = heappop(active)
        ends[done] = now
    return ends
