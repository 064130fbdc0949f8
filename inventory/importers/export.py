"""An inventory as rows of the template: what `table.read` makes of them is the same inventory again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from inventory.importers import cells
from inventory.importers.columns import ASSETS, CHECKS, FILE, UNITS, Column, SheetOf
from inventory.models import Asset, Inventory, Unit

Pairs = list[tuple[str, Any]]
"""The cells of a row by the headings of their columns; empty ones are left out."""
_UNITS = {"rtt": "s", "every": "s", "timeout": "s", "down": "bit/s", "up": "bit/s"}
_EMPTY: tuple[Any, ...] = ("", (), {}, None)


def rows(inventory: Inventory) -> dict[str, list[Pairs]]:
    """Return the rows of each sheet."""
    found: dict[str, list[Pairs]] = {UNITS.name: [], ASSETS.name: [], CHECKS.name: []}
    found[FILE.name] = list(_head(inventory))
    for unit in inventory:
        found[UNITS.name].append(_row(UNITS, _of_unit(unit)))
        for asset in unit.assets:
            found[ASSETS.name].append([("unit", unit.id), *_row(ASSETS, _of_asset(asset))])
            owner: Pairs = [("unit", unit.id), ("asset", asset.id)]
            found[CHECKS.name] += [[*owner, *_row(CHECKS, _of_check(spec))] for spec in asset.checks]
    return found


def _head(inventory: Inventory) -> Iterator[Pairs]:
    if inventory.default_timezone != "UTC":
        yield [("key", "timezone"), ("value", inventory.default_timezone)]
    for probe, keys in inventory.defaults.items():
        yield [("key", f"defaults.{probe}"), ("value", cells.shown("mapping", keys))]


def _row(kind: SheetOf, data: dict[str, Any]) -> Pairs:
    """Return the cells of one record. A block's keys go to their columns, what is left to the block's own."""
    found: Pairs = []
    for column in sorted(kind.columns, key=lambda each: each.heading in kind.blocks):
        holder: Any = data
        for step in column.path[:-1]:
            holder = holder.get(str(step)) if isinstance(holder, Mapping) else None
        key = str(column.path[-1]) if column.path else ""
        if not isinstance(holder, dict) or holder.get(key) is None:
            continue
        cell = cells.shown(column.form, holder[key], _UNITS.get(column.heading, ""))
        if len(column.path) > 1 and column.path[0] in kind.blocks and not _exact(column, cell, holder[key]):
            continue
        found.append((column.heading, cell))
        if column.path[0] in kind.blocks and len(column.path) > 1:
            del holder[key]
            if not holder:
                data[str(column.path[0])] = None
    return found


def _exact(column: Column, cell: Any, value: Any) -> bool:
    """Tell whether the cell is read as just this value, of this type."""
    try:
        found = cells.read(column, cell)
    except ValueError:
        return False
    return type(found) is type(value) and bool(found == value)


def _of_unit(unit: Unit) -> dict[str, Any]:
    data = _plain(unit)
    data["functions"] = {name: {"users": use.users} for name, use in unit.functions.items()}
    data["realtime"] = {name: {"streams": use.streams} for name, use in unit.realtime.items()}
    data["gates"] = dict(unit.gates)
    for block in ("location", "contacts", "network"):
        data[block] = _given(_plain(getattr(unit, block))) if getattr(unit, block) else None
    return _given(data)


def _of_asset(asset: Asset) -> dict[str, Any]:
    data = _plain(asset)
    data["contracted"] = _given(_plain(asset.contracted)) if asset.contracted else None
    data |= {block: dict(data[block]) for block in ASSETS.blocks if data[block]}
    kept = {key: data[key] for key in ("depends_on", "expect", *ASSETS.blocks)}
    return {**_given(data), **kept, "family": None if asset.family == "any" else asset.family}


def _of_check(spec: Any) -> dict[str, Any]:
    data = _plain(spec)
    return {**data, "parameters": data["parameters"] or None}


def _plain(record: Any) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _given(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in _EMPTY}
