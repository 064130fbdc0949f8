"""What one condition comes to, and how figures of a sample are written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from monitor.job import Job
from monitor.readiness.conditions import Truth
from monitor.readiness.figures import Figure
from probes.api import MetricDef, Reading

NOT_MEASURED, INCONCLUSIVE, EXPECTATION = "not_measured", "inconclusive", "expectation"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one condition comes to; `reason` is set where it does not hold or can't be told."""

    truth: Truth
    reason: str = ""
    actual: str = ""
    value: float | str | None = None
    unit: str | None = None
    detail: str = ""
    light: bool = False
    """A failure that weighs as a minor one, whatever the item says: it works, but without headroom."""
    expected: str = ""
    """The condition with the requirement's figure put in; empty where it has none."""

    @property
    def lenient(self) -> Truth:
        """The truth where a light failure counts as none."""
        return Truth.PASS if self.light else self.truth


@dataclass(frozen=True, slots=True)
class Subject:
    """What a condition is about: a check, one of its metrics or facts, and the last measurement."""

    job: Job
    name: str
    reading: Reading
    max_age: float = math.inf
    """How old, in seconds, what decides it may be."""
    definition: MetricDef | None = field(init=False, compare=False)
    """The metric's definition, None for a fact or a name that only a run can tell."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "definition", self.job.spec.metric(self.name))


def number(value: float, write: Figure) -> str:
    """Return a number for people; an infinite one stands for a reading that failed."""
    return "no answer" if math.isinf(value) else write(value)


def bound(value: float | None, write: Figure) -> str:
    """Return a bound for people."""
    return "none" if value is None else number(value, write)
