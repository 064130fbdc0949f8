"""What the tables of HOST-RESOURCES-MIB (RFC 2790) come to. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from probes.api import clip
from probes.hardware._shown import Shown, below, number, said, within

HR = "1.3.6.1.2.1.25"
STORAGE, PROCESSORS, DEVICES, SYSTEMS = f"{HR}.2.3.1", f"{HR}.3.3.1.2", f"{HR}.3.2.1", f"{HR}.3.8.1"
_TYPES, _DEVICE_TYPES = f"{HR}.2.1", f"{HR}.3.1"
RAM, VIRTUAL, FIXED, FLASH = f"{_TYPES}.2", f"{_TYPES}.3", f"{_TYPES}.4", f"{_TYPES}.9"
NETWORK = f"{_DEVICE_TYPES}.4"
READ_ONLY, WARNING, DOWN = 2, 3, 5
PSEUDO = re.compile(
    r"(?i)^(?:devfs|procfs|linprocfs|fdescfs|sysfs|udev|cgroup)\b|^/(?:proc|sys|snap)(?:/|$)|^/dev$|\.uzip\b"
    r"|mounted on: ?/(?:\S*/)?(?:dev|proc)$|/packages/mnt/"
)
"""Volumes that are none: file systems of the kernel, and packed images, which are always full."""
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system, or a kind of memory; sizes in bytes."""

    name: str
    kind: str
    size: float
    used: float

    @property
    def used_pct(self) -> float:
        """Share that is used."""
        return 100 * self.used / self.size


def volumes(values: Shown) -> tuple[list[Volume], list[str]]:
    """Return what has a size, and the names of what has one that does not fit the MIB's 32 bits."""
    columns = {column: dict(below(values, f"{STORAGE}.{column}")) for column in (2, 3, 4, 5, 6)}
    read_only = _read_only(values)
    found: list[Volume] = []
    wrapped: list[str] = []
    for index, kind in columns[2].items():
        unit, size, used = (number(columns[column].get(index)) for column in (4, 5, 6))
        name = said(columns[3].get(index)) or f"storage {index}"
        if index in read_only or not unit or not size or used is None:
            continue
        if size < 0 or used < 0 or unit < 0 or used > size * 1.5:
            wrapped.append(name)
        else:
            found.append(Volume(name, str(kind), size * unit, min(used, size) * unit))
    return found, wrapped


def _read_only(values: Shown) -> set[str]:
    access = dict(below(values, f"{SYSTEMS}.5"))
    rows = dict(below(values, f"{SYSTEMS}.7"))
    return {str(int(number(row) or 0)) for i, row in rows.items() if number(access.get(i)) == READ_ONLY}


def disks(found: list[Volume], wanted: Callable[[str], bool]) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts of real file systems (fixed disks and flash) whose name is wanted."""
    real = [v for v in found if v.kind in (FIXED, FLASH) and not PSEUDO.search(v.name) and wanted(v.name)]
    if not real:
        return {}, {}
    fullest = max(real, key=lambda volume: volume.used_pct)
    ordered = sorted(real, key=lambda volume: -volume.used_pct)[:SHOWN]
    metrics = {
        "disks": float(len(real)),
        "disk_used_pct": fullest.used_pct,
        "disk_free_bytes": fullest.size - fullest.used,
    }
    return metrics, {
        "fullest": fullest.name,
        "volumes": clip("; ".join(f"{v.name}: {v.used_pct:.0f} %" for v in ordered)),
    }


def memory(found: list[Volume]) -> dict[str, float]:
    """Return metrics of memory and swap. What only caches files is not in use, where that is told."""
    rows = {volume.name.lower(): volume for volume in found if volume.kind not in (FIXED, FLASH)}
    ram = rows.get("physical memory") or next((v for v in found if v.kind == RAM), None)
    metrics: dict[str, float] = {}
    if ram is not None:
        metrics = {"memory_total_bytes": ram.size, "memory_used_pct": 100 * _in_use(ram, rows) / ram.size}
    swap = rows.get("swap space") or next((v for v in found if "swap" in v.name.lower()), None)
    if swap is not None:
        metrics["swap_used_pct"] = swap.used_pct
    return metrics


def _in_use(ram: Volume, rows: dict[str, Volume]) -> float:
    available = rows.get("available memory")
    if available is not None and available.size <= ram.size:
        return ram.size - available.size
    caches = sum(rows[name].used for name in ("memory buffers", "cached memory") if name in rows)
    return ram.used - caches if 0 < caches < ram.used else ram.used


def processors(values: Shown) -> dict[str, float]:
    """Return the processors' load over the last minute."""
    loads = [load for _, value in below(values, PROCESSORS) if (load := within(value, 0, 100)) is not None]
    if not loads:
        return {}
    return {
        "processors": float(len(loads)),
        "processor_avg_pct": sum(loads) / len(loads),
        "processor_max_pct": max(loads),
    }


def devices(values: Shown) -> tuple[dict[str, float], dict[str, str]]:
    """Return devices that are down or warn, and their errors; network interfaces are `interfaces`' to say."""
    kinds, names = dict(below(values, f"{DEVICES}.2")), dict(below(values, f"{DEVICES}.3"))
    states = {i: number(v) for i, v in below(values, f"{DEVICES}.5") if kinds.get(i) != NETWORK}
    errors = [n for i, v in below(values, f"{DEVICES}.6") if kinds.get(i) != NETWORK and (n := number(v))]
    if not states:
        return {}, {}
    bad = {i: state for i, state in states.items() if state in (WARNING, DOWN)}
    texts = [f"{said(names.get(i)) or i}: {'down' if s == DOWN else 'warning'}" for i, s in bad.items()]
    metrics = {
        "devices_down": float(sum(state == DOWN for state in bad.values())),
        "devices_warning": float(sum(state == WARNING for state in bad.values())),
        "device_errors": float(sum(errors)),
    }
    return metrics, {"devices_bad": clip("; ".join(texts[:SHOWN])) or "none"}
