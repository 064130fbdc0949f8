"""The steady part of a train and its slope: straight lines by least squares with one knee (pure).

Least squares over all packets, rather than first to last, because receivers hand packets over in batches and
time stamps have noise. The knee is where two lines fit best; what comes before it is dropped only where it
was faster, as the credit of a token bucket is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FASTER = 1.1
"""The tail takes at least so much longer per packet than the head where the head is a bucket's credit."""
BETTER = 0.6
"""Two lines must leave at most this share of one line's squares."""
OWN_KNEE = 1.07
"""A tail that took at most so much longer to arrive than to be sent was slowed by its sender."""
LEAST_TAIL, TAIL_SHARE = 6, 0.15
"""The tail must be at least that many packets, and that share of the packets or of the time."""
LAG, REGULAR, WITHIN = 5, 0.6, 0.15
"""Service is regular where this share of the slopes over so many packets is within so much of the median."""
LEAST_LOCAL, LOCAL_SHARE = 6, 8
"""Fewer packets have no usual slope; slopes are over at most one in so many of them."""
LOWER = 0.3
"""Slopes with others' packets are the largest: so much of their share the quantile is below the median."""
TOGETHER, MOST_TOGETHER = 0.25, 0.2
"""Packets nearer than that share of the usual came at once; a receiver that hands over batches has many."""
BAND = 0.15
"""Slopes of quantiles within so much of it are averaged: receivers' clocks tick."""


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line: `slope` in ns a packet, its relative standard error, and how many points it is of.

    `roughness` is the residuals' standard deviation in packets' times; `start` the first point's index.
    """

    slope: float
    spread: float
    points: int
    roughness: float
    start: int = 0


def steady(x: Floats, times: Floats, sent: Floats | None = None) -> Line:
    """Return the line through the part after the knee, or through all where there is none.

    `x` counts packets (rising), `times` and `sent` are ns of arrival and of sending. A knee that the sender
    made itself is none, where `sent` is given.
    """
    start = _knee(x, times)
    if start and sent is not None and times[-1] - times[start] < OWN_KNEE * (sent[-1] - sent[start]):
        start = 0
    return replace(_fit(x[start:], times[start:]), start=start)


def local_slope(x: Floats, times: Floats) -> float:
    """Return the usual slope over up to `LAG` packets, in ns a packet; 0 where service was not regular.

    Other traffic that got in between lengthens a few of these slopes and the whole, but hardly the median.
    """
    if len(x) < LEAST_LOCAL:
        return 0.0
    lag = max(1, min(LAG, len(x) // LOCAL_SHARE))
    slopes = (times[lag:] - times[:-lag]) / (x[lag:] - x[:-lag])
    usual = float(np.median(slopes))
    regular = np.mean(np.abs(slopes - usual) <= WITHIN * usual) >= REGULAR
    batches = np.mean(np.diff(times) < TOGETHER * usual) > MOST_TOGETHER
    if usual <= 0 or batches or not regular:
        return 0.0
    others = min(0.5, max(0.0, _fit(x, times).slope / usual - 1))
    middle = 0.5 - LOWER * (1 - (1 - others) ** lag)
    low, high = np.quantile(slopes, (middle - BAND, middle + BAND))
    return float(slopes[(slopes >= low) & (slopes <= high)].mean())


def _knee(x: Floats, times: Floats) -> int:
    """Return the index of the first packet behind the knee, 0 without one."""
    count = len(x)
    last = count - LEAST_TAIL
    if last < 1:
        return 0
    head, tail = _squares(x, times), _squares(x[::-1], times[::-1])[::-1]
    splits = np.arange(1, last + 1)
    sums = head[splits - 1] + tail[splits]
    best = int(splits[np.argmin(sums)])
    if sums.min() > BETTER * tail[0]:
        return 0
    lasted, rest = times[-1] - times[0], times[-1] - times[best]
    if count - best < TAIL_SHARE * count and rest < TAIL_SHARE * lasted:
        return 0
    before = (times[best] - times[0]) / (x[best] - x[0])
    behind = _fit(x[best:], times[best:]).slope
    return best if behind > FASTER * before else 0


def _squares(x: Floats, y: Floats) -> Floats:
    """Return for each prefix the sum of squares that its best line leaves."""
    x, y = x - x[0], y - y[0]
    n = np.arange(1, len(x) + 1, dtype=np.float64)
    sx, sy = np.cumsum(x), np.cumsum(y)
    sxx = np.cumsum(x * x) - sx * sx / n
    sxy = np.cumsum(x * y) - sx * sy / n
    syy = np.cumsum(y * y) - sy * sy / n
    explained = np.divide(sxy * sxy, sxx, out=np.zeros_like(sxx), where=sxx > 0)
    return np.maximum(syy - explained, 0.0)


def _fit(x: Floats, times: Floats) -> Line:
    count = len(x)
    dx, dt = x - x.mean(), times - times.mean()
    sxx = float(dx @ dx)
    if count < 3 or sxx == 0:
        return Line(0.0, 1.0, count, 0.0)
    slope = float(dx @ dt) / sxx
    if slope <= 0:
        return Line(0.0, 1.0, count, 0.0)
    residuals = dt - slope * dx
    deviation = float(np.sqrt(residuals @ residuals / (count - 2)))
    together = count / max(1, int(np.sum(np.diff(times) > 0.2 * slope)))
    return Line(slope, deviation / math.sqrt(sxx / together) / slope, count, deviation / slope)
