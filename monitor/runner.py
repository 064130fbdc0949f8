"""One due check to one reading: admission, concurrency, deadline, isolation, circuit breaker.

A run that is late because the monitor is overloaded is shed as `not_run(overload)` and counted; a run that
reaches its deadline is cancelled by the one wheel; a bug in a probe is `error(prober_error)` of that check.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import structlog

from monitor.breaker import Breaker
from monitor.discipline.grant import Grant
from monitor.histogram import Histogram
from monitor.job import Job
from monitor.process.log import fault
from monitor.schedule import Batch
from monitor.wheel import Wheel
from probes.api import Context, Outcome, Reading, Shared
from probes.errors import Inconclusive, NotRun
from probes.measure import deadline_passed, measure

log = structlog.get_logger("runner")
LAG_BOUNDS_MS = (0.5, 1, 2, 3.5, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 250, 500, 1000, 2500, 5000)
PATIENCE, PATIENCE_S = 3, 30.0
"""How long the next reading is waited for: so many times the longest run, and so many seconds."""
AT_ONCE = 500
"""Runs that one request out of schedule may have under way."""
MOST_SLIP = 0.5
"""The share of its interval for which a run that loads a link may wait for its turn."""
Emit = Callable[[Job, Reading], None]
Excuse = Callable[[str, float], str]
"""Why a check is not to be run at a time (seconds since the epoch); empty where it is."""


class Tests(Protocol):
    """What gives leave to the runs that load a link; `monitor.discipline.discipline.Discipline`."""

    def leave(self, job: Job, *, asked: bool = False) -> AbstractAsyncContextManager[Grant]:
        """Give a run its lines until the block ends. Raises NotRun where it may not run.

        A run that somebody asked for waits for no window, and not long for its turn.
        """

    def screened(self, job: Job, reading: Reading) -> Reading:
        """Return a reading as it counts, where a test may have been what it tells of."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be under way; `shed_after_s` is the lag above which no run is admitted."""

    in_flight: int = 20_000
    per_target: int = 8
    waiting_per_target: int = 1000
    shed_after_s: float = 0.5


@dataclass(slots=True)
class Counters:
    """What the runner has done since the start."""

    started: int = 0
    finished: int = 0
    shed: int = 0
    expired: int = 0
    circuit_open: int = 0
    lag_ms: Histogram = field(default_factory=lambda: Histogram(LAG_BOUNDS_MS))


class Flight:
    """A run under way."""

    __slots__ = ("aborted", "expired", "grant", "job", "task", "test", "vantage")

    def __init__(self, job: Job, vantage: str) -> None:
        self.job, self.vantage = job, vantage
        self.expired, self.aborted, self.test = False, "", False
        self.grant: Grant | None = None
        self.task: asyncio.Task[None] | None = None

    def expire(self) -> None:
        """End the run at its deadline."""
        self.expired = True
        self.cancel()

    def cancel(self) -> None:
        """End the run without a reading."""
        if self.task is not None:
            self.task.cancel()

    def abort(self, why: str) -> None:
        """End a run that has lost its leave to load a link and does not stop by itself."""
        self.aborted = why
        self.expire()


