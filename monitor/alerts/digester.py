"""Sends the daily digest once its hour has come; asked every minute, so a late start only makes it late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.alerts.digest import THREAD, Digest, begin, hour_of
from monitor.incidents.incident import Incident
from monitor.messages.message import Message, Queued

MOST_INCIDENTS = 10_000


class Book(Protocol):
    """Where incidents are kept; `monitor.store.incidents.IncidentStore`."""

    async def recent(self, since: float, limit: int) -> list[Incident]:
        """Return incidents that are open or were closed after `since`, newest first."""


class Table(Protocol):
    """Where messages are queued; `monitor.store.outbox.OutboxTable`."""

    async def tell(self, tellings: Sequence[tuple[Message, Sequence[str]]], now: float) -> Queued:
        """Queue messages, each of which tells of several threads, all of them or none."""

    async def last_key(self, thread: str) -> str | None:
        """Return the key of the message of a thread that was queued last."""


@dataclass(slots=True)
class Digester:
    """Writes and queues digests."""

    digest: Digest
    book: Book
    table: Table
    told: Callable[[int, int], None]
    """Hears how many messages were queued and dropped."""
    clock: Callable[[], float] = time.time
    _done: float = 0.0
    """The hour of the digest that was dealt with last, sent or found empty."""

    async def tick(self) -> None:
        """Send the digest that is due, if it was not sent."""
        now = self.clock()
        due = self.digest.due(now)
        if not self.digest.wanted or due <= self._done:
            return
        key = await self.table.last_key(THREAD)
        last = hour_of(key) if key else None
        if last is None or last < due:
            span = begin(last, due)
            incidents = await self.book.recent(span.since, MOST_INCIDENTS)
            tellings = await asyncio.to_thread(self.digest.messages, incidents, span, now)
            queued = await self.table.tell([(each.message, each.threads) for each in tellings], now)
            self.told(queued.queued, queued.dropped)
        self._done = due
