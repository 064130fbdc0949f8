"""The channel requirement of each unit, by its business functions; cheap to ask again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from inventory.models import Inventory
from monitor.capacity.cache import Cache
from monitor.capacity.demand import demand_of
from monitor.capacity.derive import Demand, Derivation, derive
from monitor.capacity.functions import Functions
from monitor.capacity.need import Need, RateNeed
from monitor.capacity.simulate import LARGEST_FACTOR, MODEL, minimum_factor
from monitor.readiness.digest import digest


@dataclass(slots=True)
class _Kind:
    """All units with the same demand."""

    demand: Demand
    digest: str
    need: Need | None = None


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
        kind = self._kind(unit)
        if kind is None:
            return None
        if kind.need is None:
            kind.need = need_of(*self.derived(kind.demand))
        return replace(kind.need, unit=unit)

    def digest(self, unit: str) -> str:
        """Return the digest of all that the unit's requirement follows from, empty without functions.

        Belongs to what a unit's own digest is made of: another design RTT is another requirement.
        """
        kind = self._kind(unit)
        return "" if kind is None else kind.digest

    def demand(self, unit: str) -> Demand | None:
        """Return what the unit's functions ask for, None where it names none."""
        kind = self._kind(unit)
        return None if kind is None else kind.demand

    def derived(self, demand: Demand) -> tuple[Derivation, float]:
        """Return all steps, and by what factor of the formula's capacity the simulation makes do (step 6)."""
        formula, key = derive(demand), _digest(demand)
        factor = self._cache.get(key)
        if factor is None:
            factor = minimum_factor(formula)
            self._cache.put(key, factor)
        return (derive(demand, factor=factor) if 1 < factor < math.inf else formula), factor

    def _kind(self, unit: str) -> _Kind | None:
        if unit not in self._units:
            demand = demand_of(self._inventory, unit, self.functions)
            self._units[unit] = None if demand is None else self._of(demand)
        return self._units[unit]

    def _of(self, demand: Demand) -> _Kind:
        if demand not in self._kinds:
            self._kinds[demand] = _Kind(demand, _digest(demand))
        return self._kinds[demand]


def _digest(demand: Demand) -> str:
    return digest({"model": MODEL, "demand": demand})


def need_of(derivation: Derivation, factor: float) -> Need:
    """Return the requirement that a derivation comes to, for no unit yet."""
    least = min(1.0, factor)
    rates: Mapping[str, RateNeed] = {
        each: RateNeed(side.load.total, side.capacity, side.capacity * least, side.required, side.binding)
        for each, side in derivation.sides.items()
    }
    lost = derivation.impossible
    if math.isinf(factor) and not lost:
        lost = f"the simulation misses a target even at {LARGEST_FACTOR:g} times what the formulas give"
    loss = derivation.loss
    return Need("", rates["up"], rates["down"], loss.share, loss.packets_per_loss, derivation.rtt_at, lost)
