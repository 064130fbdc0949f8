"""One condition against the evidence: a reading's value, or a statistic over a window, with what it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.capacity.need import Need
from monitor.job import Job
from monitor.readiness import losses, rates
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
from monitor.readiness.dependencies import Asset
from monitor.readiness.figures import Figure, exact, figure
from monitor.readiness.finding import EXPECTATION, INCONCLUSIVE, NOT_MEASURED, Finding, Subject, number
from monitor.readiness.rates import Rates
from monitor.readiness.requirement import (
    DIRECTIONS,
    Direction,
    Kind,
    NoRequirements,
    Requirements,
    direction_of,
    kind_of,
    usual,
)
from monitor.readiness.sampling import Estimate, Span, sample, worst_of
from monitor.store.api import Evidence
from probes.api import MetricDef

__all__ = [
    "NOT_MEASURED",
    "Finding",
    "Measuring",
    "NoRequirements",
    "Requirements",
    "Subject",
    "Surroundings",
]

NO_FUNCTIONS = (
    "no business function says what this unit needs; write functions: {counter-query: {users: 12}} "
    "with its own functions and users in the inventory, or network: {carries: below}"
)
_RATE = figure(MetricDef("rate", "bit/s"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What judging knows besides the readings: requirements, each asset's checks, and units' time zones."""

    requirements: Requirements
    jobs: Mapping[Asset, tuple[Job, ...]]
    zone: Callable[[str], str]


class Measuring:
    """Judges conditions by the evidence at one moment."""

    def __init__(self, evidence: Evidence, world: Surroundings, now: float) -> None:
        self._evidence, self._world, self._now = evidence, world, now

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
        again = iter(parts)
        lenient = condition.decide(value, lambda _: next(again).lenient)
        joined = _joined(*settled(truth, lenient), parts, unit)
        return replace(joined, expected=parts[0].expected) if len(condition.parts()) == 1 else joined

    def value(self, subject: Subject) -> Value:
        """Return the reading's own metric or fact; a fact may stand in the store as still seen by it."""
        reading, name = subject.reading, subject.name
        if name in reading.metrics:
            return reading.metrics[name]
        if name in reading.facts:
            return reading.facts[name]
        fact = self._evidence.facts(subject.job.id).get(name)
        return fact.value if fact and fact.last_seen >= reading.at else None

    def impossible(self, unit: str, asked: Sequence[tuple[Job, str, Condition]]) -> Finding | None:
        """Return the failure of what no channel could meet, whatever is measured; None where one could."""
        for job, name, condition in asked:
            if any(map(_required, condition.parts())) and kind_of(job.spec.metric(name)) in ("rate", "rtt"):
                need = self._world.requirements.need(unit)
                return _impossible(need) if need is not None and need.impossible else None
        return None

    def _part(self, subject: Subject, part: Condition) -> Finding:
        if isinstance(part, Requirement):
            kind = kind_of(subject.definition)
            return self._required(subject, usual(kind, part) if kind in ("rate", "rtt") else None, kind)
        if isinstance(part, Statistic):
            return self._statistic(subject, part)
        raise TypeError(f"{type(part).__name__} is judged by its value")

    def _statistic(self, subject: Subject, part: Statistic) -> Finding:
        if isinstance(part.inner, Requirement):
            return self._required(subject, part, kind_of(subject.definition))
        sides: Sequence[Compare] = part.inner.sides() if isinstance(part.inner, Between) else (part.inner,)
        found = [self._sampled(subject, part, side) for side in sides]
        truth = conjunction([each.truth for each in found])
        return next(each for each in found if each.truth is truth)

    def _required(self, subject: Subject, part: Statistic | None, kind: Kind | None) -> Finding:
        """Judge against what the capacity model requires of the unit's channel."""
        job, name = subject.job, subject.name
        if kind is None:
            text = f"the capacity model requires nothing of {name}"
            return Finding(Truth.UNKNOWN, NOT_MEASURED, detail=text)
        need = self._world.requirements.need(job.unit)
        if need is None:
            return Finding(Truth.UNKNOWN, NOT_MEASURED, detail=NO_FUNCTIONS)
        if kind == "loss":
            return self._loss(subject, need)
        if need.impossible:
            return _impossible(need)
        if part is None:
            raise TypeError(f"{name} is judged over a window")
        return self._rate(subject, part, need) if kind == "rate" else self._rtt(subject, part, need)

    def _loss(self, subject: Subject, need: Need) -> Finding:
        if need.impossible or not math.isfinite(need.packets_per_loss):
            text = need.impossible or "the capacity model gives no bound on loss"
            return Finding(Truth.UNKNOWN, NOT_MEASURED, detail=text)
        return losses.judged(
            self._evidence, subject.job, subject.name, need.packets_per_loss,
            now=self._now, max_age=subject.max_age,
        )  # fmt: skip

    def _rate(self, subject: Subject, part: Statistic, need: Need) -> Finding:
        job, span = subject.job, self._span(subject.job, part)
        of = need.up if direction_of(subject.name) == "up" else need.down
        return rates.judged(
            part, Rates.read(self._evidence, job, subject.name, span), of, job, subject.name, span
        )

    def _rtt(self, subject: Subject, part: Statistic, need: Need) -> Finding:
        """Judge a round trip time: its ceiling depends on the rate that the channel is known to have."""
        found = {each: self._floor(subject.job, part, each, need) for each in DIRECTIONS}
        lacking = next((each for each in found.values() if isinstance(each, str)), None)
        if lacking is not None:
            shown = self._sampled(subject, part, Compare("<=", math.inf))
            return Finding(Truth.UNKNOWN, NOT_MEASURED, shown.actual, shown.value, detail=lacking)
        up, down = (float(found[each]) for each in DIRECTIONS)
        ceiling = need.rtt_at(up, down)
        at = f"at {_RATE(up)} up and {_RATE(down)} down"
        if not 0 < ceiling.ms < math.inf:
            text = f"{at} no round trip time is short enough: mend the rate first"
            return Finding(Truth.UNKNOWN, INCONCLUSIVE, detail=text)
        judged = self._sampled(subject, part, Compare("<=", ceiling.ms))
        rounded = replace(part, inner=Compare("<=", round(ceiling.ms, 1)))
        expected = rounded.text(figure(subject.definition))
        binds = f"{ceiling.binding} binds, {at}"
        detail = "; ".join(each for each in (judged.detail, binds) if each)
        return replace(judged, expected=expected, detail="" if judged.truth is Truth.PASS else detail)

    def _floor(self, job: Job, part: Statistic, direction: Direction, need: Need) -> float | str:
        """Return the lower 95 % bound of the expected TCP rate over the same window, or what is lacking."""
        name, of = _tcp(direction), need.up if direction == "up" else need.down
        part = Statistic("q05", 0.05, Requirement(">="), part.over, part.over_text, part.calendar)
        lacking = f"no check of this asset reports {name}, and the ceiling depends on it"
        for other in self._reporting(job, direction):
            span = self._span(other, part)
            read = Rates.read(self._evidence, other, name, span)
            found = rates.estimated(part, read, of.required_bps, span, other.every)
            lacking = f"the ceiling depends on {name}, which has no lower bound yet: " + (
                found.lacking() if found else f"no reading over {part.window}"
            )
            if found is not None and not found.lacking() and found.lower is not None:
                return min(of.required_bps, max(found.lower, 0.0))
        return lacking

    def _reporting(self, job: Job, direction: Direction) -> list[Job]:
        several = self._world.jobs.get((job.unit, job.asset), ())
        return [each for each in several if each.spec.metric(_tcp(direction)) is not None]

    def _span(self, job: Job, part: Statistic) -> Span:
        return Span.of(part, self._now, self._world.zone(job.unit))

    def _sampled(self, subject: Subject, part: Statistic, side: Compare) -> Finding:
        job, span = subject.job, self._span(subject.job, part)
        window = span.read(self._evidence, job, subject.name)
        values = sample(window, worst_of(side.op))
        if len(values) == 0:
            return Finding(Truth.UNKNOWN, NOT_MEASURED, f"n = 0 over {part.window}")
        found = Estimate.of(part, values, span.coverage(window, job.every))
        return _compared(found, side, figure(subject.definition))


