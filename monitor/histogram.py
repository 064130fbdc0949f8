"""How often a figure fell between fixed bounds: all that is kept of millions of values."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts by upper bound (inclusive), the last one without a bound; sum and maximum beside it."""

    __slots__ = ("bounds", "counts", "maximum", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.maximum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self.maximum = max(self.maximum, value)

    def cumulative(self) -> list[tuple[str, int]]:
        """Return (bound, how many were at most that) as Prometheus has it, the last bound "+Inf"."""
        rows, so_far = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            so_far += count
            rows.append(("+Inf" if bound == float("inf") else f"{bound:g}", so_far))
        return rows
