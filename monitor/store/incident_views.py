"""Incidents as they are shown: lists of them, and one with all that is known of it. Reads only."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.incidents.incident import Incident, Member
from monitor.store import incident_rows as rows
from monitor.store.incident_rows import HistoryRow
from monitor.store.pins import from_json
from probes.api import Reading

MOST_LISTED = 1000
MOST_MEMBERS = 500
MOST_TOLD = 1000
MOST_READINGS = 500
MOST_NAMES = 200
RECENT_S = 7 * 86400.0
"""For how long a closed incident is listed with the open ones, in seconds."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An incident and how many checks are in it (of a closed one: were in it)."""

    incident: Incident
    members: int


@dataclass(frozen=True, slots=True)
class Told:
    """A message about an incident. `status` is that of the outbox: queued, sending, sent, dead, folded."""

    recipient: str
    channel: str
    notice: str
    status: str
    queued_at: float
    finished_at: float | None
    error: str


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is known of an incident; `members` are those in it now and before, at most `MOST_MEMBERS`."""

    incident: Incident
    members: Sequence[Member]
    total: int
    history: Sequence[HistoryRow]
    told: Sequence[Told]
    readings: Sequence[Reading]
    """Those that opened it, as far as they were kept."""
    absorbed: Sequence[int]
    """The incidents that turned out to have this one as their cause."""


def listed(
    connection: sqlite3.Connection, *, since: float | None, unit: str = "", limit: int = MOST_LISTED
) -> list[Listed]:
    """Return open incidents and those closed after `since` (None: only open ones), newest first.

    With a unit, those whose root or whose members lie in it.
    """
    where = ["(closed_at IS NULL" + (")" if since is None else " OR closed_at >= ?)")]
    values: list[object] = [] if since is None else [since]
    if unit:
        inside = "(root = ? OR root BETWEEN ? AND ? OR EXISTS (SELECT 1 FROM incident_member AS m"
        where.append(inside + ' WHERE m.incident = incident.id AND m."check" BETWEEN ? AND ?))')
        values += [unit, *_below(unit), *_below(unit)]
    found = rows.select(connection, f"{' AND '.join(where)} ORDER BY id DESC LIMIT ?", *values, limit)
    return [Listed(each, _count(connection, each)) for each in found]


def whole(connection: sqlite3.Connection, number: int) -> Whole:
    """Return all that is known of an incident. Raises KeyError where there is none."""
    found = rows.select(connection, "id = ?", number)
    if not found:
        raise KeyError(number)
    members, total = rows.members(connection, number, MOST_MEMBERS, left=True)
    absorbed = connection.execute("SELECT id FROM incident WHERE absorbed_by = ? ORDER BY id", (number,))
    return Whole(
        rows.with_rule(connection, found[0]), members, total, rows.history(connection, number),
        _told(connection, found[0]), _readings(connection, number),
        [row[0] for row in absorbed.fetchmany(MOST_MEMBERS)],
    )  # fmt: skip


def numbers(connection: sqlite3.Connection, limit: int = 12) -> list[int]:
    """Return the numbers of the last incidents, newest first."""
    found = connection.execute("SELECT id FROM incident ORDER BY id DESC LIMIT ?", (limit,))
    return [row[0] for row in found]


def open_roots(connection: sqlite3.Connection) -> list[str]:
    """Return the roots of all open incidents, the newest first."""
    found = connection.execute("SELECT root FROM incident WHERE closed_at IS NULL ORDER BY id DESC")
    return [row[0] for row in found]


def names(connection: sqlite3.Connection, units: Iterable[str]) -> Mapping[str, tuple[str, str]]:
    """Return (name, Chinese name) of units that were ever judged, at most `MOST_NAMES`."""
    found: dict[str, tuple[str, str]] = {}
    for unit in list(dict.fromkeys(units))[:MOST_NAMES]:
        query = "SELECT body FROM verdicts WHERE unit = ? ORDER BY judged_at DESC LIMIT 1"
        row = connection.execute(query, (unit,)).fetchone()
        if row is not None:
            judged = json.loads(zlib.decompress(row[0]))
            found[unit] = (str(judged.get("name") or ""), str(judged.get("name_zh") or ""))
    return found


def _below(unit: str) -> tuple[str, str]:
    """Return the bounds of what begins with `unit/`."""
    return f"{unit}/", f"{unit}/\U0010ffff"


def _count(connection: sqlite3.Connection, incident: Incident) -> int:
    return rows.members(connection, incident.id, 0, left=incident.closed_at is not None)[1]


def _told(connection: sqlite3.Connection, incident: Incident) -> list[Told]:
    found = connection.execute(
        "SELECT recipient, channel, notice, status, queued_at, finished_at, error FROM outbox"
        " WHERE thread = ? ORDER BY id LIMIT ?",
        (incident.thread, MOST_TOLD),
    )
    return [Told(*row) for row in found]


def _readings(connection: sqlite3.Connection, number: int) -> list[Reading]:
    found = connection.execute(
        "SELECT reading FROM evidence WHERE reference = ? ORDER BY at, id LIMIT ?",
        (f"incident:{number}", MOST_READINGS),
    )
    return [from_json(row[0]) for row in found]
