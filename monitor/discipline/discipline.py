"""The discipline of tests: who may load which lines now, for how much, and when it must end.

`leave` is what a run passes through before its deadline starts: admission (window, health, use), its turn on
all of its lines, admission again where it had to wait, the budgets. What does not pass ends as
`not_run(reason)`: window, unhealthy, in_use, busy or budget.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import structlog

from monitor.calendars.windows import wait
from monitor.discipline import admission, budget
from monitor.discipline.admission import Sight
from monitor.discipline.budget import Amount, Exhausted, Ledger, Reservation
from monitor.discipline.grant import Grant
from monitor.discipline.rules import Rules
from monitor.discipline.turnstile import Ticket, Turnstile
from monitor.discipline.vitals import USE_METRICS, Vitals
from monitor.job import Job, Line, Route
from monitor.state import State
from monitor.store.api import Latest
from probes.api import Reading
from probes.errors import NotRun

log = structlog.get_logger("tests")
T = TypeVar("T")
USE_AGE_S = 900.0
"""A value of use counts for this time, or three intervals."""
REASONS = ("window", "unhealthy", "in_use", "busy", "budget")
CAUSES = ("rtt", "bytes", "time")
ASKED_TURN_S = 600.0
"""A run that somebody asked for waits no longer for its turn."""
GRACE_S = 1.0
"""How long a run that must stop may take to do so; then it is ended."""


class LatestOf(Protocol):
    """The part of the evidence that is needed here."""

    def latest(self, check: str) -> Latest | None:
        """Return the last attempt and last measurement of a check."""


@dataclass(slots=True)
class Counters:
    """What the discipline has done since the start."""

    tests: int = 0
    refused: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    stopped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0))
    up_bytes: int = 0
    down_bytes: int = 0
    unsettled: int = 0
    """Runs whose unused share could not be given back."""


class Discipline:
    """Gives leave. Used from one loop.

    `state_of` tells what is believed of a check, None where nobody does.
    """

    def __init__(
        self,
        ledger: Ledger,
        rules: Rules | None = None,
        evidence: LatestOf | None = None,
        state_of: Callable[[str], State | None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rules = rules or Rules()
        self.counters = Counters()
        self.vitals = Vitals()
        self._ledger, self._evidence, self._state_of, self._clock = ledger, evidence, state_of, clock
        self._turnstile = Turnstile()
        self._turns: dict[Ticket, asyncio.Future[None]] = {}
        self._present: set[str] = set()
        self.under_way = 0
        """Tests that load a line now."""
        self._background: set[asyncio.Task[Any]] = set()

    @property
    def waiting(self) -> int:
        """Runs that wait for their window or their turn."""
        return len(self._present) - self.under_way

    async def adopt(self, jobs: Iterable[Job]) -> None:
        """Learn which checks there are: those of the lines that tests load are listened to."""
        await self.vitals.adopt(jobs)

    def screened(self, job: Job, reading: Reading) -> Reading:
        """Return a reading as it counts: what was made while a test filled its line tells of the test."""
        return self.vitals.screened(job, reading)

    def on_reading(self, job: Job, reading: Reading) -> None:
        """Take a reading of any check into account; never waits."""
        self.vitals.on_reading(job, reading)

    async def aclose(self) -> None:
        """Return when what runs have used is recorded; to be called when none is under way."""
        while self._background:
            await asyncio.wait(self._background)

    @asynccontextmanager
    async def leave(self, job: Job, *, asked: bool = False) -> AsyncIterator[Grant]:
        """Give a run of `job` its lines until the block ends. Raises NotRun where it may not run.

        A run that somebody asked for waits for no window, and not long for its turn.
        """
        route, began = job.route or alone(job), time.monotonic()
        slip = self.rules.slip * job.every
        with self._once(job):
            if not asked:
                await self._window(job, route)
            self._look(job, route)
            async with self._turn(route, min(slip, ASKED_TURN_S) if asked else slip):
                waited = time.monotonic() - began
                seen = self._look(job, route)
                async with self._granted(job, route) as grant:
                    grant.waited, grant.use_known = waited, seen
                    yield grant

    def _refused(self, refusal: NotRun) -> NotRun:
        self.counters.refused[refusal.kind] += 1
        return refusal

    @contextmanager
    def _once(self, job: Job) -> Iterator[None]:
        """Keep a check from queueing behind itself."""
        if job.id in self._present:
            raise self._refused(NotRun("busy", "the run before this one is still under way, or waits"))
        self._present.add(job.id)
        try:
            yield
        finally:
            self._present.discard(job.id)

    async def _window(self, job: Job, route: Route) -> None:
        """Wait until a window opens, where that is what the run should do."""
        local = budget.local(self._clock(), route.lines[0].zone)
        seconds = wait(job.windows or self.rules.windows, local, job.every)
        if seconds:
            await asyncio.sleep(seconds)

    def _look(self, job: Job, route: Route) -> bool:
        """Be admitted; return whether the use of all lines is known. Raises NotRun."""
        local = budget.local(self._clock(), route.lines[0].zone)
        sights = [self._sight(line) for line in route.lines]
        windows = job.windows or self.rules.windows
        refusal = admission.closed(windows, local) or admission.refusal(self.rules, sights)
        if refusal is not None:
            raise self._refused(refusal)
        return all(sight.use_pct is not None for sight in sights)

    def _sight(self, line: Line) -> Sight:
        pulses = self.vitals.near(line.id)
        states = {pulse.job.id: self._state_of(pulse.job.id) for pulse in pulses}
        down = [check for check, state in states.items() if state is State.DOWN]
        if State.OK in states.values():
            down = []
        risen_ = next((said for pulse in pulses if (said := self.vitals.risen(pulse))), "")
        return Sight(line.id, self._use(line.id), down[0] if down else "", risen_)

    def _use(self, line: str) -> float | None:
        """Return how much of a line's busier direction is in use, in per cent; None: not known."""
        found = []
        for job in self.vitals.meters(line) if self._evidence else ():
            latest = self._evidence.latest(job.id) if self._evidence else None
            reading = latest.measurement if latest else None
            if reading is not None and reading.at >= self._clock() - max(USE_AGE_S, 3 * job.every):
                found += [value for name in USE_METRICS if (value := reading.metrics.get(name)) is not None]
        return max(found, default=None)

    @asynccontextmanager
    async def _turn(self, route: Route, slip: float) -> AsyncIterator[None]:
        ticket = self._turnstile.enter(line.id for line in route.lines)
        try:
            if not ticket.ready:
                await self._wait(ticket, slip)
            yield
        finally:
            for ready in self._turnstile.leave(ticket):
                turn = self._turns.get(ready)
                if turn is not None and not turn.done():
                    turn.set_result(None)

    async def _wait(self, ticket: Ticket, seconds: float) -> None:
        turn = self._turns[ticket] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            if not ticket.ready:
                before = ", ".join(f"{n} on {line}" for line, n in self._turnstile.before(ticket).items())
                said = f"no turn within {seconds:g} s; still before it: {before}"
                raise self._refused(NotRun("busy", said)) from None
        finally:
            del self._turns[ticket]

    @asynccontextmanager
    async def _granted(self, job: Job, route: Route) -> AsyncIterator[Grant]:
        reservation = await self._reserve(job, route)
        grant, loop = self._grant(job, route, reservation.amount), asyncio.get_running_loop()
        timer = loop.call_later(grant.seconds, grant.hurt)
        self.counters.tests += 1
        self.under_way += 1
        self.vitals.begin(grant)
        try:
            yield grant
        finally:
            timer.cancel()
            grant.close()
            self.under_way -= 1
            self.vitals.end(grant)
            self.counters.up_bytes += grant.up_bytes
            self.counters.down_bytes += grant.down_bytes
            await asyncio.shield(self._spawn(self._settle(reservation, grant.used())))

    async def _reserve(self, job: Job, route: Route) -> Reservation:
        """Charge the lines before a run. Raises NotRun."""
        wanted = Amount(self.rules.bytes_per_run, math.ceil(job.timeout * (1 + job.retries) * 1000))
        accounts, needed = budget.accounts(route, self.rules, self._clock()), budget.least(route, self.rules)
        reserving = self._spawn(self._ledger.reserve(accounts, wanted, needed))
        try:
            return await asyncio.shield(reserving)
        except Exhausted as exhausted:
            raise self._refused(NotRun("budget", str(exhausted))) from None
        except sqlite3.Error as error:
            log.error("the budget of tests can't be recorded", reason=str(error))
            raise self._refused(NotRun("budget", "what tests use can't be recorded now")) from None
        except asyncio.CancelledError:
            reserving.add_done_callback(self._give_back)
            raise

    def _give_back(self, reserving: asyncio.Task[Reservation]) -> None:
        if not reserving.cancelled() and reserving.exception() is None:
            self._spawn(self._settle(reserving.result(), Amount(0, 0)))

    async def _settle(self, reservation: Reservation, used: Amount) -> None:
        try:
            await self._ledger.settle(reservation, used)
        except sqlite3.Error as error:
            self.counters.unsettled += 1
            log.error("what a test left of its budget can't be given back", reason=str(error))

    def _grant(self, job: Job, route: Route, amount: Amount) -> Grant:
        tell = asyncio.get_running_loop().call_soon_threadsafe
        loss, rtt_ms = self.vitals.lately(job)
        return Grant(
            tuple(line.id for line in route.lines), amount, up_bps=route.up_bps, down_bps=route.down_bps,
            loss=loss, rtt_ms=rtt_ms, over=lambda stopped: tell(self._stopped, stopped),
        )  # fmt: skip

    def _stopped(self, grant: Grant) -> None:
        """Count a run that has to stop, and see to it that it does."""
        self.counters.stopped[grant.cause] += 1
        asyncio.get_running_loop().call_later(GRACE_S, _enforce, grant)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _enforce(grant: Grant) -> None:
    if grant.abort is not None:
        grant.abort(grant.why)


def alone(job: Job) -> Route:
    """Return the route of a check of which the inventory says nothing: the asset is a line of its own."""
    return Route((Line(f"{job.unit}/{job.asset}", "UTC"),))
