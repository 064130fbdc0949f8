"""What `--diff PREVIOUS` names: a run's number, `last`, a date, or a file of `check --format json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitor.place import Place
from monitor.readiness.results import SCHEMA, utc
from monitor.store import runs
from monitor.store.database import Database

MOST_FILE = 256 * 1024 * 1024
NEEDED = ("id", "name", "name_zh", "verdict", "unit_digest", "checklists", "items")
ROW = ("id", "asset", "category", "severity", "title", "title_zh", "status", "reason", "actual")
HINT = "write the number of a run (muster history lists them), last, a date such as 2027-01-15, or a file"


class BadPrevious(ValueError):  # noqa: N818 - reads better where it is raised
    """It names nothing that can be compared with; the text says why and what to write."""


@dataclass(frozen=True, slots=True)
class Previous:
    """Units as they were, by id; `told` says what they are from (`what`, `runs`, `at`)."""

    units: Mapping[str, Mapping[str, Any]]
    told: Mapping[str, Any]


def load(place: Place, text: str, gate: str, chosen: Sequence[str], now: float) -> Previous:
    """Return what is compared with. Raises BadPrevious, SchemaTooNew."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        return _run(place, int(text), gate)
    if text == "last":
        return _before(place, text, gate, chosen, now)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) and not Path(text).exists():
        return _before(place, text, gate, chosen, _end_of(text))
    return _file(Path(text), gate)


def _end_of(day: str) -> float:
    """Return the end of a day, by this machine's zone."""
    try:
        return (datetime.fromisoformat(day) + timedelta(days=1)).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise BadPrevious(f"--diff {day}: there is no such day; {HINT}") from None


def _database(place: Place) -> Database:
    path = place.state_dir / "state.db"
    if not path.exists():
        raise BadPrevious(f"--diff: no run was kept in {place.state_dir} yet")
    database = Database(path, read_only=True)
    if database.version < runs.SINCE:
        database.close()
        raise BadPrevious(f"--diff: no run was kept in {place.state_dir} yet")
    return database


def _run(place: Place, number: int, gate: str) -> Previous:
    with closing(_database(place)) as database:
        head = database.read_now(lambda connection: runs.head(connection, number))
        if head is None:
            raise BadPrevious(f"--diff {number}: no such run is kept; {HINT}")
        if head.gate != gate:
            raise BadPrevious(f"--diff {number}: that run was of the gate {head.gate}, this is of {gate}")
        units = database.read_now(lambda connection: runs.units(connection, number))
    return Previous(units, {"what": str(number), "runs": [number], "at": utc(head.finished_at)})


def _before(place: Place, what: str, gate: str, chosen: Sequence[str], until: float) -> Previous:
    with closing(_database(place)) as database:
        found = database.read_now(lambda connection: runs.before(connection, gate, chosen, until))
        numbers = sorted({run for run, _ in found.values()})
        if not numbers:
            raise BadPrevious(f"--diff {what}: no run of these units at {gate} is kept from then; {HINT}")
        head = database.read_now(lambda connection: runs.head(connection, numbers[-1]))
    at = utc(head.finished_at) if head else None
    return Previous({k: unit for k, (_, unit) in found.items()}, {"what": what, "runs": numbers, "at": at})


def _file(path: Path, gate: str) -> Previous:
    try:
        if path.stat().st_size > MOST_FILE:
            raise BadPrevious(f"--diff {path}: larger than {MOST_FILE} bytes")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise BadPrevious(f"--diff {path}: {error.strerror}; {HINT}") from None
    except (ValueError, RecursionError):
        raise BadPrevious(
            f"--diff {path}: not JSON; write it with muster check --format json -o FILE"
        ) from None
    try:
        units = _units(document)
    except (KeyError, TypeError, AttributeError):
        raise BadPrevious(f"--diff {path}: not a run of muster check --format json ({SCHEMA})") from None
    if document["gate"] != gate:
        raise BadPrevious(f"--diff {path}: that run was of the gate {document['gate']}, this is of {gate}")
    return Previous(units, {"what": str(path), "runs": [], "at": document["finished_at"]})


def _units(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    if document["schema"] != SCHEMA:
        raise KeyError("schema")
    for unit in document["units"]:
        for name in NEEDED:
            unit[name]
        for row in unit["items"]:
            for name in ROW:
                row[name]
    return {unit["id"]: unit for unit in document["units"]}
