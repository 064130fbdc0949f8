"""What the resources of a Redfish service say of a machine's parts (DMTF DSP2046). Pure.

A part that is absent is no part. One whose health is not told is neither good nor bad: where no other is bad,
the count of bad ones is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from probes._hardware import Drive, Found, Nic
from probes.hardware._json import Resource, dig, joined, number, objects, text

INLET = re.compile(r"inlet|intake|ambient", re.IGNORECASE)
GOOD, BAD = ("OK",), ("Warning", "Critical")


@dataclass(slots=True)
class Parts:
    """The parts of one kind that are there: how many, and which are bad or do not tell."""

    count: int = 0
    bad: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    def add(self, part: Resource, why: str = "") -> bool:
        """Count a part, with a reason of its own to be bad; return whether it is there."""
        status = dig(part, "Status")
        state, health = text(status, "State"), text(status, "Health")
        if state == "Absent":
            return False
        self.count += 1
        name = text(part, "Name", "FanName", "MemberId", "Id") or "without a name"
        if not why and health in BAD:
            why = health
        if not why and state == "UnavailableOffline":
            why = state
        if why:
            self.bad.append(f"{name}: {why}")
        elif health not in GOOD:
            self.silent.append(name)
        return True


@dataclass(slots=True)
class Machine:
    """What is learnt of a machine; its figures go into the reading as they are."""

    parts: dict[str, Parts] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    found: Found = field(default_factory=Found)
    texts: dict[str, str] = field(default_factory=dict)
    drives: list[Drive] = field(default_factory=list)

    def of(self, kind: str) -> Parts:
        """Return the parts of a kind."""
        return self.parts.setdefault(kind, Parts())

    def report(self) -> tuple[dict[str, float], dict[str, str], list[str]]:
        """Return metrics, facts, and what is not told."""
        metrics, not_told = dict(self.metrics), []
        for kind, parts in self.parts.items():
            metrics[kind] = float(parts.count)
            if parts.bad or (parts.count and not parts.silent):
                metrics[f"{kind}_bad"] = float(len(parts.bad))
            elif parts.silent:
                not_told.append(f"{kind}_bad: no health of {joined(parts.silent, 5)}")
        bad = [line for parts in self.parts.values() for line in parts.bad]
        return metrics, self.facts | {"bad": joined(bad) or "none"}, not_told


def system(resource: Resource, machine: Machine) -> None:
    """Take a ComputerSystem: what it is, whether it runs, what it says of itself as a whole."""
    facts = {
        "manufacturer": text(resource, "Manufacturer"), "model": text(resource, "Model"),
        "serial": text(resource, "SerialNumber"), "sku": text(resource, "SKU"),
        "bios_version": text(resource, "BiosVersion"), "power_state": text(resource, "PowerState"),
    }  # fmt: skip
    status = dig(resource, "Status")
    facts["health"] = text(status, "HealthRollup", "HealthRollUp", "Health")
    machine.facts |= {name: value for name, value in facts.items() if value}
    if facts["health"] in (*GOOD, *BAD):
        machine.metrics["health_ok"] = float(facts["health"] in GOOD)
    if facts["power_state"]:
        machine.metrics["powered_on"] = float(facts["power_state"] == "On")
    if memory := number(dig(resource, "MemorySummary"), "TotalSystemMemoryGiB"):
        machine.found.memory = int(memory * 2**30)
        machine.metrics["memory_bytes"] = float(machine.found.memory)
    machine.found.serials = [facts[name] for name in ("serial", "sku") if facts[name]]
    pairs = {"vendor": facts["manufacturer"], "product": facts["model"]}
    pairs["cpu_model"] = text(dig(resource, "ProcessorSummary"), "Model")
    machine.texts |= {name: value for name, value in pairs.items() if value}


def power(resource: Resource, machine: Machine) -> None:
    """Take a chassis' Power: its supplies, what they draw, whether one may fail."""
    for supply in objects(resource.get("PowerSupplies")):
        psu(supply, machine)
    drawn = [number(control, "PowerConsumedWatts") for control in objects(resource.get("PowerControl"))[:1]]
    if drawn and drawn[0] is not None:
        machine.metrics["power_w"] = machine.metrics.get("power_w", 0.0) + drawn[0]
    redundancy(resource, machine)
    _listed(resource, "PowerSupplies", "psus", machine)


def psu(supply: Resource, machine: Machine) -> None:
    """Take one power supply."""
    line = text(supply, "LineInputStatus")
    machine.of("psus").add(supply, line if line in ("LossOfInput", "OutOfRange") else "")


def redundancy(resource: Resource, machine: Machine) -> None:
    """Take the sets of parts that stand in for each other; one that is switched off is none."""
    for each in (
        *objects(resource.get("Redundancy")), *objects(resource.get("PowerSupplyRedundancy")),
        *objects(resource.get("FanRedundancy")),
    ):  # fmt: skip
        status = dig(each, "Status")
        if text(status, "State") != "Disabled" and text(status, "Health") in (*GOOD, *BAD):
            machine.of("redundancy").add(
                {"Name": text(each, "Name", "MemberId") or "redundancy", "Status": status}
            )


def thermal(resource: Resource, machine: Machine) -> None:
    """Take a chassis' Thermal: its fans and temperatures."""
    for fan in objects(resource.get("Fans")):
        machine.of("fans").add(fan)
    for sensor in objects(resource.get("Temperatures")):
        temperature(sensor, machine, "ReadingCelsius", number(sensor, "UpperThresholdCritical"))
    redundancy(resource, machine)
    _listed(resource, "Fans", "fans", machine)
    _listed(resource, "Temperatures", "temperatures", machine)


