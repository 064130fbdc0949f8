"""What a device is by SNMP: maker, model, serial numbers, firmware, modules (ENTITY-MIB, RFC 6933)."""

from __future__ import annotations

from pydantic import Field

from probes._service import Notes
from probes._snmp import KINDS, NO_SUCH, OverSnmp, Snmp
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.hardware._entity import (
    CLASS,
    DESCR,
    FIRMWARE,
    HARDWARE,
    MAKER,
    MODEL,
    NAME,
    ROOT,
    SERIAL,
    SOFTWARE,
    OrderedParams,
    Part,
    against,
    facts,
    parts,
    wanted_rows,
)
from probes.hardware._identity import places, vendor, version
from probes.hardware._shown import (
    ADDRESS,
    DESCRIPTION,
    NOT_TOLD,
    PHASES,
    QUERY_MS,
    Shown,
    asking,
    not_shown,
    said,
    shown,
    system,
)

MOST = 2000
"""Entities that are looked through."""
DETAILED = 200
"""Entities of which all is asked."""


class EntityParams(OverSnmp):
    """Parameters of `entity`."""

    hardware: OrderedParams | None = Field(None, description="What was ordered and must be installed.")


async def probe_entity(target: Target, params: EntityParams, context: Context) -> Reading:
    """Read what one device is, and compare it with what was ordered.

    Raises `Inconclusive` (`not_shown`: it does not say at all what it is) and the endings of
    `probes._snmp`.
    """
    async with asking(target, params, context) as (agent, notes):
        who = await system(agent, notes)
        found = parts(await _entities(agent, notes))
        own = await _own(agent, who)
        told = own | facts(found)
        if all(part.kind != "chassis" for part in found):
            told |= own
        if not told and "description" not in who:
            raise not_shown("what it is", who)
        notes.facts |= {"name": who["name"]} if "name" in who else {}
        notes.facts |= {"object_id": who["object_id"]} if "object_id" in who else {}
        notes.facts |= told
        number = version(told.get("firmware", ""), who.get("description", ""))
        notes.facts |= {"version": number} if number else {}
        for name in ("serial", "model"):
            if name not in told:
                notes.missing(f"{name}: neither ENTITY-MIB nor an object of its maker that is known tells it")
        notes.metrics |= _counts(found)
        if params.hardware is not None:
            metrics, compared = against(params.hardware, told, found).report()
            notes.metrics |= metrics
            notes.facts |= compared
    return notes.reading()


async def _entities(agent: Snmp, notes: Notes) -> Shown:
    values = await shown(agent, [f"{ROOT}.{column}" for column in (CLASS, SERIAL, MODEL)], notes, MOST)
    indexes = wanted_rows(values, DETAILED)
    columns = (DESCR, NAME, HARDWARE, FIRMWARE, SOFTWARE, MAKER)
    more = await agent.get([f"{ROOT}.{column}.{index}" for index in indexes for column in columns])
    return values | {oid: value for oid, value in more.items() if value is not NO_SUCH}


async def _own(agent: Snmp, who: dict[str, str]) -> dict[str, str]:
    """Return what the maker's own objects, sysObjectID and sysDescr tell."""
    objects = places(who.get("object_id", ""))
    values = await agent.get([oid for oids in objects.values() for oid in oids])
    told = {
        fact: next((text for oid in oids if (text := said(values[oid]))), "")
        for fact, oids in objects.items()
    }
    told["vendor"] = told.get("vendor") or vendor(who.get("object_id", ""))
    return {fact: text for fact, text in told.items() if text}


def _counts(found: list[Part]) -> dict[str, float]:
    if not found:
        return {}
    kinds = [part.kind for part in found]
    return {
        "chassis": float(kinds.count("chassis")),
        "modules": float(kinds.count("module")),
        "power_supplies": float(kinds.count("power supply")),
        "serials_told": float(sum(bool(part.serial) for part in found)),
    }


PROBE = ProbeSpec(
    name="entity",
    family="hardware",
    summary="What a device is by SNMP: maker, model, serial numbers and modules, against what was ordered.",
    params=EntityParams,
    run=probe_entity,
    metrics=(
        MetricDef("hardware_mismatches", "count", "lower", 1,
                  "Differences from what was ordered; left out where that could not all be read."),
        MetricDef("chassis", "count", "none", 1, "Chassis, or members of a stack."),
        MetricDef("modules", "count", "none", 1, "Modules that tell a model or a serial number."),
        MetricDef("power_supplies", "count", "none", 1, "Power supplies that tell one."),
        MetricDef("serials_told", "count", "none", 1, "Parts that tell a serial number."),
        QUERY_MS,
    ),
    facts=(
        FactDef("vendor", help="Maker, by ENTITY-MIB or the number registered for its sysObjectID."),
        FactDef("model", help="Model of the chassis."),
        FactDef("serial", help="Serial number of the chassis; of a stack, of its first member."),
        FactDef("serials", help="Serial numbers of all chassis."),
        FactDef("firmware", help="Its software, as it writes it."),
        FactDef("version", "version", "The version in that, or in what the agent says it is."),
        FactDef("hardware_revision", help="Revision of the chassis."),
        FactDef("installed", help="Modules, power supplies and transceivers with their serial numbers."),
        FactDef("name", help="Its own name (sysName)."),
        FactDef("object_id", help="What its maker calls its kind (sysObjectID)."),
        FactDef("hardware_differences", help="Differences from what was ordered, in words; none."),
        FactDef("hardware_unreadable", help="What was ordered and could not be read."),
        DESCRIPTION, ADDRESS, NOT_TOLD,
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("snmp", "hardware"),
    default_every=3600.0,
    default_timeout=30.0,
)  # fmt: skip
