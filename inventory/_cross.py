"""What must fit together over a whole inventory: references, order of levels, cycles, and no secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from inventory._fields import INLINE, WRITE_SECRET, inline_secret
from inventory.models import BLOCKS, DEFAULT_GATE, LEVELS, Asset, CheckSpec, Inventory, Unit, refer
from inventory.problems import Place, did_you_mean
from inventory.source import Locator

Wrong = tuple[Place, str, str]
"""Where, the message, and the suggestion."""
Node = tuple[str, str]


def check(inventory: Inventory, locator: Locator) -> Iterator[Wrong]:
    """Yield everything that does not fit together."""
    assets = {unit.id: {asset.id: asset for asset in unit.assets} for unit in inventory}
    for unit in inventory:
        place = inventory.places[unit.id]
        yield from _parent(unit, place, inventory)
        yield from _gates(unit, place)
        yield from _unique(unit, place, locator)
        for index, asset in enumerate(unit.assets):
            at = place / "assets" / index
            yield from _references(unit, asset, at, assets)
            yield from _asset(asset, at)
    yield from _parent_cycles(inventory)
    yield from _dependency_cycles(inventory)
    for probe, keys in inventory.defaults.items():
        yield from default_form(keys, inventory.default_places[probe])


def _parent(unit: Unit, place: Place, inventory: Inventory) -> Iterator[Wrong]:
    if unit.parent is None:
        return
    parent = inventory.units.get(unit.parent)
    if parent is None:
        yield place / "parent", f'unknown unit "{unit.parent}"', did_you_mean(unit.parent, inventory.units)
    elif LEVELS.index(parent.level) >= LEVELS.index(unit.level) and parent is not unit:
        message = f'a {unit.level} unit can\'t be below "{parent.id}", which is a {parent.level} unit'
        yield place / "level", message, f"the order is {' > '.join(LEVELS)}"


def _gates(unit: Unit, place: Place) -> Iterator[Wrong]:
    if unit.go_live is not None and DEFAULT_GATE in unit.gates:
        yield place / "gates" / DEFAULT_GATE, "the date is given twice", "leave go_live out"


def _unique(unit: Unit, place: Place, locator: Locator) -> Iterator[Wrong]:
    first: dict[str, int] = {}
    for index, asset in enumerate(unit.assets):
        if asset.id in first:
            where = locator.position(place / "assets" / first[asset.id] / "id")
            message = f'asset "{asset.id}" is already defined in {where}'
            yield place / "assets" / index / "id", message, "ids are unique within a unit"
        first.setdefault(asset.id, index)


def _references(
    unit: Unit, asset: Asset, at: Place, assets: Mapping[str, Mapping[str, Asset]]
) -> Iterator[Wrong]:
    for key, references in (("depends_on", asset.depends_on or ()), ("shares", asset.shares)):
        for index, reference in enumerate(references):
            place = at / key / index
            owner, name = refer(unit.id, reference)
            if owner not in assets:
                yield place, f'unknown unit "{owner}"', did_you_mean(owner, assets)
            elif name not in assets[owner]:
                yield place, f'unit "{owner}" has no asset "{name}"', did_you_mean(name, assets[owner])
            elif (owner, name) == (unit.id, asset.id):
                yield place, "refers to itself", "leave it out"
            elif key == "shares" and assets[owner][name].kind != "channel":
                yield place, f'"{name}" is no channel', "only channels share a line"


def _asset(asset: Asset, at: Place) -> Iterator[Wrong]:
    if asset.kind != "channel":
        for key in ("contracted", "shares"):
            if getattr(asset, key):
                yield at / key, f"only a channel has {key}", "leave it out, or write kind: channel"
    yield from _expect(asset.expect, at)
    for block in BLOCKS:
        yield from secrets(getattr(asset, block) or {}, at / block)
    for index, each in enumerate(asset.checks):
        yield from check_form(each, at / "checks" / index)
    if len(asset.checks) > 1:
        yield from same_ids(asset.checks, at)


def check_form(spec: CheckSpec, at: Place) -> Iterator[Wrong]:
    """Yield what is wrong with one check by itself."""
    if spec.probe is None and spec.id is None:
        yield at, "a check needs a probe", "write probe: icmp, or the id of a profile's check to change it"
    yield from _expect(spec.expect, at)
    yield from secrets(spec.parameters, at)


def default_form(keys: Mapping[str, Any], at: Place) -> Iterator[Wrong]:
    """Yield what is wrong with a probe's defaults by themselves."""
    for key in ("probe", "id", "for"):
        if key in keys:
            yield at / key, "can't have a default", "write it on each check"
    yield from secrets(keys, at)


