"""From changed files to a changed timetable, unit by unit; a bad file changes nothing and says why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from inventory.problems import ConfigError
from monitor.breaker import Breaker
from monitor.child.clerk import Clerk, ClerkFault, Gone
from monitor.child.wire import UnitWire
from monitor.job import Job
from monitor.process import garbage
from monitor.process.log import fault
from monitor.process.turns import Turn
from monitor.schedule import Schedule
from monitor.units import Applied, Units

log = structlog.get_logger("reload")
SHOWN = 20
Adopt = Callable[[Iterable[Job]], Awaitable[None]]


@dataclass(slots=True)
class Reloader:
    """Asks the clerk for what has changed, and applies it once all of it has come."""

    clerk: Clerk
    units: Units
    schedule: Schedule
    breaker: Breaker
    adopt: Adopt
    """Tells the states which checks there are (`Watch.adopt`)."""
    declare: Callable[[Job], None]
    """Tells the store a job's metrics, before its first reading."""
    soon: Callable[[Job], bool]
    """Whether a check's first run shall not wait for its phase."""
    error: str = ""
    """Why the last reload changed nothing; empty after a good one."""
    last: float = 0.0
    read_s: float = 0.0
    """How long the files took to read and check at the last good reload, in the child process."""
    applied_s: float = 0.0
    """How long it then took until all of it was in effect, transfer included."""
    count: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _owed: bool = False
    """Whether units have changed of which not everybody has been told."""

    async def reload(self) -> int:
        """Return how many units have changed. Raises ConfigError or ClerkFault, and then nothing has.

        Raises what `adopt` raises: then the timetable is right, and the next reload adopts again. `excuse`
        says of any other fault what is left of it.
        """
        async with self._turn:
            try:
                return await self._reload()
            except Exception as error:
                self.error = str(error) or type(error).__name__
                raise

    async def _reload(self) -> int:
        began = time.perf_counter()
        changes = [change async for change in self.clerk.load(self.units.digests())]
        self.read_s = self.clerk.took_s
        garbage.collect_little()
        await self._apply(changes)
        self.error, self.last, self.count = "", time.time(), self.count + 1
        self.applied_s = time.perf_counter() - began - self.read_s
        garbage.freeze()
        return len(changes)

    async def _apply(self, changes: Sequence[UnitWire | Gone]) -> None:
        """Apply the changes; what was taken into the units comes onto the timetable, whatever fails."""
        applied: list[Applied] = []
        turn = Turn()
        self._owed = self._owed or bool(changes)
        try:
            for change in changes:
                applied.append(self._take(change))
                for job in applied[-1].put:
                    self.declare(job)
                await turn.end()
            if self._owed:
                await self.adopt(self.units.jobs())
                self._owed = False
        finally:
            for each in applied:
                self._reschedule(each)
                await turn.end()

    async def settle(self) -> None:
        """Reload once more where the last reload was applied by half; to be called now and then."""
        if self._owed and not self._turn.locked():
            await self.try_reload()

    async def try_reload(self) -> None:
        """Reload, and log what came of it: for signals and changed files."""
        try:
            changed = await self.reload()
        except ConfigError as error:
            for problem in error.problems[:SHOWN]:
                log.error("bad configuration, the old one stays", problem=str(problem))
        except ClerkFault as error:
            log.error("could not reload, the old configuration stays", reason=str(error))
        except Exception as error:  # noqa: BLE001 - logged
            log.error(self.excuse(error), **fault(error))
        else:
            log.info("reloaded", units_changed=changed, checks=len(self.schedule.timetable))

    def excuse(self, error: Exception) -> str:
        """Say what a fault that is nobody's bad file has left behind."""
        left = "applied by half, to be tried again" if self._owed else "the old configuration stays"
        return f"could not reload, {left}: {type(error).__name__}"

    def _take(self, change: UnitWire | Gone) -> Applied:
        if isinstance(change, Gone):
            return self.units.remove(change.unit)
        return self.units.apply(change)

    def _reschedule(self, applied: Applied) -> None:
        self.schedule.remove(applied.removed)
        self.schedule.put(applied.put, self.soon)
        for address in applied.addresses:
            self.breaker.forget(address)
