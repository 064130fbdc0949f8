"""The tables of incidents: reading and writing rows within the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace

from monitor.incidents.incident import Incident, Member, Severity
from monitor.state import State

FIELDS = (
    "id", "version", "root", "kind", "detail", "state", "worst",
    "began_at", "opened_at", "closed_at", "notified", "previous", "severity", "rule", "recovered_at",
    "absorbed_by", "damped", "acked_by", "acked_at", "ack_until", "ack_comment", "snoozed_until", "tier",
    "next_at", "told_at", "ending",
)  # fmt: skip
_COLUMNS = ", ".join(FIELDS)
_READ = _COLUMNS.replace("rule", "'' AS rule")
"""Without the rule, which may be long and is of interest to those who look at one incident only."""
_MARKS = ", ".join("?" * (len(FIELDS) - 1))
_WRITTEN = tuple(name for name in FIELDS if name not in ("id", "rule"))
_SET = ", ".join(f"{name} = ?" for name in _WRITTEN)
WORST_FIRST = (
    "CASE state WHEN 'DOWN' THEN 0 WHEN 'SHADOWED' THEN 1 WHEN 'DEGRADED' THEN 2 ELSE 3 END, joined_at"
)


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One line of an incident's history."""

    at: float
    actor: str
    what: str
    state: str
    kind: str
    detail: str
    evidence_at: float | None


def select(connection: sqlite3.Connection, where: str, *values: object) -> list[Incident]:
    """Return incidents, without their rules, by a condition of ours, never of anybody else's text."""
    rows = connection.execute(f"SELECT {_READ} FROM incident WHERE {where}", values)  # noqa: S608
    return [_incident(row) for row in rows]


def _incident(row: sqlite3.Row) -> Incident:
    incident = Incident(*row)
    return replace(
        incident,
        state=State(incident.state),
        worst=State(incident.worst),
        notified=bool(incident.notified),
        severity=Severity(incident.severity),
        damped=bool(incident.damped),
    )


def with_rule(connection: sqlite3.Connection, incident: Incident) -> Incident:
    """Return an incident with the rule that opened it."""
    row = connection.execute("SELECT rule FROM incident WHERE id = ?", (incident.id,)).fetchone()
    return replace(incident, rule=row[0])


def prune(connection: sqlite3.Connection, before: float) -> int:
    """Forget incidents that were closed before a time, with all that belongs to them; return how many."""
    old = "SELECT id FROM incident WHERE closed_at < ?"
    for column in ("previous", "absorbed_by"):
        connection.execute(f"UPDATE incident SET {column} = NULL WHERE {column} IN ({old})", (before,))  # noqa: S608
    pinned = f"DELETE FROM evidence WHERE reference IN (SELECT 'incident:' || id FROM ({old}))"  # noqa: S608
    connection.execute(pinned, (before,))
    return connection.execute("DELETE FROM incident WHERE closed_at < ?", (before,)).rowcount


def open_incident(connection: sqlite3.Connection, root: str) -> Incident | None:
    """Return the root's open incident."""
    return next(iter(select(connection, "root = ? AND closed_at IS NULL", root)), None)


def insert(connection: sqlite3.Connection, incident: Incident) -> Incident | None:
    """Insert an incident; None where the root has an open one already."""
    inserted = connection.execute(
        f"INSERT INTO incident ({_COLUMNS}) VALUES (NULL, {_MARKS})"  # noqa: S608
        " ON CONFLICT (root) WHERE closed_at IS NULL DO NOTHING",
        [getattr(incident, name) for name in FIELDS[1:]],
    )
    if not inserted.rowcount or inserted.lastrowid is None:
        return None
    return replace(incident, id=inserted.lastrowid)


