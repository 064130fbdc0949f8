"""The daemon's part of reports: the child process writes them, the outbox mails them, when they are due."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from inventory.problems import ConfigError
from monitor.child.clerk import ClerkFault
from monitor.control.socket import ControlError, Handler
from monitor.messages.message import Message
from monitor.people.refused import Refused
from monitor.process.log import fault
from monitor.reports.due import due_of, last_due, thread
from monitor.reports.period import KINDS, Kind
from monitor.reports.settings import ReportSettings
from monitor.schedule import Schedule

log = structlog.get_logger("reports")
LATE_S = 600.0
"""How often what could not be written is tried again."""


class Writer(Protocol):
    """Who writes reports; `monitor.child.clerk.Clerk`."""

    async def report(self, name: str, kind: Kind, due: float) -> Sequence[Message]:
        """Return the messages of a list. Raises Refused, ConfigError, ClerkFault."""


class Table(Protocol):
    """Where messages are queued; `monitor.store.outbox.OutboxTable`."""

    async def last_key(self, thread: str) -> str | None:
        """Return the key of the message of a thread that was queued last."""


@dataclass(slots=True)
class Reporter:
    """Has reports written when they are due, late rather than never, and each of them once."""

    rules: ReportSettings
    writer: Writer
    table: Table
    enqueue: Callable[[Sequence[Message]], Awaitable[None]]
    clock: Callable[[], float] = time.time
    _owed: set[tuple[str, Kind]] = field(default_factory=set)
    """Those that were due and could not be written yet."""

    def begin(self, schedule: Schedule) -> None:
        """Put what is wanted into the calendar."""
        for kind in KINDS:
            if any(kind in each.kinds for each in self.rules.lists.values()):
                schedule.calendar(f"{kind} reports", self._firing(kind), **self._when(kind))
        if self.rules.lists:
            schedule.every(LATE_S, "late reports", self.catch_up)

    def _when(self, kind: Kind) -> dict[str, Any]:
        hour, minute = self.rules.at.split(":")
        when: dict[str, Any] = {"hour": int(hour), "minute": int(minute), "timezone": self.rules.zone}
        if kind == "weekly":
            return when | {"day_of_week": self.rules.weekday}
        return when | ({"day": self.rules.day} if kind == "monthly" else {})

    def _firing(self, kind: Kind) -> Callable[[], Awaitable[None]]:
        async def fire() -> None:
            self._owed |= {(name, kind) for name, each in self.rules.lists.items() if kind in each.kinds}
            await self._settle()

        return fire

    async def catch_up(self) -> None:
        """Write what fell due while nobody ran, of lists that were written to before, and what failed."""
        now = self.clock()
        for name, each in self.rules.lists.items():
            for kind in each.kinds:
                last = due_of(await self.table.last_key(thread(name, kind)))
                if last is not None and last < last_due(kind, self.rules, now):
                    self._owed.add((name, kind))
        await self._settle()

    async def _settle(self) -> None:
        for name, kind in sorted(self._owed):
            try:
                await self.send(name, kind, last_due(kind, self.rules, self.clock()))
            except (Refused, ConfigError) as error:
                log.error("report can't be written", list=name, kind=kind, reason=str(error))
            except (ClerkFault, sqlite3.Error, OSError) as error:
                log.error("report is late", list=name, kind=kind, **fault(error))
                continue
            self._owed.discard((name, kind))

    async def send(self, name: str, kind: Kind, due: float) -> int:
        """Queue a list's report; return for how many. Raises Refused, ConfigError, ClerkFault."""
        messages = await self.writer.report(name, kind, due)
        await self.enqueue(messages)
        return len(messages)

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers of the control socket by name."""
        return {"report.send": self._by_hand}

    async def _by_hand(self, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        name, kind = str(request.get("list")), request.get("kind")
        if kind not in KINDS:
            raise ControlError('"kind" must be daily, weekly or monthly')
        try:
            yield {"queued": await self.send(name, kind, float(int(self.clock())))}
        except (Refused, ConfigError) as error:
            yield {"refused": str(error)}
