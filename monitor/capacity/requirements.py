"""The channel requirement of each unit, by its business functions; cheap to ask again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from inventory.models import Inventory
from monitor.capacity.cache import Cache
from monitor.capacity.demand import demand_of
from monitor.capacity.derive import Demand, Derivation, derive
from monitor.capacity.functions import Direction, Functions
from monitor.capacity.need import Need, RateNeed
from monitor.capacity.simulate import LARGEST_FACTOR, MODEL, minimum_factor
from monitor.readiness.digest import digest


@dataclass(frozen=True, slots=True)
class Solved:
    """All steps for a demand; with `factor` times the formula's capacity the simulation still makes do."""

    derivation: Derivation
    factor: float

    @property
    def impossible(self) -> str:
        """One sentence on why no channel would do, or an empty text."""
        if math.isinf(self.factor) and not self.derivation.impossible:
            return f"the simulation misses a target even at {LARGEST_FACTOR:g} times what the formulas give"
        return self.derivation.impossible

    def minimum(self, direction: Direction) -> float:
        """Return about the least capacity of a direction that does, bit/s (step 6)."""
        return self.derivation.sides[direction].capacity * min(1.0, self.factor)

    def need(self, unit: str) -> Need:
        """Return the requirement that it comes to."""
        derivation, loss = self.derivation, self.derivation.loss
        rates = {
            each: RateNeed(side.load.total, side.capacity, self.minimum(each), side.required, side.binding)
            for each, side in derivation.sides.items()
        }
        return Need(
            unit, rates["up"], rates["down"], loss.share, loss.packets_per_loss, derivation.rtt_at,
            self.impossible,
        )  # fmt: skip


def solve(demand: Demand, cache: Cache | None = None) -> Solved:
    """Return all steps for a demand; simulates where the cache does not know the answer."""
    formula, key = derive(demand), _digest(demand)
    factor = cache.get(key) if cache else None
    if factor is None:
        factor = minimum_factor(formula)
        if cache:
            cache.put(key, factor)
    return Solved(derive(demand, factor=factor) if 1 < factor < math.inf else formula, factor)


def _digest(demand: Demand) -> str:
    return digest({"model": MODEL, "demand": demand})


@dataclass(slots=True)
class _Kind:
    """All units with the same demand."""

    demand: Demand
    digest: str
    solved: Solved | None = None


class Requirements:
    """What every unit's functions require of its channel.

    Units with the same functions share one derivation and one simulation, which takes a tenth of a second to
    a second where the cache does not know it. Used from one thread.
    """

    def __init__(
        self, inventory: Inventory, functions: Functions | None = None, cache: Cache | None = None
    ) -> None:
        self.functions = functions or Functions()
        self._inventory, self._cache = inventory, cache or Cache()
        self._units: dict[str, _Kind | None] = {}
        self._kinds: dict[Demand, _Kind] = {}

    def need(self, unit: str) -> Need | None:
        """Return the requirement of a unit, None where it names no functions (which is not zero).

        Raises KeyError for a unit that there is not.
        """
        solved = self.solved(unit)
        return None if solved is None else solved.need(unit)

    def solved(self, unit: str) -> Solved | None:
        """Return all steps for a unit, None where it names no functions. Raises KeyError as `need`."""
        kind = self._kind(unit)
        if kind is None:
            return None
        if kind.solved is None:
            kind.solved = solve(kind.demand, self._cache)
        return kind.solved

    def digest(self, unit: str) -> str:
        """Return the digest of all that the unit's requirement follows from, empty without functions.

        Belongs to what a unit's own digest is made of: another design RTT is another requirement.
        """
        kind = self._kind(unit)
        return "" if kind is None else kind.digest

    def _kind(self, unit: str) -> _Kind | None:
        if unit not in self._units:
            demand = demand_of(self._inventory, unit, self.functions)
            self._units[unit] = None if demand is None else self._of(demand)
        return self._units[unit]

    def _of(self, demand: Demand) -> _Kind:
        if demand not in self._kinds:
            self._kinds[demand] = _Kind(demand, _digest(demand))
        return self._kinds[demand]
