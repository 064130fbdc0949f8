"""Which series are watched for getting worse, and what their detectors (`monitor.degradation`) say.

Without a word in the inventory: the latencies, losses and rates of channels, rates against what the unit's
functions require. `degradation: {rtt_ms: off}` of a check leaves one out; `low`, `normal` or `high` says how
readily it is noticed, and takes in series of other assets. A change that does not matter (below 10 % and
10 ms, and within what is required) is no trouble. A level that lasts for a day becomes the usual one, but
never one that misses what the functions or the check's own `expect` require, or of which that is not known.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from inventory import units
from monitor.degradation import Detector, Explanation, LossDetector, RateDetector, Rule, Sensitivity, matters
from monitor.incidents.incident import Adopted
from monitor.job import Job, Required
from monitor.process.turns import Turn
from monitor.readiness.conditions import Compare, Condition, Requirement, Statistic, Truth, conjunction
from probes.api import MetricDef, Outcome, Reading

log = logging.getLogger(__name__)

OFF = "off"
ROUND = 60
"""Rounds in which every detector is saved once."""


class Store(Protocol):
    """Where detectors are kept; `monitor.store.detectors.DetectorStore`."""

    async def load(self) -> Mapping[tuple[str, str], bytes]:
        """Return what was saved, by check and metric."""

    async def save(self, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Save detectors."""

    async def keep_only(self, checks: frozenset[str]) -> None:
        """Forget those of other checks."""


@dataclass(slots=True)
class Series:
    """One metric of one check, and its detector."""

    metric: MetricDef
    detector: Detector | LossDetector | RateDetector
    required: float | None = None
    """The most that it may be, or the least of a rate; None where nothing says so."""
    expected: Condition | None = None
    """What the check itself expects of the metric."""
    settled: bool = True
    """Whether it is known what is required."""

    def __post_init__(self) -> None:
        if not isinstance(self.detector, RateDetector):
            self.detector.adopts = self._adopts

    def update(self, reading: Reading) -> bool:
        """Take a reading in; return whether the series is in alarm."""
        value = reading.metrics.get(self.metric.name) if reading.outcome.measured else None
        if isinstance(self.detector, LossDetector):
            sent = reading.metrics.get("sent")
            share = None if value is None else value / 100
            return self.detector.update(share, reading.at, int(sent) if sent else None)
        return self.detector.update(value, reading.at)

    def _adopts(self, level: float) -> bool | None:
        """Tell whether a worse level may become the usual one (`monitor.degradation.explanation.Adopts`)."""
        value = level * self._scale
        found = [Truth.PASS if self.settled else Truth.UNKNOWN]
        if self.required is not None:
            found.append(Compare("<=", self.required).judge(level))
        if self.expected is not None:
            found.append(self.expected.decide(value, functools.partial(self._deferred, value)))
        truth = conjunction(found)
        return None if truth is Truth.UNKNOWN else truth is Truth.PASS

    def _deferred(self, value: float, part: Condition) -> Truth:
        """Hold a level against what is expected over a window, or by the capacity model."""
        inner = part.inner if isinstance(part, Statistic) else part
        if not isinstance(inner, Requirement):
            return inner.judge(value)
        bound = self.required
        return Truth.UNKNOWN if bound is None else inner.bounded(bound * self._scale).judge(value)

    @property
    def _scale(self) -> float:
        return 100.0 if isinstance(self.detector, LossDetector) else 1.0

    def adopted(self, check: str) -> Adopted | None:
        """Return what became usual although it is worse than what was, None where that is not so."""
        found = None if isinstance(self.detector, RateDetector) else self.detector.adopted
        if found is None:
            return None
        now, was = found.now * self._scale, found.was * self._scale
        return Adopted(check, self.metric.name, self.metric.unit, now, was, found.since, found.at)

    def matters(self, found: Explanation) -> bool:
        """Tell whether what was found is a trouble: for itself, or since it breaks the requirement."""
        return matters(found) or (self.required is not None and matters(found, self.required))


