"""What the pages of a unit and of a check show, as data. Blocking: it reads the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.job import Job
from monitor.readiness.conditions import Truth
from monitor.store.api import OUTCOME_CODES, Evidence, FactValue, Latest
from monitor.store.verdicts import CategorySummary, blocks, gravity, summary
from monitor.web.api import suitable
from monitor.web.board import CATEGORIES
from monitor.web.chart import Chart, Misses, draw
from monitor.web.present import readable

MAX_CHARTS = 12
MAX_SPARKS = 80
SPARK_S = 3600.0
SPANS = (10, 60, 360, 1440, 10_080, 43_200)
"""What may be looked at, in minutes."""


@dataclass(frozen=True, slots=True)
class UnitSheet:
    """A judged unit, its items gravest first; `judged` is None where it was never judged."""

    judged: Mapping[str, Any] | None
    blocking: Sequence[Mapping[str, Any]]
    groups: Sequence[tuple[str, CategorySummary, Sequence[Mapping[str, Any]]]]


def unit_sheet(judged: Mapping[str, Any] | None) -> UnitSheet:
    """Return a judged unit's items by category, in the order of the categories."""
    items: list[Mapping[str, Any]] = sorted(judged["items"], key=gravity) if judged else []
    categories = summary("", 0.0, judged).categories if judged else {}
    names = [*CATEGORIES, *sorted(set(categories) - set(CATEGORIES))]
    groups = [
        (name, categories[name], [item for item in items if item["category"] == name])
        for name in names
        if name in categories
    ]
    return UnitSheet(judged, [item for item in items if blocks(item)], groups)


def sparks(evidence: Evidence, sheet: UnitSheet, now: float) -> Mapping[tuple[str, str], Chart]:
    """Return a small chart of the last hour for items that judge a metric, by (check, expectation)."""
    found: dict[tuple[str, str], Chart] = {}
    for _, _, items in sheet.groups:
        for item in items:
            check, expected = item.get("check") or "", str(item.get("expected") or "")
            if len(found) >= MAX_SPARKS or not check or (check, expected) in found:
                continue
            metric = metric_in(expected, evidence.metrics(check))
            if metric is None:
                continue
            points = evidence.series(check, metric, now - SPARK_S, now, "raw")
            chart = draw(points, (points[0].at, now), size=(120, 28)) if points else None
            if chart is not None:
                found[check, expected] = chart
    return found


def metric_in(expected: str, metrics: Sequence[str]) -> str | None:
    """Return the first metric that an expectation names, or None."""
    words = expected.replace("(", " ").replace(")", " ").split()
    return next((word for word in words if word in metrics), None)


@dataclass(frozen=True, slots=True)
class Span:
    """What of a check is looked at: until `now`, for `minutes`; one metric, or all where it is empty."""

    now: float
    minutes: int
    metric: str = ""

    @property
    def start(self) -> float:
        """Where it begins, seconds since the epoch."""
        return self.now - self.minutes * 60.0


def usual_minutes(job: Job | None) -> int:
    """Return the span that shows some sixty readings of a check."""
    return next((span for span in SPANS if span >= job.every), SPANS[-1]) if job else SPANS[1]


@dataclass(frozen=True, slots=True)
class CheckSheet:
    """A check: last readings, facts, and a chart for each metric (None: no reading in the span)."""

    key: str
    latest: Latest | None
    facts: Sequence[FactValue]
    wanted: Sequence[tuple[str, str]]
    """The check's own expectations that the last measurement does not meet, each with what was found."""
    charts: Sequence[tuple[str, str, Chart | None]]
    """Metric, its unit, chart."""
    more: int
    failures: int
    unmeasured: int


def check_sheet(evidence: Evidence, job: Job | None, key: str, span: Span) -> CheckSheet:
    """Return what is known of a check in a span."""
    reported = sorted(evidence.metrics(key), key=_as_declared(job))
    chosen = [name for name in reported if span.metric in ("", name)]
    misses = _misses(evidence, key, span)
    charts = [_chart(evidence, job, key, name, seen=(span, misses)) for name in chosen[:MAX_CHARTS]]
    facts = sorted(evidence.facts(key).values(), key=lambda fact: fact.name)
    more, counts = max(0, len(chosen) - MAX_CHARTS), [len(each) for each in misses]
    latest = evidence.latest(key)
    return CheckSheet(key, latest, facts, _wanted(job, latest), charts, more, *counts)


def _wanted(job: Job | None, latest: Latest | None) -> list[tuple[str, str]]:
    """Return what makes the state DEGRADED: (expected, found), as the items write it."""
    reading = latest.measurement if latest else None
    if job is None or reading is None:
        return []
    found: Mapping[str, float | str] = {**reading.facts, **reading.metrics}
    return [
        (readable(f"{name} {condition}", job), readable(f"{name} = {_plain(found[name])}", job))
        for name, condition in job.expect.items()
        if name in found and condition.instant and condition.judge(found[name]) is Truth.FAIL
    ]


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"


def _misses(evidence: Evidence, key: str, span: Span) -> Misses:
    """Return when readings failed and when none could be made; nothing for spans shown by rollups."""
    if suitable(span.now - span.start) != "raw":
        return (), ()
    window = evidence.outcomes(key, span.start, span.now)
    failed = window.outcomes == OUTCOME_CODES["failed"]
    return window.times[failed].tolist(), window.times[window.outcomes > OUTCOME_CODES["failed"]].tolist()


def _as_declared(job: Job | None) -> Any:
    order = {metric.name: place for place, metric in enumerate(job.spec.metrics)} if job else {}
    return lambda name: (order.get(name, len(order)), name)


def _chart(
    evidence: Evidence, job: Job | None, key: str, name: str, *, seen: tuple[Span, Misses]
) -> tuple[str, str, Chart | None]:
    span, misses = seen
    definition = job.spec.metric(name) if job else None
    points = evidence.series(key, name, span.start, span.now, suitable(span.now - span.start))
    return (name, definition.unit if definition else "", draw(points, (span.start, span.now), misses=misses))
