"""The durable outbox: what was queued is delivered, or is a dead letter that people can see.

What is guaranteed. A message is queued in the transaction that records its cause, under a unique key, so it
is queued exactly once. It is sent at least once: a process killed (or a connection lost) after the server
took the message and before that was recorded sends it again. Both copies are the same message: Message-ID,
Date and text come from the event, so that mailboxes which drop duplicates keep one, and the others show both
in one thread, with the later mails of the incident replying to that one id. What was recorded as sent is
never sent again, and within a running process neither is what the server took but the disk could not record.

1. `claim` moves due messages to `sending` with a lease: a few at once on each channel and one to a recipient,
   so that what is slow or broken keeps nobody else waiting; of a thread and recipient only the oldest one, so
   that the end of an incident never arrives before its beginning.
2. `deliver` hands one message over, or raises `TransportError`.
3. It becomes `sent`; or, by a permanent error, too many attempts or its expiry, `dead`; or `queued` again,
   due after an exponential pause with jitter.
4. A lease that ran out is claimed again. At the start all leases are released: one daemon owns the store.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.messages.message import Claimed, Message, Queued, TransportError
from probes.api import clip

log = logging.getLogger(__name__)

Deliver = Callable[[Message], Awaitable[None]]
_IDLE = 30.0
_TIDY = 3600.0
_BROKEN_STORE = 5.0
_MIN_WAIT = 0.02


@dataclass(frozen=True, slots=True)
class Retry:
    """When a message is tried again, in seconds."""

    first: float = 15.0
    cap: float = 900.0
    jitter: float = 0.5
    """The share of the pause that is random, so that what failed together does not return together."""
    attempts: int = 500

    def pause(self, attempt: int, chance: float) -> float:
        """Return the pause after the given attempt (from 1); `chance` is from 0 to 1."""
        return min(self.cap, self.first * 2.0 ** min(attempt - 1, 30)) * (1 - self.jitter * chance)


@dataclass(slots=True)
class Counters:
    """What happened since the start, for `/metrics`."""

    queued: int = 0
    dropped: int = 0
    """Not queued because the outbox was full."""
    sent: int = 0
    failed: int = 0
    """Attempts that failed and are tried again."""
    dead: int = 0
    store_errors: int = 0
    channels: dict[tuple[str, str], int] = field(default_factory=dict)
    """Messages by channel and result: sent, failed, dead."""

    def count(self, channel: str, result: str) -> None:
        """Count what became of an attempt."""
        setattr(self, result, getattr(self, result) + 1)
        self.channels[channel, result] = self.channels.get((channel, result), 0) + 1


class Table(Protocol):
    """The store's side; `monitor.store.outbox.OutboxTable` says what each of these does."""

    async def enqueue(self, messages: Sequence[Message], now: float) -> Queued:
        """Queue messages in a transaction of their own."""

    async def release(self) -> int:
        """Give back what a process that is gone was sending."""

    async def expire(self, now: float) -> int:
        """Give up what is too old."""

    async def claim(self, now: float, lease: float, limit: int) -> list[Claimed]:
        """Take messages that are due."""

    async def next_due(self, after: float = -1.0) -> float | None:
        """Return when a message is next due after a time."""

    async def sent(self, id_: int, now: float) -> None:
        """Mark as handed over."""

    async def dead(self, id_: int, now: float, error: str) -> None:
        """Give up."""

    async def retry(self, id_: int, due: float, error: str) -> None:
        """Queue again for later."""

    async def prune(self, sent_before: float, dead_before: float) -> int:
        """Forget what was finished long ago."""


