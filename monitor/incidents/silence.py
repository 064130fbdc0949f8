"""Whether a whole unit has gone silent: no attempt at any of its checks for longer than expected (pure).

A check that is no longer attempted is UNKNOWN (`monitor.state.fall_silent`). Where no check of a unit is, it
is the unit, or what probes it, that has gone: one thing to tell instead of one a check. The most frequent
check says how long is too long, so that a unit with an hourly check is missed as soon as its minutely one is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from monitor.state import CheckState


class Watched(NamedTuple):
    """A check: what is believed of it, its timing, and since when attempts could be expected. In seconds."""

    state: CheckState
    every: float
    timeout: float
    floor: float = 0.0


def silent_units(units: Mapping[str, Iterable[Watched]], now: float) -> dict[str, float]:
    """Return the units at no check of which an attempt was made, each with the time of the last attempt.

    Too long is 2 x every + timeout of the check for which that is least. An attempt that lies in the future
    (the clock was set back) counts as the floor. A unit without checks is never silent.
    """
    found: dict[str, float] = {}
    for unit, checks in units.items():
        last, limit = 0.0, float("inf")
        for state, every, timeout, floor in checks:
            last = max(last, state.attempted_at if floor < state.attempted_at <= now else floor)
            limit = min(limit, 2 * every + timeout)
        if now - last > limit:
            found[unit] = last
    return found
