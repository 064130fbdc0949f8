"""Messages that give way to a summary, within the transaction that queues them: `monitor.messages.storm`.

A summary is a row of the outbox that is due a little later. What is folded into it keeps its own row, which
says who was told of what. Its text is written when it is first claimed, and from then on stays the same; who
has the words (`monitor.alerts`) passes them in.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from monitor.messages import storm
from monitor.messages.message import Message, message_id

Summarise = Callable[[str, Sequence[str], int], tuple[str, str]]
"""Gives subject and body of a summary, by language, the first subjects in it, and how many there are."""

_WAITING = "notice = 'summary' AND status = 'queued' AND attempts = 0"
_PROBLEMS = ", ".join(f"'{notice}'" for notice in storm.PROBLEMS)


def fold(connection: sqlite3.Connection, message: Message, now: float, limits: storm.Limits) -> bool:
    """Put a message into its recipient's summary where it is to give way; tell whether it did."""
    traffic = _traffic(connection, message, now, limits)
    if not storm.folds(limits, message.notice, message.channel, traffic):
        return False
    summary = _gathering(connection, message.recipient)
    insert(
        connection, replace(message, body="", html="", picture="", data=""), now,
        folded_into=_begin(connection, message, now, limits) if summary is None else summary,
    )  # fmt: skip
    return True


def insert(
    connection: sqlite3.Connection,
    message: Message,
    now: float,
    *,
    folded_into: int | None = None,
    due: float = 0.0,
) -> int:
    """Insert a message; return how many rows that made: none where its key is known."""
    folded = folded_into is not None
    return connection.execute(
        "INSERT INTO outbox (key, thread, recipient, payload, status, queued_at, due_at, expires_at, channel,"
        " notice, folded_into, finished_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO NOTHING",
        (message.key, message.thread, message.recipient, json.dumps(asdict(message), ensure_ascii=False),
         "folded" if folded else "queued", now, max(now, due, message.not_before), message.expires_at,
         message.channel, message.notice, folded_into, now if folded else None),
    ).rowcount  # fmt: skip


def _traffic(
    connection: sqlite3.Connection, message: Message, now: float, limits: storm.Limits
) -> storm.Traffic:
    def count(statement: str, *values: object) -> int:
        found: int = connection.execute(statement, values).fetchone()[0]
        return found

    problems = count(
        "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE queued_at > ?"  # noqa: S608
        f" AND notice IN ({_PROBLEMS}) LIMIT ?)",
        now - limits.storm_window, limits.storm,
    )  # fmt: skip
    to_recipient = count(
        "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE recipient = ? AND queued_at > ?"
        " AND notice NOT IN ('', 'summary') AND status != 'folded' LIMIT ?)",
        message.recipient, now - storm.HOUR_S, limits.hourly(message.channel),
    )  # fmt: skip
    gathering = count(
        "SELECT count(*) FROM outbox AS f WHERE f.thread = ? AND f.recipient = ? AND f.folded_into ="  # noqa: S608
        f" (SELECT id FROM outbox WHERE recipient = f.recipient AND {_WAITING})",
        message.thread, message.recipient,
    )  # fmt: skip
    return storm.Traffic(problems, to_recipient, bool(gathering))


def _gathering(connection: sqlite3.Connection, recipient: str) -> int | None:
    """Return the recipient's summary that is not sent yet."""
    found = connection.execute(
        f"SELECT id FROM outbox WHERE recipient = ? AND {_WAITING}",  # noqa: S608
        (recipient,),
    ).fetchone()
    return found[0] if found else None


def _begin(connection: sqlite3.Connection, message: Message, now: float, limits: storm.Limits) -> int:
    """Queue an empty summary; return its id."""
    last: float | None = connection.execute(
        "SELECT max(due_at) FROM outbox WHERE recipient = ? AND notice = 'summary'", (message.recipient,)
    ).fetchone()[0]
    key = f"summary:{message.key}"
    domain = message.message_id.rpartition("@")[2].rstrip(">")
    summary = Message(
        key, f"summary:{message.recipient}", message.recipient, "", "", message_id(key, domain), now,
        now + (message.expires_at - message.date), language=message.language, channel=message.channel,
        notice=storm.SUMMARY,
    )  # fmt: skip
    insert(connection, summary, now, due=limits.summary_due(now, last))
    found: int = connection.execute("SELECT id FROM outbox WHERE key = ?", (key,)).fetchone()[0]
    return found


def mark(connection: sqlite3.Connection, message: Message, threads: Sequence[str], now: float) -> None:
    """Note that a message, which is queued already, tells of these threads."""
    told: int = connection.execute("SELECT id FROM outbox WHERE key = ?", (message.key,)).fetchone()[0]
    for thread in threads:
        key = f"{thread}:{message.notice}:{message.recipient}"
        insert(connection, replace(message, key=key, thread=thread, body=""), now, folded_into=told)


def bare(language: str, subjects: Sequence[str], count: int) -> tuple[str, str]:  # noqa: ARG001
    """Return a summary without a word of its own: the subjects, and how many there are."""
    return str(count), "\n".join([*subjects, ""])


def write_summary(connection: sqlite3.Connection, id_: int, payload: str, summarise: Summarise) -> str:
    """Write the text of a summary that is claimed for the first time; return the new payload."""
    message = Message(**json.loads(payload))
    where = "FROM outbox WHERE folded_into = ?"
    count: int = connection.execute(f"SELECT count(*) {where}", (id_,)).fetchone()[0]
    subjects = connection.execute(
        f"SELECT json_extract(payload, '$.subject') {where} ORDER BY id LIMIT ?",
        (id_, storm.MOST_LISTED),
    ).fetchall()
    subject, body = summarise(message.language, [row[0] for row in subjects], count)
    written = json.dumps(asdict(replace(message, subject=subject, body=body)), ensure_ascii=False)
    connection.execute("UPDATE outbox SET payload = ? WHERE id = ?", (written, id_))
    return written
