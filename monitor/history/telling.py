"""A unit's history as a document (`muster.history/1`): what changed, and what of the files did then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from monitor.history.differing import differences
from monitor.readiness.results import utc
from monitor.store.runs import Change, Head

SCHEMA = "muster.history/1"
RUNS = "muster.runs/1"
Subject = tuple[Mapping[str, Any], Sequence[Any]]
SubjectOf = Callable[[str], Subject | None]
"""From a unit's digest to what it is of, None where that is not kept."""
MOST_DIFFERENCES = 200


def document(
    gate: str,
    unit: str,
    changes: Sequence[Change],
    subject_of: SubjectOf,
    item: str = "",
    asset: str = "",
    most: int = 200,
) -> dict[str, Any]:
    """Return the newest changes of a unit, newest first; with `item` those of it alone.

    A change of the files is told with the first change of a status that came with or after it, too: what an
    item's own changes are told with is all that changed of the files since its last one.
    """  # fmt: skip
    found, last = [], ""
    for change in changes:
        rows = [row for row in change.rows if item in ("", row[0]) and asset in ("", row[1])]
        moved = bool(last) and change.unit_digest != last
        if rows or (moved and not item):
            found.append(_change(change, rows, last, subject_of))
            last = change.unit_digest
        last = last or change.unit_digest
    return {
        "schema": SCHEMA, "gate": gate, "unit": unit, "item": item or None, "asset": asset or None,
        "changes": found[::-1][:most], "more": len(found) > most,
    }  # fmt: skip


def _change(
    change: Change, rows: Iterable[Sequence[str]], last: str, subject_of: SubjectOf
) -> dict[str, Any]:
    moved = bool(last) and change.unit_digest != last
    names = ("id", "asset", "before", "status", "reason", "actual")
    return {
        "at": utc(change.at), "run": change.run, "unit_digest": change.unit_digest,
        "checklists": [{"id": key, "digest": digest} for key, digest in change.checklists],
        "items": [dict(zip(names, row, strict=True)) for row in rows],
        "unit_changed": moved,
        "differences": _differences(subject_of(last), subject_of(change.unit_digest)) if moved else [],
    }  # fmt: skip


def _differences(before: Subject | None, after: Subject | None) -> list[dict[str, Any]] | None:
    if before is None or after is None:
        return None
    found = differences(*before, *after)[:MOST_DIFFERENCES]
    return [each._asdict() for each in found]


def runs_document(heads: Sequence[Head], verdicts: Mapping[int, Mapping[str, int]]) -> dict[str, Any]:
    """Return runs, newest first, as `muster.runs/1`."""
    return {"schema": RUNS, "runs": [_run(head, verdicts.get(head.id, {})) for head in heads]}


def _run(head: Head, verdicts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": head.id, "gate": head.gate, "mode": head.mode, "started_at": utc(head.started_at),
        "finished_at": utc(head.finished_at), "actor": head.actor, "version": head.version,
        "inventory_digest": head.inventory,
        "checklists": [{"id": key, "digest": digest} for key, digest in head.checklists],
        "units": head.units, "verdicts": dict(verdicts),
    }  # fmt: skip
