"""The composition root: builds the parts of the daemon and runs them in one task group."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from inventory.problems import ConfigError
from inventory.secrets import Secrets
from monitor.alerting import Alerting
from monitor.assessor import Assessor
from monitor.bundles.intake import Intake
from monitor.calendars.calendar import Calendar
from monitor.child.clerk import Clerk
from monitor.control.requests import Requests
from monitor.control.socket import ControlServer
from monitor.discipline.budget import Ledger
from monitor.discipline.discipline import Discipline
from monitor.drifting import Drifting
from monitor.gates.counter import Counter
from monitor.history.keeping import Keeper
from monitor.incidents.correlator import Correlator
from monitor.incidents.duty import Duty
from monitor.incidents.situation import Situation
from monitor.isolation.gatekeeper import MOST_HELD_S, Gatekeeper
from monitor.isolation.heartbeat import Heartbeat
from monitor.job import Job
from monitor.noticing import Noticing
from monitor.people.maintenance import Maintenances
from monitor.people.requests import People
from monitor.pipeline import Pipeline
from monitor.place import Place
from monitor.process import files, garbage
from monitor.process.closing import close_all
from monitor.process.health import Health, LoopWatch
from monitor.process.limits import raise_file_limit
from monitor.process.lock import StateLock
from monitor.process.systemd import notify, watchdog_interval
from monitor.pruning import prune
from monitor.readiness.checklists import load_calendars
from monitor.reload import Reloader
from monitor.reporting import Reporter
from monitor.runner import Runner
from monitor.schedule import SOON_S, Schedule
from monitor.shared import SharedClients
from monitor.sinks.sink import build as build_influx
from monitor.state import CheckState, State, Transition
from monitor.store.detectors import DetectorStore
from monitor.store.engine import Store
from monitor.store.outbox import OutboxTable
from monitor.store.verdicts import Verdicts
from monitor.telemetry import Telemetry
from monitor.traps.receiver import Receiver
from monitor.units import Units
from monitor.watch import Watch
from monitor.web import serving
from monitor.window import Window

log = structlog.get_logger("muster")
GRACE_S = 10.0
ROUND_S = 60.0
"""A round of checks: so long after the start nobody is told again of what was known before."""


@dataclass(slots=True)
class Stop:
    """What ends the daemon: a signal sets the event; the status is its exit status."""

    event: asyncio.Event
    status: int = 0


class App:
    """One daemon on one state directory."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.lock = StateLock(place.state_dir)
        self.started = time.time()
        self.listening = ""
        self.up = asyncio.Event()
        """Set once everything runs."""

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT; return the exit status. Raises ConfigError, Locked, SchemaTooNew."""
        self.lock.take()
        try:
            raise_file_limit()
            self._build()
            return await self._run()
        finally:
            self.lock.release()

    def _build(self) -> None:
        """Make all parts, each from those before it."""
        self._keep()
        self._believe()
        self._measure()
        self._follow()

    def _keep(self) -> None:
        """Make what keeps: secrets, shared clients, the store, what is known of units and announced work."""
        settings, place = self.place.settings, self.place
        self.secrets = Secrets(place.secrets)
        self.shared = SharedClients(settings.probe_settings(), self.secrets.get)
        self.store = Store.open(place.state_dir, settings.retention, settings.store_bounds())
        self.units = Units()
        self.maintenances = Maintenances()
        self.verdicts = Verdicts(self.store.state)

    def _believe(self) -> None:
        """Make what becomes of readings: states, incidents, messages."""
        self.alerting = Alerting(self.place, self.store, self.verdicts, self.units, self.maintenances)
        self.outbox = self.alerting.outbox
        self.noticing = Noticing(DetectorStore(self.store.state))
        self.drifting = Drifting(self.store, self._belief)
        self.watch = Watch(
            self.alerting.incidents, heard=self._heard, notice=self.noticing, drift=self.drifting,
            slack=MOST_HELD_S,
        )  # fmt: skip
        self.situation = here = Situation(self.units, self.watch.state, leaning=self.noticing.leaning)
        correlator = Correlator(
            here,
            here.measures_link,
            self.place.settings.timing(),
            here.silent,
            here.askable,
            self.noticing.adopted_at,
        )
        self.duty = Duty(
            correlator, self.alerting.incidents, self.watch, self._ask, self.outbox.noticed, self.store.pin,
            self.noticing.usual,
        )  # fmt: skip
        self.people = People(self.store.state, self.units, self.maintenances, correlator.lost)

    def _measure(self) -> None:
        """Make what measures: the tests' discipline, the witnesses' gate, the runner and its schedule."""
        settings = self.place.settings
        self.tests = Discipline(Ledger(self.store.state), settings.test_rules(), self.store, self._state_of)
        self.pipeline = Pipeline(self.store, self.watch, self.tests.vitals.on_reading)
        self.gate = Gatekeeper(settings.witnesses, self.shared, self.pipeline)
        self.gate.on_isolated, self.gate.on_connected = self.duty.isolated, self._connected
        self.runner = Runner(
            self.shared, self.gate, settings.run_limits(), settings.daemon.vantage, self.tests,
            self.maintenances.excuse,
        )  # fmt: skip
        self.schedule = Schedule(self.runner.start_batch)
        self.traps = Receiver(settings.traps, self.shared.secret, self._ask_asset)

    def _follow(self) -> None:
        """Make what follows: the files as they change, verdicts, the monitor's own health."""
        settings = self.place.settings
        self.loop_watch = LoopWatch()
        self.influx = build_influx(
            settings.influx, self.store, self.units, self.maintenances, self.shared.secret
        )
        self.clerk = Clerk(self.place)
        self.reloader = Reloader(
            self.clerk, self.units, self.schedule, self.runner.breaker, self._adopt, self._declare, self._soon
        )
        self.health = Health(
            self.loop_watch,
            self.store.commit_age,
            lambda: self.reloader.error,
            lambda: self.reloader.count > 0,
        )
        self.assessor = Assessor(
            self.clerk, self.units, self.store.state, self.verdicts, self.noticing,
            regressed=self.duty.regressed,
        )  # fmt: skip
        self.reporter = Reporter(
            settings.reports, self.clerk, OutboxTable(self.store.state), self.outbox.enqueue
        )
        self.heartbeat = Heartbeat(
            settings.heartbeat, settings.mail, self.shared.secret, self._well, self._counts,
            self.outbox.enqueue,
        )  # fmt: skip

    def _window(self) -> Window:
        telemetry = Telemetry(
            self.runner, self.schedule, self.pipeline, self.watch, self.duty, self.outbox, self.reloader,
            self.loop_watch, self.store, self.tests, self.gate, self.heartbeat, self.traps, self.influx,
            self.started,
        )  # fmt: skip
        return Window(
            self.units, self.store, self.verdicts, self.watch, self.health, telemetry, self.people,
            self.noticing,
        )  # fmt: skip

    async def _run(self) -> int:
        stop = Stop(asyncio.Event())
        self._signals(stop)
        try:
            await self.watch.load()
            await self.noticing.load()
            await self.people.load()
            await self.reloader.reload()
            await self.duty.load(ROUND_S, self.units.knows)
            await self.traps.open()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in self._works()]
                async with self._serving():
                    self.schedule.begin()
                    notify("READY=1")
                    self.up.set()
                    log.info("running", url=self.listening, checks=len(self.schedule.timetable))
                    await stop.event.wait()
                    notify("STOPPING=1")
                    await self._wind_down()
                for task in tasks:
                    task.cancel()
        finally:
            clean = await self._close()
        return stop.status if clean else stop.status or 1

    def _works(self) -> list[Any]:
        self.runner.wheel.start()
        self.loop_watch.start()
        self.schedule.every(1, "silence", self._sweep)
        self.schedule.every(60, "reload", self.reloader.settle)
        self.schedule.every(60, "detectors", self.noticing.save_some)
        self.schedule.every(1, "alarms", self.noticing.save_changed)
        self.schedule.every(1, "garbage", garbage.every_second)
        self.schedule.daily(3, 10, "all garbage", garbage.every_night)
        self.schedule.daily(3, 20, "old incidents", self._prune)
        self.schedule.every(60, "digest", self.alerting.digester.tick)
        self.heartbeat.begin(self.schedule)
        self.reporter.begin(self.schedule)
        if self.influx:
            self.influx.figures.tell = self._window().written
        works = [self.watch.run(), self.duty.run(), self.gate.run(), self.traps.run()]
        return [
            *works,
            self.assessor.run(),
            self._follow_files(),
            self._beat(),
            *([self.influx.run()] if self.influx else []),
            *self.alerting.works(self.shared),
        ]

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        requests = Requests(
            self.runner, self.units, self.reloader, self.pipeline, self.store, self.store.state,
            self.tests, self.shared,
        )  # fmt: skip
        counter = Counter(self.clerk, self.store.state, self.duty.signed, Intake(self.store))
        keeper = Keeper(self.store.state)
        handlers = {
            **requests.handlers(), **self.people.handlers(), **counter.handlers(), **keeper.handlers(),
            **self.reporter.handlers(),
        }  # fmt: skip
        control = ControlServer(self.place.socket, handlers)
        await control.start()
        try:
            async with serving(self._window(), self.place.settings.web) as self.listening:
                yield
        finally:
            await control.stop()

    async def _wind_down(self) -> None:
        """Release no more checks, let runs in flight finish, write down what there is."""
        self.schedule.stop()
        await self.runner.drain(GRACE_S)
        self.gate.close()
        await self.tests.aclose()
        self.runner.wheel.stop()
        await self.store.flush()

    async def _close(self) -> bool:
        """End everything, the store last; return whether all of it ended as it should."""
        self.schedule.stop()
        self.loop_watch.stop()
        return await close_all(
            {
                "traps": self.traps.aclose,
                "clerk": self.clerk.close,
                "clients": self.shared.aclose,
                "tests": self.tests.aclose,
                "states": self.watch.close,
                "detectors": self.noticing.save_all,
                "store": lambda: asyncio.to_thread(self.store.close),
            }
        )

    def _signals(self, stop: Stop) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.event.set)
        self._reloads: set[asyncio.Task[None]] = set()
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)

    def _on_hangup(self) -> None:
        task = asyncio.get_running_loop().create_task(self._announced_reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _announced_reload(self) -> None:
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        await self.reloader.try_reload()
        notify("READY=1")

    async def _follow_files(self) -> None:
        async for _ in files.changes(self.place.watched):
            await self.reloader.try_reload()

    async def _prune(self) -> None:
        keep, incidents = self.place.settings.retention, self.alerting.incidents
        await prune(keep, incidents, self.verdicts, self.store.state, time.time())

    async def _sweep(self) -> None:
        await self.watch.sweep(time.time())

    async def _beat(self) -> None:
        """Tell systemd that we are alive, as long as we are."""
        interval = watchdog_interval() or 10.0
        while True:
            if self.health.healthy()[0]:
                notify("WATCHDOG=1")
            await asyncio.sleep(interval)

    def _connected(self, at: float) -> None:
        """End an isolation: what was silent meanwhile says nothing of the targets."""
        self.runner.breaker.reset()
        self.duty.connected(at)

    def _well(self) -> tuple[bool, str]:
        """Return whether a sign of life may go out, and why not."""
        late = self.assessor.rounds.overdue(time.monotonic())
        return (False, f"no unit was judged for {late:.0f} s") if late else self.health.healthy()

    def _counts(self) -> dict[str, Any]:
        """Return what the sign of life tells."""
        states = {state.value: count for state, count in self.watch.counts.items()}
        isolated = self.gate.gate.isolated_at is not None
        return {"checks": len(self.schedule.timetable), "states": states, "isolated": isolated}

    async def _adopt(self, jobs: Iterable[Job]) -> None:
        """Tell states and tests which checks there are."""
        self.people.adopt(await asyncio.to_thread(self._calendars))
        await self.watch.adopt(jobs)
        await self.situation.refresh()
        await self.noticing.adopt(self.units.jobs())
        await self.drifting.adopt(self.units.jobs())
        if self.influx:
            self.influx.lines.forget()
        await self.tests.adopt(self.units.jobs())
        await self.assessor.adopt()
        self.traps.adopt(self.units.jobs())

    def _calendars(self) -> Mapping[str, Calendar] | None:
        """Read the calendars by which work recurs; where they can't be read the known ones stay."""
        try:
            return load_calendars(self.place.calendar_dirs)
        except ConfigError as error:
            log.error("calendars can't be read", reason=str(error).splitlines()[0])
            return None

    def _heard(self, state: CheckState, transition: Transition, now: float) -> None:
        self.duty.heard(state, transition, now)

    def _ask(self, check: str) -> None:
        """Run a check now, out of turn."""
        job = self.units.job(check)
        if job is not None and not job.spec.loads_link:
            self.runner.start(job, asyncio.get_running_loop().time())

    def _ask_asset(self, asset: str) -> int:
        """Run all checks of an asset now, out of turn; return how many."""
        jobs = [job for job in self.units.of_asset(asset) if not job.spec.loads_link]
        for job in jobs:
            self._ask(job.id)
        return len(jobs)

    def _belief(self, check: str) -> CheckState | None:
        return self.watch.state(check)

    def _state_of(self, check: str) -> State | None:
        state = self.watch.state(check)
        return state.state if state else None

    def _declare(self, job: Job) -> None:
        self.store.declare(job.id, job.spec.metrics)
        self.gate.meet(job)

    def _soon(self, job: Job) -> bool:
        """Whether a check was never run, or longer ago than its interval (short ones come soon anyway)."""
        if job.every <= SOON_S:
            return False
        latest = self.store.latest(job.id)
        return latest is None or latest.attempt.at < time.time() - job.every