class Runner:
    """Runs what is due and emits one reading for each run, whatever happens."""

    def __init__(
        self,
        shared: Shared,
        emit: Emit,
        limits: Limits | None = None,
        vantage: str = "local",
        tests: Tests | None = None,
        maintenance: Excuse | None = None,
    ) -> None:
        self._shared, self._emit, self._vantage, self._tests = shared, emit, vantage, tests
        self._maintenance = maintenance
        self.limits = limits or Limits()
        self.counters = Counters()
        self.wheel = Wheel()
        self.breaker = Breaker()
        self._flights: set[Flight] = set()
        self._busy: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[Job, float, str]]] = {}

    @property
    def in_flight(self) -> int:
        """Runs under way."""
        return len(self._flights)

    def start_batch(self, batch: Batch) -> None:
        """Start every check of a slot; one that can't be started never loses the rest."""
        for planned in batch.planned:
            if planned.active:
                self._start_or_log(planned.job, batch.due)

    def _start_or_log(self, job: Job, due: float) -> None:
        try:
            self.start(job, due)
        except Exception as error:  # noqa: BLE001 - logged
            log.error("a check could not be started", check=job.id, **fault(error))

    def start(self, job: Job, due: float, vantage: str = "", *, asked: bool = False) -> None:
        """Start one run that was due at `due` (the loop's clock), or emit why it was not run.

        `vantage` is what the reading says of where it was made from, unless the runner's own. `asked` says
        that somebody waits for it. Those that run together share one command, so that they need no places
        among the runs of their target.
        """
        refusal = self._refusal(job, due)
        if refusal is not None:
            self._emit(job, self._stamped(refusal, job, due, time.perf_counter()))
            return
        if job.spec.together or (job.spec.loads_link and self._tests is not None):
            self._fly(job, due, vantage, asked=asked)
            return
        target = job.target.address
        busy = self._busy.get(target, 0)
        if busy >= self.limits.per_target:
            self._wait(job, due, vantage)
            return
        self._busy[target] = busy + 1
        self._fly(job, due, vantage)

    async def drain(self, grace: float) -> None:
        """Let runs in flight finish for up to `grace` seconds, then cancel them; none begins any more."""
        self._waiting.clear()
        for flight in self._flights:
            if flight.test and flight.grant is None:
                flight.cancel()
        tasks = [flight.task for flight in self._flights if flight.task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1)

    def _refusal(self, job: Job, due: float) -> Reading | None:
        excuse = self._maintenance(job.id, time.time()) if self._maintenance is not None else ""
        if excuse:
            return NotRun("maintenance", excuse).reading()
        lag = asyncio.get_running_loop().time() - due
        if lag > self.limits.shed_after_s or len(self._flights) >= self.limits.in_flight:
            self.counters.shed += 1
            why = f"the monitor is {lag:.1f} s late with {len(self._flights)} runs under way"
            return NotRun("overload", why).reading()
        pilot = self.breaker.blocked_by(job)
        if pilot is not None:
            self.counters.circuit_open += 1
            return NotRun(
                "circuit_open", f"{job.target.address} does not answer; {pilot} keeps trying"
            ).reading()
        return None

    def _wait(self, job: Job, due: float, vantage: str) -> None:
        waiting = self._waiting.setdefault(job.target.address, deque())
        if len(waiting) >= self.limits.waiting_per_target:
            self.counters.shed += 1
            reading = NotRun(
                "overload", f"{len(waiting)} runs wait for {job.target.address} already"
            ).reading()
            self._emit(job, self._stamped(reading, job, due, time.perf_counter()))
        else:
            waiting.append((job, due, vantage))

    def _fly(self, job: Job, due: float, vantage: str, *, asked: bool = False) -> None:
        flight = Flight(job, vantage or self._vantage)
        self._flights.add(flight)
        self.counters.started += 1
        tests = self._tests if job.spec.loads_link else None
        work = self._test(flight, due, tests.leave(job, asked=asked)) if tests else self._run(flight, due)
        flight.task = asyncio.get_running_loop().create_task(work)

    async def _test(self, flight: Flight, due: float, leave: AbstractAsyncContextManager[Grant]) -> None:
        """Run what loads a link, where it gets leave; its deadline and its lag do not count the wait.

        It holds no place among the runs of its target, since its turn may be long in coming.
        """
        flight.test = True
        try:
            async with leave as grant:
                flight.grant, grant.abort = grant, flight.abort
                await self._run(flight, due + grant.waited)
        except NotRun as refusal:
            self._refuse(flight, refusal, due)
        finally:
            if flight in self._flights:
                self._landed(flight)

    def _refuse(self, flight: Flight, refusal: NotRun, due: float) -> None:
        reading = self._stamped(refusal.reading(), flight.job, due, time.perf_counter())
        reading.vantage = flight.vantage
        self._emit(flight.job, reading)

    async def _run(self, flight: Flight, due: float) -> None:
        job, started, at = flight.job, time.perf_counter(), time.time()
        lag_ms = max(0.0, (asyncio.get_running_loop().time() - due) * 1000)
        try:
            reading = await self._attempts(flight)
            reading.check, reading.at, reading.lag_ms, reading.vantage = job.id, at, lag_ms, flight.vantage
            reading.duration_ms = (time.perf_counter() - started) * 1000
            if flight.grant is not None:
                flight.grant.sign(reading)
            elif self._tests is not None:
                reading = self._tests.screened(job, reading)
            self.counters.lag_ms.add(lag_ms)
            self.breaker.note(job, reading)
            self._emit(job, reading)
        finally:
            self._landed(flight)

    async def _attempts(self, flight: Flight) -> Reading:
        reading = await self._attempt(flight)
        for number in range(flight.job.retries):
            if reading.outcome is not Outcome.FAILED:
                break
            if flight.grant is not None:
                flight.grant.renew()
            reading = await self._attempt(flight)
            reading.detail = f"{reading.detail} (try {number + 2})".strip()
        return reading

    async def _attempt(self, flight: Flight) -> Reading:
        job = flight.job
        context = Context(self._shared, job.timeout, link=flight.grant)
        deadline = self.wheel.add(job.timeout, flight.expire)
        try:
            return await measure(job.spec, job.target, job.params, context)
        except asyncio.CancelledError:
            if not flight.expired:
                raise
            flight.expired = False
            if flight.aborted:
                return Inconclusive(f"ended: {flight.aborted}").reading()
            self.counters.expired += 1
            return deadline_passed(context)
        finally:
            deadline.done = True

    def _landed(self, flight: Flight) -> None:
        self.counters.finished += 1
        self._flights.discard(flight)
        if flight.test or flight.job.spec.together:
            return
        target = flight.job.target.address
        waiting = self._waiting.get(target)
        if waiting:
            self._fly(*waiting.popleft())
            return
        self._waiting.pop(target, None)
        left = self._busy.get(target, 1) - 1
        if left:
            self._busy[target] = left
        else:
            self._busy.pop(target, None)

    def _stamped(self, reading: Reading, job: Job, due: float, started: float) -> Reading:
        reading.check, reading.at, reading.vantage = job.id, time.time(), self._vantage
        reading.lag_ms = max(0.0, (asyncio.get_running_loop().time() - due) * 1000)
        reading.duration_ms = (time.perf_counter() - started) * 1000
        return reading


async def run_now(
    start: Callable[[Job], None], jobs: Iterable[Job], readings: asyncio.Queue[Reading]
) -> AsyncIterator[Reading]:
    """Start jobs out of schedule, a bounded number at once, and yield one reading each from `readings`.

    Raises TimeoutError when no reading comes for longer than any run may take: a fault of ours.
    """
    jobs = tuple(jobs)
    patience = PATIENCE_S + max((_longest(job) for job in jobs), default=0.0)
    waiting, under_way = iter(jobs), 0
    for job in islice(waiting, AT_ONCE):
        start(job)
        under_way += 1
    while under_way:
        async with asyncio.timeout(patience):
            reading = await readings.get()
        yield reading
        under_way -= 1
        for job in islice(waiting, 1):
            start(job)
            under_way += 1


def _longest(job: Job) -> float:
    """Return for how many seconds the next reading is waited for where this job is among those started."""
    turn = MOST_SLIP * job.every if job.spec.loads_link else 0.0
    return PATIENCE * job.timeout * (1 + job.retries) + turn
