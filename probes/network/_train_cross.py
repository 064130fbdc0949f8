"""What a link carries beside other traffic, from trains sent at once and one sent at a pace (pure).

Served first come, first served, a train sent at r beside traffic x gets C r / (r + x). Sent at once it leaves
room for few other packets, but for some: how many can be told from their share of the paced train, and from
the train's own parts, most of which nobody else got into.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from probes.network._train import Answer

AGREE = 0.03
APART = 2.0
"""Trains tell other traffic apart where one was sent at least so many times as fast as the other."""
MOST_MORE = 1.1
"""More than this is not made of what a train got."""
ROUNDS = 12
BUSY = 0.05
"""Less other traffic, as a share of the capacity, is not told from noise."""
CHANCE, ONE, ERROR = 4.0, 1.1, 0.01
"""A train's packets have those of others between them: as many as expected, within so many standard
deviations and one packet of so many times the size; and times have errors."""


def near(one: float, other: float) -> bool:
    """Return whether two rates are the same."""
    return abs(one - other) <= AGREE * max(one, other)


def most_alike(bursts: Sequence[Answer]) -> tuple[Answer, Answer] | None:
    """Return the two whose rates are nearest to each other, None where they are not the same."""
    one, two = min(combinations(bursts, 2), key=lambda two: abs(_own(two[0]) / _own(two[1]) - 1))
    return (one, two) if near(_own(one), _own(two)) else None


def without_cross(over: Answer, bursts: Sequence[Answer]) -> tuple[float, float]:
    """Return the capacity and the other traffic's rate in bit/s, from a paced train and trains sent at once.

    The rates must be positive.
    """
    fast = [burst for burst in bursts if burst.sent_bps >= APART * over.sent_bps]
    plain = _mean([burst.rate_bps for burst in fast or bursts])
    cross = 0.0
    if not fast:
        return plain, cross
    busy = _beside(over, max(burst.rate_bps for burst in fast)) > BUSY * plain
    rate = _mean([_own(burst) for burst in fast])
    for _ in range(ROUNDS):
        cross = _beside(over, rate)
        rate = min(MOST_MORE * plain, _freed(fast, cross if busy else 0.0))
    return rate, cross


def _beside(over: Answer, capacity: float) -> float:
    """Return the rate of the traffic that left a train its share of the capacity."""
    return max(0.0, over.sent_bps * (capacity / over.rate_bps - 1))


def _mean(rates: Sequence[float]) -> float:
    return sum(rates) / len(rates)


def _own(burst: Answer) -> float:
    return burst.alone_bps or burst.rate_bps


def _freed(bursts: Sequence[Answer], cross: float) -> float:
    """Return what bursts would have got alone: by those whose parts are believed, if there are any."""
    parts = [burst.alone_bps for burst in bursts if _explained(burst, cross)]
    return _mean(parts or [burst.rate_bps * (1 + cross / burst.sent_bps) for burst in bursts])


def _explained(burst: Answer, cross: float) -> bool:
    """Return whether other traffic explains that the whole of a burst was slower than its parts.

    Else its parts are not believed: some links serve in turns, and pause in between.
    """
    share, packets = cross / burst.sent_bps, max(1, burst.received)
    most = share + CHANCE * math.sqrt(share / packets) + (ONE / packets if cross else 0.0) + ERROR
    return -ERROR <= burst.alone_bps / burst.rate_bps - 1 <= most
