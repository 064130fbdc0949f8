"""A series as a drawing: the geometry of a small chart, with gaps where nothing was measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from monitor.store.api import Point

MAX_MARKS = 240
GAP = 3.0
"""The line breaks where the next point is this many times the usual distance away."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, in units of the drawing: `line` and `band` are SVG path data, `dots` lone points."""

    width: int
    height: int
    line: str
    band: str
    dots: Sequence[tuple[float, float]]
    low: float
    high: float
    last: float
    first_at: float
    last_at: float
    points: Sequence[Point]
    failed: Sequence[float] = ()
    """Where a reading failed."""
    unmeasured: Sequence[float] = ()
    """Where the monitor could not measure."""


def thin(points: Sequence[Point], most: int = MAX_MARKS) -> list[Point]:
    """Return at most `most` points, neighbours merged (extremes kept, the rest weighted by count)."""
    usable = [point for point in points if point.count and math.isfinite(point.mean)]
    step = -(-len(usable) // most) or 1
    return [_merge(usable[start : start + step]) for start in range(0, len(usable), step)]


def _merge(points: Sequence[Point]) -> Point:
    if len(points) == 1:
        return points[0]
    total = sum(point.count for point in points)

    def mean(name: str) -> float:
        return math.fsum(getattr(point, name) * point.count for point in points) / total

    low, high = min(point.minimum for point in points), max(point.maximum for point in points)
    return Point(points[-1].at, total, low, high, mean("mean"), mean("p50"), mean("p95"))


Misses = tuple[Sequence[float], Sequence[float]]
"""When readings failed, and when none could be made; seconds since the epoch."""


def draw(
    points: Sequence[Point],
    span: tuple[float, float],
    *,
    size: tuple[int, int] = (480, 96),
    misses: Misses = ((), ()),
) -> Chart | None:
    """Return the chart of a series over a span of time (seconds since the epoch), or None without points."""
    marks = thin(points)
    if not marks:
        return None
    low, high = min(each.minimum for each in marks), max(each.maximum for each in marks)
    frame = _Frame(span, (low, high), *size)
    line, band, dots = [], [], []
    for run in _runs(marks):
        if len(run) == 1:
            dots.append((frame.x(run[0].at), frame.y(run[0].p50)))
            continue
        line.append(_path([(frame.x(each.at), frame.y(each.p50)) for each in run]))
        upper = [(frame.x(each.at), frame.y(each.maximum)) for each in run]
        lower = [(frame.x(each.at), frame.y(each.minimum)) for each in reversed(run)]
        band.append(_path([*upper, *lower]) + "Z")
    failed, unmeasured = (sorted({frame.x(at) for at in each}) for each in misses)
    return Chart(
        *size, "".join(line), "".join(band), dots, low, high, marks[-1].p50, span[0], marks[-1].at, marks,
        failed, unmeasured,
    )  # fmt: skip


class _Frame:
    """From seconds and values to the drawing, a margin of 3 on all sides."""

    def __init__(
        self, span: tuple[float, float], values: tuple[float, float], width: int, height: int
    ) -> None:
        self._start, self._seconds = span[0], max(span[1] - span[0], 1.0)
        low, high = values
        pad = (high - low) * 0.08 or max(abs(high) * 0.05, 0.5)
        self._low, self._range = low - pad, high - low + 2 * pad
        self._width, self._height = width - 6, height - 6

    def x(self, at: float) -> float:
        return round(3 + self._width * (at - self._start) / self._seconds, 1)

    def y(self, value: float) -> float:
        return round(3 + self._height * (1 - (value - self._low) / self._range), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def _runs(marks: Sequence[Point]) -> list[list[Point]]:
    """Return the points in stretches without a gap."""
    distances = sorted(after.at - before.at for before, after in pairwise(marks))
    usual = distances[len(distances) // 2] if distances else 0.0
    runs = [[marks[0]]]
    for before, after in pairwise(marks):
        if after.at - before.at > GAP * usual:
            runs.append([])
        runs[-1].append(after)
    return runs
