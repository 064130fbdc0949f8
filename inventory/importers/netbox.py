"""From an export of NetBox to a draft: regions and sites are units, devices assets, circuits channels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inventory.importers._names import slug, unique
from inventory.importers._netbox_export import Export, Object, choice, load, number, objects, text, within
from inventory.importers.draft import Draft, Item
from inventory.models import LEVELS, Level

PERIPHERAL = re.compile(r"print|pos|kiosk|ups\b|pdu|camera|sensor|reader|scanner|打印|终端机|摄像|传感|读卡")
BACKUP = re.compile(r"backup|secondary|standby|备")
ROUTING = re.compile(r"router|gateway|firewall|cpe|edge|路由|网关|防火墙")
_CJK = re.compile(r"[\u4e00-\u9fff]")
_GONE = ("decommissioning", "decommissioned", "inventory", "retired", "deprovisioning")


@dataclass(slots=True)
class _Import:
    """The state of one import: units by site, and which address an interface has."""

    export: Export
    draft: Draft
    level: Level
    units: dict[int, Item] = field(default_factory=dict)
    regions: dict[int, Item] = field(default_factory=dict)
    by_interface: dict[int, str] = field(default_factory=dict)
    by_device: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    """(address, interface) of each device."""


def read(paths: Sequence[Path], level: Level = "hall") -> Draft:
    """Return the draft of an export; `level` is what sites are. Raises ConfigError."""
    return drafted(load(paths), level)


def drafted(export: Export, level: Level = "hall") -> Draft:
    """Return the draft of what an export holds."""
    run = _Import(export, Draft(problems=list(export.problems)), level)
    for kind, count in sorted(export.left_out.items()):
        run.draft.notes.append(f"NetBox: {count} of {kind} left out: nothing of an inventory")
    _sites(run)
    _addresses(run)
    _devices(run)
    _circuits(run)
    if not export.objects["sites"]:
        message, hint = "the export holds no sites", "save /api/dcim/sites/?limit=0 as well"
        run.draft.problems.append(Draft().problem((), message, hint))
    return run.draft


def _sites(run: _Import) -> None:
    for site in run.export.all("sites"):
        region = _region(run, within(site, "region"))
        data = _named(site, "site", {item.data["id"] for item in run.draft.units})
        data["level"] = run.level
        if region is not None:
            data["parent"] = region.data["id"]
        if zone := text(site, "time_zone"):
            data["timezone"] = zone
        where = [within(site, key) for key in ("latitude", "longitude")]
        if all(isinstance(each, int | float) for each in where):
            data["location"] = {"lat": where[0], "lon": where[1]}
        _tagged(data, site)
        item = Item(data, run.export.origin("sites", site), notes=list(_said(site)))
        run.units[site["id"]] = item
        run.draft.units.append(item)


def _region(run: _Import, reference: Any, depth: int = 0) -> Item | None:
    """Return the unit of a region, made with those above it when it is first needed."""
    key = number(reference, "id")
    if not key or depth > len(LEVELS):
        return None
    if key in run.regions:
        return run.regions[key]
    region = run.export.objects["regions"].get(key) or dict(reference)
    parent = _region(run, within(region, "parent"), depth + 1)
    above = LEVELS.index(parent.data["level"]) + 1 if parent else min(number(region, "_depth"), 2)
    if above > LEVELS.index("county"):
        name = text(region, "name") or key
        run.draft.notes.append(
            f"NetBox: region {name} is deeper than {LEVELS[2]}: its sites go to the one above"
        )
        return parent
    data = {**_named(region, "region", {item.data["id"] for item in run.draft.units}), "level": LEVELS[above]}
    if parent is not None:
        data["parent"] = parent.data["id"]
    item = Item(
        data, run.export.origin("regions", region), notes=["the level is guessed from the region's depth"]
    )
    run.regions[key] = item
    run.draft.units.append(item)
    return item


def _named(found: Object, what: str, taken: set[str]) -> dict[str, Any]:
    """Return id and names of an object, in the order they are written in."""
    name = text(found, "name") or text(found, "display") or text(found, "cid")
    fallback = f"{what}-{number(found, 'id')}"
    key = unique(slug(text(found, "slug") or name, fallback), taken)
    return {"id": key, "name": name or fallback, **({"name_zh": name} if _CJK.search(name) else {})}


def _tagged(data: dict[str, Any], found: Object, *more: str) -> None:
    tags = [*more, *(slug(text(each, "slug") or text(each, "name")) for each in objects(found, "tags"))]
    if any(tags):
        data["tags"] = list(dict.fromkeys(filter(None, tags)))


def _said(found: Object) -> Iterator[str]:
    status = choice(found, "status")
    if status and status != "active":
        yield f"status in NetBox: {status}"
    if description := text(found, "description"):
        yield description


def _addresses(run: _Import) -> None:
    """Note which address which interface has; only those that are in use."""
    names = {each["id"]: text(each, "name") for each in run.export.all("interfaces")}
    for each in run.export.all("ip-addresses"):
        address = text(each, "address").partition("/")[0]
        holder = within(each, "assigned_object") or within(each, "interface")
        interface = number(holder, "id") or number(each, "assigned_object_id")
        if not address or not interface or choice(each, "status") == "deprecated":
            continue
        run.by_interface.setdefault(interface, address)
        full = run.export.objects["interfaces"].get(interface)
        device = number(holder, "device", "id") or number(full, "device", "id")
        name = names.get(interface) or text(holder, "name")
        run.by_device.setdefault(device, []).append((address, name))


def _devices(run: _Import) -> None:
    for kind in ("devices", "virtual-machines"):
        for device in run.export.all(kind):
            unit = run.units.get(number(device, "site", "id"))
            name = text(device, "name") or f"{kind} {device['id']}"
            if unit is None:
                run.draft.notes.append(f"NetBox: {name} left out: its site is not in the export")
            elif choice(device, "status") in _GONE:
                run.draft.notes.append(f"NetBox: {name} left out: {choice(device, 'status')}")
            else:
                unit.inner.append(_device(run, kind, device, unit))


def _device(run: _Import, kind: str, device: Object, unit: Item) -> Item:
    role = within(device, "role") or within(device, "device_role")
    words = f"{text(role, 'slug')} {text(role, 'name')}".casefold()
    data = _named(device, "device", {each.data["id"] for each in unit.inner})
    data["kind"] = "peripheral" if PERIPHERAL.search(words) else "host"
    notes = list(_said(device))
    address, hint = _address(run, device)
    if address:
        data["address"] = address
    if hint:
        notes.append(hint)
    _tagged(data, device, slug(text(role, "slug")))
    steps = (("device_type", "manufacturer", "name"), ("device_type", "model"), ("platform", "name"))
    made = " ".join(filter(None, (text(device, *each) for each in steps)))
    serial = text(device, "serial")
    notes += [", ".join(filter(None, (made, serial and f"serial {serial}")))] if made or serial else []
    data = {key: data[key] for key in ("id", "kind", *(k for k in data if k not in ("id", "kind")))}
    return Item(data, run.export.origin(kind, device), notes=notes)


def _address(run: _Import, device: Object) -> tuple[str, str]:
    """Return the address of a device, and what a person should know of it."""
    for key in ("primary_ip4", "primary_ip", "primary_ip6"):
        if found := text(device, key, "address").partition("/")[0]:
            return found, ""
    others = run.by_device.get(device["id"], [])
    if others:
        return others[0][0], f"no primary address in NetBox: this is that of {others[0][1] or 'an interface'}"
    return "", "no address in NetBox: write one"


def _circuits(run: _Import) -> None:
    ends: dict[int, list[Object]] = {}
    for end in run.export.all("circuit-terminations"):
        ends.setdefault(number(end, "circuit", "id"), []).append(end)
    lines = Counter(_site(end) for each in ends.values() for end in each)
    depths = _depths(run)
    for circuit in run.export.all("circuits"):
        cid, at = text(circuit, "cid"), _ends(circuit, ends)
        sites = [end for end in at if _site(end) in run.units]
        if choice(circuit, "status") in _GONE or not sites:
            why = choice(circuit, "status") if choice(circuit, "status") in _GONE else "no site it ends at"
            run.draft.notes.append(f"NetBox: circuit {cid} left out: {why}")
            continue
        near = min(
            sites,
            key=lambda end: (-depths[_site(end)], lines[_site(end)], text(end, "term_side") != "Z"),
        )
        unit = run.units[_site(near)]
        unit.inner.insert(_channels(unit), _channel(run, circuit, near, at, unit))
    for unit in run.units.values():
        _roles([each for each in unit.inner if each.data["kind"] == "channel"])


def _channels(unit: Item) -> int:
    return sum(1 for each in unit.inner if each.data["kind"] == "channel")


def _depths(run: _Import) -> dict[int, int]:
    """Return how many units are above each site: a line belongs to the end that is further out."""
    parents = {item.data["id"]: item.data.get("parent") for item in run.draft.units}
    found: dict[int, int] = {}
    for site, item in run.units.items():
        found[site], name = 0, item.data.get("parent")
        while name is not None:
            found[site], name = found[site] + 1, parents.get(name)
    return found


def _ends(circuit: Object, ends: dict[int, list[Object]]) -> list[Object]:
    """Return a circuit's terminations: of their own list, else those inside the circuit."""
    inside = [within(circuit, f"termination_{side}") for side in "az"]
    sides = [
        dict(end, term_side=side) for side, end in zip("AZ", inside, strict=True) if isinstance(end, dict)
    ]
    return ends.get(circuit["id"], sides)


