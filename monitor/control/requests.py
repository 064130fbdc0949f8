"""What may be asked of a running daemon over its socket: status, reload, a run of some checks now."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import structlog

from inventory.problems import ConfigError
from monitor.child.clerk import ClerkFault
from monitor.control import byhand
from monitor.control.byhand import Wish
from monitor.control.socket import ControlError, Handler
from monitor.discipline.discipline import Discipline
from monitor.job import Job
from monitor.pipeline import Pipeline
from monitor.process.log import fault
from monitor.readiness.audit import Use
from monitor.reload import Reloader
from monitor.runner import Runner, run_now
from monitor.store import audit, outbox
from monitor.store.api import Sink
from monitor.store.database import Database
from monitor.units import Units
from probes.api import Context, Outcome, Reading, Shared

log = structlog.get_logger("control")
MOST_CHECKS = 500_000
VANTAGE = "check"
"""What a reading says that was made because somebody asked for it."""


def to_wire(reading: Reading) -> dict[str, Any]:
    """Return a reading as plain JSON data."""
    return dataclasses.asdict(reading)


def from_wire(data: Mapping[str, Any]) -> Reading:
    """Return the reading that `to_wire` made data of."""
    return Reading(**{**data, "outcome": Outcome(data["outcome"])})


@dataclasses.dataclass(frozen=True, slots=True)
class Requests:
    """The handlers of the control socket."""

    runner: Runner
    units: Units
    reloader: Reloader
    pipeline: Pipeline
    store: Sink
    state: Database
    tests: Discipline
    shared: Shared

    def handlers(self) -> Mapping[str, Handler]:
        """Return the handlers by name."""
        return {
            "status": self.status, "reload": self.reload, "probe": self.probe, "test": self.test,
            "audit": self.audit, "outbox.retry": self.retry_letters,
        }  # fmt: skip

    async def status(self, _: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Say who we are and what is under way."""
        counters = self.runner.counters
        yield {
            "pid": os.getpid(),
            "units": len(self.units.known),
            "checks": sum(len(unit.jobs) for unit in self.units.known.values()),
            "in_flight": self.runner.in_flight,
            "started": counters.started,
            "shed": counters.shed,
            "reload_error": self.reloader.error,
        }

    async def reload(self, _: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Reload the files; the error of bad ones is the answer.

        Whatever else fails is logged and answered, and `Reloader.settle` mends what was applied by half.
        """
        try:
            changed = await self.reloader.reload()
        except (ConfigError, ClerkFault) as error:
            raise ControlError(str(error)) from None
        except Exception as error:  # noqa: BLE001 - logged, and told to the one who asked
            log.error("could not reload", **fault(error))
            raise ControlError(self.reloader.excuse(error)) from None
        yield {"units_changed": changed}

    async def probe(self, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Run the given checks now, within the daemon's own limits; one reading an answer."""
        checks = request.get("checks")
        if not isinstance(checks, list) or not 0 < len(checks) <= MOST_CHECKS:
            raise ControlError('"checks" must be a list of check ids')
        readings: asyncio.Queue[Reading] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def start(job: Job) -> None:
            self.pipeline.once(job.id, readings.put_nowait)
            self.runner.start(job, loop.time(), VANTAGE, asked=True)

        jobs = [job for job in (self.units.job(str(check)) for check in checks) if job is not None]
        async for reading in run_now(start, jobs, readings):
            yield {"reading": to_wire(reading)}
        await self.store.flush()

    async def test(self, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Run a probe that loads a link once, as its lines allow; an address not in the inventory is told."""
        wish = Wish.parse(request)
        job = await byhand.planned(wish, self.units)
        if job is None:
            yield {"known": False}
            return
        context = Context(self.shared, wish.timeout, trace=[] if request.get("debug") else None)
        reading = await byhand.run(job, self.tests, context)
        yield {"known": True, "reading": to_wire(reading), "trace": context.trace}

    async def retry_letters(self, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Try dead letters again, those given or all; the outbox finds them within half a minute."""
        ids = request.get("ids")
        if not isinstance(ids, list) or not all(type(each) is int for each in ids):
            raise ControlError('"ids" must be a list of numbers')
        now = time.time()
        yield {"revived": await self.state.write(lambda c: outbox.revive(c, now, outbox.LIFETIME_S, ids))}

    async def audit(self, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Append uses of waivers to the audit, as those of the one who asks."""
        try:
            found = [Use(**{**each, "actor": request["actor"]}) for each in request.get("uses", ())]
        except TypeError:
            raise ControlError('"uses" must be a list of waiver uses') from None
        await self.state.write(lambda connection: audit.insert(connection, found))
        yield {"recorded": len(found)}
