"""Series with what is known of them, and how an online detector is scored on them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

MONTH_DAYS = 30.44
BEFORE, AFTER = 2, 15
"""An onset from 2 samples before to 15 after a change belongs to it."""


class Judge(Protocol):
    """Anything that says after each sample whether it is in alarm."""

    def update(self, value: float | None, epoch_seconds: float) -> bool:
        """Take in a sample; return whether there is an alarm."""


@dataclass(frozen=True, slots=True)
class Event:
    """A degradation: samples `start` to before `end`, its kind, and its size in ms."""

    start: int
    end: int
    kind: str
    size: float


@dataclass(frozen=True, slots=True)
class Series:
    """One link: times, values (None where missing), degradations, and the samples nobody is judged on."""

    name: str
    times: Sequence[float]
    values: Sequence[float | None]
    events: tuple[Event, ...]
    warm: int
    true_base: float = 0.0
    changes: tuple[int, ...] = ()
    """Of real traces: every labelled change; an alarm near one is not false."""
    slight: tuple[int, ...] = ()

    @property
    def days(self) -> float:
        """How long is scored."""
        return (self.times[-1] - self.times[self.warm]) / 86400.0


@dataclass(slots=True)
class Score:
    """What came out, summed over series."""

    events: int = 0
    found: int = 0
    false: int = 0
    again: int = 0
    days: float = 0.0
    delays: list[int] = field(default_factory=list)
    """Of found events, ramps aside, in samples."""
    slight: int = 0
    slight_found: int = 0

    def add(self, other: Score) -> None:
        """Take in another score."""
        for name in ("events", "found", "false", "again", "days", "slight", "slight_found"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays

    @property
    def share(self) -> float:
        """Found, as a share of 1."""
        return self.found / self.events if self.events else math.nan

    @property
    def false_a_month(self) -> float:
        """False alarms per link-month."""
        return self.false / self.days * MONTH_DAYS if self.days else math.nan

    @property
    def again_each(self) -> float:
        """Further alarms within an event already found, per found event."""
        return self.again / self.found if self.found else math.nan

    def delay(self, share: float = 0.5) -> float:
        """Return a quantile of the delays, in samples."""
        if not self.delays:
            return math.nan
        if share == 0.5:
            return float(statistics.median(self.delays))
        ordered = sorted(self.delays)
        return float(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)])


def onsets(judge: Judge, series: Series) -> list[int]:
    """Return the samples at which an alarm began, after the warm-up."""
    begun: list[int] = []
    before, update = False, judge.update
    for index, (value, time) in enumerate(zip(series.values, series.times, strict=True)):
        now = update(value, time)
        if now and not before and index >= series.warm:
            begun.append(index)
        before = now
    return begun


def total(
    make: Callable[[Series], Judge], links: Iterable[Series], score: Callable[[Series, list[int]], Score]
) -> Score:
    """Judge every series by a fresh detector; return the sum."""
    result = Score()
    for series in links:
        result.add(score(series, onsets(make(series), series)))
    return result


def score_made(series: Series, begun: list[int]) -> Score:
    """Score on a made link: an event is found by the first onset while it lasts."""
    result = Score(events=len(series.events), days=series.days)
    left = list(begun)
    for event in series.events:
        inside = [at for at in left if event.start <= at < event.end + AFTER]
        early = [at for at in left if event.start - BEFORE <= at < event.start]
        left = [at for at in left if not event.start - BEFORE <= at < event.end + AFTER]
        hits = early + inside
        if hits and hits[0] < event.end:
            result.found += 1
            result.again += len(hits) - 1
            if event.kind != "ramp":
                result.delays.append(max(0, hits[0] - event.start))
    result.false = len(left)
    return result


def score_real(series: Series, begun: list[int]) -> Score:
    """Score on a labelled real trace, by the rules of the data set's README."""
    result = Score(days=series.days)
    used, delays = match([event.start for event in series.events], begun, series.warm)
    result.events = sum(event.start >= series.warm for event in series.events)
    result.found, result.delays = len(used), delays
    result.false = sum(at not in used and not _near(at, series.changes) for at in begun)
    result.slight = sum(at >= series.warm for at in series.slight)
    result.slight_found = len(match(series.slight, begun, series.warm)[0])
    return result


def match(starts: Sequence[int], begun: Sequence[int], warm: int) -> tuple[set[int], list[int]]:
    """Return the onsets that find a degradation, each one at most, and how late they are."""
    used: set[int] = set()
    delays: list[int] = []
    for start in starts:
        if start < warm:
            continue
        hit = next((at for at in begun if at not in used and start - BEFORE <= at <= start + AFTER), None)
        if hit is not None:
            used.add(hit)
            delays.append(hit - start)
    return used, delays


def _near(at: int, changes: Sequence[int]) -> bool:
    return any(at - AFTER <= change <= at + BEFORE for change in changes)