def _listed(resource: Resource, key: str, kind: str, machine: Machine) -> None:
    """Count none of a kind only where there is a list of them."""
    if isinstance(resource.get(key), list):
        machine.of(kind)


def sensor(resource: Resource, machine: Machine) -> None:
    """Take one Sensor, where it is of a temperature."""
    if text(resource, "ReadingType") == "Temperature":
        limit = number(dig(resource, "Thresholds", "UpperCritical"), "Reading")
        temperature(resource, machine, "Reading", limit)


def temperature(resource: Resource, machine: Machine, key: str, limit: float | None) -> None:
    """Take one temperature in degrees Celsius; one at its critical threshold is bad whatever else it says."""
    reading, why = number(resource, key), ""
    if text(dig(resource, "Status"), "State") in ("Disabled", "UnavailableOffline"):
        return
    if reading is not None and limit is not None and limit > 0:
        margin = limit - reading
        machine.metrics["temperature_margin_c"] = min(
            margin, machine.metrics.get("temperature_margin_c", margin)
        )
        why = f"{reading:g} C of {limit:g}" if margin <= 0 else ""
    if machine.of("temperatures").add(resource, why) and reading is not None:
        name = text(resource, "Name")
        if text(resource, "PhysicalContext") == "Intake" or INLET.search(name):
            machine.metrics["inlet_c"] = max(reading, machine.metrics.get("inlet_c", reading))


def intake(resource: Resource, machine: Machine) -> None:
    """Take ThermalMetrics: the temperature of the air that goes in."""
    reading = number(dig(resource, "TemperatureSummaryCelsius", "Intake"), "Reading")
    if reading is not None:
        machine.metrics.setdefault("inlet_c", reading)


def processors(resources: Iterable[Resource], machine: Machine) -> None:
    """Take the processors; cores and threads are known only where each tells its own."""
    cores: list[float | None] = []
    threads: list[float | None] = []
    for each in resources:
        if text(each, "ProcessorType") in ("", "CPU") and machine.of("processors").add(each):
            cores.append(number(each, "TotalCores"))
            threads.append(number(each, "TotalThreads"))
            if model := text(each, "Model"):
                machine.texts.setdefault("cpu_model", model)
    machine.of("processors")
    machine.found.cores, machine.found.threads = _sum(cores), _sum(threads)
    if machine.found.cores is not None:
        machine.metrics["cpu_cores"] = float(machine.found.cores)


def memory(resources: Iterable[Resource], machine: Machine) -> None:
    """Take the memory modules; their sizes are the memory where the system itself tells none."""
    sizes: list[float | None] = []
    for each in resources:
        size = number(each, "CapacityMiB")
        if size != 0 and machine.of("memory_modules").add(each):
            sizes.append(size)
    modules, total = machine.of("memory_modules"), _sum(sizes)
    machine.found.memory_modules = modules.count or None
    if machine.found.memory is None and total is not None:
        machine.found.memory = total * 2**20
        machine.metrics["memory_bytes"] = float(machine.found.memory)


def drive(resource: Resource, machine: Machine) -> None:
    """Take one disk."""
    predicted = resource.get("FailurePredicted") is True
    if not machine.of("drives").add(resource, "failure predicted" if predicted else ""):
        return
    left = number(resource, "PredictedMediaLifeLeftPercent")
    if left is not None:
        machine.metrics["wear_left_pct"] = min(left, machine.metrics.get("wear_left_pct", left))
    size = number(resource, "CapacityBytes")
    machine.drives.append(
        Drive(
            text(resource, "Name", "Id") or "disk",
            None if size is None else int(size),
            text(resource, "Model") or None,
            text(resource, "SerialNumber") or None,
        )
    )


def devices(storage: Resource, machine: Machine) -> None:
    """Take the disks of a SimpleStorage, which has no numbers of them."""
    for each in objects(storage.get("Devices")):
        drive(each, machine)


def controllers(storage: Resource, machine: Machine) -> None:
    """Take the controllers that a Storage lists itself, as services before version 1.9 of its schema do."""
    for each in objects(storage.get("StorageControllers")):
        if len(each) > 1:
            machine.of("controllers").add(each)


def nics(resources: Iterable[Resource], machine: Machine) -> None:
    """Take the network interfaces that have a hardware address."""
    found = []
    for each in resources:
        mac, speed = text(each, "PermanentMACAddress", "MACAddress"), number(each, "SpeedMbps")
        if mac and text(dig(each, "Status"), "State") != "Absent":
            found.append(Nic(text(each, "Id", "Name"), mac, speed * 1e6 if speed else None))
    machine.found.nics = found or None


def versions(resources: Iterable[Resource]) -> str:
    """Return names and versions of firmware as one text; what was replaced or waits is left out."""
    lines = (
        f"{text(each, 'Name', 'Id')} {text(each, 'Version')}"
        for each in resources
        if text(each, "Version") and not text(each, "Id").startswith(("Previous-", "Available-"))
    )
    return joined(sorted(set(lines)), 60)


def _sum(numbers: list[float | None]) -> int | None:
    known = [each for each in numbers if each is not None]
    return int(sum(known)) if known and len(known) == len(numbers) else None
