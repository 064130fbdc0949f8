"""The constants of the detectors, each with where it comes from; one setting for every series.

"Designed" figures came with the two rules; "validated" ones were chosen by cross-validation by trace, on
rises injected into real noise (docs/degradation.md tells what was tuned on what).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

CEILING = 1e9
"""A value beyond is no measurement."""
LAST_EPOCH = 1e11
"""A time beyond, or before 1970, is no time."""


class Sensitivity(StrEnum):
    """How readily a series alarms: all thresholds are multiplied by `scale`."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def scale(self) -> float:
        """The factor: 1.5, 1 or 0.7."""
        return {"low": 1.5, "normal": 1.0, "high": 0.7}[self.value]


def scale_of(sensitivity: Sensitivity | float) -> float:
    """Return the factor of a sensitivity, which may be given as the factor itself (finite, over 0)."""
    scale = sensitivity.scale if isinstance(sensitivity, Sensitivity) else float(sensitivity)
    if not 0 < scale < math.inf:
        raise ValueError(f"a sensitivity's scale is a finite number over 0, not {scale}")
    return scale


@dataclass(frozen=True, slots=True)
class LatencyRules:
    """What `Detector` goes by; times in seconds, latencies in ms, shares of 1."""

    block_s: float = 900.0
    """A block's value is the median of its samples (designed with 1,200; validated)."""
    reference_blocks: int = 6
    """The base is the median of so many healthy blocks (designed with 9; validated: after a dip, or soon
    after another rise, an old base no longer hides the next one)."""
    relative: float = 0.06
    """Jump threshold as a share of the base (designed with 0.07, validated together with `jump_limit`)."""
    absolute: float = 1.0
    """Jump threshold at least, ms (designed)."""
    restless: float = 4.0
    """Jump threshold as a multiple of the path's own restlessness (designed with 12; lowered by
    what rises put into doubled noise showed, and set on the generator)."""
    restless_quantile: float = 0.85
    """Which of a day's moves from block to block stands for its restlessness (designed)."""
    jump_limit: float = 6.0
    """So many samples over the threshold make a jump (designed with 5, validated)."""
    jump_forgives: float = 0.75
    """What a sample below takes off the count (designed with 0.5, validated)."""
    again_share: float = 0.7
    """Within an alarm a second rise is one by this share of the first, and the threshold (from the generator:
    a long ramp is one event)."""
    again_lag: int = 3
    """Above the alarm's median block and above the block so many back (from the generator)."""
    level_floor: float = 0.10
    """The level rule's scale is at least this share of the hour's median (designed)."""
    level_floor_ms: float = 1.5
    """And at least this (designed)."""
    level_drift: float = 2.0
    """Scales that an excess may have without adding to the sum (designed)."""
    level_limit: float = 40.0
    """Sum of excesses that makes an alarm (designed)."""
    better_limit: float = 60.0
    """Sum of shortfalls after which the lower level is taken as normal, silently (designed)."""
    calm_samples: int = 10
    """An alarm ends after so many calm samples in a row (designed)."""
    calm_share: float = 0.5
    """Calm is below base + this share of the threshold (designed)."""
    calm_score: float = 1.5
    """And an excess of fewer scales than this (designed)."""
    adopt_s: float = 86400.0
    """After so long an alarm's own level becomes normal (designed; 6 to 12 h are known to fail)."""
    warm_samples: int = 60
    """No alarm before so many samples (designed)."""
    warm_blocks: int = 3
    """Nor before so many blocks (designed)."""

    def scaled(self, scale: float) -> LatencyRules:
        """Return the rules with every threshold multiplied."""
        return replace(
            self,
            relative=self.relative * scale,
            absolute=self.absolute * scale,
            restless=self.restless * scale,
            level_limit=self.level_limit * scale,
        )
