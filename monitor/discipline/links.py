"""Which physical lines a test of an asset loads, by the inventory: two tests that have one in common exclude
each other.

An asset's lines are those of the channels on its way to the monitor's side: itself, what it depends on, and
so on up. A channel for which no `depends_on` is written hangs, by the tree, on all channels of the nearest
unit above that has any; `depends_on: []` says that nothing lies above it. Channels that share a line are one
line, whichever of them says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inventory.models import Asset, Inventory, refer
from monitor.job import Line, Route

Node = tuple[str, str]


def named(node: Node) -> str:
    """Return `unit/asset`."""
    return "/".join(node)


class Lines:
    """Routes by a sound inventory; what was found out is kept."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._groups: dict[Node, tuple[Node, ...]] | None = None
        self._lines: dict[Node, Line] = {}
        self._routes: dict[Node, Route] = {}

    def of(self, unit: str, asset: str, loads_link: bool) -> Route | None:
        """Return the route for a check of the asset: of channels, and of all that load a link."""
        wanted = loads_link or self._asset((unit, asset)).kind == "channel"
        return self.route(unit, asset) if wanted else None

    def route(self, unit: str, asset: str) -> Route:
        """Return the lines of an asset that exists, and the contracted rates of its own channel.

        An asset without any channel on its way is a line of its own, so that its tests have a budget, too.
        """
        node = (unit, asset)
        if node not in self._routes:
            self._routes[node] = self._found(node)
        return self._routes[node]

    def _found(self, node: Node) -> Route:
        channels = list(self._way(node))
        lines = dict.fromkeys(self._line(each) for each in channels)
        up, down = self._contracted(channels[0]) if channels else (None, None)
        return Route(tuple(lines) or (Line(named(node), self._inventory.timezone(node[0])),), up, down)

    def _way(self, start: Node) -> Iterator[Node]:
        """Yield the channels on the way up, nearest first, each once."""
        waiting, seen = [start], {start}
        for node in waiting:
            asset = self._asset(node)
            if asset.kind == "channel":
                yield node
            above = [each for each in self._above(node, asset) if each not in seen]
            seen.update(above)
            waiting.extend(above)

    def _above(self, node: Node, asset: Asset) -> list[Node]:
        """Return what a node hangs on; a primary channel before others."""
        if asset.depends_on is not None:
            return [refer(node[0], each) for each in asset.depends_on]
        own = () if asset.kind == "channel" else self._channels(node[0])
        units = (unit.id for unit in self._inventory.ancestors(node[0]))
        return list(own or next((found for each in units if (found := self._channels(each))), ()))

    def _channels(self, unit: str) -> tuple[Node, ...]:
        found = [asset for asset in self._inventory.units[unit].assets if asset.kind == "channel"]
        return tuple((unit, asset.id) for asset in sorted(found, key=lambda each: each.role != "primary"))

    def _line(self, node: Node) -> Line:
        if node not in self._lines:
            members = self._shared().get(node, (node,))
            slower = [min(pair) for each in members if (pair := _known(self._contracted(each)))]
            line = Line(named(members[0]), self._inventory.timezone(members[0][0]), max(slower, default=None))
            self._lines.update(dict.fromkeys(members, line))
        return self._lines[node]

    def _shared(self) -> dict[Node, tuple[Node, ...]]:
        """Return, for each channel that shares its line, all channels of the line in order."""
        if self._groups is None:
            self._groups = _together(self._pairs())
        return self._groups

    def _pairs(self) -> Iterator[tuple[Node, Node]]:
        for unit in self._inventory:
            for asset in unit.assets:
                for reference in asset.shares:
                    yield (unit.id, asset.id), refer(unit.id, reference)

    def _contracted(self, node: Node) -> tuple[float | None, float | None]:
        """Return the contracted rates up and down."""
        said = self._asset(node).contracted
        return (said.up, said.down) if said else (None, None)

    def _asset(self, node: Node) -> Asset:
        asset = self._inventory.units[node[0]].asset(node[1])
        if asset is None:
            raise KeyError(named(node))
        return asset


def _known(rates: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(rate for rate in rates if rate)


def _together(pairs: Iterable[tuple[Node, Node]]) -> dict[Node, tuple[Node, ...]]:
    """Return the group of each node that is in a pair, sorted; pairs that touch make one group."""
    groups: dict[Node, list[Node]] = {}
    for one, other in pairs:
        first, second = groups.setdefault(one, [one]), groups.setdefault(other, [other])
        if first is second:
            continue
        first.extend(second)
        groups.update(dict.fromkeys(second, first))
    return {node: tuple(sorted(members)) for node, members in groups.items()}
