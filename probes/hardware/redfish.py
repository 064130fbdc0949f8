"""A server by its management controller: Redfish (DMTF DSP0266), whoever has made it.

Read only. A resource that the service does not have, or that the account may not read, leaves out its
figures, and `not_told` names them; so does a bound that is reached (resources, bytes, time).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from probes._hardware import HardwareParams, against
from probes._leftovers import Leftovers
from probes._resolve import Address
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    LOGIN_MS,
    NOT_TOLD,
    QUERY_MS,
    TLS_MS,
    Notes,
    Port,
    address_of,
)
from probes._web import Web, WebParams
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Secret, Target
from probes.errors import ExpectationFailed, PermissionMissing, ProberFault
from probes.hardware import _redfish_parts as parts
from probes.hardware._json import Resource, dig, joined, text
from probes.hardware._redfish_parts import Machine
from probes.hardware._redfish_tree import Spent, Tree

MOST_CHASSIS = 8
CLOSING_S = 5.0


class RedfishParams(WebParams):
    """Parameters of `redfish`."""

    port: Port | None = None
    """Where the service listens; by default 443, or 80 without TLS."""
    tls: Literal["off", "on"] = "on"
    """Whether to speak TLS, and verify it."""
    user: str = Field(pattern=r"^[^:\r\n\x00]+$", max_length=256)
    """Account; the right to log in and read is enough."""
    password: Secret
    """Its password."""
    session: bool = False
    """Whether to log in by a session, which is closed at the end, and not with each request."""
    system: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Id of the system, where the service has several (blades)."""
    firmware: bool = False
    """Whether to list the firmware of all parts, too; that can take many questions."""
    hardware: HardwareParams | None = None
    """What the machine should have."""


async def probe_redfish(target: Target, params: RedfishParams, context: Context) -> Reading:
    """Read one server's management controller.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right), `ExpectationFailed`
    (another status), `ProberFault` (several systems and none chosen), and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        port = params.port or (443 if params.tls == "on" else 80)
        async with Web(target, address, port, params, notes) as web:
            if params.session:
                machine = await _in_session(_Place(target, address, port, params), web, notes)
            else:
                tree = Tree(web, notes, params.login(context), params.secrets(context))
                machine = await _read(tree, params)
        _report(machine, params, notes)
    return notes.reading()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a session is, so that it can be closed after the run, too."""

    target: Target
    address: Address
    port: int
    params: RedfishParams

    async def close_later(self, path: str, fields: list[tuple[str, str]], context: Context) -> None:
        """Close a session whose run was broken off."""
        notes = Notes(Context(context.shared, CLOSING_S))
        async with Web(self.target, self.address, self.port, self.params, notes) as web:
            await web.ask("DELETE", path, fields=fields, phase="logout")


async def _in_session(place: _Place, web: Web, notes: Notes) -> Machine:
    params, context = place.params, notes.context
    tree = Tree(web, notes, [], params.secrets(context))
    path, closed = await tree.log_in(params.user, context.shared.secret(params.password)), False
    try:
        machine = await _read(tree, params)
        if path is not None:
            answer = await web.ask("DELETE", path, fields=tree.fields, phase="logout")
            closed = answer.status < 300 or answer.status == 404
        if not closed:
            notes.missing("the session could not be closed: it ends by itself")
            closed = True
        return machine
    finally:
        if path is not None and not closed:
            context.shared.get(Leftovers).remove(place.close_later(path, tree.fields, context))


async def _read(tree: Tree, params: RedfishParams) -> Machine:
    root = await tree.root()
    system = chosen(await tree.members(root, "Systems") or [], params.system)
    machine = Machine()
    machine.facts["redfish_version"] = text(root, "RedfishVersion")
    parts.system(system, machine)
    wants = params.hardware
    sections: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("psus, power_w", lambda: _power(tree, root, system, machine)),
        ("fans, temperatures", lambda: _thermal(tree, root, system, machine)),
        ("drives", lambda: _drives(tree, system, machine)),
        ("volumes", lambda: _volumes(tree, system, machine)),
        ("controllers", lambda: _controllers(tree, system, machine)),
        ("memory_modules", lambda: _memory(tree, system, machine)),
        ("processors", lambda: _processors(tree, system, machine)),
        ("bmc_version", lambda: _managers(tree, root, system, machine)),
    ]
    if wants is not None and (wants.nics or wants.macs):
        sections.append(("nics", lambda: _nics(tree, system, machine)))
    if params.firmware:
        sections.append(("firmware", lambda: _firmware(tree, root, machine)))
    for what, section in sections:
        await _told(tree, what, section)
    if tree.foreign:
        tree.notes.missing(f"{tree.foreign} links that lead to another service were not followed")
    return machine


