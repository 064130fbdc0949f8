"""A host's storage, memory, processors and devices by SNMP (HOST-RESOURCES-MIB, RFC 2790)."""

from __future__ import annotations

from pydantic import Field

from probes._patterns import Pattern, found
from probes._service import Notes
from probes._snmp import KINDS, NO_SUCH, OverSnmp, Snmp
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.hardware._host_rows import (
    DEVICES,
    HR,
    PROCESSORS,
    STORAGE,
    SYSTEMS,
    devices,
    disks,
    memory,
    processors,
    volumes,
)
from probes.hardware._shown import (
    ADDRESS,
    DESCRIPTION,
    NOT_TOLD,
    PHASES,
    QUERY_MS,
    asking,
    not_shown,
    shown,
    system,
    within,
)

SCALARS = {
    "uptime_s": (f"{HR}.1.1.0", 0.01),
    "users": (f"{HR}.1.5.0", 1.0),
    "processes": (f"{HR}.1.6.0", 1.0),
}
TREES = (
    *(f"{STORAGE}.{column}" for column in (2, 3, 4, 5, 6)),
    *(f"{SYSTEMS}.{column}" for column in (5, 7)),
    PROCESSORS,
    *(f"{DEVICES}.{column}" for column in (2, 3, 5, 6)),
)
MOST = 300
"""Rows of one table: a machine can have thousands of mounts."""
PARTS = {
    "disk_used_pct": "file systems as asked for",
    "memory_used_pct": "memory",
    "processor_avg_pct": "processors",
}


class HostResourcesParams(OverSnmp):
    """Parameters of `host_resources`."""

    select: Pattern | None = Field(
        None, description="Only file systems whose name this regular expression finds."
    )
    without: Pattern | None = Field(None, description="Leave out file systems whose name this finds.")


async def probe_host_resources(target: Target, params: HostResourcesParams, context: Context) -> Reading:
    """Read one host.

    Raises `Inconclusive` (`not_shown`: the agent has none of it, or the account doesn't see it) and the
    endings of `probes._snmp`.
    """

    def wanted(name: str) -> bool:
        chosen = params.select is None or found(params.select, name)
        return chosen and (params.without is None or not found(params.without, name))

    async with asking(target, params, context) as (agent, notes):
        who = await system(agent, notes)
        scalars = await _scalars(agent)
        values = await shown(agent, TREES, notes, MOST)
        every, wrapped = volumes(values)
        metrics, facts = disks(every, wanted)
        more, bad = devices(values)
        metrics |= scalars | memory(every) | processors(values) | more
        if not metrics:
            raise not_shown("HOST-RESOURCES-MIB", who)
        notes.metrics |= metrics
        notes.facts |= facts | bad
        _missing(notes, wrapped)
    return notes.reading()


def _missing(notes: Notes, wrapped: list[str]) -> None:
    for metric, part in PARTS.items():
        if metric not in notes.metrics:
            notes.missing(f"{metric}: it shows no {part}")
    if wrapped:
        notes.missing(
            f"size of {', '.join(wrapped[:5])}: it does not fit the 32 bits that the MIB has for it"
        )


async def _scalars(agent: Snmp) -> dict[str, float]:
    values = await agent.get([oid for oid, _ in SCALARS.values()])
    figures = {
        name: within(values[oid], 0, 1e10, scale)
        for name, (oid, scale) in SCALARS.items()
        if values[oid] is not NO_SUCH
    }
    return {name: value for name, value in figures.items() if value is not None}


PROBE = ProbeSpec(
    name="host_resources",
    family="hardware",
    summary="A host's file systems, memory, processors and devices by SNMP, without an account on it.",
    params=HostResourcesParams,
    run=probe_host_resources,
    metrics=(
        MetricDef("disks", "count", "none", 1, "Real file systems on fixed disks and flash."),
        MetricDef("disk_used_pct", "%", "lower", 0.1, "Use of the fullest of them."),
        MetricDef("disk_free_bytes", "bytes", "higher", 1, "What is free on the fullest of them."),
        MetricDef("memory_total_bytes", "bytes", "none", 1, "Memory."),
        MetricDef("memory_used_pct", "%", "lower", 0.1,
                  "Memory in use, without what only caches files where the agent tells that."),
        MetricDef("swap_used_pct", "%", "lower", 0.1, "Swap in use, where there is any."),
        MetricDef("processors", "count", "none", 1, "Processors that tell a load."),
        MetricDef("processor_avg_pct", "%", "lower", 0.1, "Their load over the last minute, on average."),
        MetricDef("processor_max_pct", "%", "lower", 0.1, "Load of the one that has the most."),
        MetricDef("uptime_s", "s", "none", 1, "Since the host started."),
        MetricDef("users", "count", "none", 1, "Sessions of users."),
        MetricDef("processes", "count", "none", 1, "Processes."),
        MetricDef("devices_down", "count", "lower", 1, "Devices that are down, network interfaces aside."),
        MetricDef("devices_warning", "count", "lower", 1, "Devices that warn."),
        MetricDef("device_errors", "count", "lower", 1, "Errors of all devices since the start."),
        QUERY_MS,
    ),
    facts=(
        FactDef("fullest", help="The file system with the highest use."),
        FactDef("volumes", help="File systems and their use, the fullest first."),
        FactDef("devices_bad", help="Devices that are down or warn; none."),
        DESCRIPTION, ADDRESS, NOT_TOLD,
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("snmp",),
    default_every=60.0,
    default_timeout=20.0,
)  # fmt: skip
