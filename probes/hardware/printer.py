"""A printer by SNMP: is it ready, what keeps it from printing, what is left (Printer-MIB, RFC 3805)."""

from __future__ import annotations

from probes._snmp import KINDS, OverSnmp
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.hardware._printer_rows import (
    ALERTS,
    CONSOLE,
    GENERAL,
    HR_PRINTER,
    INPUTS,
    PAGES,
    PRT,
    SUPPLIES,
    figures,
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
)

TREES = (
    f"{HR_PRINTER}.1", f"{HR_PRINTER}.2", f"{GENERAL}.16", f"{GENERAL}.17", PAGES,
    *(f"{SUPPLIES}.{column}" for column in (4, 6, 7, 8, 9)),
    *(f"{INPUTS}.{column}" for column in (9, 10, 13, 18)),
    CONSOLE, f"{ALERTS}.2", f"{ALERTS}.8", "1.3.6.1.2.1.25.3.2.1.3",
)  # fmt: skip
MOST = 100
TOLD = {"ready": "its state and errors", "supply_min_pct": "an amount of any supply"}


class PrinterParams(OverSnmp):
    """Parameters of `printer`."""


async def probe_printer(target: Target, params: PrinterParams, context: Context) -> Reading:
    """Read one printer.

    Raises `Inconclusive` (`not_shown`: no printer, or the account doesn't see it) and the endings of
    `probes._snmp`.
    """
    async with asking(target, params, context) as (agent, notes):
        who = await system(agent, notes)
        if not await agent.walk(PRT, 1) and not await agent.walk(f"{HR_PRINTER}.2", 1):
            raise not_shown("Printer-MIB", who)
        metrics, facts = figures(await shown(agent, TREES, notes, MOST))
        if not metrics:
            raise not_shown("a printer's state or supplies", who)
        notes.metrics |= metrics
        notes.facts |= facts
        for name, what in TOLD.items():
            if name not in metrics:
                notes.missing(f"{name}: it does not tell {what}")
    return notes.reading()


PROBE = ProbeSpec(
    name="printer",
    family="hardware",
    summary="A printer by SNMP: whether it is ready, its errors, what is left of supplies and paper.",
    params=PrinterParams,
    run=probe_printer,
    metrics=(
        MetricDef("ready", "count", "higher", 1,
                  "1 if it is idle, printing or warming up and no error keeps it from printing."),
        MetricDef("errors", "count", "lower", 1, "Errors that keep it from printing."),
        MetricDef("warnings", "count", "lower", 1, "Others: low paper or toner, a full output soon."),
        MetricDef("supply_min_pct", "%", "higher", 0.1,
                  "What is left of the supply with the least (of a receptacle: room), of those that tell."),
        MetricDef("supplies", "count", "none", 1, "Supplies and receptacles."),
        MetricDef("supplies_without_amount", "count", "lower", 1, "Those that tell no amount, but a code."),
        MetricDef("trays", "count", "none", 1, "Input trays."),
        MetricDef("trays_empty", "count", "lower", 1, "Those that say that they are empty."),
        MetricDef("pages", "count", "none", 1, "Pages it has printed in its life."),
        QUERY_MS,
    ),
    facts=(
        FactDef("status", help="idle, printing, warmup, other or unknown."),
        FactDef("errors_named", help="Errors and warnings in words; none."),
        FactDef("lowest", help="The supply with the least."),
        FactDef("supplies_left", help="Supplies with what is left, or what they say instead."),
        FactDef("trays_left", help="Trays with what is left."),
        FactDef("console", help="What its display shows."),
        FactDef("alerts", help="Critical alerts, in its own words."),
        FactDef("serial", help="Serial number."),
        FactDef("model", help="Model, as its agent describes the device."),
        FactDef("printer_name", help="Its administrative name."),
        DESCRIPTION, ADDRESS, NOT_TOLD,
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("snmp",),
    default_every=300.0,
    default_timeout=15.0,
)  # fmt: skip