def _site(end: Object) -> int:
    """Return the id of the site a termination is at: `site` until NetBox 4.1, `termination` since 4.2."""
    kind = text(end, "termination_type")
    if kind and kind != "dcim.site":
        return 0
    return (
        number(end, "site", "id")
        or number(end, "termination", "id")
        or number(end, "termination_id") * bool(kind)
    )


def _channel(run: _Import, circuit: Object, near: Object, ends: list[Object], unit: Item) -> Item:
    data = _named(
        {**circuit, "name": text(circuit, "cid")}, "circuit", {each.data["id"] for each in unit.inner}
    )
    data = {"id": data["id"], "kind": "channel", "name": data["name"]}
    notes = list(_said(circuit))
    address, hint = _near_address(run, near, unit)
    if address:
        data["address"] = address
    notes += [hint] if hint else []
    rates, told = _rates(circuit, near)
    notes += [told] if told else []
    contracted = {**rates, "provider": text(circuit, "provider", "name"), "circuit": text(circuit, "cid")}
    data["contracted"] = {key: value for key, value in contracted.items() if value}
    _tagged(data, circuit, slug(text(circuit, "type", "slug")))
    others = [run.units[_site(end)].data["id"] for end in ends if end is not near and _site(end) in run.units]
    notes += [f"its other end is in {other}" for other in others]
    return Item(data, run.export.origin("circuits", circuit), notes=notes)


