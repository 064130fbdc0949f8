"""Evidence that outlives retention: the readings behind a sign-off or an incident, in `state.db`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict

from probes.api import Outcome, Reading


def to_json(reading: Reading) -> str:
    """Return a reading as JSON; numbers that are not finite are left out."""
    fields = asdict(reading)
    for name in ("metrics", "phases"):
        fields[name] = {k: v for k, v in fields[name].items() if abs(v) < float("inf")}
    return json.dumps(fields, ensure_ascii=False, sort_keys=True)


def from_json(text: str) -> Reading:
    """Return the reading that was pinned as `text`."""
    fields = json.loads(text)
    return Reading(**{**fields, "outcome": Outcome(fields["outcome"])})


def write_pins(db: sqlite3.Connection, reference: str, readings: Iterable[Reading]) -> None:
    """Keep readings under a reference; pinning one again changes nothing."""
    rows = [(reference, r.check, r.at, to_json(r)) for r in readings]
    db.executemany("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?)", rows)
