"""Halls and a probe that loads nothing: it stands in for the load, claims bytes, and notes when it ran.

What really loads a line is tested with its probes, through an emulated link.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inventory import load
from inventory.models import Inventory
from monitor.discipline.budget import Ledger
from monitor.discipline.discipline import Discipline
from monitor.discipline.links import Lines
from monitor.discipline.rules import Rules
from monitor.job import Job, Route
from monitor.runner import Runner
from monitor.store.database import Database
from probes.api import Context, MetricDef, Params, ProbeSpec, Reading, Target
from probes.errors import NotRun
from tests.run.jobs import shared

HEAD = "version: 1\ntimezone: Asia/Shanghai\nunits:\n"
BUREAU = (
    "  - {{id: {id}, name: B, level: municipal, assets: [{{id: core, kind: channel, address: 10.0.0.1}}]}}\n"
)
HALL = (
    "  - {{id: {id}, name: H, level: hall, parent: {parent}, assets: [\n"
    "      {{id: uplink, kind: channel, address: 10.1.0.1, depends_on: [{above}],\n"
    "        contracted: {{up: 10 Mbit/s, down: 20 Mbit/s}}}}]}}\n"
)


def written(path: Path, text: str) -> Inventory:
    path.write_text(text, "utf-8")
    return load.load(path)


def fifty_and_fifty() -> str:
    """Return an inventory: halls a0..a49 behind the bureau's core, b0..b49 with links of their own."""
    halls = [HALL.format(id=f"a{n}", parent="gz", above="gz/core") for n in range(50)]
    halls += [HALL.format(id=f"b{n}", parent="gz", above="") for n in range(50)]
    return HEAD + BUREAU.format(id="gz") + "".join(halls)


class ClaimParams(Params):
    """What a stand-in for a test claims to do."""

    bytes: int = 100_000
    seconds: float = 0.01
    steps: int = 5


@dataclass(frozen=True, slots=True)
class Interval:
    """One run on its lines."""

    check: str
    lines: frozenset[str]
    start: float
    end: float
    bytes: int


@dataclass(slots=True)
class Ground:
    """A runner under a discipline on a real `state.db`, what it emitted, and what really ran."""

    tests: Discipline
    runner: Runner
    readings: list[Reading] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)

    def spec(self) -> ProbeSpec:
        """Return a probe that keeps to what it is granted, as far as there is something to spend."""

        async def claim(target: Target, params: ClaimParams, context: Context) -> Reading:
            context.phase = "transfer"
            link, start, spent = context.link, time.perf_counter(), 0
            assert link is not None
            try:
                for _ in range(params.steps):
                    part = min(params.bytes // params.steps, link.max_bytes - spent)
                    link.spent(part, 0)
                    spent += part
                    await asyncio.sleep(params.seconds / params.steps)
                    if why := link.hurt():
                        raise NotRun("stopped", why)
            finally:
                lines = frozenset(getattr(link, "lines", ()))
                check = f"{target.unit}/{target.asset}/claim"
                self.intervals.append(Interval(check, lines, start, time.perf_counter(), spent))
            return Reading.ok({"sent_bytes": float(spent)})

        return ProbeSpec("claim", "test", "for tests", ClaimParams, claim, loads_link=True)

    def start(self, jobs: Iterable[Job]) -> None:
        due = asyncio.get_running_loop().time()
        for job in jobs:
            self.runner.start(job, due)

    async def settled(self, count: int, seconds: float = 20) -> list[Reading]:
        async with asyncio.timeout(seconds):
            while len(self.readings) < count:
                await asyncio.sleep(0.005)
        await self.idle()
        return self.readings

    async def idle(self) -> None:
        async with asyncio.timeout(20):
            while self.runner.in_flight:
                await asyncio.sleep(0.005)
        await self.tests.aclose()


@asynccontextmanager
async def ground(state: Path, rules: Rules | None = None, **given: Any) -> AsyncIterator[Ground]:
    """Give a runner under a discipline whose budgets stand in `state`."""
    database = Database(state)
    tests = Discipline(Ledger(database), rules, **given)
    readings: list[Reading] = []

    def emit(job: Job, reading: Reading) -> None:
        readings.append(reading)
        tests.on_reading(job, reading)

    runner = Runner(shared(), emit, None, "hub", tests)
    runner.wheel.start()
    try:
        yield Ground(tests, runner, readings)
    finally:
        await runner.drain(0)
        await tests.aclose()
        runner.wheel.stop()
        await asyncio.to_thread(database.close)


def job(
    spec: ProbeSpec,
    asset: str,
    route: Route | None,
    *,
    every: float = 60.0,
    timeout: float = 5.0,
    retries: int = 0,
    **params: Any,
) -> Job:
    """Return a job on `unit/asset`."""
    unit, name = asset.split("/")
    target = Target("127.0.0.1", unit=unit, asset=name)
    made = spec.params(**params)
    return Job(
        f"{asset}/{spec.name}", unit, name, spec.name, spec, target, made, every, timeout, retries,
        route=route,
    )  # fmt: skip


def halls(inventory: Inventory, spec: ProbeSpec, **given: Any) -> Iterator[Job]:
    """Yield a job for each hall's uplink, halls of both kinds in turn."""
    lines = Lines(inventory)
    units = sorted((unit.id for unit in inventory if unit.level == "hall"), key=lambda id_: (id_[1:], id_))
    for unit in units:
        yield job(spec, f"{unit}/uplink", lines.route(unit, "uplink"), **given)


def overlapping(intervals: Iterable[Interval]) -> list[tuple[Interval, Interval]]:
    """Return pairs of runs that were on one line at one time."""
    ordered = sorted(intervals, key=lambda each: each.start)
    return [
        (one, two)
        for index, one in enumerate(ordered)
        for two in ordered[index + 1 :]
        if two.start < one.end and one.lines & two.lines
    ]


LISTEN = ProbeSpec(
    "icmp", "test", "stands in for echoes", Params, lambda *_: asyncio.sleep(0, Reading.ok()),
    metrics=(MetricDef("rtt_ms", "ms"),),
)  # fmt: skip


def echo(rtt_ms: float, sent: int = 10, received: int = 10, duration_ms: float = 0.0) -> Reading:
    """Return a reading as icmp gives it."""
    reading = Reading.ok({"rtt_ms": rtt_ms, "sent": float(sent), "received": float(received)})
    reading.duration_ms = duration_ms
    return reading