def _rates(circuit: Object, near: Object) -> tuple[dict[str, str], str]:
    """Return the promised rates: what is committed, else the speed of the port (both in kbit/s)."""
    committed, port = number(circuit, "commit_rate"), number(near, "port_speed")
    down, up = committed or port, committed or number(near, "upstream_speed") or port
    if not down:
        return {}, "no rate in NetBox: write contracted.down and contracted.up"
    told = "" if committed else "no committed rate in NetBox: these are the speeds of the port"
    return {"down": _rate(down), "up": _rate(up)}, told


def _rate(kilobits: int) -> str:
    if kilobits % 1_000_000 == 0:
        return f"{kilobits // 1_000_000} Gbit/s"
    return f"{kilobits // 1000} Mbit/s" if kilobits % 1000 == 0 else f"{kilobits} kbit/s"


def _near_address(run: _Import, near: Object, unit: Item) -> tuple[str, str]:
    """Return the address of the device that the line ends at, and what a person should know of it."""
    one = (within(near, key) for key in ("connected_endpoint", "interface"))
    for peer in (*objects(near, "link_peers"), *objects(near, "connected_endpoints"), *one):
        device = run.export.objects["devices"].get(number(peer, "device", "id"))
        address = run.by_interface.get(number(peer, "id")) or (_address(run, device)[0] if device else "")
        if address:
            name = " ".join(filter(None, (text(peer, "device", "name"), text(peer, "name"))))
            return address, f"the line ends at {name}"
    routers = [each.data for each in unit.inner if _routes(each)]
    if len(routers) == 1:
        told = f"the address is guessed: that of {routers[0]['id']}, the one router"
        return str(routers[0]["address"]), told
    return "", "no address in NetBox: write that of the router the line ends at"


def _routes(asset: Item) -> bool:
    tags = " ".join(asset.data.get("tags", ()))
    return "address" in asset.data and asset.data["kind"] == "host" and ROUTING.search(tags) is not None


def _roles(channels: list[Item]) -> None:
    backups = [each for each in channels if _is_backup(each)]
    others = [each for each in channels if each not in backups]
    for each in backups if others else ():
        each.data["role"] = "backup"
    if len(others) == 1:
        others[0].data["role"] = "primary"


def _is_backup(channel: Item) -> bool:
    words = (*channel.notes, *channel.data.get("tags", ()), channel.data["name"])
    return BACKUP.search(" ".join(words).casefold()) is not None