@dataclass(slots=True)
class Noticing:
    """All detectors, by check. Used from one loop."""

    store: Store
    _series: dict[str, tuple[Series, ...]] = field(default_factory=dict)
    _loaded: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    _rates: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Detectors of rates as they were saved, until it is known what is required."""
    _required: dict[str, Required | None] = field(default_factory=dict)
    _meanwhile: list[Job] | None = None
    """Jobs of which something else is required since `adopt` began."""
    _changed: set[str] = field(default_factory=set)
    _round: int = 0

    async def load(self) -> None:
        """Read what was saved; the first `adopt` takes it up."""
        self._loaded = await self.store.load()

    async def adopt(self, jobs: Iterable[Job]) -> None:
        """Watch exactly these checks; detectors of series that stay go on."""
        found: dict[str, tuple[Series, ...]] = {}
        kept, turn = set(), Turn()
        self._meanwhile = []
        for job in jobs:
            if next(watched(job), None) is not None:
                kept.add(job.id)
                if series := tuple(self._of(job)):
                    found[job.id] = series
            await turn.end()
        self._rates = {
            key: data for key, data in (self._rates | dict(self._loaded)).items() if key[0] in kept
        }
        self._series, self._loaded = found, {}
        late, self._meanwhile = self._meanwhile, None
        for job in late:
            self._renew(job)
        await self._forget(frozenset(kept))

    async def _forget(self, kept: frozenset[str]) -> None:
        try:
            await self.store.keep_only(kept)
        except Exception:
            log.exception("detectors of checks that are gone stay in the store for now")

    def require(self, unit: str, required: Required | None, jobs: Iterable[Job]) -> None:
        """Be told what a unit's functions require of its channels; `jobs` are the unit's."""
        if unit in self._required and self._required[unit] == required:
            return
        self._required[unit] = required
        for job in jobs:
            if self._meanwhile is None:
                self._renew(job)
            else:
                self._meanwhile.append(job)

    def required(self, unit: str) -> Required | None:
        """Return what a unit's functions require of its channels; None where they require nothing."""
        return self._required.get(unit)

    def _renew(self, job: Job) -> None:
        if series := tuple(self._of(job)):
            self._series[job.id] = series
        else:
            self._series.pop(job.id, None)

    def _of(self, job: Job) -> Iterator[Series]:
        known = {each.metric.name: each for each in self._series.get(job.id, ())}
        for metric, sensitivity in watched(job):
            required = _least(metric, self._required.get(job.unit))
            more = (required, job.expect.get(metric.name), self._settled(job))
            old = known.get(metric.name)
            key = (job.id, metric.name)
            if old is not None and (old.required == required or metric.notice != "rate"):
                yield Series(metric, old.detector, *more)
            elif metric.notice != "rate":
                packed = self._loaded.get(key, b"")
                yield Series(metric, _made(job, metric, sensitivity, packed), *more)
            elif required:
                packed = self._loaded.get(key) or self._rates.pop(key, b"")
                yield Series(metric, RateDetector.from_bytes(packed, required, sensitivity), *more)

    def _settled(self, job: Job) -> bool:
        """Tell whether it is known what a level may be: not where no channel at all would do."""
        required = self._required.get(job.unit)
        known = job.unit in self._required or job.route is None
        return known and not (required is not None and required.impossible)

    def __call__(self, job: Job, reading: Reading) -> str:
        """Take a reading in; return what was noticed of its series up to it, empty where nothing is wrong."""
        series = self._series.get(job.id)
        if series is None or reading.outcome in (Outcome.NOT_RUN, Outcome.ERROR):
            return ""
        before = [each.detector.alarm for each in series]
        alarms = [each for each in series if each.update(reading)]
        if before != [each.detector.alarm for each in series]:
            self._changed.add(job.id)
        found = [(each, each.detector.explain()) for each in alarms]
        return "; ".join(_said(each.metric, what) for each, what in found if each.matters(what))

    def usual(self, check: str) -> tuple[Adopted, ...]:
        """Return which series of a check have become usual at a worse level than they had before."""
        found = (each.adopted(check) for each in self._series.get(check, ()))
        return tuple(each for each in found if each is not None)

    def adopted_at(self, check: str) -> float:
        """Return when a worse level of a check became the usual one that it is now; 0 for never."""
        return max((each.at for each in self.usual(check)), default=0.0)

    def leaning(self, check: str) -> bool:
        """Tell whether a loss of a check may be about to alarm: whether it has one is not decided yet."""
        detectors = (each.detector for each in self._series.get(check, ()))
        return any(isinstance(each, LossDetector) and each.leaning for each in detectors)

    @property
    def count(self) -> int:
        """How many series are watched."""
        return sum(len(each) for each in self._series.values())

    async def save_changed(self) -> None:
        """Save those whose alarm began or ended; to be called every second."""
        if self._changed:
            checks, self._changed = list(self._changed), set()
            await self._save(checks)

    async def save_some(self) -> None:
        """Save one part of sixty; to be called every minute."""
        self._round = (self._round + 1) % ROUND
        await self._save(list(self._series)[self._round :: ROUND])

    async def save_all(self) -> None:
        """Save all, at the end."""
        await self._save(list(self._series))
        await self.store.save([(*key, data) for key, data in self._rates.items()])

    async def _save(self, checks: Sequence[str]) -> None:
        async for rows in self._packed(checks):
            await self.store.save(rows)

    async def _packed(self, checks: Sequence[str]) -> AsyncIterator[list[tuple[str, str, bytes]]]:
        turn, rows = Turn(), []
        for check in checks:
            rows += [
                (check, each.metric.name, each.detector.to_bytes()) for each in self._series.get(check, ())
            ]
            await turn.end()
            if len(rows) >= 1000:
                yield rows
                rows = []
        if rows:
            yield rows


