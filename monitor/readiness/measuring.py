"""One condition against the evidence: a reading's value, or a statistic over a window, with what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.job import Job
from monitor.readiness import statistics
from monitor.readiness.conditions import (
    Between,
    Compare,
    Condition,
    Requirement,
    Statistic,
    Truth,
    Value,
    conjunction,
)
from monitor.readiness.figures import Figure, exact, figure
from monitor.store.api import OUTCOME_CODES, Evidence, Window
from probes.api import MetricDef, Reading

LEAST_COVERAGE = 0.9
NOT_MEASURED, INCONCLUSIVE = "not_measured", "inconclusive"
_OK, _FAILED = OUTCOME_CODES["ok"], OUTCOME_CODES["failed"]
_SAFE_LOW = ("<=", "<")
Floats = NDArray[np.float64]


class Requirements(Protocol):
    """What the capacity model requires of a channel."""

    def bound(self, unit: str, asset: str, metric: str) -> float | None:
        """Return the bound in the metric's unit, None where the model does not give one."""


class NoRequirements:
    """No capacity model: nothing is required, which is not the same as zero."""

    def bound(self, unit: str, asset: str, metric: str) -> float | None:  # noqa: ARG002
        """Return None."""
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one condition comes to; `reason` is set where it does not hold or can't be told."""

    truth: Truth
    reason: str = ""
    actual: str = ""
    value: float | str | None = None
    unit: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a condition is about: a check, one of its metrics or facts, and the last measurement."""

    job: Job
    name: str
    reading: Reading

    @property
    def definition(self) -> MetricDef | None:
        """The metric's definition, None for a fact or a name that only a run can tell."""
        return self.job.spec.metric(self.name)


class Measuring:
    """Judges conditions by the evidence at one moment."""

    def __init__(self, evidence: Evidence, requirements: Requirements, now: float) -> None:
        self._evidence, self._requirements, self._now = evidence, requirements, now

    def find(self, subject: Subject, condition: Condition) -> Finding:
        """Return what the condition comes to."""
        value = self.value(subject)
        parts: list[Finding] = []

        def judge(part: Condition) -> Truth:
            parts.append(self._part(subject, part))
            return parts[-1].truth

        truth = condition.decide(value, judge)
        unit = subject.definition.unit if subject.definition else None
        if condition.instant or not parts:
            return _told(subject, truth, condition, value, unit)
        return _joined(truth, parts, unit)

    def value(self, subject: Subject) -> Value:
        """Return the reading's own metric or fact; a fact may stand in the store as still seen by it."""
        reading, name = subject.reading, subject.name
        if name in reading.metrics:
            return reading.metrics[name]
        if name in reading.facts:
            return reading.facts[name]
        fact = self._evidence.facts(subject.job.id).get(name)
        return fact.value if fact and fact.last_seen >= reading.at else None

    def _part(self, subject: Subject, part: Condition) -> Finding:
        if isinstance(part, Requirement):
            return self._requirement(subject, part)
        if isinstance(part, Statistic):
            return self._statistic(subject, part)
        raise TypeError(f"{type(part).__name__} is judged by its value")

    def _requirement(self, subject: Subject, part: Requirement) -> Finding:
        bound = self._requirements.bound(subject.job.unit, subject.job.asset, subject.name)
        value = self.value(subject)
        if bound is None:
            text = "the capacity model gives no requirement yet"
            return Finding(Truth.UNKNOWN, NOT_MEASURED, _shown(subject, value), value, detail=text)
        known = part.bounded(bound)
        truth = known.judge(value)
        return Finding(truth, _reason(truth, value), _shown(subject, value, _missed(truth, known)), value)

    def _statistic(self, subject: Subject, part: Statistic) -> Finding:
        job = subject.job
        window = self._evidence.window(job.id, subject.name, self._now - part.over, self._now)
        cover = coverage(window, job.every, self._now - part.over, self._now)
        inner = self._resolved(subject, part)
        if inner is None:
            text = "the capacity model gives no requirement yet"
            shown = self._sampled(subject, part, Compare("<=", math.inf), window, cover)
            return Finding(Truth.UNKNOWN, NOT_MEASURED, shown.actual, shown.value, detail=text)
        sides: Sequence[Compare] = inner.sides() if isinstance(inner, Between) else (inner,)
        found = [self._sampled(subject, part, side, window, cover) for side in sides]
        truth = conjunction([each.truth for each in found])
        return next(each for each in found if each.truth is truth)

    def _resolved(self, subject: Subject, part: Statistic) -> Compare | Between | None:
        if not isinstance(part.inner, Requirement):
            return part.inner
        bound = self._requirements.bound(subject.job.unit, subject.job.asset, subject.name)
        return None if bound is None else part.inner.bounded(bound)

    def _sampled(
        self, subject: Subject, part: Statistic, side: Compare, window: Window, cover: float
    ) -> Finding:
        values, write = sample(window, side.op), figure(subject.definition)
        if len(values) == 0:
            return Finding(Truth.UNKNOWN, NOT_MEASURED, f"n = 0 over {part.over_text}")
        if part.quantile is None:
            return _extreme(part.name, side, values, cover, write)
        return _quantile(part, part.quantile, side, values, cover, write)