async def _told(tree: Tree, what: str, section: Callable[[], Awaitable[None]]) -> None:
    """Read one section as a whole, or not at all."""
    try:
        await section()
    except (Spent, LookupError) as why:
        tree.notes.missing(f"{what}: {why.args[0]}")
    except (ExpectationFailed, PermissionMissing) as ending:
        tree.notes.missing(f"{what}: {ending.detail[:150]}")


def chosen(systems: list[Resource], wanted: str | None) -> Resource:
    """Return the system that is meant. Raises `ProberFault` and `ExpectationFailed`."""
    if wanted is not None:
        systems = [each for each in systems if text(each, "Id") == wanted]
    if not systems:
        raise ExpectationFailed(
            "no_such_system: the service has no system" + (f" {wanted}" if wanted else "")
        )
    if len(systems) > 1:
        raise ProberFault(
            f"several systems: choose one by system: {joined(text(each, 'Id') for each in systems)}"
        )
    return systems[0]


async def _chassis(tree: Tree, root: Resource, system: Resource) -> list[Resource]:
    found = await tree.each(dig(system, "Links").get("Chassis")) or await tree.members(root, "Chassis") or []
    return found[:MOST_CHASSIS]


async def _power(tree: Tree, root: Resource, system: Resource, machine: Machine) -> None:
    whole: list[Resource] = []
    supplies: list[Resource] = []
    for chassis in await _chassis(tree, root, system):
        found = await tree.follow(chassis, "Power")
        if found is None and (found := await tree.follow(chassis, "PowerSubsystem")) is not None:
            supplies += await tree.members(found, "PowerSupplies") or []
        whole += [found] if found is not None else []
    if not whole:
        raise LookupError("no chassis tells its power supplies")
    for each in whole:
        parts.power(each, machine)
    for supply in supplies:
        parts.psu(supply, machine)


async def _thermal(tree: Tree, root: Resource, system: Resource, machine: Machine) -> None:
    whole: list[Resource] = []
    fans: list[Resource] = []
    sensors: list[Resource] = []
    metrics: list[Resource] = []
    for chassis in await _chassis(tree, root, system):
        found = await tree.follow(chassis, "Thermal")
        if found is None and (found := await tree.follow(chassis, "ThermalSubsystem")) is not None:
            fans += await tree.members(found, "Fans") or []
            metrics += [each for each in [await tree.follow(found, "ThermalMetrics")] if each is not None]
            if tree.expand:
                sensors += await tree.members(chassis, "Sensors") or []
        whole += [found] if found is not None else []
    if not whole:
        raise LookupError("no chassis tells its fans and temperatures")
    for each in whole:
        parts.thermal(each, machine)
    for fan in fans:
        machine.of("fans").add(fan)
    for sensor in sensors:
        parts.sensor(sensor, machine)
    for each in metrics:
        parts.intake(each, machine)


async def _drives(tree: Tree, system: Resource, machine: Machine) -> None:
    storages = await tree.members(system, "Storage")
    simple = None if storages else await tree.members(system, "SimpleStorage")
    if not storages and not simple:
        raise LookupError("the system tells of no Storage")
    drives: dict[str, Resource] = {}
    for storage in storages or []:
        for drive in await tree.each(storage.get("Drives")):
            drives.setdefault(text(drive, "@odata.id") or text(drive, "Id"), drive)
    for each in simple or []:
        parts.devices(each, machine)
    for drive in drives.values():
        parts.drive(drive, machine)
    if any(isinstance(storage.get("Drives"), list) for storage in storages or []):
        machine.of("drives")
    machine.found.drives = machine.drives or None


async def _volumes(tree: Tree, system: Resource, machine: Machine) -> None:
    volumes: list[Resource] = []
    for storage in await tree.members(system, "Storage") or []:
        volumes += await tree.members(storage, "Volumes") or []
    for volume in volumes:
        machine.of("volumes").add(volume)


async def _controllers(tree: Tree, system: Resource, machine: Machine) -> None:
    storages = await tree.members(system, "Storage") or []
    listed = [await tree.members(storage, "Controllers") for storage in storages]
    for storage, controllers in zip(storages, listed, strict=True):
        if controllers is None:
            parts.controllers(storage, machine)
        for controller in controllers or []:
            machine.of("controllers").add(controller)


async def _memory(tree: Tree, system: Resource, machine: Machine) -> None:
    found = await tree.members(system, "Memory")
    if found is None:
        raise LookupError("the system tells of no Memory")
    parts.memory(found, machine)


