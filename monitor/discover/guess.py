"""From evidence to what it probably is: kind, tags, and the checks that a person may keep. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from inventory.models import Kind
from monitor.discover.evidence import Evidence, Open

ENTERPRISES: dict[int, tuple[str, str]] = {
    9: ("Cisco", "network"),
    11: ("HP", ""),
    253: ("Xerox", "printer"),
    311: ("Microsoft", "windows"),
    318: ("APC", "ups"),
    367: ("Ricoh", "printer"),
    476: ("Vertiv", "ups"),
    534: ("Eaton", "ups"),
    641: ("Lexmark", "printer"),
    674: ("Dell", ""),
    1248: ("Epson", "printer"),
    1347: ("Kyocera", "printer"),
    1602: ("Canon", "printer"),
    2011: ("Huawei", "network"),
    2435: ("Brother", "printer"),
    2636: ("Juniper", "network"),
    3902: ("ZTE", "network"),
    4881: ("Ruijie", "network"),
    6876: ("VMware", "hypervisor"),
    8072: ("net-snmp", ""),
    12356: ("Fortinet", "network"),
    14988: ("MikroTik", "network"),
    18334: ("Konica Minolta", "printer"),
    25506: ("H3C", "network"),
    39165: ("Hikvision", "camera"),
}
"""Vendor and what most of its devices are, by enterprise number (iana.org/assignments/enterprise-numbers)."""
_WORDS = (
    (re.compile(r"printer|laserjet|jetdirect|imagerunner|打印", re.IGNORECASE), "printer"),
    (re.compile(r"\bups\b|uninterruptible", re.IGNORECASE), "ups"),
    (re.compile(r"switch|router|firewall|\bios\b|vrp|comware|junos|routeros", re.IGNORECASE), "network"),
    (re.compile(r"ip ?camera|network camera|\bdvr\b|\bnvr\b", re.IGNORECASE), "camera"),
    (re.compile(r"windows", re.IGNORECASE), "windows"),
    (re.compile(r"linux|ubuntu|debian|centos|kylin|euler", re.IGNORECASE), "linux"),
)
_PERIPHERALS = ("printer", "ups", "camera", "modbus")
_SERVICES: dict[str, Kind] = {
    "http": "application", "https": "application",
    "oracle": "database", "sqlserver": "database", "mysql": "database", "postgresql": "database",
    "redis": "database", "mongodb": "database",
    "mqtt": "middleware", "amqp": "middleware", "kafka": "middleware", "smtp": "middleware",
}  # fmt: skip
_LAYER_3 = 4


@dataclass(frozen=True, slots=True)
class Guess:
    """One asset to propose."""

    kind: Kind
    name: str
    tags: tuple[str, ...]
    checks: tuple[dict[str, Any], ...]
    why: tuple[str, ...]
    """The evidence, one line each."""
    snmp: bool = False


def guess(found: Evidence) -> Iterator[Guess]:
    """Yield what answers at an address: the machine, then each service on it that is an asset of its own."""
    what = tuple(dict.fromkeys(_what(found)))
    peripheral = next((tag for tag in what if tag in _PERIPHERALS), "")
    name = found.system.name if found.system else ""
    yield Guess(
        "peripheral" if peripheral else "host",
        name,
        (*what, *(["snmp"] if found.system else [])),
        (*_checks(found), *_devices(found, what)),
        tuple(_why(found)),
        found.system is not None,
    )
    if not peripheral and "network" not in what:
        for each in found.opened:
            kind = _SERVICES.get(each.port.service)
            if kind is not None:
                yield _service(each, kind)


def _what(found: Evidence) -> Iterator[str]:
    ports = {each.port.number for each in found.opened}
    system = found.system
    if system is not None:
        yield from filter(None, (vendor(system.object_id)[1],))
        yield from (tag for pattern, tag in _WORDS if pattern.search(system.descr))
    said = " ".join(each.said for each in found.opened)
    yield from (
        tag for pattern, tag in _WORDS if tag in ("linux", "windows", "camera") and pattern.search(said)
    )
    if ports & {9100, 631}:
        yield "printer"
    if 502 in ports:
        yield "modbus"
    if 554 in ports and not ports & {3389, 445}:
        yield "camera"
    if 3389 in ports:
        yield "windows"


def vendor(object_id: str) -> tuple[str, str]:
    """Return who made it and what it mostly is, by sysObjectID; empty where that tells nothing."""
    arcs = object_id.lstrip(".").split(".")
    if arcs[:6] != ["1", "3", "6", "1", "4", "1"] or len(arcs) < 7 or not arcs[6].isdecimal():
        return "", ""
    return ENTERPRISES.get(int(arcs[6]), ("", ""))


def _checks(found: Evidence) -> Iterator[dict[str, Any]]:
    if found.rtt_ms is not None:
        yield {"probe": "icmp", "every": "60s", "count": 3}
    for each in found.opened:
        if each.port.service not in (*_SERVICES, "ipp"):
            key = each.port.service
            yield {"id": key, "probe": "tcp", "port": each.port.number, "every": "60s"}


def _devices(found: Evidence, what: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield checks of the device itself, where it was seen that it can be asked so."""
    if found.system is not None and "ups" in what:
        yield {"probe": "ups", "every": "60s"}
    if found.system is not None and "network" in what:
        yield {"probe": "entity", "every": "1 h"}
    if any(each.port.service == "ipp" for each in found.opened):
        yield {"probe": "ipp", "every": "5 min"}


def _why(found: Evidence) -> Iterator[str]:
    if found.rtt_ms is not None:
        yield f"answers echoes in {found.rtt_ms:.3g} ms"
    system = found.system
    if system is not None:
        maker = vendor(system.object_id)[0]
        routes = "routes" if system.services & _LAYER_3 else ""
        yield f"SNMP: {', '.join(filter(None, (system.descr, system.object_id, maker, routes)))}"
    for each in found.opened:
        yield _open(each)
    if found.refuses and found.rtt_ms is None and not found.opened:
        yield "refuses connections: a machine, or a firewall in its place; no check is guessed"
    yield from (f"not asked: {each}" for each in found.unasked)


def _open(each: Open) -> str:
    return f"port {each.port.number} is open" + (f": {each.said}" if each.said else "")


def _service(each: Open, kind: Kind) -> Guess:
    port, service = each.port.number, each.port.service
    if service == "http":
        check = {"probe": "http", "port": port, "every": "60s"}
    elif service == "https":
        check = {"probe": "tls", "port": port, "every": "15 min"}
    else:
        check = {"probe": "tcp", "port": port, "every": "60s"}
    usual = {"http": 80, "https": 443}
    name = service if usual.get(service, port) == port else f"{service}-{port}"
    return Guess(kind, name, (service,), (check,), (_open(each),))