def same_ids(checks: Iterable[CheckSpec], at: Place) -> Iterator[Wrong]:
    """Yield each check whose id another of the same list has."""
    specs = tuple(checks)
    counts = Counter(spec.key for spec in specs)
    seen: set[str] = set()
    for index, spec in enumerate(specs):
        if counts[spec.key] > 1 and spec.key in seen:
            yield at / "checks" / index, f'a second check "{spec.key}"', "give it an id of its own"
        seen.add(spec.key)


def _expect(expect: Mapping[str, Any] | None, at: Place) -> Iterator[Wrong]:
    if expect is not None and not expect:
        yield at / "expect", "an empty expectation asserts nothing", 'write for example {rtt_ms: "<= 40"}'


def secrets(block: Mapping[str, Any], at: Place) -> Iterator[Wrong]:
    """Yield each secret that is written out below `block`."""
    waiting: list[tuple[Any, Place]] = [(block, at)]
    while waiting:
        container, place = waiting.pop()
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(value, dict | list):
                waiting.append((value, place / key))
            elif inline_secret(str(key), value):
                yield place / key, INLINE, WRITE_SECRET


def _parent_cycles(inventory: Inventory) -> Iterator[Wrong]:
    good: set[str] = set()
    for unit in inventory:
        chain: list[str] = []
        current = unit.id
        while current in inventory.units and current not in good and current not in chain:
            chain.append(current)
            current = inventory.units[current].parent or ""
        if current in chain:
            ring = " > ".join([*chain[chain.index(current) :], current])
            yield inventory.places[current] / "parent", f"is below itself: {ring}", "break the ring"
        good.update(chain)


def _dependency_cycles(inventory: Inventory) -> Iterator[Wrong]:
    """Yield each ring of dependencies once; only written ones can close a ring."""
    done: set[Node] = set()
    for unit in inventory:
        for index, asset in enumerate(unit.assets):
            ring = _ring(inventory, (unit.id, asset.id), done) if asset.depends_on else []
            if len(ring) > 2:
                place = inventory.places[unit.id] / "assets" / index / "depends_on"
                text = " > ".join("/".join(node) for node in ring)
                yield place, f"depends on itself: {text}", "write depends_on: [] on one of them"


def _ring(inventory: Inventory, start: Node, done: set[Node]) -> list[Node]:
    """Return a ring reached from `start` (first node again at the end), or nothing; depth first."""
    path: dict[Node, Iterator[Node]] = {}
    node: Node | None = start
    while True:
        if node is not None and node in path:
            nodes = list(path)
            done.update(nodes)
            return [*nodes[nodes.index(node) :], node]
        if node is not None and node not in done:
            path[node] = iter(_needed(inventory, node))
        if not path:
            return []
        last = next(reversed(path))
        node = next(path[last], None)
        if node is None:
            done.add(last)
            del path[last]


def _needed(inventory: Inventory, node: Node) -> tuple[Node, ...]:
    unit, asset = node
    if unit not in inventory.units or inventory.units[unit].asset(asset) is None:
        return ()
    return inventory.depends_on(unit, asset)
