"""What smartctl says of a disk (its JSON, version 7 and later). Pure.

A disk is bad where it says so itself: its own verdict, a warning of NVMe, an attribute below its threshold
now, an endurance that is used up. One that says nothing is neither bad nor good.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from probes._hardware import gigabytes
from probes.hardware._json import Resource, dig, number, objects, text

REALLOCATED, PENDING, UNCORRECTABLE = 5, 197, 198
LIFE_LEFT = re.compile(
    r"SSD_Life_Left|Percent_Lifetime_Remain|Remaining_Lifetime|Media_Wearout|Wear_Leveling"
)
"""Attributes whose normalised value is what is left of a disk's life, in percent."""


@dataclass(slots=True)
class Disk:
    """A disk, and what it says of itself; None is what it does not say."""

    name: str
    model: str = ""
    serial: str = ""
    size: int | None = None
    well: bool | None = None
    why: str = ""
    """Why it is bad, or why nothing is known."""
    figures: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        size = "" if self.size is None else gigabytes(self.size)
        serial = f"serial {self.serial}" if self.serial else ""
        return " ".join(word for word in (self.name, size, self.model, serial) if word)


def disk(name: str, output: str) -> Disk:
    """Return the disk that smartctl's output tells of."""
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return Disk(
            name, why="smartctl gave no answer" if not output.strip() else "no answer of smartctl 7 or later"
        )
    size = number(dig(found, "user_capacity"), "bytes")
    made = Disk(
        name,
        text(found, "model_name", "scsi_model_name", "product"),
        text(found, "serial_number"),
        None if size is None else int(size),
    )
    _verdict(found, made)
    made.figures = dict(_figures(found))
    return made


def _verdict(found: dict[str, Any], made: Disk) -> None:
    passed = dig(found, "smart_status").get("passed")
    reasons = list(_reasons(found))
    if passed is False:
        reasons.insert(0, "SMART: failed")
    if reasons:
        made.well, made.why = False, ", ".join(reasons)
    elif passed is True:
        made.well = True
    else:
        said = [text(each, "string") for each in objects(dig(found, "smartctl").get("messages"))]
        made.why = next((each for each in said if each), "it tells no health")


def _reasons(found: dict[str, Any]) -> Iterable[str]:
    warning = number(dig(found, "nvme_smart_health_information_log"), "critical_warning")
    if warning:
        yield f"NVMe warning {int(warning):#04x}"
    for each in _attributes(found):
        if text(each, "when_failed") == "now":
            yield f"{text(each, 'name')} below its threshold"
    used = _wear(found)
    if used is not None and used >= 100:
        yield f"{used:g} % of its endurance used"


def _figures(found: dict[str, Any]) -> Iterable[tuple[str, float]]:
    log = dig(found, "nvme_smart_health_information_log")
    attributes = {number(each, "id"): number(dig(each, "raw"), "value") for each in _attributes(found)}
    pairs = (
        ("reallocated_sectors", attributes.get(REALLOCATED), number(found, "scsi_grown_defect_list")),
        ("pending_sectors", attributes.get(PENDING), None),
        ("uncorrectable_errors", attributes.get(UNCORRECTABLE), number(log, "media_errors")),
        ("wear_used_pct", _wear(found), None),
        ("spare_left_pct", number(log, "available_spare"), None),
        ("temperature_c", number(dig(found, "temperature"), "current"), number(log, "temperature")),
        ("power_on_hours", number(dig(found, "power_on_time"), "hours"), number(log, "power_on_hours")),
    )
    for name, first, second in pairs:
        value = first if first is not None else second
        if value is not None and value >= 0:
            yield name, value


def _wear(found: dict[str, Any]) -> float | None:
    log = dig(found, "nvme_smart_health_information_log")
    told = (
        number(dig(found, "endurance_used"), "current_percent"),
        number(log, "percentage_used"),
        number(found, "scsi_percentage_used_endurance_indicator"),
    )
    for value in told:
        if value is not None:
            return value
    left = [number(each, "value") for each in _attributes(found) if LIFE_LEFT.search(text(each, "name"))]
    known = [each for each in left if each is not None and 0 <= each <= 100]
    return 100 - min(known) if known else None


def _attributes(found: Resource) -> list[dict[str, Any]]:
    return objects(dig(found, "ata_smart_attributes").get("table"))
