"""Which units a run is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from inventory.models import DEFAULT_GATE, Inventory
from inventory.problems import did_you_mean


class BadSelection(ValueError):  # noqa: N818 - reads better where it is raised
    """A selection of something that does not exist, or of nothing."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for: units and subtrees together (neither: all), then filtered by wave and date."""

    units: Sequence[str] = ()
    subtree: str | None = None
    wave: str | None = None
    due_before: date | None = None
    gate: str = DEFAULT_GATE


def select(inventory: Inventory, wanted: Selection, gates: Iterable[str] = ()) -> list[str]:
    """Return the ids of the units, in the order of the inventory.

    `gates` are those that checklists are for; a gate that neither they nor any unit's dates know is refused,
    since nothing would be asked there. Units without a date are never left out by `due_before`.
    Raises BadSelection, also where no unit is left.
    """
    _check_gate(inventory, wanted.gate, gates)
    for each in (*wanted.units, *([wanted.subtree] if wanted.subtree else [])):
        if each not in inventory.units:
            hint = did_you_mean(each, inventory.units)
            raise BadSelection(f'unknown unit "{each}"{"; " + hint if hint else ""}')
    chosen = set(_named(inventory, wanted))
    found = [unit.id for unit in inventory if unit.id in chosen and _due(inventory, unit.id, wanted)]
    if wanted.wave is not None:
        found = [each for each in found if inventory.units[each].wave == wanted.wave]
    if not found:
        raise BadSelection(f"no unit is selected{_why(inventory, wanted)}")
    return found


def _check_gate(inventory: Inventory, gate: str, gates: Iterable[str]) -> None:
    known = {DEFAULT_GATE, *gates, *(each for unit in inventory for each in inventory.dates(unit.id))}
    if gate not in known:
        hint = did_you_mean(gate, known)
        raise BadSelection(f'unknown gate "{gate}"{"; " + hint if hint else ""}')


def _named(inventory: Inventory, wanted: Selection) -> Iterable[str]:
    if not wanted.units and wanted.subtree is None:
        return inventory.units
    below = [unit.id for unit in inventory.subtree(wanted.subtree)] if wanted.subtree else []
    return [*wanted.units, *below]


def _due(inventory: Inventory, unit: str, wanted: Selection) -> bool:
    due = inventory.due(unit, wanted.gate)
    return wanted.due_before is None or due is None or due < wanted.due_before


def _why(inventory: Inventory, wanted: Selection) -> str:
    waves = {unit.wave for unit in inventory if unit.wave}
    if wanted.wave is not None and wanted.wave not in waves:
        hint = did_you_mean(wanted.wave, waves)
        return f': no unit is of wave "{wanted.wave}"' + (f"; {hint}" if hint else "")
    return (
        "; widen --wave or --due-before" if wanted.wave or wanted.due_before else ": the inventory is empty"
    )
