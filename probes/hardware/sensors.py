"""What a device's sensors say by SNMP: temperatures, fans, power supplies (RFC 3433, vendors' MIBs)."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from probes._patterns import Pattern, found
from probes._service import Notes
from probes._snmp import KINDS, OverSnmp, Snmp
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed
from probes.hardware._sensor_tables import MIBS, Table
from probes.hardware._sensors import (
    ENTITY_CLASS,
    ENTITY_DESCR,
    ENTITY_NAME,
    Sensor,
    figures,
    measured,
    named,
    rows,
)
from probes.hardware._shown import (
    ADDRESS,
    DESCRIPTION,
    NOT_TOLD,
    PHASES,
    QUERY_MS,
    Shown,
    asking,
    not_shown,
    number,
    said,
    shown,
    system,
)

STANDARD = {
    "ENTITY-SENSOR-MIB (RFC 3433)": "1.3.6.1.2.1.99.1.1.1",
    "CISCO-ENTITY-SENSOR-MIB": "1.3.6.1.4.1.9.9.91.1.1.1.1",
}
COLUMNS = (1, 2, 3, 4, 5)
MOST = 500
"""Sensors of one table."""


class SensorsParams(OverSnmp):
    """Parameters of `sensors`."""

    select: Pattern | None = Field(
        None, description="Only sensors whose name this regular expression finds, e.g. `(?i)inlet|ambient`."
    )
    without: Pattern | None = Field(None, description="Leave out sensors whose name this finds.")


async def probe_sensors(target: Target, params: SensorsParams, context: Context) -> Reading:
    """Read all sensors of one device that are of a known MIB.

    Raises `Inconclusive` (`not_shown`: no sensors, or the account doesn't see them), `ExpectationFailed`
    (`select` finds none of them), and the endings of `probes._snmp`.
    """
    async with asking(target, params, context) as (agent, notes):
        who = await system(agent, notes)
        sensors, mibs = await _sensors(agent, notes)
        if not sensors:
            raise not_shown("sensors", who)
        chosen = [sensor for sensor in sensors if _chosen(sensor, params)]
        if not chosen:
            raise ExpectationFailed(f"none of {len(sensors)} sensors has a name as asked for")
        unknown = [sensor.name for sensor in chosen if sensor.state == "unknown"]
        if unknown:
            notes.missing(f"state of {len(unknown)} of {len(chosen)} sensors: {', '.join(unknown[:5])}")
        metrics, facts = figures(chosen)
        notes.metrics |= metrics
        notes.facts |= facts | {"mibs": ", ".join(mibs)}
    return notes.reading()


def _chosen(sensor: Sensor, params: SensorsParams) -> bool:
    wanted = params.select is None or found(params.select, sensor.name)
    return wanted and (params.without is None or not found(params.without, sensor.name))


async def _sensors(agent: Snmp, notes: Notes) -> tuple[list[Sensor], list[str]]:
    sensors: list[Sensor] = []
    mibs: list[str] = []
    for name, root in STANDARD.items():
        if await agent.walk(f"{root}.1", 1):
            columns = [f"{root}.{column}" for column in COLUMNS]
            sensors += measured(root, await shown(agent, columns, notes, MOST), COLUMNS)
            mibs.append(name)
    for mib in MIBS:
        if await agent.walk(mib.root, 1):
            more = [
                sensor for table in mib.tables for sensor in rows(table, await _columns(agent, table, notes))
            ]
            sensors += more
            mibs += [mib.name] if more else []
    return await _entities(agent, sensors), mibs


async def _columns(agent: Snmp, table: Table, notes: Notes) -> Shown:
    found = await shown(agent, [table.value or table.status], notes, MOST)
    if not found:
        return found
    others = {table.status, table.present, table.name, table.limit} - {"", *_read(table)}
    return found | await shown(agent, sorted(others), notes, MOST)


def _read(table: Table) -> Iterator[str]:
    yield table.value or table.status


async def _entities(agent: Snmp, sensors: list[Sensor]) -> list[Sensor]:
    """Return the sensors with names and kinds of the entities that they are."""
    nameless = [s.index for s in sensors if not s.name][:MOST]
    kindless = [s.index for s in sensors if s.kind == "other" and not s.name][:MOST]
    names = await agent.get([f"{column}.{i}" for i in nameless for column in (ENTITY_NAME, ENTITY_DESCR)])
    classes = await agent.get([f"{ENTITY_CLASS}.{index}" for index in kindless])
    texts = {
        index: said(names[f"{ENTITY_NAME}.{index}"]) or said(names[f"{ENTITY_DESCR}.{index}"])
        for index in nameless
    }
    kinds = {index: int(number(classes[f"{ENTITY_CLASS}.{index}"]) or 0) for index in kindless}
    return named(sensors, texts, kinds)


PROBE = ProbeSpec(
    name="sensors",
    family="hardware",
    summary="A device's sensors by SNMP: temperatures, humidity, fans and power supplies.",
    params=SensorsParams,
    run=probe_sensors,
    metrics=(
        MetricDef("temperature_min_c", "C", "none", 0.1, "The lowest temperature."),
        MetricDef("temperature_max_c", "C", "lower", 0.1, "The highest temperature."),
        MetricDef("temperatures", "count", "none", 1, "Sensors that give a temperature."),
        MetricDef("temperatures_high", "count", "lower", 1,
                  "Those at or above what the device itself holds for too high, where it says that."),
        MetricDef("humidity_min_pct", "%", "none", 0.1, "The lowest relative humidity."),
        MetricDef("humidity_max_pct", "%", "none", 0.1, "The highest relative humidity."),
        MetricDef("fans", "count", "higher", 1, "Fans that are there, where a state of any is told."),
        MetricDef("fans_ok", "count", "higher", 1, "Those that are well, by the device."),
        MetricDef("fans_bad", "count", "lower", 1, "Those that are not, or stand still."),
        MetricDef("power_supplies", "count", "higher", 1, "Power supplies that are there, likewise."),
        MetricDef("power_supplies_ok", "count", "higher", 1, "Those that are well, by the device."),
        MetricDef("power_supplies_bad", "count", "lower", 1, "Those that are not."),
        MetricDef("sensors", "count", "none", 1, "All sensors that were read."),
        MetricDef("sensors_bad", "count", "lower", 1, "Those of any kind that are not well, or too high."),
        QUERY_MS,
    ),
    facts=(
        FactDef("hottest", help="The sensor with the highest temperature."),
        FactDef("coldest", help="The sensor with the lowest temperature."),
        FactDef("bad", help="The sensors that are not well; none."),
        FactDef("mibs", help="The MIBs that they were read by."),
        DESCRIPTION, ADDRESS, NOT_TOLD,
    ),
    phases=PHASES,
    kinds=(*KINDS, "expectation"),
    inputs=("snmp",),
    default_every=300.0,
    default_timeout=30.0,
)  # fmt: skip
