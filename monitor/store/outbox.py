"""The outbox's table: messages that wait, are being sent, were sent, or were given up."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from monitor.messages.message import Claimed, Letter, Message, Queued, Trouble
from monitor.messages.storm import DIGEST, SUMMARY, Limits
from monitor.store import folding
from monitor.store.database import Database
from monitor.store.folding import Summarise, bare

STATUSES = ("queued", "sending", "sent", "dead", "folded")
LIFETIME_S = 3 * 86400.0
"""How long a dead letter is tried that somebody wants tried again."""
LIMIT = 10_000
"""Messages that may wait at once; what comes on top is dropped and counted."""

_OPEN = "status IN ('queued', 'sending')"
_READY = f"""
    FROM outbox AS o WHERE o.{_OPEN} AND NOT EXISTS (
        SELECT 1 FROM outbox AS e WHERE e.thread = o.thread AND e.recipient = o.recipient
        AND (e.{_OPEN} AND e.id < o.id OR e.folded_into IN (SELECT id FROM outbox AS s WHERE s.{_OPEN})))
"""  # noqa: S608
"""Messages whose turn it is: nothing earlier of the same thread still waits for the same recipient, neither
by itself nor in a summary."""
_WHEN = "CASE o.status WHEN 'sending' THEN o.lease_until ELSE o.due_at END"
_BUSY = "(SELECT channel, recipient FROM outbox WHERE status = 'sending' AND lease_until > :now)"
_CLAIM = f"""
    SELECT id, attempts, payload, notice FROM outbox WHERE id IN (SELECT id FROM (
        SELECT *, row_number() OVER (PARTITION BY channel ORDER BY due_at, id) AS place FROM (
            SELECT o.id, o.channel, o.due_at, row_number() OVER (
                PARTITION BY o.channel, o.recipient ORDER BY o.due_at, o.id) AS turn
            {_READY} AND {_WHEN} <= :now AND (o.channel, o.recipient) NOT IN {_BUSY}
        ) WHERE turn = 1
    ) AS free WHERE place <= :most - (SELECT count(*) FROM {_BUSY} AS b WHERE b.channel = free.channel))
    ORDER BY due_at, id
