"""The tables behind the sinks: how far they have written, and the events they write. Reads in threads."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from monitor.people.maintenance import Maintenance
from monitor.store.maintenance import unfinished

_HISTORY = (
    "SELECT h.id, h.at, h.actor, h.what, h.state, h.kind, h.detail, i.id, i.root, i.severity, i.began_at,"
    " i.closed_at FROM incident_history AS h JOIN incident AS i ON i.id = h.incident"
    " WHERE h.id > ? ORDER BY h.id LIMIT ?"
)
_CHANGES = (
    "SELECT id, unit, gate, at, before, verdict, coverage, counts FROM verdict_change"
    " WHERE id > ? ORDER BY id LIMIT ?"
)
_LEDGER = (
    "SELECT seq, at, kind, actor, role, gate, unit, asset, item FROM ledger"
    " WHERE seq > ? ORDER BY seq LIMIT ?"
)
_JUDGED = (
    "SELECT unit, gate, judged_at, verdict, coverage, counts FROM verdicts WHERE judged_at > ?"
    " ORDER BY judged_at"
)


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """A line of an incident's history, with the incident it is of."""

    id: int
    at: float
    actor: str
    what: str
    state: str
    kind: str
    detail: str
    incident: int
    root: str
    severity: str
    began_at: float
    closed_at: float | None


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A change of a unit's verdict; `counts` is JSON, items by status."""

    id: int
    unit: str
    gate: str
    at: float
    before: str
    verdict: str
    coverage: float
    counts: str


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """What somebody stated, asked, approved or signed at a gate."""

    seq: int
    at: float
    kind: str
    actor: str
    role: str
    gate: str
    unit: str
    asset: str
    item: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A unit's last judgement at a gate; `counts` is JSON, items by status."""

    unit: str
    gate: str
    at: float
    verdict: str
    coverage: float
    counts: str


def load(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a sink's position, None where it never wrote."""
    row = connection.execute("SELECT position FROM sink WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def save(connection: sqlite3.Connection, name: str, position: str) -> None:
    """Keep a sink's position."""
    connection.execute("INSERT OR REPLACE INTO sink VALUES (?, ?)", (name, position))


def history(connection: sqlite3.Connection, after: int, limit: int) -> list[HistoryEvent]:
    """Return lines of incidents' histories after one, oldest first."""
    return [HistoryEvent(*row) for row in connection.execute(_HISTORY, (after, limit))]


def changes(connection: sqlite3.Connection, after: int, limit: int) -> list[VerdictChange]:
    """Return changes of verdicts after one, oldest first."""
    return [VerdictChange(*row) for row in connection.execute(_CHANGES, (after, limit))]


def ledger(connection: sqlite3.Connection, after: int, limit: int) -> list[LedgerEvent]:
    """Return what people did at gates after an entry, oldest first."""
    return [LedgerEvent(*row) for row in connection.execute(_LEDGER, (after, limit))]


def judged(connection: sqlite3.Connection, since: float) -> list[Judgement]:
    """Return the last judgements made after a time."""
    return [Judgement(*row) for row in connection.execute(_JUDGED, (since,))]


def maintenance(connection: sqlite3.Connection, since: float) -> list[Maintenance]:
    """Return the announced work that was not over at a time."""
    return unfinished(connection, since)


def prune(connection: sqlite3.Connection, before: float) -> None:
    """Forget changes of verdicts before a time."""
    connection.execute("DELETE FROM verdict_change WHERE at < ?", (before,))
