"""What a sample says about a quantile, and what packets say about a loss rate: with stated confidence.

Quantiles: distribution-free bounds from order statistics (the sign test turned round; Hahn and Meeker,
Statistical Intervals, chapter 5). Loss: Wald's sequential probability ratio test, as RFC 8337 uses it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
MAX_PACKETS = 10_000
LEAST_RUN = 12
"""The smallest L (packets per loss) the sequential test is used with."""


@lru_cache(maxsize=256)
def _binomial(n: int, p: float) -> NDArray[np.float64]:
    """Return P(Bin(n, p) <= k) for k = 0..n."""
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    k = np.arange(n + 1)
    masses = np.exp(logs[n] - logs - logs[::-1] + k * math.log(p) + (n - k) * math.log1p(-p))
    sums: NDArray[np.float64] = np.minimum(np.cumsum(masses), 1.0)
    return sums


def upper_rank(n: int, p: float, confidence: float = CONFIDENCE) -> int | None:
    """Return the smallest k with P(Bin(n, p) <= k - 1) >= confidence: X(k) is the upper bound of quantile p.

    None where no order statistic of n values bounds it.
    """
    rank = int(np.searchsorted(_binomial(n, p)[:n], confidence, side="left")) + 1
    return rank if rank <= n else None


def lower_rank(n: int, p: float, confidence: float = CONFIDENCE) -> int | None:
    """Return the largest k with P(Bin(n, p) >= k) >= confidence: X(k) is the lower bound of quantile p."""
    mirrored = upper_rank(n, 1.0 - p, confidence)
    return None if mirrored is None else n + 1 - mirrored


def least_n(p: float, confidence: float = CONFIDENCE) -> int:
    """Return the least n at which the bound on the far side of quantile p exists: 59 for p95 and q05."""
    return math.ceil(math.log(1.0 - confidence) / math.log(max(p, 1.0 - p)))


@dataclass(frozen=True, slots=True)
class Bounds:
    """A quantile's estimate and its one-sided bounds (each at the confidence; None: not to be had)."""

    n: int
    estimate: float
    lower: float | None
    upper: float | None


def bounds(values: NDArray[np.float64], p: float, confidence: float = CONFIDENCE) -> Bounds:
    """Return what `values` (any order, at least one; infinities are allowed) say about quantile p."""
    ordered = np.sort(values)
    n = len(ordered)
    low, high = lower_rank(n, p, confidence), upper_rank(n, p, confidence)
    return Bounds(
        n,
        float(ordered[max(math.ceil(n * p - 1e-9), 1) - 1]),
        None if low is None else float(ordered[low - 1]),
        None if high is None else float(ordered[high - 1]),
    )


@dataclass(frozen=True, slots=True)
class LossTest:
    """Wald's test of "at most one loss in L packets" (p0 = 1/L) against four times that.

    After n packets: pass when losses <= s n - h1, fail when losses >= s n + h2; truncated at 10,000
    packets as inconclusive. After a decision a new test begins.
    """

    slope: float
    accept: float
    """h1"""
    reject: float
    """h2"""

    @classmethod
    def of(cls, packets_per_loss: float, alpha: float = 0.05, beta: float = 0.05) -> LossTest:
        """Return the test for L packets per loss; L below 12 is taken as 12."""
        p0 = 1.0 / max(packets_per_loss, LEAST_RUN)
        p1 = 4.0 * p0
        k = math.log(p1 * (1 - p0) / (p0 * (1 - p1)))
        return cls(
            math.log((1 - p0) / (1 - p1)) / k,
            math.log((1 - alpha) / beta) / k,
            math.log((1 - beta) / alpha) / k,
        )

    def passes(self, packets: int, losses: int) -> bool | None:
        """Return True or False once it is decided, None while it is not."""
        if losses <= self.slope * packets - self.accept:
            return True
        return False if losses >= self.slope * packets + self.reject else None

    def truncated(self, packets: int) -> bool:
        """Return whether an undecided test ends here, inconclusive."""
        return packets >= MAX_PACKETS

    @property
    def least_packets(self) -> int:
        """Packets without a loss that pass."""
        return math.ceil(self.accept / self.slope)