"""  # noqa: S608
"""At most so many at once on a channel, and one to a recipient: none of them keeps the others waiting."""


def enqueue(
    connection: sqlite3.Connection,
    messages: Sequence[Message],
    now: float,
    limit: int = LIMIT,
    limits: Limits | None = None,
) -> Queued:
    """Queue messages within the caller's transaction; a key that is known already is left as it is.

    With `limits` those that are too many are folded into summaries. What is beyond `limit` is dropped.
    """
    if not messages:
        return Queued()
    waiting: int = connection.execute(f"SELECT count(*) FROM outbox WHERE {_OPEN}").fetchone()[0]  # noqa: S608
    queued = dropped = folded = 0
    for message in messages:
        if _known(connection, message.key):
            continue
        if limits is not None and folding.fold(connection, message, now, limits):
            folded += 1
        elif waiting + queued < limit:
            queued += folding.insert(connection, message, now)
        else:
            dropped += 1
    return Queued(queued + folded, dropped, folded)


def _sum(taken: Collection[Queued]) -> Queued:
    return Queued(
        sum(each.queued for each in taken),
        sum(each.dropped for each in taken),
        sum(each.folded for each in taken),
    )


def _known(connection: sqlite3.Connection, key: str) -> bool:
    return connection.execute("SELECT 1 FROM outbox WHERE key = ?", (key,)).fetchone() is not None


def recipients(connection: sqlite3.Connection, thread: str) -> tuple[str, ...]:
    """Return who got, or still will get, a message of a thread, by itself or in a summary.

    Readers of a digest are among them once anybody was told singly; until then the next digest tells the end.
    """
    rows = connection.execute(
        "SELECT recipient, notice FROM outbox AS o WHERE thread = ? AND status != 'dead' AND NOT EXISTS"
        " (SELECT 1 FROM outbox AS s WHERE s.id = o.folded_into AND s.status = 'dead') ORDER BY id",
        (thread,),
    ).fetchall()
    singly = any(row["notice"] != DIGEST for row in rows)
    return tuple(dict.fromkeys(row["recipient"] for row in rows)) if singly else ()


class OutboxTable:
    """The table behind `monitor.alerts.outbox.Outbox`."""

    def __init__(
        self,
        database: Database,
        limit: int = LIMIT,
        limits: Limits | None = None,
        summarise: Summarise = bare,
    ) -> None:
        """`summarise` has the words of summaries, which are made where there are `limits`."""
        self._database = database
        self._limit = limit
        self._limits = limits
        self._summarise = summarise

    async def enqueue(self, messages: Sequence[Message], now: float) -> Queued:
        """Queue messages in a transaction of their own."""
        return await self._database.write(lambda c: enqueue(c, messages, now, self._limit, self._limits))

    async def tell(self, tellings: Sequence[tuple[Message, Sequence[str]]], now: float) -> Queued:
        """Queue messages, all of them or none; a recipient counts as told of each thread given with one."""

        def queue(connection: sqlite3.Connection) -> Queued:
            taken = []
            for message, threads in tellings:
                queued = enqueue(connection, [message], now, self._limit, self._limits)
                if queued.queued:
                    folding.mark(connection, message, threads, now)
                taken.append(queued)
            return _sum(taken)

        return await self._database.write(queue)

    async def release(self) -> int:
        """Give back what a process that is gone was sending; return how many. Once, before sending."""
        return await self._database.write(
            lambda c: (
                c.execute(
                    "UPDATE outbox SET status = 'queued', lease_until = NULL WHERE status = 'sending'"
                ).rowcount
            )
        )

    async def expire(self, now: float) -> int:
        """Give up what is too old to be worth sending; return how many."""
        return await self._database.write(
            lambda c: (
                c.execute(
                    "UPDATE outbox SET status = 'dead', finished_at = ?1, error = 'expired; ' || error"
                    " WHERE expires_at <= ?1"
                    " AND (status = 'queued' OR status = 'sending' AND lease_until <= ?1)",
                    (now,),
                ).rowcount
            )
        )

    async def claim(self, now: float, lease: float, limit: int) -> list[Claimed]:
        """Take messages that are due for `lease` seconds: one a recipient, so that a channel has `limit`."""
        return await self._database.write(lambda c: _claim(c, now, lease, limit, self._summarise))

    async def next_due(self, after: float = -1.0) -> float | None:
        """Return when a message is next due, or its lease ends, after a time; None where nothing waits."""
        statement = f"SELECT min({_WHEN}) {_READY} AND {_WHEN} > ?"
        due: float | None = await self._database.read(lambda c: c.execute(statement, (after,)).fetchone()[0])
        return due

    async def sent(self, id_: int, now: float) -> None:
        """Mark as handed over."""
        await self._finish(id_, "sent", now, "")

    async def dead(self, id_: int, now: float, error: str) -> None:
        """Give up."""
        await self._finish(id_, "dead", now, error)

    async def _finish(self, id_: int, status: str, now: float, error: str) -> None:
        await self._database.write(
            lambda c: c.execute(
                "UPDATE outbox SET status = ?, finished_at = ?, error = ?, lease_until = NULL WHERE id = ?",
                (status, now, error, id_),
            )
        )

    async def retry(self, id_: int, due: float, error: str) -> None:
        """Queue again for later."""
        await self._database.write(
            lambda c: c.execute(
                "UPDATE outbox SET status = 'queued', due_at = ?, error = ?, lease_until = NULL WHERE id = ?",
                (due, error, id_),
            )
        )

    async def revive(self, now: float, lifetime: float, ids: Collection[int] = ()) -> int:
        """Try dead letters again, those given or all, for `lifetime` seconds; return how many."""
        return await self._database.write(lambda c: revive(c, now, lifetime, ids))

    async def troubles(self, limit: int = 20) -> list[Trouble]:
        """Return which recipients wait after a failed attempt and why, the longest first."""
        return await self._database.read(lambda c: troubles(c, limit))

    async def last_key(self, thread: str) -> str | None:
        """Return the key of the message of a thread that was queued last."""
        statement = "SELECT key FROM outbox WHERE thread = ? ORDER BY id DESC LIMIT 1"
        found = await self._database.read(lambda c: c.execute(statement, (thread,)).fetchone())
        return found[0] if found else None

    async def dead_letters(self, limit: int = 100) -> list[Letter]:
        """Return what was given up, newest first."""
        return await self._database.read(lambda c: letters(c, limit))

    async def counts(self) -> dict[str, int]:
        """Return how many messages there are in each status."""
        return await self._database.read(counts)

    async def prune(self, sent_before: float, dead_before: float) -> int:
        """Forget what was finished long ago, but not who was told of what is still open; return how many."""
        return await self._database.write(lambda c: _prune(c, sent_before, dead_before))


def _prune(connection: sqlite3.Connection, sent_before: float, dead_before: float) -> int:
    return connection.execute(
        "DELETE FROM outbox WHERE (status IN ('sent', 'folded') AND finished_at < ?"
        " OR status = 'dead' AND finished_at < ?) AND NOT EXISTS (SELECT 1 FROM incident AS i"
        " WHERE i.closed_at IS NULL AND outbox.thread LIKE 'incident:' || i.id || ':%')",
        (sent_before, dead_before),
    ).rowcount


def _claim(
    connection: sqlite3.Connection, now: float, lease: float, limit: int, summarise: Summarise
) -> list[Claimed]:
    found = connection.execute(_CLAIM, {"now": now, "most": limit}).fetchall()
    connection.executemany(
        "UPDATE outbox SET status = 'sending', attempts = attempts + 1, lease_until = ? WHERE id = ?",
        [(now + lease, row["id"]) for row in found],
    )
    return [_claimed(connection, row, summarise) for row in found]


def _claimed(connection: sqlite3.Connection, row: sqlite3.Row, summarise: Summarise) -> Claimed:
    payload = row["payload"]
    if row["notice"] == SUMMARY and row["attempts"] == 0:
        payload = folding.write_summary(connection, row["id"], payload, summarise)
    return Claimed(row["id"], row["attempts"] + 1, Message(**json.loads(payload)))


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many messages there are in each status."""
    rows = connection.execute("SELECT status, count(*) FROM outbox GROUP BY status")
    return dict.fromkeys(STATUSES, 0) | {row[0]: row[1] for row in rows}


