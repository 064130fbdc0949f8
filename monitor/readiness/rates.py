"""A channel's rate against what the business functions require: enough, enough without headroom, too little.

With R the requirement (headroom in it) and M the least at which every target is still met: the lower 95 %
bound of the low quantile at or above R passes, the upper bound below M fails, and between the two with
certainty it works without headroom, which weighs as a minor failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from monitor.capacity.need import RateNeed
from monitor.job import Job
from monitor.readiness.conditions import Compare, Statistic, Truth
from monitor.readiness.figures import Figure, figure
from monitor.readiness.finding import EXPECTATION, INCONCLUSIVE, NOT_MEASURED, Finding
from monitor.readiness.requirement import at_least
from monitor.readiness.sampling import Estimate, Floats, Span, sample
from monitor.store.api import OUTCOME_CODES, Evidence, Window

NO_HEADROOM = "works, without headroom"
_OK = OUTCOME_CODES["ok"]


@dataclass(frozen=True, slots=True)
class Rates:
    """A window's rates. Those of which only a lower bound is known stand apart."""

    window: Window
    """In bit/s; NaN where no exact rate is known."""
    lowest: Floats
    """By reading: its lower bound ("at least so much") where no exact rate is known, else NaN."""

    @property
    def floors(self) -> Floats:
        """All lower bounds."""
        return self.lowest[~np.isnan(self.lowest)]

    @classmethod
    def read(cls, evidence: Evidence, job: Job, name: str, span: Span) -> Rates:
        """Return the rates of a check's window."""
        window = span.read(evidence, job, name)
        below = span.read(evidence, job, at_least(name))
        lowest = np.full(len(window.times), np.nan)
        known = dict(zip(below.times.tolist(), below.values.tolist(), strict=True))
        for place in np.flatnonzero(np.isnan(window.values) & (window.outcomes == _OK)):
            lowest[place] = known.get(float(window.times[place]), np.nan)
        return cls(window, lowest)

    def against(self, required: float) -> Window:
        """Return the window as it counts against a requirement.

        A lower bound at or above it is as good as the rate; one below it says nothing, and is missing.
        """
        values = np.where(self.lowest >= required, self.lowest, self.window.values)
        return Window(self.window.times, values, self.window.outcomes)


def estimated(part: Statistic, rates: Rates, required: float, span: Span, every: float) -> Estimate | None:
    """Return what the sample says of the rate where it is wanted to reach `required`; None without any.

    What is only known to be at least so much counts for the lower bound at that value, and for the upper
    one as boundless: it may hold a pass or a failure back, and never makes one.
    """
    window = rates.against(required)
    values = sample(window, -np.inf)
    if len(values) == 0:
        return None
    found = Estimate.of(part, values, span.coverage(window, every))
    poor = rates.floors[rates.floors < required]
    if len(poor) == 0:
        return found
    low = Estimate.of(part, np.concatenate([values, poor]), found.coverage).lower
    high = Estimate.of(part, np.concatenate([values, np.full(len(poor), np.inf)]), found.coverage).upper
    return replace(found, lower=_either(min, found.lower, low), upper=_either(max, found.upper, high))


def _either(pick: Callable[[float, float], float], one: float | None, two: float | None) -> float | None:
    return None if one is None or two is None else pick(one, two)


def judged(part: Statistic, rates: Rates, need: RateNeed, job: Job, name: str, span: Span) -> Finding:
    """Return what the window's rates come to against one direction's requirement."""
    write = figure(job.spec.metric(name))
    expected = replace(part, inner=Compare(">=", need.required_bps)).text(write)
    found = estimated(part, rates, need.required_bps, span, job.every)
    if found is None:
        text = f"n = 0 over {part.window}"
        return Finding(
            Truth.UNKNOWN, NOT_MEASURED, text, detail=_only_floors(rates, write), expected=expected
        )
    told = _decided(found, need, write)
    note = _only_floors(rates, write, need.required_bps)
    detail = "; ".join(each for each in (told.detail, note) if each)
    return replace(told, expected=expected, detail="" if told.truth is Truth.PASS else detail)


def _decided(found: Estimate, need: RateNeed, write: Figure) -> Finding:
    text, value = found.text(write), found.value
    if lacking := found.lacking():
        return Finding(Truth.UNKNOWN, INCONCLUSIVE, text, value, detail=lacking)
    lower, upper = found.lower, found.upper
    if lower is not None and lower >= need.required_bps:
        return Finding(Truth.PASS, "", text, value)
    least = write(need.minimum_bps)
    if upper is not None and upper < need.minimum_bps:
        detail = f"{need.binding} needs at least {least}, and {write(need.required_bps)} with headroom"
        return Finding(Truth.FAIL, EXPECTATION, text, value, detail=detail)
    if lower is not None and upper is not None and lower >= need.minimum_bps and upper < need.required_bps:
        detail = f"{NO_HEADROOM}: {least} is enough, and {write(need.required_bps)} with headroom"
        return Finding(Truth.FAIL, EXPECTATION, f"{text}: {NO_HEADROOM}", value, detail=detail, light=True)
    detail = f"the bounds lie on both sides of {write(need.required_bps)} or of the least, {least}"
    return Finding(Truth.UNKNOWN, INCONCLUSIVE, text, value, detail=detail)


def _only_floors(rates: Rates, write: Figure, required: float = np.inf) -> str:
    poor = rates.floors[rates.floors < required]
    if len(poor) == 0:
        return ""
    many = f"{len(poor)} reading{'' if len(poor) == 1 else 's'}"
    return f"{many} could only say that the rate is at least so much ({write(float(poor.max()))} at most)"
