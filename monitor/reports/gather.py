"""Everything a report tells, as one document (`muster.report/1`): judged now by what is stored.

The figures are those of the board, the API and `muster plan`: the same functions make them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from monitor.incidents.incident import Incident
from monitor.place import Place
from monitor.readiness.digest import digest
from monitor.readiness.layered import Layered
from monitor.readiness.results import UnitResult, utc
from monitor.reports.actual import against_plan
from monitor.reports.drifted import versions
from monitor.reports.exceptions import waivers
from monitor.reports.league import league
from monitor.reports.links import Span, links
from monitor.reports.period import Kind, Period, period
from monitor.reports.response import incidents, per_unit
from monitor.reports.standing import Change, checklists, signoffs, verdicts
from monitor.roadmap import blockers, document
from monitor.roadmap.burndown import Tally
from monitor.store import incident_rows, plans
from monitor.store.api import Evidence, NoStore
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.workspace import Workspace

SCHEMA = "muster.report/1"
MOST_INCIDENTS = 10_000
CHANGES_SINCE = 10
"""The schema's version that keeps changes of verdicts."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Which report is wanted; without units it is of all."""

    kind: Kind
    units: tuple[str, ...]
    scope: str = ""
    """What the units are, for people: `gz`, `wave w1`; "" for all."""
    gate: str = "go-live"
    zone: str = "UTC"
    due: float | None = None
    """When it was due, of one that is mailed: it goes on where the one before it ended, though it be late."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the state database keeps of units."""

    changes: Sequence[Change] = ()
    incidents: Sequence[Incident] = ()
    tallies: Sequence[Tally] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """Units as they are judged now, and what is made of the same evidence."""

    results: Sequence[UnitResult]
    plans: Mapping[str, dict[str, Any]]
    versions: Sequence[Mapping[str, Any]]
    links: Sequence[dict[str, Any]]


def gather(place: Place, workspace: Workspace, asked: Asked, now: float) -> dict[str, Any]:
    """Return the report at a moment; the ledger was taken in already. Blocking: not for the loop."""
    span = period(asked.kind, now, asked.zone, asked.due)
    raw = max(span.start, now - place.settings.retention.raw_days * DAY_S)
    try:
        store = Store.read_only(place.state_dir)
    except NoStore:
        judged = _judged(workspace, asked, Layered(), Span(raw, now))
    else:
        with closing(store):
            judged = _judged(workspace, asked, store, Span(raw, now))
    return put_together(workspace, asked, span, judged, kept(place, asked, span), raw)


def _judged(workspace: Workspace, asked: Asked, evidence: Evidence, span: Span) -> Judged:
    planner, now = workspace.planner(asked.gate), span.end
    jobs = workspace.jobs_by_unit()
    found: dict[str, tuple[UnitResult, Any, Any, list[dict[str, Any]]]] = {}
    for result in workspace.results(asked.units, evidence, asked.gate, now):
        unit, required = workspace.inventory.units[result.id], workspace.required(result.id)
        rows = [*links(unit, result, jobs.get(result.id, ()), required, evidence, span)]
        found[result.id] = (
            result,
            planner.result(result, now),
            workspace.versions(result, evidence),
            rows,
        )
    ordered = [found[key] for key in asked.units]
    return Judged(
        [each[0] for each in ordered],
        {each[0].id: each[1] for each in ordered},
        [each[2] for each in ordered if each[2] is not None],
        [row for each in ordered for row in each[3]],
    )


def kept(place: Place, asked: Asked, span: Period) -> Kept:
    """Return what was kept of the units; nothing where no daemon ever ran."""
    path = place.state_dir / "state.db"
    if not path.exists():
        return Kept()
    with closing(Database(path, read_only=True)) as database:
        version = database.version
        return database.read_now(lambda connection: _kept(connection, version, asked, span))


def _kept(connection: sqlite3.Connection, version: int, asked: Asked, span: Period) -> Kept:
    units = set(asked.units)
    tallies = plans.tallies(connection, asked.gate, asked.units) if version >= plans.SINCE else []
    changes = _changes(connection, asked.gate, span.end) if version >= CHANGES_SINCE else []
    where = "opened_at < ? AND (closed_at IS NULL OR closed_at >= ?) ORDER BY id DESC LIMIT ?"
    found = incident_rows.select(connection, where, span.end, span.start, MOST_INCIDENTS)
    return Kept(
        [each for each in changes if each.unit in units],
        [each for each in found if each.unit in units or not each.unit],
        tallies,
    )


def _changes(connection: sqlite3.Connection, gate: str, until: float) -> list[Change]:
    rows = connection.execute(
        "SELECT unit, at, before, verdict FROM verdict_change WHERE gate = ? AND at <= ? ORDER BY at, id",
        (gate, until),
    )
    return [Change(*row) for row in rows]


def put_together(
    workspace: Workspace, asked: Asked, span: Period, judged: Judged, found: Kept, raw: float
) -> dict[str, Any]:
    """Return the document. Pure but for what the workspace remembers of digests."""
    inventory, standing, results = workspace.inventory, workspace.standing, judged.results
    first, today = span.days
    made, at = list(judged.plans.values()), utc(span.end) or ""
    stands = verdicts(inventory, results, found.changes, span.start, span.end)
    day = datetime.fromtimestamp(span.end, ZoneInfo(span.zone)).date()
    signed = {
        unit: entries[-1].at
        for (gate, unit), entries in standing.signatures.items()
        if gate == asked.gate and unit in judged.plans
    }
    signatures = signoffs(results, signed, span.start)
    broken = [row["unit"] for row in signatures["rows"] if {"regressed", "drifted"} & {*row["states"]}]
    plan = document.document(asked.gate, at, made, found.tallies, day)
    known = [*workspace.waivers.all, *standing.waivers()]
    names = {each.id: (each.name, each.name_zh) for each in inventory}
    return {
        "schema": SCHEMA, "kind": asked.kind, "gate": asked.gate, "at": at, "period": span.plain(),
        "scope": asked.scope, "units": len(results), "authenticated": False,
        "inventory_digest": digest({each.id: each for each in inventory}),
        "checklists": checklists(results),
        "raw_since": utc(raw),
        "verdicts": stands,
        "league": league(stands["units"], judged.plans, per_unit(found.incidents, span), broken, today),
        "plan": {key: plan[key] for key in ("counts", "open", "waves", "burndown", "planned")},
        "against_plan": against_plan(made, first, today),
        "blockers": blockers.document(asked.gate, at, made),
        "links": judged.links,
        "incidents": incidents(found.incidents, span, names),
        "waivers": waivers(known, standing.asked.values(), judged.plans, span, asked.gate),
        "signoffs": signatures,
        "versions": versions(judged.versions, len(results)),
    }  # fmt: skip


def digests(checklist: Iterable[Mapping[str, Any]]) -> str:
    """Return checklists with the beginning of their digests, for people."""
    return ", ".join(f"{each['id']} {each['digest'][:19]}" for each in checklist)
