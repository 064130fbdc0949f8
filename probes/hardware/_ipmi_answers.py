"""What a management controller answers by IPMI, as metrics and facts (IPMI 2.0). Pure.

A sensor that gives no reading is not there: neither well nor bad.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from probes._hardware import Found
from probes.hardware._json import Resource, dig, joined, number, objects, text

INLET = re.compile(r"inlet|intake|ambient", re.IGNORECASE)
KINDS = {"Fan": "fans", "Temperature": "temperatures", "Power Supply": "psus"}
CHASSIS = (
    (0, 0x02, "power overload"), (0, 0x04, "power interlock"), (0, 0x08, "power fault"),
    (0, 0x10, "power control fault"), (2, 0x01, "chassis intrusion"), (2, 0x04, "drive fault"),
    (2, 0x08, "fan fault"),
)  # fmt: skip
"""Get Chassis Status (28.2): byte, bit, what it means."""
CLOCK_SET = 0x20000000
"""A time below this counts from the controller's own start."""


def chassis(data: str) -> tuple[dict[str, float], list[str]]:
    """Return whether it is on, how many faults the chassis tells, and which."""
    raw = _bytes(data)
    if len(raw) < 3:
        return {}, []
    faults = [what for byte, bit, what in CHASSIS if raw[byte] & bit]
    return {"powered_on": float(raw[0] & 1), "chassis_faults": float(len(faults))}, faults


def device(data: str) -> dict[str, str]:
    """Return the version of the controller's firmware (Get Device ID, 20.1)."""
    raw = _bytes(data)
    return {"bmc_version": f"{raw[2] & 0x7F}.{raw[3]:02x}"} if len(raw) > 3 else {}


def sensors(listed: object) -> tuple[dict[str, float], list[str]]:
    """Return counts of sensors and of those that are bad, by kind, temperatures, and which are bad.

    What tells no health is not counted, and so not taken to be well.
    """
    healths = [(each, number(each, "health")) for each in objects(listed) if each.get("available") is True]
    every = [each for each, health in healths if health is not None]
    bad = [each for each, health in healths if health is not None and health > 0]
    metrics = {"sensors": float(len(every))}
    if every:
        metrics["sensors_bad"] = float(len(bad))
    for kind, name in KINDS.items():
        there = [each for each in every if text(each, "type") == kind]
        if there:
            metrics[name] = float(_present(there) if name == "psus" else len(there))
            metrics[f"{name}_bad"] = float(sum(each in bad for each in there))
    if inlet := [
        value for each in every if (value := _celsius(each)) is not None and INLET.search(text(each, "name"))
    ]:
        metrics["inlet_c"] = max(inlet)
    return metrics, [f"{text(each, 'name')}: {joined(_states(each)) or 'not well'}" for each in bad]


def _present(supplies: Sequence[Resource]) -> int:
    """Return how many power supplies are there: by their state Present, where any of them has it."""
    present = sum(any(state.startswith("Present") for state in _states(each)) for each in supplies)
    return present or (0 if any(_states(each) for each in supplies) else len(supplies))


def _states(sensor: Resource) -> list[str]:
    found = sensor.get("states")
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _celsius(sensor: Resource) -> float | None:
    degrees = text(sensor, "type") == "Temperature" and text(sensor, "unit") == "°C"
    return number(sensor, "value") if degrees else None


def log(found: Resource) -> tuple[dict[str, float], dict[str, str]]:
    """Return how full the event log is, and what its newest events say."""
    entries, free = number(found, "entries"), number(found, "free")
    if entries is None:
        return {}, {}
    events = objects(found.get("events"))
    severe = [each for each in events if each.get("asserted") is True and (number(each, "health") or 0) > 0]
    full = found.get("overflow") is True or free == 0
    metrics = {"log_entries": entries, "log_full": float(full), "log_severe": float(len(severe))}
    lines = (f"{_moment(number(each, 'at'))} {text(each, 'what')}{_gone(each)}" for each in events)
    return metrics, {"log_newest": joined(lines, 16) or "none"}


def _gone(event: Resource) -> str:
    return " (over)" if event.get("asserted") is False else ""


def _moment(at: float | None) -> str:
    if at is None or not CLOCK_SET <= at < 0xFFFFFFFF:
        return "without a time"
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def identity(found: Resource) -> tuple[dict[str, str], Found]:
    """Return what the machine's FRU says it is."""
    names = {"manufacturer": "Manufacturer", "model": "Product name", "serial": "Serial Number"}
    facts = {fact: said for fact, key in names.items() if (said := text(found, key))}
    chassis_serial = text(found, "Chassis serial number")
    if chassis_serial:
        facts.setdefault("serial", chassis_serial)
    serials = [facts.get("serial", ""), chassis_serial, text(found, "Board serial number")]
    pairs = {"vendor": facts.get("manufacturer", ""), "product": facts.get("model", "")}
    texts = {name: said for name, said in pairs.items() if said}
    return facts, Found(texts=texts, serials=[each for each in dict.fromkeys(serials) if each])


def not_told(errors: object) -> list[str]:
    """Return what was not answered, and why."""
    found = dig({"errors": errors}, "errors")
    names = {"sdr": "sensors", "fru": "serial"}
    return [f"{names.get(name, name)}: {text(found, name)}" for name in found]


def _bytes(data: str) -> bytes:
    try:
        return bytes.fromhex(data)
    except ValueError:
        return b""
