"""Soak: whether something has held for long enough, counting only the hours its calendar is open.

It holds when the covered time is at least `min_coverage` of the window and the passing share of it at
least `min_pass`. A hard DOWN or DEGRADED, or a gap over `max_gap`, starts it again; a single bad reading
does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from monitor.calendars.calendar import ALWAYS_OPEN, Calendar

LEAST_GAP_S = 1800.0


class Mark(IntEnum):
    """What one reading says of an item."""

    GOOD = 0
    BAD = 1
    """Measured, and not as expected (DEGRADED)."""
    DOWN = 2
    NONE = 3
    """Not measured: it covers nothing."""


@dataclass(frozen=True, slots=True)
class Soak:
    """How long something must hold; seconds, and shares from 0 to 1. `min_pass` None: coverage only."""

    window: float
    calendar: Calendar = ALWAYS_OPEN
    min_coverage: float = 0.9
    min_pass: float | None = 0.995
    max_gap: float | None = None

    def gap(self, every: float, timeout: float) -> float:
        """Return the longest gap that does not start it again."""
        return max(LEAST_GAP_S, 2 * every + timeout) if self.max_gap is None else self.max_gap


@dataclass(frozen=True, slots=True)
class Soaked:
    """How far a soak has come; seconds of open time."""

    holds: bool
    covered: float
    passing: float
    left: float
    """Covered time that is still wanted."""
    since: float
    """When it started: the window's start, or what started it again."""

    def text(self, soak: Soak) -> str:
        """Return what is left in words."""
        share = self.passing / self.covered if self.covered else 0.0
        text = f"covered {self.covered / 3600:.1f} h of {soak.window / 3600:.1f} h"
        if soak.min_pass is not None:
            text += f", passing {share:.2%} of it (wanted {soak.min_pass:.2%})"
        return text + (f", {self.left / 3600:.1f} h left" if self.left else "")


@dataclass(frozen=True, slots=True)
class Hard:
    """How many readings in a row make a hard state."""

    down: int = 2
    degraded: int = 3


def evaluate(
    soak: Soak,
    times: NDArray[np.float64],
    marks: NDArray[np.uint8],
    *,
    now: float,
    every: float,
    timeout: float,
    zone: str = "UTC",
    hard: Hard | None = None,
) -> Soaked:
    """Judge the readings (ascending `times`, one `Mark` each; older than the window is allowed)."""
    start = soak.calendar.back(now, soak.window, zone)
    keep = (marks != Mark.NONE) & (times >= start) & (times <= now)
    at, measured = times[keep], marks[keep]
    clock = soak.calendar.clock(start, now, zone)
    begin = max(
        start,
        _after_gap(clock(at), at, float(clock(np.array([now]))[0]), soak.gap(every, timeout), now),
        _after_hard(at, measured, hard or Hard(), now),
    )
    until = np.minimum(np.append(at[1:], now), at + every)[at >= begin]
    covers = clock(until) - clock(at[at >= begin])
    covered = float(covers.sum())
    passing = float(covers[measured[at >= begin] == Mark.GOOD].sum())
    left = max(0.0, soak.min_coverage * soak.window - covered)
    passes = soak.min_pass is None or passing >= soak.min_pass * covered
    return Soaked(left <= 1e-6 and passes, covered, passing, left, begin)


def _after_gap(
    opened: NDArray[np.float64], at: NDArray[np.float64], opened_now: float, longest: float, now: float
) -> float:
    """Return the time of the first reading after the last gap, `now` where it still lasts."""
    if len(at) == 0 or opened_now - opened[-1] > longest:
        return now
    gaps = np.flatnonzero(np.diff(opened) > longest)
    return float(at[gaps[-1] + 1]) if len(gaps) else float("-inf")


def _after_hard(at: NDArray[np.float64], marks: NDArray[np.uint8], hard: Hard, now: float) -> float:
    """Return the time of the reading after the last run that made a hard state, `now` where it lasts."""
    ends = [_last_run(marks == Mark.DOWN, hard.down), _last_run(marks != Mark.GOOD, hard.degraded)]
    last = max(ends)
    if last < 0:
        return float("-inf")
    return float(at[last + 1]) if last + 1 < len(at) else now


def _last_run(bad: NDArray[np.bool_], length: int) -> int:
    """Return the index of the last element of the last run of at least `length`, -1 without one."""
    if len(bad) < length:
        return -1
    windows = np.lib.stride_tricks.sliding_window_view(bad, length).all(axis=1)
    found = np.flatnonzero(windows)
    return int(found[-1]) + length - 1 if len(found) else -1
