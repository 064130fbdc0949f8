"""On duty: has troubles gathered to incidents, gets them recorded and told, and asks again where in doubt.

Once a second: decide (`correlator`), commit what was decided together with the messages, tell what
has become due, run what is asked. A failed commit is tried again with the same decisions, in order.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from monitor.gates.ledger import Entry
from monitor.incidents.correlator import Correlator
from monitor.incidents.incident import (
    ISOLATED,
    SIGNED_OFF,
    Adopted,
    Committed,
    Decision,
    Incident,
    Open,
    Recover,
    Shut,
    apart,
)
from monitor.incidents.troubles import HOUR_S
from monitor.process.turns import Turn
from monitor.state import CheckState, State, Transition
from monitor.watch import Watch
from probes.api import Reading

log = logging.getLogger(__name__)
TICK_S = 1.0
_PAUSE_S = 5.0
MOST_WAITING = 100_000
"""Decisions that may wait for the store; beyond it the newest are left out and counted."""


class Book(Protocol):
    """Where incidents are kept; `monitor.store.incidents.IncidentStore`."""

    async def recent(self, since: float, limit: int) -> list[Incident]:
        """Return incidents that are open or were closed after `since`, newest first."""

    async def concerned(self, roots: Sequence[str]) -> Mapping[str, tuple[float, Sequence[str]]]:
        """Return when the open incidents of roots were opened, and all checks that are or were in them."""

    async def apply(self, decisions: Sequence[Decision], now: float) -> Committed:
        """Apply decisions in order, all of them or none."""

    async def tell_what_is_due(self, now: float) -> Committed:
        """Tell of incidents what has become due."""


@dataclass(slots=True)
class Counters:
    """What happened since the start, for `/metrics`."""

    opened: int = 0
    closed: int = 0
    asked: int = 0
    commit_errors: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Duty:
    """`ask` runs a check now, `told(queued, dropped)` hears of messages, `pin` keeps evidence.

    `usual(check)` gives the series of a check whose worse level has become the usual one.
    """

    correlator: Correlator
    book: Book
    watch: Watch
    ask: Callable[[str], None]
    told: Callable[[int, int], None]
    pin: Callable[[str, Sequence[Reading]], Awaitable[None]]
    usual: Callable[[str], Sequence[Adopted]] = lambda _: ()
    clock: Callable[[], float] = time.time
    counters: Counters = field(default_factory=Counters)
    _waiting: list[Decision] = field(default_factory=list)
    _quiet_until: float = 0.0

    def heard(self, state: CheckState, transition: Transition, now: float) -> None:
        """Be told of a change of state or phase."""
        self.correlator.heard(state, transition, now)

    async def load(self, longest: float, known: Callable[[str], bool]) -> None:
        """Take up the open incidents; for a round of checks (`longest` s) and the hold nothing is due."""
        now = self.clock()
        recent = await self.book.recent(now - HOUR_S, MOST_WAITING)
        incidents = [each for each in reversed(recent) if not apart(each.root)]
        self.correlator.load(self.watch.beliefs(), incidents, now, known)
        self._quiet_until = now + self.correlator.timing.hold + longest

    def isolated(self, at: float) -> None:
        """Be told that the monitor itself is cut off."""
        self._waiting.append(Open(ISOLATED, State.DOWN, ISOLATED, "", at, "", None, at))

    def connected(self, at: float) -> None:
        """Be told that it no longer is."""
        self._waiting.append(Shut(ISOLATED, at))

    def regressed(self, entry: Entry) -> None:
        """Be told that a signed unit is no longer what was signed."""
        kind = entry.kind.rpartition(".")[2]
        root, detail = f"{entry.unit}{SIGNED_OFF}", str(entry.body["text"])
        self._waiting.append(Open(root, State.DEGRADED, kind, detail, entry.at, "", None, entry.at))

    def signed(self, unit: str, at: float) -> None:
        """Be told that a unit was signed anew."""
        self._waiting.append(Shut(f"{unit}{SIGNED_OFF}", at))

    async def run(self) -> None:
        """Work until cancelled. Faults of the store are logged, counted and outlived."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.tick()
            except Exception:
                self.counters.commit_errors += 1
                log.exception("incidents can't be recorded; trying again in %.0f s", _PAUSE_S)
                await asyncio.sleep(_PAUSE_S)

    async def tick(self) -> None:
        """Decide, record, tell and ask once. Raises what the store raises; nothing decided is lost by it."""
        now, turn = self.clock(), Turn()
        for _ in self.correlator.steps(now):
            await turn.end()
        self._gather(self.correlator.decided())
        await self._shade()
        if self._waiting:
            taken = await self._true(list(self._waiting))
            done = await self.book.apply(taken, now)
            del self._waiting[: len(taken)]
            await self._done(done, now)
        if now >= self._quiet_until:
            await self._done(await self.book.tell_what_is_due(now), now)
        for check in self.correlator.asks.due(now):
            self.counters.asked += 1
            self.ask(check)

    async def _true(self, decisions: list[Decision]) -> list[Decision]:
        """Say of incidents that end whether they recovered, or what is worse has become usual."""
        ends = [each for each in decisions if isinstance(each, Recover | Shut)]
        roots = {each.root for each in ends if isinstance(each, Recover) or not (each.kind or each.into)}
        if not roots:
            return decisions
        known = await self.book.concerned(sorted(roots))
        usual = {
            root: tuple(each for check in checks for each in self.usual(check) if each.at >= opened)
            for root, (opened, checks) in known.items()
        }
        return [
            replace(each, usual=usual.get(each.root, ()))
            if isinstance(each, Recover | Shut) and each.root in roots
            else each
            for each in decisions
        ]

    def _gather(self, decisions: Sequence[Decision]) -> None:
        room = MOST_WAITING - len(self._waiting)
        self._waiting.extend(decisions[:room])
        self.counters.left_out += max(0, len(decisions) - room)

    async def _shade(self) -> None:
        shadows, self.correlator.shadows = self.correlator.shadows, {}
        for number, (check, why) in enumerate(shadows.items(), 1):
            self.watch.shade(check, why)
            if number % 500 == 0:
                await asyncio.sleep(0)

    async def _done(self, done: Committed, now: float) -> None:
        self.counters.opened += done.opened
        self.counters.closed += done.closed
        self.counters.left_out += done.left_out
        for root in done.lost:
            self.correlator.lost(root, now)
        if done.queued or done.dropped:
            self.told(done.queued, done.dropped)
        for incident in done.made:
            await self._pin(incident)

    async def _pin(self, incident: Incident) -> None:
        """Keep the readings that an incident was opened by."""
        if incident.rule:
            readings = self.watch.recent(json.loads(incident.rule)["check"])
            await self.pin(f"incident:{incident.id}", readings)
