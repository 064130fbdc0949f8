"""Readiness runs, changes of items and what was asked at the time, in `state.db`.

What people signed is kept by the ledger with its evidence, and so outlives what `forget` drops here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from monitor.history.packing import Kept, Seen, Subject, changed, packed, unpacked

SINCE = 14
"""The schema's version that has the tables."""


@dataclass(frozen=True, slots=True)
class Head:
    """A run without its units. Times in seconds since the epoch; `id` 0 before it is kept."""

    gate: str
    mode: str
    started_at: float
    finished_at: float
    actor: str
    version: str
    inventory: str
    """Digest over the units' digests."""
    checklists: tuple[tuple[str, str], ...]
    units: int
    id: int = 0


class Change(NamedTuple):
    """What was different of a unit at a moment; `rows` as `packing.changed` gives them."""

    at: float
    run: int | None
    unit_digest: str
    checklists: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str, str, str, str, str], ...]


_HEAD = "gate, mode, started_at, finished_at, actor, version, inventory, checklists, units, id"


def begin(connection: sqlite3.Connection, head: Head) -> int:
    """Keep a run, its units to follow; return its number."""
    found = connection.execute(
        f"INSERT INTO runs ({_HEAD.removesuffix(', id')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            head.gate, head.mode, head.started_at, head.finished_at, head.actor, head.version,
            head.inventory, json.dumps(head.checklists), head.units,
        ),
    )  # fmt: skip
    assert found.lastrowid is not None
    return found.lastrowid


def add(connection: sqlite3.Connection, run: int, units: Iterable[Kept], found: Iterable[Seen]) -> None:
    """Keep units of a run, and what changed by it."""
    connection.executemany(
        "INSERT OR IGNORE INTO run_units VALUES (?, ?, ?, ?, ?)",
        [(run, each.unit, each.verdict, each.unit_digest, each.body) for each in units],
    )
    for each in found:
        note(connection, each, run)


def note(connection: sqlite3.Connection, seen: Seen, run: int | None = None) -> bool:
    """Keep what of a unit is not as it was last, and return whether anything is."""
    last = connection.execute(
        "SELECT at, unit_digest, checklists, body FROM item_state WHERE gate = ? AND unit = ?",
        (seen.gate, seen.unit),
    ).fetchone()
    if last is not None and seen.at < last[0]:
        return False
    rows = changed(unpacked(last[3]) if last else (), unpacked(seen.rows))
    if not rows and last is not None and (last[1], last[2]) == (seen.unit_digest, seen.checklists):
        return False
    values = (seen.gate, seen.unit, seen.at, seen.unit_digest, seen.checklists)
    connection.execute(
        "INSERT INTO item_changes (gate, unit, at, unit_digest, checklists, run, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*values, run, packed(rows)),
    )
    connection.execute(
        "INSERT OR REPLACE INTO item_state (gate, unit, at, unit_digest, checklists, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (*values, seen.rows),
    )
    return True


def learn(connection: sqlite3.Connection, found: Iterable[Subject]) -> None:
    """Keep what digests are of; the same one once."""
    connection.executemany(
        "INSERT OR IGNORE INTO subjects VALUES (?, ?, ?)", [(s.digest, s.items, s.body) for s in found]
    )


def known(connection: sqlite3.Connection) -> set[str]:
    """Return the digests of which it is kept what they are of."""
    return {row[0] for row in connection.execute("SELECT digest FROM subjects")}


def heads(connection: sqlite3.Connection, gate: str, limit: int, before: int = 0) -> list[Head]:
    """Return runs at a gate ("" for any), newest first, those before a number where one is given."""
    rows = connection.execute(
        f"SELECT {_HEAD} FROM runs WHERE (? = '' OR gate = ?) AND (? = 0 OR id < ?)"  # noqa: S608
        " ORDER BY id DESC LIMIT ?",
        (gate, gate, before, before, limit),
    )
    return [_head(row) for row in rows]


