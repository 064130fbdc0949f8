"""Announced work in the store, within the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

from monitor.people.maintenance import Maintenance, Mode
from monitor.store.people import Moved

_FIELDS = (
    "id, scope, mode, reason, actor, made_at, starts_at, ends_at, windows, calendar, zone, ended_at, ended_by"
)


def add(connection: sqlite3.Connection, work: Maintenance) -> Maintenance:
    """Keep a maintenance under a new id."""
    inserted = connection.execute(
        f"INSERT INTO maintenance ({_FIELDS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            work.scope, work.mode.value, work.reason, work.actor, work.made_at, work.starts_at, work.ends_at,
            json.dumps(work.windows), work.calendar, work.zone, work.ended_at, work.ended_by,
        ),
    )  # fmt: skip
    assert inserted.lastrowid is not None
    return replace(work, id=inserted.lastrowid)


def end(connection: sqlite3.Connection, number: int, actor: str, at: float) -> Maintenance:
    """End a maintenance now. Raises KeyError where there is none, `Moved` where it is over already."""
    found = _select(connection, "id = ?", number)
    if not found:
        raise KeyError(number)
    if found[0].over(at):
        raise Moved(f"maintenance {number} is over already")
    connection.execute("UPDATE maintenance SET ended_at = ?, ended_by = ? WHERE id = ?", (at, actor, number))
    return replace(found[0], ended_at=at, ended_by=actor)


def current(connection: sqlite3.Connection, now: float) -> list[Maintenance]:
    """Return what is not over, oldest first."""
    return _select(connection, "ended_at IS NULL AND (ends_at IS NULL OR ends_at > ?) ORDER BY id", now)


def unfinished(connection: sqlite3.Connection, at: float) -> list[Maintenance]:
    """Return what was not over at a time, whatever became of it since, oldest first."""
    where = "(ended_at IS NULL OR ended_at > ?) AND (ends_at IS NULL OR ends_at > ?) ORDER BY id"
    return _select(connection, where, at, at)


def past(connection: sqlite3.Connection, now: float, limit: int = 200) -> list[Maintenance]:
    """Return what is over, newest first."""
    where = "ended_at IS NOT NULL OR ends_at <= ? ORDER BY id DESC LIMIT ?"
    return _select(connection, where, now, limit)


def _select(connection: sqlite3.Connection, where: str, *values: object) -> list[Maintenance]:
    rows = connection.execute(f"SELECT {_FIELDS} FROM maintenance WHERE {where}", values)  # noqa: S608
    return [_maintenance(tuple(row)) for row in rows]


def _maintenance(row: tuple[object, ...]) -> Maintenance:
    work = Maintenance(*row)  # type: ignore[arg-type]
    windows = tuple(json.loads(str(work.windows)) if work.windows else ())
    return replace(work, mode=Mode(work.mode), windows=windows)
