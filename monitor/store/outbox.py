"""The outbox's table: messages that wait, are being sent, were sent, or were given up."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict

from monitor.alerts.message import Claimed, Letter, Message, Queued
from monitor.store.database import Database

LIMIT = 10_000
"""Messages that may wait at once; what comes on top is dropped and counted."""

_OPEN = "status IN ('queued', 'sending')"
_READY = f"""
    FROM outbox AS o WHERE o.{_OPEN} AND NOT EXISTS (
        SELECT 1 FROM outbox AS e WHERE e.thread = o.thread AND e.recipient = o.recipient
        AND e.{_OPEN} AND e.id < o.id)
"""  # noqa: S608
"""Messages whose turn it is: nothing earlier of the same thread still waits for the same recipient."""
_WHEN = "CASE o.status WHEN 'sending' THEN o.lease_until ELSE o.due_at END"


def enqueue(
    connection: sqlite3.Connection, messages: Sequence[Message], now: float, limit: int = LIMIT
) -> Queued:
    """Queue messages within the caller's transaction; a key that is known already is left as it is."""
    if not messages:
        return Queued()
    waiting: int = connection.execute(f"SELECT count(*) FROM outbox WHERE {_OPEN}").fetchone()[0]  # noqa: S608
    room = max(0, limit - waiting)
    queued = sum(_insert(connection, message, now) for message in messages[:room])
    return Queued(queued, len(messages[room:]))


def _insert(connection: sqlite3.Connection, message: Message, now: float) -> int:
    return connection.execute(
        "INSERT INTO outbox (key, thread, recipient, payload, status, queued_at, due_at, expires_at)"
        " VALUES (?, ?, ?, ?, 'queued', ?, ?, ?) ON CONFLICT (key) DO NOTHING",
        (message.key, message.thread, message.recipient, json.dumps(asdict(message), ensure_ascii=False),
         now, now, message.expires_at),
    ).rowcount  # fmt: skip


def recipients(connection: sqlite3.Connection, thread: str) -> tuple[str, ...]:
    """Return who got, or still will get, a message of a thread."""
    rows = connection.execute(
        "SELECT DISTINCT recipient FROM outbox WHERE thread = ? AND status != 'dead' ORDER BY id", (thread,)
    )
    return tuple(row[0] for row in rows)


class OutboxTable:
    """The table behind `monitor.alerts.outbox.Outbox`."""

    def __init__(self, database: Database, limit: int = LIMIT) -> None:
        self._database = database
        self._limit = limit

    async def enqueue(self, messages: Sequence[Message], now: float) -> Queued:
        """Queue messages in a transaction of their own."""
        return await self._database.write(lambda c: enqueue(c, messages, now, self._limit))

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
        """Take up to `limit` messages that are due, for `lease` seconds."""
        return await self._database.write(lambda c: _claim(c, now, lease, limit))

    async def next_due(self) -> float | None:
        """Return when the next message is due or its lease ends, or None where nothing waits."""
        statement = f"SELECT min({_WHEN}) {_READY}"
        due: float | None = await self._database.read(lambda c: c.execute(statement).fetchone()[0])
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

    async def dead_letters(self, limit: int = 100) -> list[Letter]:
        """Return what was given up, newest first."""
        return await self._database.read(lambda c: _letters(c, limit))

    async def counts(self) -> dict[str, int]:
        """Return how many messages there are in each status."""
        rows = await self._database.read(
            lambda c: c.execute("SELECT status, count(*) FROM outbox GROUP BY status").fetchall()
        )
        return {"queued": 0, "sending": 0, "sent": 0, "dead": 0} | {row[0]: row[1] for row in rows}

    async def prune(self, sent_before: float, dead_before: float) -> int:
        """Forget what was finished long ago; return how many."""
        return await self._database.write(
            lambda c: (
                c.execute(
                    "DELETE FROM outbox WHERE status = 'sent' AND finished_at < ?"
                    " OR status = 'dead' AND finished_at < ?",
                    (sent_before, dead_before),
                ).rowcount
            )
        )


def _claim(connection: sqlite3.Connection, now: float, lease: float, limit: int) -> list[Claimed]:
    found = connection.execute(
        f"SELECT o.id, o.attempts, o.payload {_READY} AND {_WHEN} <= ? ORDER BY o.due_at, o.id LIMIT ?",
        (now, limit),
    ).fetchall()
    connection.executemany(
        "UPDATE outbox SET status = 'sending', attempts = attempts + 1, lease_until = ? WHERE id = ?",
        [(now + lease, row["id"]) for row in found],
    )
    return [Claimed(row["id"], row["attempts"] + 1, Message(**json.loads(row["payload"]))) for row in found]


def _letters(connection: sqlite3.Connection, limit: int) -> list[Letter]:
    rows = connection.execute(
        "SELECT id, recipient, payload, attempts, queued_at, finished_at, error FROM outbox"
        " WHERE status = 'dead' ORDER BY finished_at DESC, id DESC LIMIT ?",
        (limit,),
    ).fetchall()
    return [Letter(r["id"], r["recipient"], json.loads(r["payload"])["subject"], *tuple(r)[3:]) for r in rows]
