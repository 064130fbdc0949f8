"""Step 6: the unit's busy hours played through on a link that all transfers share equally.

Transactions arrive at random (Poisson), their sizes and server times spread as gamma distributions with the
mean and 95th percentile that the functions give; bulk transfers come in their period; real-time streams take
their rate off. A transaction is its request, the server's time and all round trips, then its response. The
seed is fixed, and a function's draws do not depend on what else there is.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.capacity.derive import Demand, Derivation, Use, mean_load, round_trips
from monitor.capacity.functions import DIRECTIONS, Direction
from monitor.capacity.gamma import shape
from monitor.capacity.sharing import Floats, departures

SEED = 20260101
MODEL: Literal[1] = 1
"""Counts up whenever the same inputs may give another answer."""
LEAST_RARE = 2000
"""Transactions of the rarest function that a run lasts for,"""
LEAST_PERIODS = 20
"""Periods of the rarest bulk transfer that it lasts for, as long as..."""
MOST = 80_000
"""...there are not more transactions than so many in all."""
PERCENTILE = 0.95
LEAST_JUDGED = 60
"""Transactions below which a 95th percentile says nothing, and the formula is asked instead."""
PRECISION = 1.05
GROWTH = 1.25
LARGEST_FACTOR = 16.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was drawn, in order of arrival: `which` function each is of, seconds, and bits each way."""

    which: NDArray[np.intp]
    arrivals: Floats
    between: Floats
    """From the end of the request to the begin of the response, and all round trips: seconds."""
    bits: Mapping[Direction, Floats]
    bulk: Mapping[Direction, tuple[Floats, Floats]]
    """Arrivals and bits of the bulk transfers of a direction."""


def draw(demand: Demand, seed: int = SEED) -> Traffic:
    """Return the traffic of so many hours that the rarest function is seen often enough."""
    span = _span(demand)
    parts = [_of_function(use, demand, span, seed) for use in demand.uses]
    arrivals = np.concatenate([part[0] for part in parts])
    order = np.argsort(arrivals, kind="stable")
    which = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    bulk = {each: _bulk(demand, each, span, seed) for each in DIRECTIONS}
    between, up, down = (np.concatenate([part[i] for part in parts])[order] for i in (1, 2, 3))
    return Traffic(which[order], arrivals[order], between, {"up": up, "down": down}, bulk)


def _span(demand: Demand) -> float:
    rates = [use.per_second for use in demand.uses]
    periods = max((LEAST_PERIODS * each.bulk.period for each in demand.bulk), default=0.0)
    return min(max(LEAST_RARE / min(rates), periods), MOST / sum(rates))


def _random(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(name.encode())))