@dataclass(slots=True)
class Outbox:
    """Sends what is queued. One instance a store."""

    table: Table
    retry: Retry = field(default_factory=Retry)
    lease: float = 900.0
    """Seconds after which a message that is being sent is given to another attempt."""
    at_once: int = 4
    """Deliveries under way on one channel."""
    keep_sent: float = 30 * 86400.0
    """Seconds that sent messages are kept; they also tell who hears of an incident's end."""
    keep_dead: float = 90 * 86400.0
    """Seconds that dead letters can be seen."""
    grace: float = 5.0
    """Seconds that deliveries under way get to end when the outbox is stopped."""
    clock: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    counters: Counters = field(default_factory=Counters)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _tidied_at: float = 0.0
    _taken: set[int] = field(default_factory=set)
    """What the server took and the store has not recorded yet."""
    _sends: set[asyncio.Task[None]] = field(default_factory=set)
    _faults: list[BaseException] = field(default_factory=list)

    async def enqueue(self, messages: Sequence[Message]) -> None:
        """Queue messages that no incident causes (a test mail, a report); durable on return."""
        taken = await self.table.enqueue(messages, self.clock())
        self.noticed(taken.queued, taken.dropped)

    def noticed(self, queued: int, dropped: int = 0) -> None:
        """Be told that messages were queued within somebody else's transaction."""
        self.counters.queued += queued
        self.counters.dropped += dropped
        if queued:
            self._wake.set()

    async def run(self, deliver: Deliver) -> None:
        """Send until cancelled. Faults of the store are logged, counted and outlived."""
        released = False
        try:
            while True:
                try:
                    if not released:
                        await self.table.release()
                        released = True
                    await self._round(deliver)
                except Exception:
                    self.counters.store_errors += 1
                    log.exception("the outbox can't use its store; trying again in %.0f s", _BROKEN_STORE)
                    await asyncio.sleep(_BROKEN_STORE)
        finally:
            await self._let_finish()

    async def _round(self, deliver: Deliver) -> None:
        """Begin to send what is due, or wait until something is, or a place has become free."""
        self._wake.clear()
        if self._faults:
            raise self._faults.pop()
        now = self.clock()
        await self._tidy(now)
        expired = await self.table.expire(now)
        self.counters.dead += expired
        claimed = await self.table.claim(now, self.lease, self.at_once)
        for one in claimed:
            send = asyncio.create_task(self._send(one, deliver))
            self._sends.add(send)
            send.add_done_callback(self._ended)
        if not claimed:
            due = await self.table.next_due(now)
            await self._sleep(_IDLE if due is None else min(_IDLE, due - self.clock()))

    def _ended(self, send: asyncio.Task[None]) -> None:
        self._sends.discard(send)
        if not send.cancelled() and (fault := send.exception()) is not None:
            self._faults.append(fault)
        self._wake.set()

    async def _tidy(self, now: float) -> None:
        if abs(now - self._tidied_at) >= _TIDY:
            await self.table.prune(now - self.keep_sent, now - self.keep_dead)
            self._tidied_at = now

    async def _let_finish(self) -> None:
        """Give what is under way a last chance, so that stopping does not double a mail."""
        if sends := list(self._sends):
            _, late = await asyncio.wait(sends, timeout=self.grace)
            for send in late:
                send.cancel()
            await asyncio.gather(*sends, return_exceptions=True)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(_MIN_WAIT, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _send(self, claimed: Claimed, deliver: Deliver) -> None:
        if claimed.id not in self._taken:
            try:
                await deliver(claimed.message)
            except TransportError as error:
                await self._failed(claimed, error)
                return
            except Exception as error:  # noqa: BLE001 - logged, but without locals: they hold the password
                where = "".join(traceback.format_tb(error.__traceback__)[-2:])
                log.error("our own fault while sending: %s\n%s", type(error).__name__, where)
                await self._failed(claimed, TransportError(f"our own fault: {type(error).__name__}"))
                return
            self._taken.add(claimed.id)
            self.counters.count(claimed.message.channel, "sent")
        await self.table.sent(claimed.id, self.clock())
        self._taken.discard(claimed.id)

    async def _failed(self, claimed: Claimed, error: TransportError) -> None:
        why, to = clip(error.message, 500), clip(claimed.message.recipient, 100)
        channel = claimed.message.channel
        if error.permanent or claimed.attempts >= self.retry.attempts:
            self.counters.count(channel, "dead")
            log.error("message %s to %s given up: %s", claimed.message.message_id, to, why)
            await self.table.dead(claimed.id, self.clock(), why)
            return
        self.counters.count(channel, "failed")
        pause = self.retry.pause(claimed.attempts, self.chance())
        log.warning("message to %s not sent, again in %.0f s: %s", to, pause, why)
        await self.table.retry(claimed.id, self.clock() + pause, why)
