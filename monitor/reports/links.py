"""Link quality: what channels gave in a period, against requirement and contract, and how it was counted.

Each figure is of readings of one check: rtt the 95th percentile, a rate the 5th, loss the mean. Readings that
failed count as failed, those that measured nothing as missing, those that never came as missing too; a figure
without readings is NO_DATA, never 0. Whether a requirement is met is what the checklist's items say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inventory.models import Asset, Unit
from monitor.job import Job, Required
from monitor.readiness.requirement import AT_LEAST, direction_of, kind_of
from monitor.readiness.results import UnitResult, utc
from monitor.store.api import OUTCOME_CODES, Evidence, Window
from probes.api import MetricDef

Measure = Literal["rtt", "loss", "up", "down"]
STATISTICS: Mapping[Measure, str] = {"rtt": "p95", "loss": "mean", "up": "q05", "down": "q05"}
NO_DATA, THIN = "NO_DATA", "thin"
LEAST_COVERAGE = 0.9
_WORST = ("fail", "unknown", "waived", "pass", "not_applicable")
_OK, _FAILED = OUTCOME_CODES["ok"], OUTCOME_CODES["failed"]


@dataclass(frozen=True, slots=True)
class Span:
    """What is counted, in seconds since the epoch."""

    start: float
    end: float


def links(
    unit: Unit,
    result: UnitResult,
    jobs: Iterable[Job],
    required: Required | None,
    store: Evidence,
    span: Span,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each channel and measure of a unit; a channel that nothing measures has one, too."""
    by_asset: dict[str, list[Job]] = {}
    for job in jobs:
        by_asset.setdefault(job.asset, []).append(job)
    for asset in unit.assets:
        if asset.kind != "channel":
            continue
        found = [*_measured(by_asset.get(asset.id, ()))]
        head = {"unit": unit.id, "name": unit.name, "name_zh": unit.name_zh, "asset": asset.id}
        for job, metric, measure in found:
            status = _status(result, job.id, metric.name)
            bounds = _bounds(measure, asset, required)
            yield head | _figure(job, metric, measure, store, span) | bounds | {"status": status}
        if not found:
            yield head | _nothing()


def _measured(jobs: Sequence[Job] | tuple[()]) -> Iterator[tuple[Job, MetricDef, Measure]]:
    """Yield what tells of a channel's quality, each measure once by each check."""
    for job in jobs:
        seen: set[Measure] = set()
        for metric in job.spec.metrics:
            measure = _measure(metric)
            if measure is not None and measure not in seen:
                seen.add(measure)
                yield job, metric, measure


def _measure(metric: MetricDef) -> Measure | None:
    kind = kind_of(metric)
    if kind is None or AT_LEAST in metric.name:
        return None
    if kind == "rate":
        return direction_of(metric.name)
    return kind if metric.name in ("rtt_ms", "loss_pct") else None


def _figure(job: Job, metric: MetricDef, measure: Measure, store: Evidence, span: Span) -> dict[str, Any]:
    window = store.window(job.id, metric.name, span.start, span.end)
    counted = _counted(window, job.every, span)
    values = window.values[(window.outcomes == _OK) & ~np.isnan(window.values)]
    value = _statistic(values, measure) if len(values) else None
    state = NO_DATA if value is None else THIN if counted["coverage"] < LEAST_COVERAGE else ""
    return {
        "check": job.id, "metric": metric.name, "measure": measure, "statistic": STATISTICS[measure],
        "value": value, "metric_unit": metric.unit or "", "n": len(values), **counted, "state": state,
        "since": utc(float(window.times[0])) if len(window.times) else None,
    }  # fmt: skip


def _counted(window: Window, every: float, span: Span) -> dict[str, Any]:
    """Return how many readings were due, measured, failed and missing."""
    due = max(1, math.floor((span.end - span.start) / every))
    failed = int(np.count_nonzero(window.outcomes == _FAILED))
    measured = failed + int(np.count_nonzero(window.outcomes == _OK))
    return {
        "due": max(due, measured), "measured": measured, "failed": failed,
        "missing": max(0, due - measured), "coverage": round(min(1.0, measured / due), 4),
    }  # fmt: skip


def _statistic(values: NDArray[np.float64], measure: Measure) -> float:
    if measure == "loss":
        return round(float(np.mean(values)), 6)
    return round(float(np.quantile(values, 0.95 if measure == "rtt" else 0.05)), 6)


def _bounds(measure: Measure, asset: Asset, required: Required | None) -> dict[str, Any]:
    contracted = getattr(asset.contracted, measure, None) if asset.contracted else None
    return {"requirement": _needed(measure, required), "contract": contracted}


def _needed(measure: Measure, required: Required | None) -> float | None:
    if required is None or required.impossible:
        return None
    loss = None if required.loss is None else required.loss * 100
    return {"rtt": required.rtt_ms, "loss": loss, "up": required.up_bps, "down": required.down_bps}[measure]


def _status(result: UnitResult, check: str, metric: str) -> str:
    """Return the worst status of the rows that judge this metric, "" where none does."""
    named = re.compile(rf"\b{re.escape(metric)}\b")
    found = {row.status.value for row in result.items if row.check == check and named.search(row.expected)}
    return next((status for status in _WORST if status in found), "")


def _nothing() -> dict[str, Any]:
    return {
        "check": None, "metric": "", "measure": None, "statistic": "", "value": None,
        "metric_unit": "", "n": 0,
        "due": 0, "measured": 0, "failed": 0, "missing": 0, "coverage": 0.0, "state": NO_DATA, "since": None,
        "requirement": None, "contract": None, "status": "",
    }  # fmt: skip