def watched(job: Job) -> Iterator[tuple[MetricDef, Sensitivity]]:
    """Yield the metrics of a check that are watched, and how readily."""
    for metric in job.spec.metrics:
        written = job.degradation.get(metric.name)
        if written is None:
            written = Sensitivity.NORMAL if metric.notice and job.route else OFF
        if written != OFF:
            yield metric, Sensitivity(written)


def _least(metric: MetricDef, required: Required | None) -> float | None:
    """Return what is required of a metric: of a rate, in its direction; of a latency, the whole way.

    None of a metric that is none of these by itself, and is watched since the inventory says so.
    """
    if required is None or required.impossible:
        return None
    if metric.notice == "loss":
        return required.loss
    if metric.notice == "latency":
        return required.rtt_ms
    if metric.notice == "rate":
        return required.up_bps if "_up_" in metric.name else required.down_bps
    return None


def _made(job: Job, metric: MetricDef, sensitivity: Sensitivity, packed: bytes) -> Detector | LossDetector:
    if metric.notice == "loss":
        return LossDetector.from_bytes(packed, sensitivity=sensitivity)
    zone = job.route.lines[0].zone if job.route else "UTC"
    return Detector.from_bytes(packed, sensitivity, _offset(zone))


@functools.lru_cache(maxsize=512)
def _offset(zone: str) -> int:
    """Return a zone's present offset from UTC in seconds; hours of the day need no more."""
    offset = datetime.now(ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _said(metric: MetricDef, found: Explanation) -> str:
    """Say what is worse than what, since the first sample of it."""
    scale = 100 if found.rule is Rule.LOSS else 1
    value, usual = scale * (found.value or 0.0), scale * (found.baseline or 0.0)
    if found.rule is Rule.RATE:
        return (
            f"{metric.name} {units.render(value, metric.unit)}, required {units.render(usual, metric.unit)}"
        )
    return f"{metric.name} {value:.4g} {metric.unit}, usually {usual:.4g} ({found.rule})"
