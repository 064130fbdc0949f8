"""Faults of the hall's servers, by their management controllers and the disks' own verdict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from tests.probes.hardware import disks
from tests.servers.ipmi import FAN, RPM, Sensor
from tests.show.hall.hall import Hall
from tests.show.hall.planting import fault

SYSTEM, CHASSIS = "/redfish/v1/Systems/System.Embedded.1", "/redfish/v1/Chassis/System.Embedded.1"
VOLUME = f"{SYSTEM}/Storage/RAID.Integrated.1-1/Volumes/Disk.Virtual.0"


@contextmanager
def changed(hall: Hall, path: str, **values: Any) -> Iterator[None]:
    """Let one resource of the first server's controller say something else."""
    before = hall.server[path]
    hall.server[path] = before | values
    try:
        yield
    finally:
        hall.server[path] = before


@fault("hardware.as-declared", "server-1", "memory_modules: expected 2, found 1")
async def dimm_missing(hall: Hall) -> AsyncIterator[None]:
    """A memory module of the server is missing."""
    members = hall.server[f"{SYSTEM}/Memory"]["Members"][:1]
    with changed(hall, f"{SYSTEM}/Memory", Members=members, **{"Members@odata.count": 1}):
        yield


@fault("hardware.as-declared", "server-1", "8AB000X")
async def wrong_server(hall: Hall) -> AsyncIterator[None]:
    """The server has another serial number than the one that was ordered."""
    with changed(hall, SYSTEM, SKU="8AB000X"):
        yield


@fault("hardware.power-and-fans", "server-1", "psus_bad = 1")
async def supply_failed(hall: Hall) -> AsyncIterator[None]:
    """A power supply of the server has no mains."""
    first, second = hall.server[f"{CHASSIS}/Power"]["PowerSupplies"]
    dark = second | {"LineInputVoltage": 0, "Status": {"State": "Enabled", "Health": "Critical"}}
    with changed(hall, f"{CHASSIS}/Power", PowerSupplies=[first, dark]):
        yield


@fault("hardware.power-and-fans", "server-2", "fans_bad = 1")
async def fan_slow(hall: Hall) -> AsyncIterator[None]:
    """A fan of the spare server is too slow."""
    await hall.ipmi(Sensor("Fan1", FAN, 8, RPM, crossed=(0, 1)))
    hall.write()
    yield
    await hall.ipmi()
    hall.write()


@fault("hardware.volumes", "server-1", "volumes_bad = 1")
async def volume_degraded(hall: Hall) -> AsyncIterator[None]:
    """The server's mirrored volume is degraded."""
    with changed(hall, VOLUME, Status={"State": "Enabled", "Health": "Warning"}):
        yield


@fault("hardware.disks-healthy", "server-2", "SMART: failed")
async def disk_fails(hall: Hall) -> AsyncIterator[None]:
    """The disk of the spare server fails by its own verdict."""
    hall.spin(disks.FAILED)
    yield
    hall.spin(disks.ata("ZC1A0B2C"))
