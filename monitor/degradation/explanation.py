"""What a detector says of itself, and whether a change matters to anybody."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

MATTERS_SHARE = 0.10
MATTERS_MS = 10.0
MATTERS_SAMPLES = 5

Adopts = Callable[[float], bool | None]
"""Tells whether a worse level may become the usual one; values as in `Explanation`.

False where it misses what is required: the day for which it has to last begins anew. None where that is not
known: it is not adopted for now.
"""


def always(_: float) -> bool:
    """Let any level become the usual one."""
    return True


class Rule(StrEnum):
    """Which rule raised an alarm."""

    JUMP = "jump"
    LEVEL = "level"
    AGAIN = "again"
    LOSS = "loss"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Adoption:
    """A worse level that lasted for so long that it became the usual one; values as in `Explanation`."""

    since: float
    """When it was noticed, epoch seconds."""
    at: float
    """When it was adopted."""
    was: float
    """What was usual before."""
    now: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a detector is in alarm or not; of latencies in ms, of loss as shares of 1, of rates in their unit.

    A sample counts towards the alarm where it lies beyond `baseline` by more than `threshold`. `score` is
    what the rule has summed up, and the alarm is raised at `limit`; in alarm it is the score at the onset.
    """

    alarm: bool
    rule: Rule
    """The rule that raised the alarm; without one, the rule the other figures are of."""
    since: float | None
    """Epoch seconds of the sample that raised the alarm (the second one, for `again`)."""
    value: float | None
    """The latest measured value."""
    baseline: float | None
    """What is normal now; None before anything is known."""
    threshold: float | None
    score: float
    limit: float
    recent: tuple[float, ...]
    """The latest five measured values, oldest first."""
    higher_is_better: bool = False
    hour_median: float | None = None
    """Of this hour of day, on weekdays or weekends, as learned (latency)."""
    hour_spread: float | None = None
    """Its median absolute deviation (latency)."""
    restlessness: float | None = None
    """How much the path moves from block to block by itself (latency)."""

    @property
    def excess(self) -> float | None:
        """How far the latest value is beyond the baseline, in the bad direction."""
        if self.value is None or self.baseline is None:
            return None
        worse = self.value - self.baseline
        return -worse if self.higher_is_better else worse


def matters(explanation: Explanation, requirement: float | None = None) -> bool:
    """Tell whether an alarm is worth a mail: judged by the median of the latest five values.

    With a requirement (the most a latency or loss may be, the least a rate may be): whether it is broken.
    Without one: a latency at least 10 % and 10 ms over its baseline; loss and rate alarms always matter, as
    their own thresholds are absolute.
    """
    if explanation.rule in {Rule.LOSS, Rule.RATE} and requirement is None:
        return explanation.alarm
    if not explanation.alarm or len(explanation.recent) < MATTERS_SAMPLES:
        return False
    typical = statistics.median(explanation.recent[-MATTERS_SAMPLES:])
    if requirement is not None:
        return typical < requirement if explanation.higher_is_better else typical > requirement
    base = explanation.baseline
    return base is not None and typical - base >= max(MATTERS_MS, MATTERS_SHARE * base)
