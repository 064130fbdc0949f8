"""A printer by the Internet Printing Protocol (RFC 8010, RFC 8011): its state, supplies, paper and jobs.

pyipp is not used for it: it makes one error of a printer that refuses, is unreachable or silent, reads
answers of any length, and knows no trays.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes._leftovers import LONGEST_S, Leftovers
from probes._resolve import Address
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    NOT_TOLD,
    QUERY_MS,
    TLS_MS,
    Notes,
    address_of,
)
from probes._web import Web
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed, OwnLoginFailed, PermissionMissing, ProtocolViolated
from probes.peripheral._ipp_answers import WANTED, told
from probes.peripheral._ipp_job import canceled_by_name, printed
from probes.peripheral._ipp_message import KEYWORD, PRINTER, Attribute, Attributes
from probes.peripheral._ipp_talk import IppParams, IppTalk

GET_PRINTER = 0x000B


class PrinterParams(IppParams):
    """Parameters of `ipp`."""

    test_page: bool = False
    """Print a page with every run, and follow the job to its end. For checks that run once a day."""


async def probe_ipp(target: Target, params: PrinterParams, context: Context) -> Reading:
    """Ask a printer for its attributes, and print a page where that is wanted.

    Raises `OwnLoginFailed`, `PermissionMissing`, `ExpectationFailed` (no_such_queue, tls_required,
    version_not_supported; with a test page also not_ready, not_accepting, job_aborted...),
    `ProtocolViolated`, `TimedOut`, and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        async with _talk(target, address, params, notes) as talk:
            found = await _asked(talk, notes)
            if params.test_page:
                await _test_page(target, address, params, talk, found, notes)
    return notes.reading()


@asynccontextmanager
async def _talk(
    target: Target, address: Address, params: PrinterParams, notes: Notes, until: float | None = None
) -> AsyncIterator[IppTalk]:
    async with Web(target, address, params.port, params, notes, until) as web:
        yield IppTalk(web, target, params, notes.context)


async def _asked(talk: IppTalk, notes: Notes) -> Attributes:
    wanted = Attribute(KEYWORD, "requested-attributes", WANTED)
    message = await talk.ask(GET_PRINTER, "Get-Printer-Attributes", (wanted,))
    found = next(iter(message.of(PRINTER)), None)
    if found is None:
        raise ProtocolViolated("an answer that tells nothing of a printer")
    result = told(found)
    notes.metrics |= result.metrics
    notes.facts |= result.facts
    for what in result.missing:
        notes.missing(what)
    return found


async def _test_page(
    target: Target, address: Address, params: PrinterParams, talk: IppTalk, found: Attributes, notes: Notes
) -> None:
    """Print a page where the printer is ready for one.

    Where it is not known how the job ended (the run was broken off, the printer is silent), what may be left
    of it is canceled after the run.
    """
    if notes.facts.get("state") == "stopped" or notes.metrics.get("errors") or notes.metrics.get("obstacles"):
        named = (notes.facts.get(name, "none") for name in ("obstacle_reasons", "error_reasons"))
        reasons = next((each for each in named if each != "none"), "stopped")
        raise ExpectationFailed(f"not_ready: no page is sent to it ({reasons})")
    if notes.metrics.get("accepting") == 0:
        raise ExpectationFailed("not_accepting: no page is sent to it")
    name = f"muster-{secrets.token_hex(6)}"
    try:
        await printed(talk, found, name, notes)
    except (ExpectationFailed, OwnLoginFailed, PermissionMissing):
        raise
    except BaseException:
        leftovers = notes.context.shared.get(Leftovers)
        leftovers.remove(_clear(target, address, params, name, notes.context))
        raise


async def _clear(
    target: Target, address: Address, params: PrinterParams, name: str, context: Context
) -> None:
    until = time.perf_counter() + LONGEST_S
    async with _talk(target, address, params, Notes(context), until) as talk:
        await canceled_by_name(talk, name)


PROBE = ProbeSpec(
    name="ipp",
    family="peripheral",
    summary="A printer by IPP: state and its reasons, supplies, paper, jobs; a test page where it is wanted.",
    params=PrinterParams,
    run=probe_ipp,
    metrics=(
        CONNECT_MS, TLS_MS, QUERY_MS,
        MetricDef("job_ms", "ms", "lower", 0.001, "From sending the test page to the end of its job."),
        MetricDef("accepting", "count", "higher", 1, "Whether it takes jobs (1 or 0)."),
        MetricDef("errors", "count", "lower", 1, "Reasons of its state that are errors (no paper, a jam)."),
        MetricDef("warnings", "count", "lower", 1, "Reasons that are warnings (toner or paper runs low)."),
        MetricDef("reports", "count", "none", 1, "Reasons that are mere reports."),
        MetricDef("obstacles", "count", "lower", 1,
                  "Reasons with which nothing is printed (no paper, no toner, a jam), also where the printer "
                  "calls them a report."),
        MetricDef("queued", "count", "lower", 1, "Jobs that are not done."),
        MetricDef("uptime_s", "s", "none", 1, "Since it was started."),
        MetricDef("supplies", "count", "none", 1, "Supplies (toner, ink), without containers of waste."),
        MetricDef("supplies_empty", "count", "lower", 1, "Supplies of which nothing is left."),
        MetricDef("supplies_unknown", "count", "lower", 1, "Supplies of which no amount is told."),
        MetricDef("supply_lowest_pct", "%", "higher", 0.1,
                  "What is left of the supply that has least; only where all tell an amount."),
        MetricDef("supply_lowest_known_pct", "%", "higher", 0.1, "The same of those that tell an amount."),
        MetricDef("trays_loaded", "count", "higher", 1, "Trays with paper in them."),
        MetricDef("trays_empty", "count", "lower", 1, "Trays without (that for single sheets among them)."),
        MetricDef("trays_unknown", "count", "none", 1, "Trays that do not tell."),
    ),
    facts=(
        FactDef("state", help="idle, processing or stopped."),
        FactDef("state_message", help="What it says of its state."),
        FactDef("error_reasons", help="Reasons that are errors; none."),
        FactDef("warning_reasons", help="Reasons that are warnings."),
        FactDef("report_reasons", help="Reasons that are mere reports."),
        FactDef("obstacle_reasons", help="Reasons with which nothing is printed; none."),
        FactDef("supplies_found", help="Supplies and what is left of each."),
        FactDef("media_ready", help="Paper that is loaded."),
        FactDef("model", help="Make and model."),
        FactDef("serial", help="Serial number."),
        FactDef("firmware", help="Versions of its firmware."),
        FactDef("name", help="Name of the printer."),
        FactDef("uuid", help="Its UUID."),
        FactDef("job_state", help="State of the test page's job at last."),
        FactDef("job_reasons", help="Reasons of that state."),
        ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "query", "job"),
    kinds=KINDS,
)  # fmt: skip
