"""The ledger's table in `state.db`: appended to, read, never changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from monitor.gates.ledger import Draft, Entry, chained
from monitor.gates.standing import Standing
from monitor.readiness.digest import canonical
from monitor.store.database import Database
from monitor.store.pins import write_pins
from probes.api import Reading

SINCE = 9
"""The schema's version that has the table."""
_COLUMNS = "seq, at, kind, actor, role, gate, unit, asset, item, body, previous, digest"


class Overtaken(RuntimeError):  # noqa: N818 - reads better where it is raised
    """Somebody else did something about the same unit and gate meanwhile."""


def append(
    connection: sqlite3.Connection, draft: Draft, seen: int, evidence: Iterable[Reading] = ()
) -> Entry:
    """Append an entry, with the readings behind it pinned under its digest, in the caller's transaction.

    `seen` is the newest entry known when it was decided. Raises `Overtaken` where one about the same unit and
    gate came since.
    """
    newer = connection.execute(
        "SELECT actor FROM ledger WHERE unit = ? AND gate = ? AND seq > ? ORDER BY seq DESC LIMIT 1",
        (draft.unit, draft.gate, seen),
    ).fetchone()
    if newer is not None:
        raise Overtaken(f"{newer[0]} acted on {draft.unit} at the same moment; look again, and repeat it")
    entry = chained(draft, last(connection))
    row = (*(getattr(entry, name) for name in _COLUMNS.split(", ")[:9]), canonical(entry.body))
    connection.execute(
        f"INSERT INTO ledger ({_COLUMNS}) VALUES ({', '.join('?' * 12)})",  # noqa: S608 - our own names
        (*row, entry.previous, entry.digest),
    )
    write_pins(connection, entry.digest, evidence)
    return entry


def noted(connection: sqlite3.Connection, draft: Draft) -> Entry | None:
    """Append what was found of a signature, once, and only while that is the unit's last one."""
    same = connection.execute(
        "SELECT 1 FROM ledger WHERE unit = ? AND gate = ? AND seq >= ? AND (kind = 'sign' AND seq > ?"
        " OR kind = ? AND item = ? AND asset = ?)",
        (draft.unit, draft.gate, draft.body["of"], draft.body["of"], draft.kind, draft.item, draft.asset),
    ).fetchone()
    return None if same else append(connection, draft, 2**62)


def last(connection: sqlite3.Connection) -> Entry | None:
    """Return the newest entry, None where there is none."""
    found = _read(connection, "ORDER BY seq DESC LIMIT 1")
    return found[0] if found else None


def read(connection: sqlite3.Connection, after: int = 0, unit: str = "") -> list[Entry]:
    """Return the entries after one, oldest first; with `unit` those about it alone."""
    if unit:
        return _read(connection, "WHERE seq > ? AND unit = ? ORDER BY seq", after, unit)
    return _read(connection, "WHERE seq > ? ORDER BY seq", after)


def _read(connection: sqlite3.Connection, clause: str, *values: object) -> list[Entry]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM ledger {clause}", values)  # noqa: S608 - our own text
    return [_entry(row) for row in rows]


def _entry(row: Sequence[object]) -> Entry:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Entry(**(values | {"body": json.loads(str(values["body"]))}))  # type: ignore[arg-type]


def catch_up(state_dir: Path, standing: Standing) -> None:
    """Have `standing` take in what was written since; nothing where there is no store yet."""
    path = state_dir / "state.db"
    if not path.exists():
        return
    with closing(Database(path, read_only=True)) as database:
        if database.version >= SINCE:
            standing.take(database.read_now(lambda connection: read(connection, standing.seen)))
