"""From what was found to a draft of inventory: one unit a range, the evidence as comments."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from inventory.importers._names import slug, unique
from inventory.importers.draft import Draft, Item, Line
from inventory.models import Level
from monitor.discover.evidence import Evidence
from monitor.discover.guess import Guess, guess
from monitor.discover.ranges import Network

_NAME = 60


def propose(
    networks: Sequence[Network], found: Iterable[Evidence], snmp: dict[str, Any], level: Level = "hall"
) -> Draft:
    """Return a draft with what answers; `snmp` is the block that its agents were asked with."""
    draft = Draft()
    answering = [each for each in found if each.answers]
    names = Counter(each.system.name for each in answering if each.system and each.system.name)
    for network in networks:
        inside = [each for each in answering if ipaddress.ip_address(each.address) in network]
        answering = [each for each in answering if each not in inside]
        if inside:
            draft.units.append(_unit(network, inside, names, snmp, level))
    return draft


def _unit(
    network: Network, found: list[Evidence], names: Counter[str], snmp: dict[str, Any], level: Level
) -> Item:
    key = slug(f"found-{network}".replace(":", "-").replace(".", "-"))
    unit = Item(
        {"id": key, "name": f"Found in {network}", "level": level},
        Line("discovered", 0, str(network)),
        notes=["move each asset into the unit where it belongs; kinds, tags and checks are guessed"],
    )
    for evidence in found:
        _assets(unit, evidence, names, snmp)
    return unit


def _assets(unit: Item, evidence: Evidence, names: Counter[str], snmp: dict[str, Any]) -> None:
    machine = ""
    for each in guess(evidence):
        taken = [item.data["id"] for item in unit.inner]
        if not machine:
            key = machine = unique(slug(each.name) or _by_address(evidence.address), taken)
        else:
            key = unique(f"{machine[:40]}-{each.name}", taken)
        notes = list(each.why)
        if names[each.name] > 1:
            notes.append("others say the same name: one device with several addresses?")
        data = _data(key, each, evidence.address, snmp)
        data["checks"] = list(each.checks)
        unit.inner.append(Item(data, Line("discovered", 0, evidence.address), notes=notes))


def _by_address(address: str) -> str:
    return "at-" + slug(address.replace(":", "-").replace(".", "-"))


def _data(key: str, each: Guess, address: str, snmp: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {"id": key, "kind": each.kind}
    if each.name and each.name != key and each.snmp:
        data["name"] = each.name[:_NAME].strip()
    data["address"] = address
    if each.tags:
        data["tags"] = list(dict.fromkeys(each.tags))
    if each.snmp and snmp:
        data["snmp"] = snmp
    return data
