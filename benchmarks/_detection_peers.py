"""Rules of other monitors beside ours, as their defaults or documentation have them; `scale` varies each.

All end an alarm after ten samples in a row that do not meet their condition, as ours does: without that their
alarms would come and go, and be counted many times. A missing sample changes nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable

from benchmarks._detection_scoring import Judge, Series

CALM = 10
WARM = 60


class Rule(ABC):
    """A condition on a sample, given the past."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._calm = CALM
        self._since: float | None = None

    def update(self, value: float | None, epoch_seconds: float) -> bool:
        """Take in a sample; return whether the condition held within the last ten."""
        if value is not None:
            self._calm = 0 if self.beyond(value, epoch_seconds) else min(self._calm + 1, CALM)
            if self._calm == CALM:
                self._since = None
            elif self._since is None:
                self._since = epoch_seconds
        return self._calm < CALM

    def learns(self, epoch: float) -> bool:
        """Whether what is normal is learned now: not in an alarm, until that has lasted for a day."""
        return self._since is None or abs(epoch - self._since) > 86400

    @abstractmethod
    def beyond(self, value: float, epoch: float) -> bool:
        """Return whether the condition holds."""


class Zabbix(Rule):
    """The template "ICMP Ping": avg(5m) over {$ICMP_RESPONSE_TIME_WARN}, 0.15 s."""

    def __init__(self, scale: float) -> None:
        super().__init__(scale)
        self._window: deque[tuple[float, float]] = deque()

    def beyond(self, value: float, epoch: float) -> bool:
        window = self._window
        window.append((epoch, value))
        while abs(epoch - window[0][0]) > 300:
            window.popleft()
        return sum(value for _, value in window) / len(window) > 150 * self.scale


class SmokePing(Rule):
    """Of its manual: rttdetect, 5 x <10, <100, 3 x >100 ms; Avgratio, the mean of 2 over 150 % of 15."""

    def __init__(self, scale: float) -> None:
        super().__init__(scale)
        self._window: deque[float] = deque(maxlen=17)

    def beyond(self, value: float, epoch: float) -> bool:  # noqa: ARG002
        window = self._window
        window.append(value)
        if len(window) < 17:
            return False
        past = list(window)
        steep = all(v < 10 for v in past[-9:-4]) and past[-4] < 100 and all(v > 100 for v in past[-3:])
        return steep or sum(past[-2:]) / 2 > (1 + 0.5 * self.scale) * sum(past[:15]) / 15


class Static(Rule):
    """One and a half times the true base, told in advance, for three minutes."""

    def __init__(self, scale: float, base: float) -> None:
        super().__init__(scale)
        self._limit, self._count = base * (1 + 0.5 * scale), 0

    def beyond(self, value: float, epoch: float) -> bool:  # noqa: ARG002
        self._count = self._count + 1 if value > self._limit else 0
        return self._count >= 3


class Ewma(Rule):
    """Exponentially weighted mean and variance (weight 0.02), five sigma."""

    def __init__(self, scale: float) -> None:
        super().__init__(scale)
        self._mean = self._variance = 0.0
        self._seen = 0

    def beyond(self, value: float, epoch: float) -> bool:  # noqa: ARG002
        self._seen += 1
        error = value - self._mean
        high = self._seen > WARM and error > 5 * self.scale * math.sqrt(self._variance)
        weight = max(0.02, 1 / self._seen)
        self._mean += weight * error
        self._variance = (1 - weight) * (self._variance + weight * error * error)
        return high


class PageHinkley(Rule):
    """As the library river has it (delta 0.005, threshold 50, alpha 0.9999); begins anew when it fires."""

    def __init__(self, scale: float) -> None:
        super().__init__(scale)
        self._reset()

    def _reset(self) -> None:
        self._mean = self._sum = self._least = 0.0
        self._seen = 0

    def beyond(self, value: float, epoch: float) -> bool:  # noqa: ARG002
        self._seen += 1
        self._mean += (value - self._mean) / self._seen
        self._sum = 0.9999 * self._sum + value - self._mean - 0.005
        self._least = min(self._least, self._sum)
        if self._seen < 30 or self._sum - self._least <= 50 * self.scale:
            return False
        self._reset()
        return True


class HourOfWeek(Rule):
    """Over the median of this hour of the week by six deviations (MAD) and 3 %, five in a row."""

    def __init__(self, scale: float) -> None:
        super().__init__(scale)
        self._values: dict[int, deque[float]] = {}
        self._hour, self._limit, self._count = -1, math.inf, 0

    def beyond(self, value: float, epoch: float) -> bool:
        hour = int(epoch // 3600)
        kept = self._values.setdefault(hour % 168, deque(maxlen=200))
        if hour != self._hour:
            self._hour, self._limit = hour, self._bound(sorted(kept))
        self._count = self._count + 1 if value > self._limit else 0
        if self.learns(epoch):
            kept.append(value)
        return self._count >= 5

    def _bound(self, ordered: list[float]) -> float:
        if len(ordered) < 10:
            return math.inf
        middle = ordered[len(ordered) // 2]
        deviation = sorted(abs(value - middle) for value in ordered)[len(ordered) // 2]
        return middle + self.scale * max(6 * 1.4826 * deviation, 0.03 * middle)


class Naive(Rule):
    """The median of five over the last day's 0.95 quantile by 4 % and 3 ms, three in a row."""

    def __init__(self, scale: float) -> None:
        super().__init__(scale)
        self._day: deque[tuple[float, float]] = deque()
        self._ordered: list[float] = []
        self._five: deque[float] = deque(maxlen=5)
        self._count = 0

    def beyond(self, value: float, epoch: float) -> bool:
        self._five.append(value)
        ordered = self._ordered
        high = False
        if len(ordered) >= WARM:
            bound = ordered[int(0.95 * len(ordered))]
            high = sorted(self._five)[len(self._five) // 2] > bound + self.scale * max(0.04 * bound, 3.0)
        self._count = self._count + 1 if high else 0
        if self.learns(epoch):
            self._keep(value, epoch)
        return self._count >= 3

    def _keep(self, value: float, epoch: float) -> None:
        self._day.append((epoch, value))
        insort(self._ordered, value)
        while abs(epoch - self._day[0][0]) > 86400:
            _, old = self._day.popleft()
            del self._ordered[bisect_left(self._ordered, old)]


PEERS: dict[str, Callable[[Series, float], Judge]] = {
    "Zabbix ICMP template": lambda _, scale: Zabbix(scale),
    "SmokePing patterns": lambda _, scale: SmokePing(scale),
    "static 1.5 x true base": lambda series, scale: Static(scale, series.true_base),
    "EWMA 5 sigma": lambda _, scale: Ewma(scale),
    "Page-Hinkley": lambda _, scale: PageHinkley(scale),
    "hour-of-week MAD": lambda _, scale: HourOfWeek(scale),
    "naive windowed median": lambda _, scale: Naive(scale),
}
