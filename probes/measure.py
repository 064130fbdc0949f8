"""One run of one probe to one reading: the only place where exceptions and deadlines become outcomes."""

from __future__ import annotations

import asyncio
import traceback

from probes.api import Context, Params, ProbeSpec, Reading, Target
from probes.errors import Ending, Inconclusive, ProberFault, TimedOut, from_oserror

OWN_PHASES = ("", "queued", "resolve")
"""Phases in which a run waits for the monitor (or a name server), so that a deadline accuses no target."""


async def measure(spec: ProbeSpec, target: Target, params: Params, context: Context) -> Reading:
    """Run the probe and return its reading; only cancellation (the runner's deadline) passes through."""
    try:
        return await spec.run(target, params, context)
    except Ending as ending:
        return _ended(ending, context)
    except OSError as error:
        return _ended(from_oserror(error, context.phase), context)
    except Exception as error:  # noqa: BLE001 - a bug in a probe is a reading, too: error(prober_error)
        context.log(traceback.format_exc())
        return _ended(ProberFault(f"{type(error).__name__} in {spec.name}"), context)


def deadline_passed(context: Context) -> Reading:
    """Return the reading of a run whose time ran out: a time-out only where it waited for the target."""
    if context.phase in OWN_PHASES:
        where = context.phase or "an unnamed phase"
        detail = f"{context.timeout:g} s passed in {where}, before the target was asked"
        return _ended(Inconclusive(detail), context)
    return _ended(TimedOut(f"{context.phase}: no answer within {context.timeout:g} s"), context)


def _ended(ending: Ending, context: Context) -> Reading:
    reading = ending.reading()
    reading.phase = context.phase
    return reading


async def measure_within(spec: ProbeSpec, target: Target, params: Params, context: Context) -> Reading:
    """Run the probe within its deadline, for single runs; the daemon's runner has one wheel for all."""
    try:
        async with asyncio.timeout(context.timeout):
            return await measure(spec, target, params, context)
    except TimeoutError:
        return deadline_passed(context)
