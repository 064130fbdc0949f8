"""The append-only table of waiver uses; triggers refuse to change or delete a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from monitor.readiness.audit import Use
from monitor.store.database import Database


def insert(connection: sqlite3.Connection, found: Iterable[Use]) -> None:
    """Append uses; the same use is kept once a day, so that a run every minute does not fill the table."""
    connection.executemany(
        "INSERT OR IGNORE INTO waiver_use"
        " (used_at, day, waiver, terms, gate, unit, asset, item, status, reason, actor)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (u.at, u.day, u.waiver, u.terms, u.gate, u.unit, u.asset, u.item, u.status, u.reason, u.actor)
            for u in found
        ],
    )


def record(database: Database, found: Iterable[Use]) -> None:
    """Append uses in one transaction, in the calling thread; without any nothing is written."""
    several = list(found)
    if several:
        database.write_now(lambda connection: insert(connection, several))


def read(connection: sqlite3.Connection) -> list[Use]:
    """Return all uses, oldest first."""
    columns = "used_at, waiver, terms, gate, unit, asset, item, status, reason, actor"
    rows = connection.execute(f"SELECT {columns} FROM waiver_use ORDER BY id")  # noqa: S608 - our own names
    return [Use(*row) for row in rows]
