"""A probe that loads a link, run by hand while a daemon runs: in the daemon, under its discipline.

The reading goes to the person who asked and nowhere else: it is no part of a check's series.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from inventory import units as quantities
from monitor.control.socket import ControlError
from monitor.discipline.discipline import Discipline
from monitor.job import Job, Route
from monitor.process.turns import Turn
from monitor.units import Units
from probes import registry
from probes.api import Context, Params, ProbeSpec, Reading, Target
from probes.errors import NotRun
from probes.measure import measure_within

EVERY_S = 120.0
"""A run by hand waits for its turn as a check of this interval does."""
MAX_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for."""

    spec: ProbeSpec
    target: Target
    params: Params
    timeout: float

    @classmethod
    def parse(cls, request: Mapping[str, Any]) -> Wish:
        """Return what a request says. Raises ControlError."""
        try:
            spec = registry.get(str(request["probe"]))
            params = spec.params.model_validate(request["parameters"], context={"quantity": quantities.parse})
            timeout, family = float(request["timeout"]), request["family"]
        except (LookupError, TypeError, ValueError, ValidationError) as error:
            raise ControlError(f"not a run of a probe: {type(error).__name__}") from None
        if not spec.loads_link or family not in ("any", "4", "6") or not 0 < timeout <= MAX_TIMEOUT_S:
            raise ControlError("only probes that load a link are run by the daemon")
        return cls(spec, Target(str(request["address"]), family), params, timeout)


async def planned(wish: Wish, units: Units) -> Job | None:
    """Return the job for a wish, on the route of the asset with that address; None where no asset has it."""
    found: Job | None = None
    turn = Turn()
    for job in units.jobs():
        if job.target.address == wish.target.address and (found is None or (job.route and not found.route)):
            found = job
        await turn.end()
    if found is None:
        return None
    target = Target(wish.target.address, wish.target.family, found.unit, found.asset)
    check = f"{wish.spec.name} by hand"
    return Job(
        f"{found.unit}/{found.asset}/{check}", found.unit, found.asset, check, wish.spec, target, wish.params,
        EVERY_S, wish.timeout, route=found.route or _of_unit(units, found.unit),
    )  # fmt: skip


def _of_unit(units: Units, unit: str) -> Route | None:
    known = units.known.get(unit)
    return next((job.route for job in known.jobs.values() if job.route), None) if known else None


async def run(job: Job, tests: Discipline, context: Context) -> Reading:
    """Run a job under the discipline; what it refuses is the reading."""
    at, start = time.time(), time.perf_counter()
    try:
        async with tests.leave(job, asked=True) as grant:
            at, start = time.time(), time.perf_counter()
            context.link, context.started = grant, start
            reading = await measure_within(job.spec, job.target, job.params, context)
            grant.sign(reading)
    except NotRun as refusal:
        reading = refusal.reading()
    reading.check, reading.at, reading.duration_ms = job.id, at, (time.perf_counter() - start) * 1000
    return reading