def coverage(window: Window, every: float, start: float, end: float) -> float:
    """Return the share of the window for which there are measurements, each counting for `every` seconds.

    Readings closer together than `every` add nothing: many at once do not stand for the hours without.
    """
    at = window.times[window.outcomes <= _FAILED]
    if len(at) == 0 or end <= start:
        return 0.0
    lead = min(float(at[0]) - start, every)
    covered = float(np.minimum(np.diff(np.append(at, end)), every).sum())
    return min(1.0, (lead + covered) / (end - start))


def sample(window: Window, op: str) -> Floats:
    """Return the values for a bound of that side; a failed reading counts as infinitely bad."""
    worst = math.inf if op in _SAFE_LOW else -math.inf
    values = np.where(window.outcomes == _FAILED, worst, window.values)
    keep = (window.outcomes <= _FAILED) & ~np.isnan(values)
    chosen: Floats = values[keep]
    return chosen


def _quantile(
    part: Statistic, p: float, side: Compare, values: Floats, cover: float, write: Figure
) -> Finding:
    found = statistics.bounds(values, p)
    lower, upper = found.lower, found.upper
    text = (
        f"{part.name} = {_number(found.estimate, write)}, "
        f"95 % bounds {_bound(lower, write)}..{_bound(upper, write)}, "
        f"n = {found.n}, coverage {cover:.0%}"
    )
    least = statistics.least_n(p)
    if found.n < least or cover < LEAST_COVERAGE:
        return Finding(
            Truth.UNKNOWN, INCONCLUSIVE, text, found.estimate, detail=_lacking(found.n, least, cover)
        )
    safe, other = (upper, lower) if side.op in _SAFE_LOW else (lower, upper)
    if safe is not None and side.holds(safe):
        return Finding(Truth.PASS, "", text, found.estimate)
    if other is not None and not side.holds(other):
        return Finding(Truth.FAIL, "expectation", text, found.estimate)
    text_why = "the bounds lie on both sides of what is expected"
    return Finding(Truth.UNKNOWN, INCONCLUSIVE, text, found.estimate, detail=text_why)


def _extreme(name: str, side: Compare, values: Floats, cover: float, write: Figure) -> Finding:
    shown = float(values.max() if name == "max" else values.min())
    text = f"{name} = {_number(shown, write)}, n = {len(values)}, coverage {cover:.0%}"
    if cover < LEAST_COVERAGE:
        return Finding(Truth.UNKNOWN, INCONCLUSIVE, text, shown, detail=_lacking(len(values), 1, cover))
    truth = Truth.PASS if side.holds(shown) else Truth.FAIL
    return Finding(truth, "" if truth is Truth.PASS else "expectation", text, shown)


def _lacking(n: int, least: int, cover: float) -> str:
    if n < least:
        return f"{n} reading{'' if n == 1 else 's'}, and the bounds need {least}"
    return f"{cover:.0%} of the window is measured, and {LEAST_COVERAGE:.0%} is needed"


def _joined(truth: Truth, parts: Sequence[Finding], unit: str | None) -> Finding:
    """Return one finding for several parts: the first that speaks for `truth` gives reason and value."""
    lead = next((each for each in parts if each.truth is truth), parts[0])
    actual = "; ".join(dict.fromkeys(each.actual for each in parts if each.actual))
    default = {Truth.PASS: "", Truth.FAIL: "expectation", Truth.UNKNOWN: NOT_MEASURED}[truth]
    reason = default if truth is Truth.PASS else lead.reason or default
    return Finding(truth, reason, actual, lead.value, unit, lead.detail)


def _told(subject: Subject, truth: Truth, condition: Condition, value: Value, unit: str | None) -> Finding:
    reason = _reason(truth, value)
    detail = f"the check did not report {subject.name}" if reason == NOT_MEASURED else ""
    return Finding(truth, reason, _shown(subject, value, _missed(truth, condition)), value, unit, detail)


def _reason(truth: Truth, value: Value) -> str:
    if truth is Truth.PASS:
        return ""
    if truth is Truth.FAIL:
        return "expectation"
    return NOT_MEASURED if value is None or value != value else INCONCLUSIVE  # noqa: PLR0124 - NaN


def _missed(truth: Truth, condition: Condition) -> Condition | None:
    return condition if truth is Truth.FAIL else None


def _shown(subject: Subject, value: Value, missed: Condition | None = None) -> str:
    """Return what was found; a number that would read just like the bound it misses is written in full."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"{subject.name} = {value}"
    write = figure(subject.definition)
    text = _number(value, write)
    if missed is not None and f" {text}" in f" {missed.text(write)}":
        text = f"{exact(value)} {subject.definition.unit if subject.definition else ''}".strip()
    return f"{subject.name} = {text}"


def _number(value: float, write: Figure) -> str:
    return "no answer" if math.isinf(value) else write(value)


def _bound(value: float | None, write: Figure) -> str:
    return "none" if value is None else _number(value, write)
