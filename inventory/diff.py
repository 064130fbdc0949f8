"""What changed between two inventories: units, assets, and effective checks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from inventory.effective import Effective
from inventory.models import Inventory, Unit
from inventory.profiles import Profile

Kind = Literal["unit", "asset", "check"]
Change = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was added, removed or changed; `keys` are the changed ones, with old and new value."""

    change: Change
    kind: Kind
    id: str
    """`unit`, `unit/asset` or `unit/asset/check`."""
    keys: tuple[tuple[str, Any, Any], ...] = ()


def diff(
    old: Inventory,
    new: Inventory,
    profiles: Mapping[str, Profile],
    old_profiles: Mapping[str, Profile] | None = None,
) -> list[Difference]:
    """Return all differences: units in the order of the new inventory, removed ones at the end.

    Checks are compared after profiles and defaults. Of a unit that was added or removed its assets and
    checks are listed, too.
    """
    sides = (Effective(old, profiles if old_profiles is None else old_profiles), Effective(new, profiles))
    found: list[Difference] = []
    for key in (*new.units, *(key for key in old.units if key not in new.units)):
        before, after = old.units.get(key), new.units.get(key)
        found += _things("unit", _unit(before), _unit(after))
        found += _things("asset", _assets(before), _assets(after))
        found += _things("check", _checks(before, sides[0]), _checks(after, sides[1]))
    return found


Things = dict[str, dict[str, Any]]


def _things(kind: Kind, old: Things, new: Things) -> Iterator[Difference]:
    for key, after in new.items():
        if key not in old:
            yield Difference("added", kind, key)
        elif changed := tuple(_changed(old[key], after)):
            yield Difference("changed", kind, key, changed)
    for key in old:
        if key not in new:
            yield Difference("removed", kind, key)


def _changed(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in dict.fromkeys((*old, *new)):
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


def _unit(unit: Unit | None) -> Things:
    return {} if unit is None else {unit.id: _shown(unit, "assets")}


def _assets(unit: Unit | None) -> Things:
    return {f"{unit.id}/{asset.id}": _shown(asset, "checks") for asset in unit.assets} if unit else {}


def _checks(unit: Unit | None, effective: Effective) -> Things:
    if unit is None:
        return {}
    return {
        f"{unit.id}/{bound.asset.id}/{recipe.id}": {**recipe.values, "probe": recipe.probe}
        for bound in effective.unit(unit)
        for recipe in bound.recipes
    }


def _shown(thing: Any, without: str) -> dict[str, Any]:
    return {each.name: getattr(thing, each.name) for each in fields(thing) if each.name != without}
