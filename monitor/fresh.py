"""Probe some units now, in the order of their dependencies: what lies behind a dead target is not tried.

With a daemon on the state directory its runner does it, so that budgets and exclusions hold; else one of our
own, whose readings go to the store with the vantage `check`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from monitor.control.requests import VANTAGE, from_wire
from monitor.control.socket import ask
from monitor.discipline.discipline import Discipline
from monitor.isolation.gatekeeper import Gatekeeper
from monitor.isolation.witness_settings import WitnessSettings
from monitor.job import Job
from monitor.readiness.dependencies import Dependencies, probe_order, with_dependencies
from monitor.readiness.layered import Layered
from monitor.runner import Excuse, Limits, Runner, run_now
from monitor.store.api import Evidence, Sink
from monitor.workspace import Workspace
from probes.api import Reading, Shared

FLUSH_S = 30.0
"""How long the store may take to commit; longer means that its writer is gone."""
Progress = Callable[[int, int], None]
"""Called with how many checks are done, and how many there are."""
Hear = Callable[[Reading], None]
"""Called with each new reading."""
ASKED_AT_ONCE = 10_000
"""Checks in one request to the daemon, whose lines are bounded."""


class Prober(Protocol):
    """What runs checks now."""

    def run(self, jobs: Sequence[Job]) -> AsyncIterator[Reading]:
        """Yield one reading a job, as they come."""


class Through:
    """Runs checks through the daemon's socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def run(self, jobs: Sequence[Job]) -> AsyncIterator[Reading]:
        """Yield one reading a job the daemon knows. Raises ControlError, NoDaemon."""
        for first in range(0, len(jobs), ASKED_AT_ONCE):
            checks = [job.id for job in jobs[first : first + ASKED_AT_ONCE]]
            async for answer in ask(self._socket, {"do": "probe", "checks": checks}):
                yield from_wire(answer["reading"])


@dataclass(frozen=True, slots=True)
class Heard:
    """A prober whose readings somebody else hears, too."""

    prober: Prober
    hear: Hear

    async def run(self, jobs: Sequence[Job]) -> AsyncIterator[Reading]:
        """Yield one reading a job."""
        async for reading in self.prober.run(jobs):
            self.hear(reading)
            yield reading


class Own:
    """Runs checks in this process, and stores what comes of them."""

    def __init__(self, runner: Runner, readings: asyncio.Queue[Reading]) -> None:
        self._runner, self._readings = runner, readings

    async def run(self, jobs: Sequence[Job]) -> AsyncIterator[Reading]:
        """Yield one reading a job."""
        loop = asyncio.get_running_loop()
        starts = run_now(lambda job: self._runner.start(job, loop.time(), asked=True), jobs, self._readings)
        async for reading in starts:
            yield reading


@asynccontextmanager
async def own(
    shared: Shared,
    sink: Sink | None,
    tests: Discipline | None = None,
    witnesses: WitnessSettings | None = None,
    excuse: Excuse | None = None,
) -> AsyncIterator[Own]:
    """Give a prober in this process; its readings go to `sink` too. `tests` gives leave to load links.

    `excuse` says why a check is not to be run. Where there are `witnesses` of our own connection, a failure
    counts only once one of them has answered.
    """
    readings: asyncio.Queue[Reading] = asyncio.Queue()

    def emit(job: Job, reading: Reading) -> None:
        readings.put_nowait(reading)
        if sink is not None:
            sink.append(reading)
        if tests is not None:
            tests.on_reading(job, reading)

    limits = Limits(shed_after_s=float("inf"))
    gate = Gatekeeper(witnesses or WitnessSettings(), shared, emit)
    runner = Runner(shared, gate, limits, VANTAGE, tests, excuse)
    runner.wheel.start()
    asking = asyncio.ensure_future(gate.run())
    try:
        yield Own(runner, readings)
    finally:
        await _end(runner, gate, asking, tests)
        if sink is not None:
            async with asyncio.timeout(FLUSH_S):
                await sink.flush()


async def _end(
    runner: Runner, gate: Gatekeeper, asking: asyncio.Future[None], tests: Discipline | None
) -> None:
    await runner.drain(0)
    gate.close()
    asking.cancel()
    await asyncio.wait([asking])
    if tests is not None:
        await tests.aclose()
    runner.wheel.stop()


async def probe(
    workspace: Workspace,
    units: Iterable[str],
    prober: Prober,
    base: Evidence | None,
    progress: Progress = lambda _done, _all: None,
) -> Layered:
    """Probe the units' checks, and what they depend on; return the evidence with the new readings on top.

    A job behind something that this very run found dead is left out: its item is blocked by that.
    """
    evidence, fresh = Layered(base), Layered()
    jobs = with_dependencies(workspace.inventory, workspace.jobs, units)
    done = 0
    for stage in probe_order(workspace.inventory, jobs):
        dead = Dependencies(workspace.inventory, workspace.jobs, fresh, time.time())
        open_now = [job for job in stage if not dead.blocked(job)]
        done += len(stage) - len(open_now)
        async for reading in prober.run(open_now):
            evidence.add(reading)
            fresh.add(reading)
            done += 1
            progress(done, len(jobs))
        progress(done, len(jobs))
    return evidence
