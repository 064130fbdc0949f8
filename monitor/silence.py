"""Whether a whole unit has gone silent: no attempt at any of its checks for longer than expected (pure).

A check that is no longer attempted is UNKNOWN (`monitor.state.fall_silent`). Where all checks of a unit are,
it is the unit, or what probes it, that has gone: one thing to tell instead of one a check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from monitor.state import CheckState, silent


class Watched(NamedTuple):
    """A check: what is believed of it, its timing, and since when attempts could be expected. In seconds."""

    state: CheckState
    every: float
    timeout: float
    floor: float


def silent_units(units: Mapping[str, Iterable[Watched]], now: float) -> dict[str, float]:
    """Return the units no check of which is attempted, each with the time of its last attempt.

    A unit without checks is never silent. The last attempt is 0 where none was ever made. A unit costs one
    look as long as its first check is attempted: give those in which some check fell silent.
    """
    found: dict[str, float] = {}
    for unit, checks in units.items():
        last = _last_attempt(checks, now)
        if last is not None:
            found[unit] = last
    return found


def _last_attempt(checks: Iterable[Watched], now: float) -> float | None:
    """Return when any of the checks was last attempted, or None where one still is or there is none."""
    last: float | None = None
    for state, every, timeout, floor in checks:
        if not silent(state, every, timeout, now, floor):
            return None
        last = max(last or 0.0, min(state.attempted_at, now))
    return last
