"""Noticing that a series has become worse than it was: pure decisions, one per series, the clock passed in.

`Detector` is for latencies, `LossDetector` for shares of lost packets, `RateDetector` for a rate that is
required. Each has `update(value, epoch_seconds) -> bool`, `explain()`, `to_bytes()` and `from_bytes()`; the
first two adopt a level that lasts, where `adopts` lets them, and say so in `adopted`.
"""

from monitor.degradation.explanation import Adoption, Explanation, Rule, matters
from monitor.degradation.latency import Detector
from monitor.degradation.loss import LossDetector
from monitor.degradation.rate import RateDetector
from monitor.degradation.rules import LatencyRules, Sensitivity

__all__ = [
    "Adoption",
    "Detector",
    "Explanation",
    "LatencyRules",
    "LossDetector",
    "RateDetector",
    "Rule",
    "Sensitivity",
    "matters",
]
