"""What answers of several engines say alike: pure functions from a table to an `Answer`.

Columns are called as each function says, in whatever case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from probes.database._sql import NOTHING, Answer, Question, Table
from probes.database._sql_parameters import Setting, compare

MOST_NAMES = 20


def waiting(table: Table) -> Answer:
    """Read `waiting`: sessions that wait for a lock."""
    return Answer({"locks_waiting": float(table.first()["waiting"])})


def size(table: Table) -> Answer:
    """Read `bytes`."""
    return Answer({"size_bytes": float(table.first()["bytes"])})


def oldest(table: Table) -> Answer:
    """Read `age`, in seconds: 0 where no transaction is open."""
    return Answer({"oldest_transaction_s": max(0.0, float(table.first()["age"] or 0))})


def backup(table: Table) -> Answer:
    """Read `age`, in seconds: none where no backup is known."""
    age = table.first().get("age")
    if age is None:
        return Answer(not_told=("backup_age_s: no complete backup of the database is known",))
    return Answer({"backup_age_s": max(0.0, float(age))})


def invalid(table: Table) -> Answer:
    """Read `name` of each row: what can't be used."""
    names = [str(row["name"]).strip() for row in table.records()]
    shown = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
    return Answer({"invalid_objects": float(len(names))}, {"invalid_names": shown or NOTHING})


def spaces(found: Iterable[tuple[str, float, float]]) -> Answer:
    """Return what is told of tablespaces: name, bytes used, and bytes that there may be, of each."""
    rows = [(100 * used / most, most - used, name) for name, used, most in found if most > 0]
    if not rows:
        return Answer(not_told=("tablespace_used_pct: no tablespace with a limit is shown",))
    pct, _, fullest = max(rows)
    free = min(left for _, left, _ in rows)
    return Answer({"tablespace_used_pct": pct, "free_bytes": free}, {"fullest": f"{fullest}: {pct:.1f} %"})


def manifest(query: str, wanted: Mapping[str, Setting], grant: str = "") -> Question:
    """Return the question for parameters: `query` has a place `{names}`, and gives `name` and `value`.

    A third column `shown` may hold another spelling of the value.
    """
    names = ", ".join("'" + name.lower().replace("'", "''") + "'" for name in wanted)
    return Question("parameters", query.format(names=names), lambda table: _compared(table, wanted), grant)


def _compared(table: Table, wanted: Mapping[str, Setting]) -> Answer:
    found: dict[str, tuple[str, ...]] = {}
    for row in table.records():
        spelt = tuple(str(row[name]).strip() for name in ("value", "shown") if row.get(name) is not None)
        found[str(row["name"]).strip()] = spelt or ("",)
    compared = compare(wanted, found)
    return Answer(compared.metrics(), compared.facts())