def settled(strict: Truth, lenient: Truth) -> tuple[Truth, bool]:
    """Return the truth and whether it is a light failure, from both readings of what lacks headroom only.

    What fails only without headroom is a light failure; where it hides something unknown, it is unknown:
    a small failure that is known must not stand for a great one that is not.
    """
    if strict is lenient:
        return strict, False
    if strict is Truth.FAIL and lenient is Truth.PASS:
        return Truth.FAIL, True
    return Truth.UNKNOWN, False


def _tcp(direction: Direction) -> str:
    return f"tcp_{direction}_bps"


def _required(part: Condition) -> bool:
    return isinstance(part.inner if isinstance(part, Statistic) else part, Requirement)


def _impossible(need: Need) -> Finding:
    return Finding(Truth.FAIL, EXPECTATION, "no channel would do", detail=need.impossible)


def _compared(found: Estimate, side: Compare, write: Figure) -> Finding:
    """Judge an estimate: the bound on the safe side passes, the other one fails."""
    text = found.text(write)
    if lacking := found.lacking():
        return Finding(Truth.UNKNOWN, INCONCLUSIVE, text, found.value, detail=lacking)
    safe, other = (found.upper, found.lower) if side.op.startswith("<") else (found.lower, found.upper)
    if safe is not None and side.holds(safe):
        return Finding(Truth.PASS, "", text, found.value)
    if other is not None and not side.holds(other):
        return Finding(Truth.FAIL, EXPECTATION, text, found.value)
    text_why = "the bounds lie on both sides of what is expected"
    return Finding(Truth.UNKNOWN, INCONCLUSIVE, text, found.value, detail=text_why)


def _joined(truth: Truth, light: bool, parts: Sequence[Finding], unit: str | None) -> Finding:
    """Return one finding for several parts: the first that speaks for `truth` gives reason and value."""
    lead = min(parts, key=lambda each: (each.truth is not truth, each.light is not light))
    actual = "; ".join(dict.fromkeys(each.actual for each in parts if each.actual))
    default = {Truth.PASS: "", Truth.FAIL: EXPECTATION, Truth.UNKNOWN: NOT_MEASURED}[truth]
    reason = default if truth is Truth.PASS else lead.reason or default
    return Finding(truth, reason, actual, lead.value, lead.unit or unit, lead.detail, light)


def _told(subject: Subject, truth: Truth, condition: Condition, value: Value, unit: str | None) -> Finding:
    reason = _reason(truth, value)
    detail = f"the check did not report {subject.name}" if reason == NOT_MEASURED else ""
    return Finding(truth, reason, _shown(subject, value, _missed(truth, condition)), value, unit, detail)


def _reason(truth: Truth, value: Value) -> str:
    if truth is Truth.PASS:
        return ""
    if truth is Truth.FAIL:
        return EXPECTATION
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
    text = number(value, write)
    if missed is not None and f" {text}" in f" {missed.text(write)}":
        text = f"{exact(value)} {subject.definition.unit if subject.definition else ''}".strip()
    return f"{subject.name} = {text}"
