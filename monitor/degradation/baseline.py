"""What is normal for a latency: by the hour of the week, and over the last blocks."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

GLOBAL = 48
"""The pair of all hours stands behind 24 of weekdays and 24 of weekends."""
TRUSTED_VISITS = 3
"""An hour's own pair counts after more visits than this."""
SETTLED = 400
"""From so many samples on, the step no longer shrinks (8 / 400 is its floor of 0.02)."""
KEPT_SAMPLES = 64
"""Of a block with more samples the latest so many count."""
KEPT_MOVES = 96
"""As many as a day has blocks."""
KEPT_DAYS = 7
LEAST_MOVES = 24
"""Fewer moves than this make no day."""
FIRST_MOVES = 8
"""So many make a first guess before there is a day."""
DAY_S = 86400.0


def median(values: Sequence[float]) -> float:
    """Return the median of at least one value."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of at least one value, interpolated."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


class Hours:
    """Streaming median and median absolute deviation of each hour of day, weekdays and weekends apart.

    The median moves by its error, clipped to a step, the deviation by its own, clipped to half of that; the
    step shrinks with the samples seen. Single precision, so that writing the state down loses nothing.
    """

    __slots__ = ("_bin", "hour", "learned", "middle", "offset", "samples", "spread", "used", "visits")

    def __init__(self, offset_s: int) -> None:
        self.offset = offset_s
        self.middle = array("f", bytes(4 * (GLOBAL + 1)))
        self.spread = array("f", bytes(4 * (GLOBAL + 1)))
        self.samples = array("H", bytes(2 * (GLOBAL + 1)))
        self.visits = array("B", bytes(GLOBAL + 1))
        self.hour = self.learned = -1
        self._bin = self.used = GLOBAL

    def turn(self, hour: int) -> None:
        """Note which hour since 1970 it is, of the zone's own clock."""
        day, of_day = divmod(hour, 24)
        self.hour = hour
        self._bin = of_day if (day + 3) % 7 < 5 else of_day + 24
        self.used = self._bin if self.visits[self._bin] > TRUSTED_VISITS else GLOBAL

    def own(self) -> bool:
        """Return whether the present hour's own pair counts."""
        return self.used != GLOBAL

    def resume(self, hour: int, learned: int, *, own: bool) -> None:
        """Go on in the hour of a state that was written down."""
        self.turn(hour)
        self.learned = learned
        self.used = self._bin if own else GLOBAL

    def learn(self, value: float) -> None:
        """Take in a healthy value of the present hour."""
        if self.learned != self.hour:
            self.learned = self.hour
            if self.visits[self._bin] <= TRUSTED_VISITS:
                self.visits[self._bin] += 1
        self._learn(self._bin, value)
        self._learn(GLOBAL, value)

    def _learn(self, index: int, value: float) -> None:
        samples = self.samples[index]
        if not samples:
            self.middle[index], self.spread[index], self.samples[index] = value, 0.02 * value, 1
            return
        middle, spread = self.middle[index], self.spread[index]
        step = max(spread, 0.005 * middle, 0.05) * (8 / samples if samples > 8 else 1.0)
        error = value - middle
        off = (error if error > 0 else -error) - spread
        half = step / 2
        self.middle[index] = middle + (step if error > step else max(error, -step))
        off = half if off > half else max(off, -half)
        self.spread[index] = spread + off if spread + off > 0 else 0.0
        if samples < SETTLED:
            self.samples[index] = samples + 1

    def shift_to(self, level: float) -> None:
        """Move every hour by what takes the present one to the level."""
        by = level - self.middle[self.used]
        self.middle = array("f", (max(0.0, middle + by) for middle in self.middle))


class Blocks:
    """Samples by blocks of time, the base that the latest blocks make, and how restless the path is."""

    __slots__ = ("_quantile", "_size", "base", "count", "day_start", "days", "moves", "reference", "restless",
                 "start", "values")  # fmt: skip

    def __init__(self, size: int, restless_quantile: float) -> None:
        self._size, self._quantile = size, restless_quantile
        self.values, self.reference, self.moves, self.days = (array("f") for _ in range(4))
        self.start = self.day_start = -math.inf
        self.base, self.restless, self.count = math.inf, 0.0, 0

    def add(self, value: float) -> None:
        """Take in a sample of the running block."""
        if len(self.values) >= KEPT_SAMPLES:
            del self.values[0]
        self.values.append(value)

    def begin(self, epoch: float) -> float | None:
        """Begin a block; return the median of the one that ends, None where it had no sample."""
        ended = median(self.values) if self.values else None
        self.start, self.values = epoch, array("f")
        return ended

    def move(self, level: float, before: array[float]) -> None:
        """Note how far a block's median lies from those of the last three before it."""
        if len(before) >= 3:
            self.moves.append(abs(level - median(before[-3:])))
            del self.moves[:-KEPT_MOVES]

    def accept(self, level: float, epoch: float) -> None:
        """Take a healthy block's median into the base and the day's moves."""
        self.move(level, self.reference)
        self.reference.append(level)
        del self.reference[: -self._size]
        self.base = median(self.reference)
        self.count += 1
        if not 0 <= epoch - self.day_start < DAY_S:
            self._end_day(epoch)
        elif not self.days and len(self.moves) >= FIRST_MOVES:
            self.restless = quantile(self.moves, self._quantile)

    def _end_day(self, epoch: float) -> None:
        if len(self.moves) >= LEAST_MOVES:
            self.days.append(quantile(self.moves, self._quantile))
            del self.days[:-KEPT_DAYS]
            self.restless = median(self.days)
            self.moves = array("f")
        self.day_start = epoch

    def adopt(self, levels: array[float]) -> None:
        """Take the median of these blocks for the base."""
        self.reference = levels[:]
        self.base = median(levels)
