"""Devices of the hall that are asked by SNMP, as snmpsim answers for them: object, type and value.

A value changes while snmpsim runs: it reads a recording again whose time is another one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from probes.hardware._entity import CLASS, DESCR, MAKER, MODEL, NAME, ROOT, SERIAL, SOFTWARE
from probes.hardware._host_rows import FIXED, HR, RAM, STORAGE
from probes.hardware._printer_rows import HR_PRINTER, INPUTS, PAGES, SUPPLIES
from probes.network._if_rows import COLUMNS, DESCRIPTION, TYPE, UPTIME
from probes.network._if_rows import NAME as IF_NAME

Objects = Mapping[str, str]
"""From an object to `TYPE|VALUE`, as a recording has them."""
UPS, ENVMON, SENSOR = "1.3.6.1.2.1.33.1", "1.3.6.1.4.1.9.9.13.1", "1.3.6.1.2.1.99.1.1.1"

SINCE = 400_000_000
"""How long the agents have run when they are started, in hundredths of a second."""


def integer(value: int) -> str:
    """Return a number as a recording has it."""
    return f"2|{value}"


def words(value: str) -> str:
    """Return a text as a recording has it."""
    return f"4|{value}"


def growing(kind: int, rate: float, start: int) -> str:
    """Return a counter that grows by `rate` a second."""
    return f"{kind}:numeric|rate={rate},initial={start}"


def _system(description: str, name: str) -> dict[str, str]:
    return {
        "1.3.6.1.2.1.1.1.0": words(description),
        "1.3.6.1.2.1.1.2.0": "6|1.3.6.1.4.1.9.1.1208",
        UPTIME: growing(67, 100, SINCE),
        "1.3.6.1.2.1.1.5.0": words(name),
    }


def _part(index: int, kind: int, name: str, model: str, serial: str) -> dict[str, str]:
    given = {
        DESCR: words(name),
        CLASS: integer(kind),
        NAME: words(name),
        SOFTWARE: words("15.2(7)E3"),
        SERIAL: words(serial),
        MAKER: words("Cisco Systems"),
        MODEL: words(model),
    }
    return {f"{ROOT}.{column}.{index}": value for column, value in given.items()}


PORT = {
    f"{IF_NAME}.1": words("Gi0/0/1"),
    f"{DESCRIPTION}.1": words("GigabitEthernet0/0/1"),
    f"{TYPE}.1": integer(6),
} | {
    f"{COLUMNS[name]}.1": value
    for name, value in {
        "admin": integer(1),
        "oper": integer(1),
        "changed": "67|4200",
        "speed": "66|1000000000",
        "high_speed": "66|1000",
        "duplex": integer(3),
        "discontinuity": "67|0",
        "in64": growing(70, 100_000, 10**9),
        "out64": growing(70, 50_000, 10**9),
        "packets_in64": growing(70, 500, 10**7),
        "packets_out64": growing(70, 200, 10**7),
        "errors_in": "65|17",
        "errors_out": "65|0",
        "discards_in": "65|4",
        "discards_out": "65|2",
    }.items()
}
ROUTER = (
    _system("Cisco IOS Software, ISR4331", "hall-router")
    | PORT
    | _part(1, 3, "Chassis", "ISR4331/K9", "FDO2133A0EX")
    | _part(2, 6, "Power supply 0", "PWR-4330-AC", "DCB1720X0AA")
)
SWITCH = (
    _system("Cisco IOS Software, C2960X", "hall-switch")
    | _part(1, 3, "Switch 1", "WS-C2960X-24TS-L", "FOC1932X0K1")
    | _part(2, 9, "Uplink module 1", "C2960X-STACK", "FOC19301AB2")
    | {
        f"{ENVMON}.4.1.2.1": words("Fan 1"),
        f"{ENVMON}.4.1.3.1": integer(1),
        f"{ENVMON}.4.1.2.2": words("Fan 2"),
        f"{ENVMON}.4.1.3.2": integer(1),
        f"{ENVMON}.5.1.2.1": words("Power supply 1"),
        f"{ENVMON}.5.1.3.1": integer(1),
        f"{ENVMON}.5.1.2.2": words("Power supply 2"),
        f"{ENVMON}.5.1.3.2": integer(1),
    }
)
MAINS = _system("UPS SNMP card", "hall-ups") | {
    f"{UPS}.1.1.0": words("EAST"),
    f"{UPS}.1.2.0": words("EA9010"),
    f"{UPS}.2.1.0": integer(2),
    f"{UPS}.2.2.0": integer(0),
    f"{UPS}.2.3.0": integer(42),
    f"{UPS}.2.4.0": integer(100),
    f"{UPS}.2.5.0": integer(2730),
    f"{UPS}.3.3.1.3.1": integer(228),
    f"{UPS}.4.1.0": integer(3),
    f"{UPS}.4.4.1.2.1": integer(220),
    f"{UPS}.4.4.1.5.1": integer(31),
    f"{UPS}.6.1.0": "66|0",
}
LASER = _system("HP ETHERNET MULTI-ENVIRONMENT", "hall-laser") | {
    f"{HR}.3.2.1.3.1": words("HP LaserJet 400 M401dn"),
    f"{HR_PRINTER}.1.1": integer(3),
    f"{HR_PRINTER}.2.1": "4x|00",
    f"{INPUTS}.9.1.1": integer(250),
    f"{INPUTS}.10.1.1": integer(200),
    f"{INPUTS}.13.1.1": words("Tray 1"),
    f"{PAGES}.1.1": "65|48213",
    f"{SUPPLIES}.4.1.1": integer(3),
    f"{SUPPLIES}.6.1.1": words("Black cartridge CF280X"),
    f"{SUPPLIES}.7.1.1": integer(19),
    f"{SUPPLIES}.8.1.1": integer(100),
    f"{SUPPLIES}.9.1.1": integer(64),
}
CLIMATE = _system("Room sensors", "hall-climate") | {
    f"{ROOT}.{DESCR}.11": words("Rack inlet"),
    f"{ROOT}.{CLASS}.11": integer(8),
    f"{ROOT}.{NAME}.11": words("Rack inlet"),
    f"{SENSOR}.1.11": integer(8),
    f"{SENSOR}.2.11": integer(9),
    f"{SENSOR}.3.11": integer(1),
    f"{SENSOR}.4.11": integer(226),
    f"{SENSOR}.5.11": integer(1),
}
TERMINAL = _system("Windows 10 terminal", "counter-1") | {
    f"{HR}.1.1.0": "67|1000000",
    f"{HR}.2.2.0": integer(8_388_608),
    f"{STORAGE}.2.1": f"6|{FIXED}",
    f"{STORAGE}.3.1": words("C:"),
    f"{STORAGE}.4.1": integer(4096),
    f"{STORAGE}.5.1": integer(60_000_000),
    f"{STORAGE}.6.1": integer(24_000_000),
    f"{STORAGE}.2.2": f"6|{RAM}",
    f"{STORAGE}.3.2": words("Physical memory"),
    f"{STORAGE}.4.2": integer(65_536),
    f"{STORAGE}.5.2": integer(131_072),
    f"{STORAGE}.6.2": integer(50_000),
}
DEVICES: Mapping[str, Objects] = {
    "router": ROUTER,
    "switch": SWITCH,
    "ups": MAINS,
    "laser": LASER,
    "climate": CLIMATE,
    "terminal": TERMINAL,
}


def _order(oid: str) -> tuple[int, ...]:
    return tuple(map(int, oid.split(".")))


@dataclass(slots=True)
class Agents:
    """The recordings in a directory; each has the name of its device's community."""

    directory: Path
    communities: Mapping[str, str]
    _objects: dict[str, dict[str, str]] = field(default_factory=dict)
    _written: int = 0

    def record(self) -> None:
        """Write all of them."""
        for name, objects in DEVICES.items():
            self._objects[name] = dict(objects)
            self._write(name)

    @contextmanager
    def changed(self, device: str, values: Objects) -> Iterator[None]:
        """Let a device answer otherwise; an empty value takes the object away."""
        before = self._objects[device]
        self._objects[device] = {oid: value for oid, value in (before | dict(values)).items() if value}
        self._write(device)
        try:
            yield
        finally:
            self._objects[device] = before
            self._write(device)

    def _write(self, device: str) -> None:
        """Write a recording with a time of its own, in the future, so that snmpsim reads it anew."""
        self._written += 1
        lines = sorted(self._objects[device].items(), key=lambda pair: _order(pair[0]))
        made = self.directory / f"{device}.new"
        made.write_text("".join(f"{oid}|{value}\n" for oid, value in lines))
        at = time.time() + 3600 + self._written
        os.utime(made, (at, at))
        made.replace(self.directory / f"{self.communities[device]}.snmprec")
