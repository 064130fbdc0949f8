"""A unit and its profile put together: which checks each of its assets really has, and who says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inventory._cross import Wrong
from inventory.layers import Layer, Recipe, keys_of
from inventory.models import Asset, CheckSpec, Inventory, Unit
from inventory.problems import Place, did_you_mean
from inventory.profiles import Profile, Selector, recipes

OWN = "the unit itself"


@dataclass(frozen=True, slots=True)
class Bound:
    """An asset with its effective checks; `own` are the ids of those that the asset itself speaks of."""

    asset: Asset
    place: Place
    recipes: tuple[Recipe, ...]
    own: frozenset[str] = frozenset()


class Effective:
    """The effective checks of all units of an inventory. `wrong` grows as units are asked for."""

    def __init__(self, inventory: Inventory, profiles: Mapping[str, Profile]) -> None:
        self.inventory, self.profiles = inventory, profiles
        self.wrong: list[Wrong] = []
        self._shared = {
            probe: (Layer("inventory defaults", inventory.default_places[probe], keys),)
            for probe, keys in inventory.defaults.items()
        }
        self._recipes: dict[str, list[tuple[Selector, Recipe]]] = {}
        self._matches: dict[tuple[object, ...], tuple[Recipe, ...]] = {}

    def unit(self, unit: Unit) -> Iterator[Bound]:
        """Yield each asset of the unit with its checks, in order."""
        place = self.inventory.places[unit.id]
        profile = self._profile(unit, place)
        for index, asset in enumerate(unit.assets):
            at = place / "assets" / index
            inherited = self._inherited(profile, asset) if profile else ()
            if asset.checks:
                yield self._with_own(asset, at, profile, inherited)
            else:
                yield Bound(asset, at, inherited)

    def _profile(self, unit: Unit, place: Place) -> Profile | None:
        if unit.profile is None or unit.profile in self.profiles:
            return self.profiles.get(unit.profile or "")
        hint = did_you_mean(unit.profile, self.profiles)
        self.wrong.append((place / "profile", f'unknown profile "{unit.profile}"', hint))
        return None

    def _inherited(self, profile: Profile, asset: Asset) -> tuple[Recipe, ...]:
        key = (profile.id, asset.kind, asset.role, asset.tags)
        if key not in self._matches:
            if profile.id not in self._recipes:
                self._recipes[profile.id] = list(recipes(profile, self._shared))
            found = self._recipes[profile.id]
            if any(selector.id for selector, _ in found):
                return tuple(recipe for selector, recipe in found if selector.matches(asset))
            self._matches[key] = tuple(recipe for selector, recipe in found if selector.matches(asset))
        return self._matches[key]

    def _with_own(
        self, asset: Asset, at: Place, profile: Profile | None, inherited: tuple[Recipe, ...]
    ) -> Bound:
        found = {recipe.id: recipe for recipe in inherited}
        for index, spec in enumerate(asset.checks):
            place = at / "checks" / index
            if recipe := self._own(spec, place, profile, found.get(spec.key)):
                found[spec.key] = recipe
        return Bound(asset, at, tuple(found.values()), frozenset(spec.key for spec in asset.checks))

    def _own(
        self, spec: CheckSpec, place: Place, profile: Profile | None, base: Recipe | None
    ) -> Recipe | None:
        layer = Layer(OWN, place, keys_of(spec))
        if base is not None and spec.probe in (None, base.probe):
            return Recipe(spec.key, base.probe, (*base.layers, layer))
        if spec.probe is None:
            if spec.key:
                message = f'the profile gives this asset no check "{spec.key}" to change'
                self.wrong.append((place, message, "write its probe"))
            return None
        general = profile.defaults.get(spec.probe, ()) if profile else ()
        return Recipe(spec.key, spec.probe, (*general, *self._shared.get(spec.probe, ()), layer))
