"""What the plan says of each unit as it was judged last, and what was open of it day by day."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from monitor.roadmap.burndown import Tally

SINCE = 13
"""The schema's version that has the tables."""


class Planned(NamedTuple):
    """A unit's row, encoded: the loop encodes nothing. `at` in seconds since the epoch."""

    gate: str
    unit: str
    at: float
    day: str
    """The unit's own date."""
    verdict: str
    failing: int
    unknown: int
    body: str


def pack(gate: str, at: float, day: str, document: Mapping[str, Any]) -> Planned:
    """Return the row of a unit's part of `muster.plan/1`."""
    counts, body = document["counts"], json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Planned(
        gate, document["id"], at, day, document["verdict"], counts["failing"], counts["unknown"], body
    )


def save(connection: sqlite3.Connection, rows: Collection[Planned]) -> None:
    """Keep rows; an older one changes nothing."""
    connection.executemany(
        """INSERT INTO unit_plan (gate, unit, at, body) VALUES (?, ?, ?, ?)
           ON CONFLICT (gate, unit) DO UPDATE SET at = excluded.at, body = excluded.body
           WHERE excluded.at >= unit_plan.at""",
        [(each.gate, each.unit, each.at, each.body) for each in rows],
    )
    connection.executemany(
        """INSERT INTO verdict_day (gate, day, unit, verdict, failing, unknown) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (gate, day, unit) DO UPDATE SET
               verdict = excluded.verdict, failing = excluded.failing, unknown = excluded.unknown
           WHERE (verdict, failing, unknown) <> (excluded.verdict, excluded.failing, excluded.unknown)""",
        [(each.gate, each.day, each.unit, each.verdict, each.failing, each.unknown) for each in rows],
    )


def units(connection: sqlite3.Connection, gate: str, chosen: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the documents of units that were ever judged at a gate, by unit."""
    wanted = json.dumps(list(chosen))
    found = connection.execute(
        """SELECT unit, body FROM unit_plan WHERE gate = ?
           AND unit IN (SELECT value FROM json_each(?))""",
        (gate, wanted),
    )
    return {row[0]: json.loads(row[1]) for row in found}


def tallies(connection: sqlite3.Connection, gate: str, chosen: Iterable[str], since: str = "") -> list[Tally]:
    """Return what was open of units, day by day, from a day on."""
    found = connection.execute(
        """SELECT unit, day, failing, unknown, verdict FROM verdict_day WHERE gate = ? AND day >= ?
           AND unit IN (SELECT value FROM json_each(?)) ORDER BY day""",
        (gate, since, json.dumps(list(chosen))),
    )
    return [Tally(unit, date.fromisoformat(day), *rest) for unit, day, *rest in found]


def forget(connection: sqlite3.Connection, before: str) -> None:
    """Drop the days before one."""
    connection.execute("DELETE FROM verdict_day WHERE day < ?", (before,))
