"""What a unit's functions ask for: the inventory's names looked up in the functions' files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from inventory.models import Inventory, Unit
from inventory.problems import Place, Problem, did_you_mean
from inventory.source import Locator
from monitor.capacity.derive import Demand, Streams, Transfer, Use
from monitor.capacity.functions import KINDS, Functions, Kind, Network

MAX_PROBLEMS = 100
_WORDS: Mapping[Kind, str] = {
    "functions": "business function", "bulk": "bulk transfer", "realtime": "real-time function",
}  # fmt: skip


def demand_of(inventory: Inventory, unit: str, functions: Functions) -> Demand | None:
    """Return what a unit asks for, None where no user of any function waits for an answer.

    Raises KeyError for a unit or function that there is not (`problems` finds those).
    """
    found = inventory.units[unit]
    carried = tuple(_carried(inventory, found))
    uses = tuple(
        Use(name, functions.functions[name], users) for name, users in _users(carried).items() if users > 0
    )
    if not uses:
        return None
    bulk = tuple(Transfer(name, functions.bulk[name]) for each in carried for name in sorted(set(each.bulk)))
    streams = tuple(
        Streams(name, functions.realtime[name], count) for name, count in _streams(carried).items()
    )
    return Demand(uses, bulk, streams, _network(inventory, found, functions.network))


def _carried(inventory: Inventory, unit: Unit) -> Iterator[Unit]:
    """Yield the units whose functions the unit's channel carries."""
    if unit.network is not None and unit.network.carries == "below":
        yield from inventory.subtree(unit.id)
    else:
        yield unit


def _users(units: Iterable[Unit]) -> dict[str, float]:
    """Return how many use each function, of all units together; sorted by name."""
    found: Counter[str] = Counter()
    for unit in units:
        found.update({name: use.users for name, use in unit.functions.items()})
    return dict(sorted(found.items()))


def _streams(units: Iterable[Unit]) -> dict[str, int]:
    """Return how many streams there are of each real-time function; sorted by name."""
    found: Counter[str] = Counter()
    for unit in units:
        found.update({name: use.streams for name, use in unit.realtime.items()})
    return dict(sorted(found.items()))


def _network(inventory: Inventory, unit: Unit, common: Network) -> Network:
    """Return the network as the nearest unit that says something of it has it, key by key."""
    own: dict[str, float] = {}
    for each in (*reversed(tuple(inventory.ancestors(unit.id))), unit):
        if each.network is not None:
            own |= {key: value for key in ("rtt", "mss") if (value := getattr(each.network, key)) is not None}
    return replace(common, **own) if own else common  # type: ignore[arg-type]


def problems(inventory: Inventory, functions: Functions) -> list[Problem]:
    """Return each name that no functions' file has, where it stands in the inventory."""
    locator = Locator()
    wrong: list[Problem] = []
    for unit in inventory:
        place = inventory.places.get(unit.id, Place(""))
        for at, message, hint in _unknown(unit, place, functions):
            wrong.append(locator.problem(at, message, hint))
        if len(wrong) >= MAX_PROBLEMS:
            break
    return wrong


def _unknown(unit: Unit, place: Place, functions: Functions) -> Iterator[tuple[Place, str, str]]:
    for kind in KINDS:
        known = functions.known(kind)
        for index, name in enumerate(getattr(unit, kind)):
            if name not in known:
                at = place / kind / (index if kind == "bulk" else name)
                hint = did_you_mean(name, known) or "define it in a file given by functions = in the settings"
                yield at, f'unknown {_WORDS[kind]} "{name}"', hint