def letters(connection: sqlite3.Connection, limit: int) -> list[Letter]:
    """Return what was given up, newest first."""
    rows = connection.execute(
        "SELECT id, recipient, json_extract(payload, '$.subject'), attempts, queued_at, finished_at, error,"
        " channel FROM outbox WHERE status = 'dead' ORDER BY finished_at DESC, id DESC LIMIT ?",
        (limit,),
    )
    return [Letter(*row) for row in rows]


def troubles(connection: sqlite3.Connection, limit: int) -> list[Trouble]:
    """Return which recipients wait after a failed attempt and why, the longest first."""
    rows = connection.execute(
        f"SELECT channel, recipient, count(*), min(queued_at), error, max(due_at) FROM outbox WHERE {_OPEN}"  # noqa: S608
        " AND error != '' GROUP BY channel, recipient ORDER BY min(queued_at) LIMIT ?",
        (limit,),
    )
    return [Trouble(*tuple(row)[:5]) for row in rows]


def revive(connection: sqlite3.Connection, now: float, lifetime: float, ids: Collection[int]) -> int:
    """Try dead letters again, those given or all, for `lifetime` seconds; return how many."""
    dead = {row[0] for row in connection.execute("SELECT id FROM outbox WHERE status = 'dead'")}
    chosen = sorted(dead & set(ids) if ids else dead)
    connection.executemany(
        "UPDATE outbox SET status = 'queued', attempts = 0, due_at = ?, expires_at = max(expires_at, ?),"
        " finished_at = NULL WHERE id = ?",
        [(now, now + lifetime, each) for each in chosen],
    )
    return len(chosen)
