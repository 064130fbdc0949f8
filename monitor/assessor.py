"""Judges all units again and again, at a share of the time, and keeps what comes of it for the board."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from inventory.problems import ConfigError
from monitor.child.clerk import ClerkFault, Judged
from monitor.gates.ledger import Draft, Entry
from monitor.noticing import Noticing
from monitor.process.health import Rounds
from monitor.process.log import fault
from monitor.store import audit, ledger, plans, runs
from monitor.store.database import Database
from monitor.store.verdicts import Verdicts
from monitor.units import Units

log = structlog.get_logger("assessor")
GATE = "go-live"
PAUSE_S = 5.0
AT_ONCE = 50
SHARE = 3.0
"""The clerk rests this many times as long as it judged."""


class Judge(Protocol):
    """Who judges; `monitor.child.clerk.Clerk`."""

    def judge(self, gate: str) -> AsyncIterator[Judged]:
        """Yield the units' results at a gate. Raises ConfigError, ClerkFault."""


@dataclass(slots=True)
class Assessor:
    """Has units judged, and records it in the state database."""

    judge: Judge
    units: Units
    state: Database
    verdicts: Verdicts
    noticing: Noticing
    rounds: Rounds = field(default_factory=Rounds)
    """The last round that was judged and recorded as a whole."""
    regressed: Callable[[Entry], None] = lambda _: None
    """Hears of a signed unit that is no longer what was signed."""

    async def run(self) -> None:
        """Work until cancelled. Faults of the clerk and of the store are logged and outlived."""
        while True:
            start = time.monotonic()
            await self.round()
            await asyncio.sleep(max(PAUSE_S, SHARE * (time.monotonic() - start)))

    async def adopt(self) -> None:
        """Drop the judgements of units that are gone; where that fails the next reload does it."""
        try:
            await self.verdicts.keep_only(self.units.known)
        except (sqlite3.Error, OSError) as error:
            log.error("judgements of units that are gone stay for now", **fault(error))

    async def round(self) -> None:
        """Judge all units once."""
        start = time.monotonic()
        try:
            whole = await self._judge_all()
        except (ConfigError, ClerkFault) as error:
            log.error("could not judge", reason=str(error).splitlines()[0])
            return
        if whole:
            self.rounds.done(time.monotonic(), time.monotonic() - start)

    async def _judge_all(self) -> bool:
        """Return whether everything was kept."""
        batch, whole = list[Judged](), True
        async for judged in self.judge.judge(GATE):
            batch.append(judged)
            if len(batch) >= AT_ONCE:
                whole &= await self._keep(batch)
                batch = []
        return await self._keep(batch) and whole

    async def _keep(self, batch: Sequence[Judged]) -> bool:
        for each in batch:
            known = self.units.known.get(each.unit)
            self.noticing.require(each.unit, each.required, known.jobs.values() if known else ())
        try:
            await self._record(batch)
        except (sqlite3.Error, OSError) as error:
            log.error("judgements can't be kept until the next round", units=len(batch), **fault(error))
            return False
        return True

    async def _record(self, batch: Sequence[Judged]) -> None:
        await self.verdicts.save([each.packed for each in batch if each.unit in self.units.known])
        planned = [each.planned for each in batch if each.planned and each.unit in self.units.known]
        await self.state.write(lambda connection: plans.save(connection, planned))
        await self.state.write(lambda connection: _note(connection, batch))
        used = [use for each in batch for use in each.uses]
        if used:
            await self.state.write(lambda connection: audit.insert(connection, used))
        await self._tell([draft for each in batch for draft in each.after])

    async def _tell(self, found: Sequence[Draft]) -> None:
        """Write down what became of signed units, and have people told."""
        for draft in found:
            entry = await self.state.write(functools.partial(ledger.noted, draft=draft))
            if entry is not None:
                self.regressed(entry)


def _note(connection: sqlite3.Connection, batch: Sequence[Judged]) -> None:
    """Keep what changed of units, and what their digests are of."""
    for each in batch:
        runs.learn(connection, each.subjects)
        if each.seen is not None:
            runs.note(connection, each.seen)
