"""What one unit is asked at a gate: all checklists that apply to it, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inventory.models import Asset, Unit
from monitor.readiness.checklist import Checklist, Item
from monitor.readiness.conditions import Condition, Truth
from monitor.readiness.digest import digest


def stronger(one: Item, two: Item) -> Item | None:
    """Return the one that overlays the other (either, where they are the same), None where neither does."""
    if set(one.sources) >= set(two.sources):
        return one
    return two if set(two.sources) > set(one.sources) else None


@dataclass(frozen=True, slots=True)
class Applied:
    """What a unit is asked at a gate."""

    checklists: tuple[Checklist, ...]
    items: tuple[Item, ...]
    max_waivers: int | None
    digest: str
    """Of the items."""


class Conflict(ValueError):  # noqa: N818 - reads better where it is raised
    """Two checklists that apply to one unit hold the same item in two forms."""


class Asked:
    """What each unit is asked at one gate; units with the same checklists share it."""

    def __init__(self, checklists: Mapping[str, Checklist], gate: str) -> None:
        self._checklists = tuple(each for each in checklists.values() if each.gate == gate)
        self._known: dict[tuple[tuple[str, str], ...], Applied] = {}

    def of(self, unit: Unit) -> Applied:
        """Return what the unit is asked. Raises Conflict."""
        fitting = tuple(each for each in self._checklists if each.fits(unit))
        key = tuple((each.id, each.digest) for each in fitting)
        if key not in self._known:
            self._known[key] = _together(fitting, unit)
        return self._known[key]


def _together(fitting: tuple[Checklist, ...], unit: Unit) -> Applied:
    items: dict[str, tuple[Item, str]] = {}
    for checklist in fitting:
        for key, item in checklist.items.items():
            old, owner = items.get(key, (item, checklist.id))
            chosen = stronger(old, item)
            if chosen is None:
                raise Conflict(
                    f'unit "{unit.id}": item "{key}" is in the checklists "{owner}" and "{checklist.id}"; '
                    "extend one of them from the other, or give one of the items another id"
                )
            items[key] = (chosen, owner if chosen is old else checklist.id)
    limits = [each.max_waivers for each in fitting if each.max_waivers is not None]
    asked = tuple(item for item, _ in items.values())
    return Applied(fitting, asked, min(limits) if limits else None, digest(asked))


def applies(item: Item, unit: Unit, asset: Asset | None) -> bool:
    """Return whether the item's `applies_when` holds: of a list any element may fit; not set is empty.

    Without an asset, what is asked of assets excludes nothing.
    """
    asked = [each for each in item.applies_when if asset is not None or not each[0].startswith("asset.")]
    return all(_holds(condition, name, unit, asset) for name, condition in asked)


def _holds(condition: Condition, name: str, unit: Unit, asset: Asset | None) -> bool:
    owner, _, key = name.partition(".")
    value = getattr(unit if owner == "unit" else asset, key, None)
    several = list(value) if isinstance(value, tuple | list | Mapping) else [value or ""]
    return any(condition.judge(str(each)) is Truth.PASS for each in several or [""])
