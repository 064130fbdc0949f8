"""A UPS by SNMP: battery, source of its output, minutes left, load (RFC 1628, and vendors' own MIBs)."""

from __future__ import annotations

from probes._snmp import KINDS, OverSnmp, Snmp
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.hardware._shown import (
    ADDRESS,
    DESCRIPTION,
    NOT_TOLD,
    PHASES,
    QUERY_MS,
    Shown,
    asking,
    not_shown,
    shown,
    system,
)
from probes.hardware._ups_sources import SOURCES, Source
from probes.hardware._ups_told import told

INSTEAD = {
    "1.3.6.1.4.1.318.1.1.12": "it is a rack power strip",
    "1.3.6.1.4.1.318.1.1.26": "it is a rack power strip",
    "1.3.6.1.4.1.850.1.1.3.4": "it is a rack power strip",
    "1.3.6.1.4.1.476.1.42.3.4": "it cools a room",
    "1.3.6.1.4.1.13400.2": "it has Emerson's own MIB (13400), which is not read: its text is not public",
}
"""What else the same vendors' cards serve, by trees that only such things have."""
LEAST = ("battery_status", "output_source", "charge_pct", "minutes_left")
"""Something that has none of these is not a UPS."""


class UpsParams(OverSnmp):
    """Parameters of `ups`."""


async def probe_ups(target: Target, params: UpsParams, context: Context) -> Reading:
    """Read one UPS.

    Raises `Inconclusive` (`not_shown`: no UPS, or the account doesn't see it) and the endings of
    `probes._snmp`.
    """
    async with asking(target, params, context) as (agent, notes):
        who = await system(agent, notes)
        sources = await _sources(agent)
        values: Shown = {}
        for source in sources:
            values |= await shown(agent, source.trees, notes)
        found = told(sources, values)
        if not any(name in found.metrics or name in found.facts for name in LEAST):
            raise not_shown("a UPS", who, await _why(agent))
        notes.metrics |= found.metrics
        notes.facts |= found.facts | {"sources": ", ".join(source.name for source in sources)}
        for doubt in found.doubts:
            notes.missing(doubt)
    return notes.reading()


async def _sources(agent: Snmp) -> list[Source]:
    return [source for source in SOURCES if await agent.walk(source.root, 1)]


async def _why(agent: Snmp) -> str:
    for tree, why in INSTEAD.items():
        if await agent.walk(tree, 1):
            return why
    return ""


PROBE = ProbeSpec(
    name="ups",
    family="hardware",
    summary="A UPS by SNMP: battery, whether it runs on mains, minutes left, load, alarms.",
    params=UpsParams,
    run=probe_ups,
    metrics=(
        MetricDef("battery_normal", "count", "higher", 1, "1 if it says that its battery is normal."),
        MetricDef("on_mains", "count", "higher", 1,
                  "1 if its output is made of mains: normal, booster, reducer, eco."),
        MetricDef("on_battery_s", "s", "lower", 1, "Seconds on battery; 0 on mains."),
        MetricDef("minutes_left", "min", "higher", 0.1, "Minutes its battery would last with this load."),
        MetricDef("charge_pct", "%", "higher", 1, "Charge of the battery."),
        MetricDef("load_pct", "%", "lower", 0.1, "Load of the phase that has the most."),
        MetricDef("battery_v", "V", "none", 0.1, "Voltage of the battery."),
        MetricDef("input_v_min", "V", "none", 0.1, "Input voltage of the phase that has the least."),
        MetricDef("input_v_max", "V", "none", 0.1, "Input voltage of the phase that has the most."),
        MetricDef("output_v_min", "V", "none", 0.1, "Output voltage of the phase that has the least."),
        MetricDef("output_v_max", "V", "none", 0.1, "Output voltage of the phase that has the most."),
        MetricDef("temperature_c", "C", "lower", 0.1, "Temperature of or by the battery."),
        MetricDef("ambient_c", "C", "lower", 0.1, "Temperature around it, or of its card."),
        MetricDef("alarms", "count", "lower", 1, "Alarms that are present."),
        QUERY_MS,
    ),
    facts=(
        FactDef("battery_status", help="normal, low, depleted, faulty, missing or unknown."),
        FactDef("output_source",
                help="normal, booster, reducer, eco; bypass, battery, none; other (it does not say)."),
        FactDef("battery_replace", help="yes where it asks for a new battery, else no."),
        FactDef("last_test", help="What the last test of the battery came to."),
        FactDef("alarm_names", help="What they are, where it names them."),
        FactDef("vendor", help="Maker."),
        FactDef("model", help="Model."),
        FactDef("serial", help="Serial number, where its MIB has one."),
        FactDef("firmware", help="Firmware of the UPS itself."),
        FactDef("sources", help="The MIBs it was read by."),
        DESCRIPTION, ADDRESS, NOT_TOLD,
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("snmp",),
    default_every=60.0,
    default_timeout=10.0,
)  # fmt: skip
