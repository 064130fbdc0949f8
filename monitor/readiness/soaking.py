"""An item's readings as marks for its soak: what each one says of the item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.job import Job
from monitor.readiness.conditions import Compare, Condition, Truth, conjunction
from monitor.readiness.soak import Hard, Mark, Soak, Soaked, evaluate
from monitor.state import Policy
from monitor.store.api import OUTCOME_CODES, Evidence, Window

_OK, _FAILED = OUTCOME_CODES["ok"], OUTCOME_CODES["failed"]
_MARK = {Truth.PASS: Mark.GOOD, Truth.FAIL: Mark.BAD, Truth.UNKNOWN: Mark.NONE}
HARD = Hard(Policy().down_after, Policy().degraded_after)
_HOLDS: dict[str, np.ufunc] = {
    "<=": np.less_equal, "<": np.less, ">=": np.greater_equal, ">": np.greater,
    "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
Marks = NDArray[np.uint8]
Expect = Sequence[tuple[str, Condition]]


def soaked(
    soak: Soak, expect: Expect, job: Job, evidence: Evidence, *, now: float, zone: str = "UTC"
) -> Soaked:
    """Return how far an item's soak has come; one that judges statistics is asked for coverage and gaps."""
    start = soak.calendar.back(now, soak.window, zone)
    outcomes = evidence.outcomes(job.id, start, now)
    if not all(condition.instant for _, condition in expect):
        soak = replace(soak, min_pass=None)
        marks = np.where(outcomes.outcomes <= _FAILED, Mark.GOOD, Mark.NONE).astype(np.uint8)
    else:
        marks = _marks(expect, job, evidence, outcomes, (start, now))
    return evaluate(
        soak, outcomes.times, marks, now=now, every=job.every, timeout=job.timeout, zone=zone, hard=HARD
    )


def _marks(
    expect: Expect, job: Job, evidence: Evidence, outcomes: Window, span: tuple[float, float]
) -> Marks:
    marks = np.full(len(outcomes.times), Mark.GOOD, dtype=np.uint8)
    for name, condition in expect:
        if job.spec.fact(name) is not None:
            found = _facts(evidence, job.id, name, condition, outcomes.times)
        else:
            found = _values(condition, evidence.window(job.id, name, *span))
        marks = _worse(marks, found)
    marks[outcomes.outcomes == _FAILED] = Mark.DOWN
    marks[outcomes.outcomes > _FAILED] = Mark.NONE
    return marks


def _worse(one: Marks, two: Marks) -> Marks:
    """Return the Kleene "and" of marks: BAD decides, then NONE."""
    bad = (one == Mark.BAD) | (two == Mark.BAD)
    unknown = (one == Mark.NONE) | (two == Mark.NONE)
    return np.where(bad, Mark.BAD, np.where(unknown, Mark.NONE, Mark.GOOD)).astype(np.uint8)


def _values(condition: Condition, window: Window) -> Marks:
    if isinstance(condition, Compare):
        holds = np.where(_HOLDS[condition.op](window.values, condition.bound), Mark.GOOD, Mark.BAD)
        return np.where(np.isfinite(window.values), holds, Mark.NONE).astype(np.uint8)
    judged = [_MARK[condition.judge(float(value))] for value in window.values]
    return np.array(judged, dtype=np.uint8)


def _facts(
    evidence: Evidence, check: str, name: str, condition: Condition, times: NDArray[np.float64]
) -> Marks:
    """Judge the fact as it stood at each time; before the first known value it is NONE."""
    marks = np.full(len(times), Mark.NONE, dtype=np.uint8)
    for fact in evidence.fact_history(check, name):
        marks[times >= fact.since] = _MARK[conjunction([condition.judge(fact.value)])]
    return marks