async def _processors(tree: Tree, system: Resource, machine: Machine) -> None:
    found = await tree.members(system, "Processors")
    if found is None:
        raise LookupError("the system tells of no Processors")
    parts.processors(found, machine)


async def _managers(tree: Tree, root: Resource, system: Resource, machine: Machine) -> None:
    found = (
        await tree.each(dig(system, "Links").get("ManagedBy")) or await tree.members(root, "Managers") or []
    )
    if version := joined(each for each in (text(manager, "FirmwareVersion") for manager in found) if each):
        machine.facts["bmc_version"] = version


async def _nics(tree: Tree, system: Resource, machine: Machine) -> None:
    parts.nics(await tree.members(system, "EthernetInterfaces") or [], machine)


async def _firmware(tree: Tree, root: Resource, machine: Machine) -> None:
    service = await tree.follow(root, "UpdateService")
    found = None if service is None else await tree.members(service, "FirmwareInventory")
    if found is None:
        raise LookupError("the service has no FirmwareInventory")
    machine.facts["firmware"] = parts.versions(found)


def _report(machine: Machine, params: RedfishParams, notes: Notes) -> None:
    metrics, facts, not_told = machine.report()
    notes.metrics |= metrics
    notes.facts |= facts
    for what in not_told:
        notes.missing(what)
    if params.hardware is not None:
        machine.found.texts = machine.texts
        metrics, facts = against(params.hardware, machine.found).report()
        notes.metrics |= metrics
        notes.facts |= facts


def _parts(kind: str, what: str) -> tuple[MetricDef, MetricDef]:
    return (
        MetricDef(kind, "count", "none", 1, f"{what} that are there."),
        MetricDef(f"{kind}_bad", "count", "lower", 1,
                  "Those of them that are not well; absent where none is bad and some do not tell."),
    )  # fmt: skip


PROBE = ProbeSpec(
    name="redfish",
    family="hardware",
    summary="A server by its management controller (Redfish): power supplies, fans, memory, disks, identity.",
    params=RedfishParams,
    run=probe_redfish,
    metrics=(
        CONNECT_MS, TLS_MS, LOGIN_MS, QUERY_MS,
        MetricDef("logout_ms", "ms", "lower", 0.001, "Closing the session."),
        MetricDef("powered_on", "count", "higher", 1, "1 where the machine is switched on, else 0."),
        MetricDef("health_ok", "count", "higher", 1, "1 where the system as a whole says OK, else 0."),
        *_parts("psus", "Power supplies"),
        *_parts("fans", "Fans"),
        *_parts("temperatures", "Temperatures"),
        *_parts("processors", "Processors"),
        *_parts("memory_modules", "Memory modules"),
        *_parts("controllers", "Storage controllers"),
        *_parts("drives", "Disks"),
        *_parts("volumes", "Volumes (of RAID controllers, too)"),
        *_parts("redundancy", "Sets of power supplies or fans that stand in for each other"),
        MetricDef("power_w", "W", "none", 1, "What it draws."),
        MetricDef("inlet_c", "C", "lower", 0.1, "Temperature of the air that goes in."),
        MetricDef("temperature_margin_c", "C", "higher", 0.1,
                  "What the temperature nearest to its critical threshold is below it."),
        MetricDef("wear_left_pct", "%", "higher", 1, "Life left of the disk that is worn most."),
        MetricDef("cpu_cores", "count", "none", 1, "Cores of all processors."),
        MetricDef("memory_bytes", "bytes", "none", 1, "Memory of the system."),
        MetricDef("hardware_mismatches", "count", "lower", 1,
                  "Differences from the expected hardware; absent where not all of it could be read."),
    ),
    facts=(
        FactDef("manufacturer", help="Maker of the system."),
        FactDef("model", help="Its model."),
        FactDef("serial", help="Its serial number."),
        FactDef("sku", help="Its maker's other number (Dell: the service tag)."),
        FactDef("bios_version", help="Version of its BIOS."),
        FactDef("bmc_version", help="Version of the management controller's firmware."),
        FactDef("redfish_version", "version", "Version of the protocol that the service names."),
        FactDef("power_state", help="On, Off, PoweringOn, PoweringOff or Paused."),
        FactDef("health", help="What the system says of itself and all parts: OK, Warning or Critical."),
        FactDef("bad", help="Each part that is not well, and why; or none."),
        FactDef("firmware", help="Firmware of all parts, with `firmware`."),
        FactDef("hardware_differences", help="Expected and found, where they differ."),
        FactDef("hardware_unreadable", help="What is expected and could not be read."),
        ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "login", "query", "logout"),
    kinds=KINDS,
    inputs=("hardware",),
    default_every=300.0,
    default_timeout=60.0,
)  # fmt: skip
