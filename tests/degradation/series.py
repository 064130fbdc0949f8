"""Series of samples for the detectors' tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Protocol

START = 1_767_571_200.0
MINUTE = 60.0


class Judge(Protocol):
    """Any detector."""

    def update(self, value: float | None, epoch_seconds: float) -> bool: ...


def noisy(base: float, seed: int = 1, spread: float = 0.01) -> Callable[[int], float]:
    rng = random.Random(seed)
    return lambda _: base * (1 + rng.gauss(0, spread))


def feed(
    judge: Judge, level: Callable[[int], float | None], count: int, start: float, step: float
) -> list[bool]:
    return [judge.update(level(i), start + step * i) for i in range(count)]


class Feeder:
    """Feeds a detector sample after sample, and remembers the time."""

    def __init__(self, judge: Judge, step: float = MINUTE) -> None:
        self.judge, self.step, self.now = judge, step, START
        self.rng = random.Random(7)

    def steady(self, level: float, count: int, spread: float = 0.01) -> list[bool]:
        return [self.one(level * (1 + self.rng.gauss(0, spread))) for _ in range(count)]

    def one(self, value: float | None) -> bool:
        self.now += self.step
        return self.judge.update(value, self.now)


def onsets(answers: Iterator[bool] | list[bool]) -> int:
    before, count = False, 0
    for now in answers:
        count += now and not before
        before = now
    return count