def _of_function(use: Use, demand: Demand, span: float, seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    random = _random(seed, use.id)
    count = max(1, round(span * use.per_second))
    function, bits = use.function, 8 * demand.network.overhead
    arrivals = np.sort(random.random(count)) * span
    server = _gamma(random, function.server.mean, function.server.high, count)
    server *= function.server.high / np.quantile(server, PERCENTILE)
    up = bits * _gamma(random, function.request.mean, function.request.high, count)
    down = bits * _gamma(random, function.response.mean, function.response.high, count)
    trips = round_trips(function, demand.network.mss) * demand.network.rtt
    return arrivals, server + trips, up, down


def _gamma(random: np.random.Generator, mean: float, high: float, count: int) -> Floats:
    k = shape(mean, high)
    return random.gamma(k, mean / k, count)


def _bulk(demand: Demand, direction: Direction, span: float, seed: int) -> tuple[Floats, Floats]:
    times, bits = [np.empty(0)], [np.empty(0)]
    for each in demand.bulk:
        period, size = each.bulk.period, each.bulk.bytes
        if each.bulk.direction == direction:
            phase = _random(seed, f"bulk {each.id}").random() * min(period, span)
            times.append(np.arange(phase, span, period))
            bits.append(np.full(len(times[-1]), 8 * demand.network.overhead * size))
    at = np.concatenate(times)
    order = np.argsort(at, kind="stable")
    return at[order], np.concatenate(bits)[order]


def responses(traffic: Traffic, rates: Mapping[Direction, float]) -> Floats:
    """Return each transaction's response time; `rates` are what the transfers share, bit/s."""
    asked = _transferred(traffic, "up", traffic.arrivals, rates)
    answered = _transferred(traffic, "down", asked + traffic.between, rates)
    return answered - traffic.arrivals


def _transferred(
    traffic: Traffic, direction: Direction, starts: Floats, rates: Mapping[Direction, float]
) -> Floats:
    at, bits = traffic.bulk[direction]
    arrivals = np.concatenate((starts, at))
    services = np.concatenate((traffic.bits[direction], bits)) / rates[direction]
    order = np.argsort(arrivals, kind="stable")
    ends = np.empty(len(arrivals))
    ends[order] = departures(arrivals[order], services[order])
    return ends[: len(starts)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The 95th percentile of a function's response time in s; `missed` where that is above its target."""

    id: str
    p95: float
    target: float
    count: int
    """Simulated transactions; 0 where they were too few and the formula gave the figure."""

    @property
    def missed(self) -> bool:
        """Whether the target is missed."""
        return self.p95 > self.target


class Simulation:
    """One unit's traffic, to be tried on links of different capacity (bit/s both ways).

    Drawn server times are scaled to their 95th percentile, so that chance takes nothing off a small budget.
    """

    def __init__(self, demand: Demand, seed: int = SEED) -> None:
        self._demand, self._traffic = demand, draw(demand, seed)
        self._loads = {each: mean_load(demand, each) for each in DIRECTIONS}
        counts = np.bincount(self._traffic.which, minlength=len(demand.uses))
        self._counts: list[int] = counts.tolist()

    def outcomes(self, capacity: Mapping[Direction, float]) -> tuple[Outcome, ...]:
        """Return what becomes of each function; on a link that can't carry the load all wait for ever."""
        if any(capacity[each] <= self._loads[each].total for each in DIRECTIONS):
            return tuple(Outcome(use.id, math.inf, use.function.target, 0) for use in self._demand.uses)
        rates = {each: capacity[each] - self._loads[each].realtime for each in DIRECTIONS}
        times = responses(self._traffic, rates)
        return tuple(self._outcome(index, times, capacity) for index in range(len(self._counts)))

    def _outcome(self, index: int, times: Floats, capacity: Mapping[Direction, float]) -> Outcome:
        use, count = self._demand.uses[index], self._counts[index]
        if count < LEAST_JUDGED:
            return Outcome(use.id, self._formula(use, capacity), use.function.target, 0)
        p95 = float(np.quantile(times[self._traffic.which == index], PERCENTILE))
        return Outcome(use.id, p95, use.function.target, count)

    def _formula(self, use: Use, capacity: Mapping[Direction, float]) -> float:
        network = self._demand.network
        transfers = sum(
            8 * network.overhead * use.x(each) / (capacity[each] - self._loads[each].total)
            for each in DIRECTIONS
        )
        return use.function.server.high + round_trips(use.function, network.mss) * network.rtt + transfers


def minimum_factor(derivation: Derivation, seed: int = SEED) -> float:
    """Return the smallest factor of the capacity, to 5 %, at which the simulation meets every target.

    Above 1 where the formula gives too little (a crowded link, sizes that hardly vary); infinite where no
    capacity up to `LARGEST_FACTOR` times does. Functions that no bandwidth serves only count as load.
    """
    judged = {each.id for each in derivation.functions if each.possible}
    if not judged:
        return 1.0
    simulation = Simulation(derivation.demand, seed)
    sides = derivation.sides

    def meets(factor: float) -> bool:
        outcomes = simulation.outcomes({each: side.capacity * factor for each, side in sides.items()})
        return not any(each.missed for each in outcomes if each.id in judged)

    low, high = max(side.load.total / side.capacity for side in sides.values()), 1.0
    while not meets(high):
        low, high = high, high * GROWTH
        if high > LARGEST_FACTOR:
            return math.inf
    while high / low > PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if meets(middle) else (middle, high)
    return high