def update(connection: sqlite3.Connection, incident: Incident, **changes: object) -> Incident | None:
    """Write changes and raise the version; None where the incident is no longer the one that was read."""
    changed = replace(incident, version=incident.version + 1, **changes)  # type: ignore[arg-type]
    written = connection.execute(
        f"UPDATE incident SET {_SET} WHERE id = ? AND version = ?",  # noqa: S608
        [*(getattr(changed, name) for name in _WRITTEN), incident.id, incident.version],
    )
    return changed if written.rowcount else None


def join(connection: sqlite3.Connection, incident: int, members: Iterable[Member]) -> None:
    """Take checks in, or note their new states; one that comes back is a member since its first time."""
    connection.executemany(
        'INSERT INTO incident_member (incident, "check", joined_at, left_at, state, kind, since)'
        ' VALUES (?, ?, ?, NULL, ?, ?, ?) ON CONFLICT (incident, "check") DO UPDATE SET left_at = NULL,'
        " state = excluded.state, kind = excluded.kind, since = excluded.since",
        [(incident, m.check, m.joined_at, m.state, m.kind, m.since) for m in members],
    )


def leave(connection: sqlite3.Connection, incident: int, check: str | None, at: float) -> None:
    """Note that a check has left (None: all of them)."""
    connection.execute(
        'UPDATE incident_member SET left_at = ? WHERE incident = ? AND ("check" = ? OR ? IS NULL)'
        " AND left_at IS NULL",
        (at, incident, check, check),
    )


def states_within(connection: sqlite3.Connection, incident: int) -> set[State]:
    """Return the states of what is in an incident now."""
    rows = connection.execute(
        "SELECT DISTINCT state FROM incident_member WHERE incident = ? AND left_at IS NULL", (incident,)
    )
    return {State(row[0]) for row in rows}


def members(
    connection: sqlite3.Connection, incident: int, most: int, *, left: bool = False
) -> tuple[tuple[Member, ...], int]:
    """Return what is in an incident, worst first, at most so many, and how many there are in all.

    With `left`, also what was in it.
    """
    where = "incident = ? AND (left_at IS NULL OR ?)"
    count = f"SELECT count(*) FROM incident_member WHERE {where}"  # noqa: S608
    total: int = connection.execute(count, (incident, left)).fetchone()[0]
    rows = connection.execute(
        f'SELECT "check", state, kind, since, joined_at, left_at FROM incident_member WHERE {where}'  # noqa: S608
        f" ORDER BY {WORST_FIRST} LIMIT ?",
        (incident, left, most),
    )
    return tuple(Member(row[0], State(row[1]), *row[2:]) for row in rows), total


def checks_within(connection: sqlite3.Connection, incident: int) -> list[str]:
    """Return the checks that are or were in an incident."""
    rows = connection.execute('SELECT "check" FROM incident_member WHERE incident = ?', (incident,))
    return [row[0] for row in rows]


def units_within(connection: sqlite3.Connection, incident: Incident) -> int:
    """Return how many units besides the root's are in an incident; of one that is over: were."""
    unit = """substr("check", 1, instr("check", '/') - 1)"""
    statement = (
        f"SELECT count(DISTINCT {unit}) FROM incident_member"  # noqa: S608
        f" WHERE incident = ? AND (left_at IS NULL OR ?) AND {unit} != ?"
    )
    values = (incident.id, incident.closed_at is not None, incident.unit)
    found: int = connection.execute(statement, values).fetchone()[0]
    return found


def add_history(connection: sqlite3.Connection, incident: int, row: HistoryRow) -> None:
    """Append a line to an incident's history."""
    connection.execute(
        "INSERT INTO incident_history (incident, at, actor, what, state, kind, detail, evidence_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (incident, *astuple(row)),
    )


def history(connection: sqlite3.Connection, incident: int) -> list[HistoryRow]:
    """Return what happened to an incident, oldest first."""
    rows = connection.execute(
        "SELECT at, actor, what, state, kind, detail, evidence_at FROM incident_history"
        " WHERE incident = ? ORDER BY id",
        (incident,),
    )
    return [HistoryRow(*row) for row in rows]