def head(connection: sqlite3.Connection, run: int) -> Head | None:
    """Return one run, None where there is none."""
    row = connection.execute(f"SELECT {_HEAD} FROM runs WHERE id = ?", (run,)).fetchone()  # noqa: S608
    return _head(row) if row else None


def _head(row: Sequence[Any]) -> Head:
    values = dict(zip(_HEAD.split(", "), row, strict=True))
    lists = tuple((key, digest) for key, digest in json.loads(values["checklists"]))
    return Head(**(values | {"checklists": lists}))


def verdicts(connection: sqlite3.Connection, run: int) -> dict[str, int]:
    """Return how many units of a run have each verdict."""
    found = connection.execute(
        "SELECT verdict, count(*) FROM run_units WHERE run = ? GROUP BY verdict", (run,)
    )
    return {row[0]: row[1] for row in found}


def units(connection: sqlite3.Connection, run: int) -> dict[str, dict[str, Any]]:
    """Return the units of a run by id, as `muster.check/1` has them but for the remedies."""
    found = connection.execute("SELECT unit, body FROM run_units WHERE run = ? ORDER BY unit", (run,))
    return {row[0]: unpacked(row[1]) for row in found}


def before(
    connection: sqlite3.Connection, gate: str, chosen: Iterable[str], until: float
) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return of each unit its last result in a run that ended before a moment, with that run's number."""
    found = connection.execute(
        """SELECT unit, run, body FROM run_units JOIN (
               SELECT unit AS u, max(run) AS r FROM run_units JOIN runs ON runs.id = run
               WHERE gate = ? AND finished_at < ? AND unit IN (SELECT value FROM json_each(?)) GROUP BY unit
           ) ON unit = u AND run = r""",
        (gate, until, json.dumps(list(chosen))),
    )
    return {row[0]: (row[1], unpacked(row[2])) for row in found}


def changes(
    connection: sqlite3.Connection, gate: str, unit: str, since: float = 0.0, most: int = 100_000
) -> list[Change]:
    """Return what changed of a unit, oldest first; where there is more, the newest of it."""
    rows = connection.execute(
        "SELECT at, run, unit_digest, checklists, body FROM item_changes"
        " WHERE unit = ? AND gate = ? AND at >= ? ORDER BY at DESC, id DESC LIMIT ?",
        (unit, gate, since, most),
    ).fetchall()
    return [
        Change(
            at, run, digest, tuple((a, b) for a, b in json.loads(lists)), tuple(map(tuple, unpacked(body)))
        )
        for at, run, digest, lists, body in reversed(rows)
    ]


def subject(connection: sqlite3.Connection, digest: str) -> tuple[dict[str, Any], list[Any]] | None:
    """Return a unit as it was, and what it was asked; None where it is not kept."""
    found = connection.execute(
        "SELECT a.body, b.body FROM subjects a JOIN subjects b ON b.digest = a.items WHERE a.digest = ?",
        (digest,),
    ).fetchone()
    return (unpacked(found[0]), unpacked(found[1])) if found else None


def forget(connection: sqlite3.Connection, until: float) -> None:
    """Drop runs and changes before a moment, and what only they were of. What is signed stays."""
    connection.execute("DELETE FROM runs WHERE finished_at < ?", (until,))
    connection.execute("DELETE FROM item_changes WHERE at < ?", (until,))
    connection.execute(
        """DELETE FROM subjects WHERE items <> '' AND digest NOT IN (
               SELECT unit_digest FROM run_units UNION SELECT unit_digest FROM item_changes
               UNION SELECT unit_digest FROM item_state
               UNION SELECT json_extract(body, '$.unit_digest') FROM ledger WHERE kind = 'sign')"""
    )
    connection.execute("DELETE FROM subjects WHERE items = '' AND digest NOT IN (SELECT items FROM subjects)")
