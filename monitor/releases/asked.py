"""Which unit should run which release, and the checklists that come of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from inventory.models import Inventory, Unit
from inventory.problems import Problem, did_you_mean
from inventory.source import Locator
from monitor.readiness.digest import digest
from monitor.releases.manifest import PREFIX, Component, Release, ReleaseChecklist


@dataclass(frozen=True, slots=True)
class Releases:
    """All releases, and which of them is due where the inventory names none."""

    known: Mapping[str, Release] = field(default_factory=dict)
    default: str = ""

    def of(self, inventory: Inventory, unit: str) -> Release | None:
        """Return the release that a unit should run, None where nothing says so."""
        return self.known.get(inventory.release(unit) or self.default)

    def assigned(self, inventory: Inventory, release: Release | None = None) -> dict[str, Release]:
        """Return by unit what it should run (`release`, if one is given); units without are left out."""
        found = {unit.id: release or self.of(inventory, unit.id) for unit in inventory}
        return {unit: each for unit, each in found.items() if each is not None}

    def problems(self, inventory: Inventory) -> Iterator[Problem]:
        """Yield each name of a release that there is none of."""
        locator = Locator()
        for unit in inventory:
            if unit.release is not None and unit.release not in self.known:
                place = inventory.places[unit.id] / "release"
                text = f'unknown release "{unit.release}"'
                yield locator.problem(place, text, did_you_mean(unit.release, self.known))
        if self.default and self.default not in self.known:
            text = f'unknown release "{self.default}"'
            hint = did_you_mean(self.default, self.known)
            yield Problem("muster.toml", 1, 1, "daemon.release", text, hint)


def components(release: Release, unit: Unit) -> Iterator[Component]:
    """Yield the components of a release that concern a unit."""
    for each in release.components.values():
        if each.applies_to is None or each.applies_to.fits(unit):
            yield each


def checklists(inventory: Inventory, assigned: Mapping[str, Release]) -> dict[str, ReleaseChecklist]:
    """Return what units are asked for the sake of their releases, as checklists.

    Units of which the same components are asked share one; those of one release have the same id.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for unit, release in assigned.items():
        asked = tuple(each.id for each in components(release, inventory.units[unit]))
        if asked:
            groups.setdefault((release.id, asked), []).append(unit)
    found: dict[str, ReleaseChecklist] = {}
    for number, ((key, asked), units) in enumerate(groups.items(), 1):
        release = assigned[units[0]]
        items = {each.id: each for each in (release.components[name].item for name in asked)}
        name = f"{PREFIX}{key}"
        whole = digest({"id": name, "gate": release.gate, "released": release.released, "items": items})
        found[f"{name}/{number}"] = ReleaseChecklist(
            name, release.gate, None, None, items, whole, frozenset({name}), frozenset(units)
        )
    return found
