"""The readings of a window as a sample: which of them count, and how much of the window they cover."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from monitor.calendars.calendar import Calendar, Clock
from monitor.job import Job
from monitor.readiness import statistics
from monitor.readiness.conditions import Statistic
from monitor.readiness.figures import Figure
from monitor.readiness.finding import bound, number
from monitor.store.api import OUTCOME_CODES, Evidence, Window

LEAST_COVERAGE = 0.9
_FAILED = OUTCOME_CODES["failed"]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """A window of a calendar's open time that ends now; seconds since the epoch."""

    start: float
    end: float
    calendar: Calendar
    zone: str

    @classmethod
    def of(cls, part: Statistic, now: float, zone: str) -> Span:
        """Return the window that a statistic is about."""
        return cls(_start(part.calendar, now, part.over, zone), now, part.calendar, zone)

    def read(self, evidence: Evidence, job: Job, name: str) -> Window:
        """Return the readings in it, those outside open hours left out."""
        window = evidence.window(job.id, name, self.start, self.end)
        if self.calendar.always:
            return window
        keep = self._within(window.times)
        return Window(window.times[keep], window.values[keep], window.outcomes[keep])

    def _within(self, times: Floats) -> Flags:
        edges = _edges(self.calendar, self.start, self.end, self.zone)
        place = np.searchsorted(edges[:, 0], times, side="right") - 1
        inside: Flags = (place >= 0) & (times < np.append(edges[:, 1], -np.inf)[place])
        return inside

    def coverage(self, window: Window, every: float) -> float:
        """Return the share of its open time that is measured, each reading counting for `every` seconds.

        A reading that does not report the metric measured nothing of it. Readings closer together than
        `every` add nothing: many at once do not stand for the hours without.
        """
        at = window.times[measured(window)]
        if len(at) == 0 or self.end <= self.start:
            return 0.0
        opened = self._opened(np.concatenate(([self.start], at, [self.end])))
        whole = float(opened[-1] - opened[0])
        steps = np.minimum(np.diff(opened), every)
        return min(1.0, float(steps.sum()) / whole) if whole > 0 else 0.0

    def _opened(self, at: Floats) -> Floats:
        """Return the open seconds at each time since some start."""
        if self.calendar.always:
            return at
        return _clock(self.calendar, self.start, self.end, self.zone)(at)


@lru_cache(maxsize=64)
def _start(calendar: Calendar, now: float, over: float, zone: str) -> float:
    """Remembered, as what follows is: all units are judged at one moment, and share zones and calendars."""
    return calendar.back(now, over, zone)


@lru_cache(maxsize=64)
def _edges(calendar: Calendar, start: float, end: float, zone: str) -> Floats:
    return np.array(calendar.spans(start, end, zone)).reshape(-1, 2)


@lru_cache(maxsize=64)
def _clock(calendar: Calendar, start: float, end: float, zone: str) -> Clock:
    return calendar.clock(start, end, zone)


def measured(window: Window) -> Flags:
    """Return which readings measured the metric: it is reported, or the target failed."""
    failed = window.outcomes == _FAILED
    found: Flags = failed | ((window.outcomes < _FAILED) & ~np.isnan(window.values))
    return found


def sample(window: Window, worst: float) -> Floats:
    """Return the values that were measured; a failed reading counts as `worst` (an infinity)."""
    values = np.where(window.outcomes == _FAILED, worst, window.values)
    chosen: Floats = values[measured(window)]
    return chosen


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of a sample with its one-sided 95 % bounds; an extreme is its own bound."""

    name: str
    n: int
    least: int
    """Readings below which nothing is judged."""
    coverage: float
    value: float
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, part: Statistic, values: Floats, coverage: float) -> Estimate:
        """Return what the values (at least one) say."""
        if part.quantile is None:
            found = float(values.max() if part.name == "max" else values.min())
            return cls(part.name, len(values), 1, coverage, found, found, found)
        least, of = statistics.least_n(part.quantile), statistics.bounds(values, part.quantile)
        return cls(part.name, of.n, least, coverage, of.estimate, of.lower, of.upper)

    def lacking(self) -> str:
        """Return what is missing before anything can be judged, empty where nothing is."""
        if self.n < self.least:
            return f"{self.n} reading{'' if self.n == 1 else 's'}, and the bounds need {self.least}"
        if self.coverage < LEAST_COVERAGE:
            return f"{self.coverage:.0%} of the window is measured, and {LEAST_COVERAGE:.0%} is needed"
        return ""

    def text(self, write: Figure) -> str:
        """Return it for people."""
        text = f"{self.name} = {number(self.value, write)}"
        if self.least > 1:
            text += f", 95 % bounds {bound(self.lower, write)}..{bound(self.upper, write)}"
        return f"{text}, n = {self.n}, coverage {self.coverage:.0%}"


def worst_of(op: str) -> float:
    """Return the infinity on the failing side of a comparison."""
    return math.inf if op.startswith("<") else -math.inf
