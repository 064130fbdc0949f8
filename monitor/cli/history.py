"""`muster history`: the runs that are kept, and when an item changed and what of the files changed then."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from monitor.cli._gate_acts import GateOption, named
from monitor.cli.acting import reading
from monitor.cli.common import ConfigOption, Form, StateDirOption, err, out
from monitor.cli.moments import past
from monitor.history.showing import history_lines
from monitor.history.telling import document, runs_document
from monitor.place import place
from monitor.store import runs
from monitor.store.database import Database

SHOWN = 50


def history(
    unit: Annotated[str, typer.Argument(help="The unit; without one, the runs are listed.")] = "",
    item: Annotated[str, typer.Argument(help="One item; all where none is named.")] = "",
    *,
    asset: Annotated[str, typer.Option("--asset", help="Only rows of this asset.")] = "",
    since: Annotated[str, typer.Option("--since", help="From when on: 2027-01-15, or 30d.")] = "",
    gate: GateOption = "go-live",
    most: Annotated[int, typer.Option("--most", min=1, max=10_000, help="So many at most.")] = SHOWN,
    form: Annotated[Form, typer.Option("--format", help="A table, or JSON.")] = Form.TABLE,
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Show when a unit's items changed, and what of the inventory and the checklists changed with them."""
    begin = past(since, "--since", time.time()) if since else 0.0
    with reading(place(config, state_dir=state_dir)) as database:
        found = (
            _history(database, gate, unit, item, asset, begin, most) if unit else _runs(database, gate, most)
        )
    if form is Form.JSON:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
    elif unit:
        for line in history_lines(found):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        _show(found)


def _history(
    database: Database, gate: str, unit: str, item: str, asset: str, since: float, most: int
) -> dict[str, Any]:
    if database.version < runs.SINCE:
        return document(gate, unit, (), lambda _: None)
    changes = database.read_now(lambda connection: runs.changes(connection, gate, unit, since))
    return document(
        gate, unit, changes, lambda key: database.read_now(lambda c: runs.subject(c, key)), item, asset, most
    )


def _runs(database: Database, gate: str, most: int) -> dict[str, Any]:
    if database.version < runs.SINCE:
        return runs_document((), {})
    heads = database.read_now(lambda connection: runs.heads(connection, gate, most))
    verdicts = database.read_now(lambda c: {head.id: runs.verdicts(c, head.id) for head in heads})
    return runs_document(heads, verdicts)


def _show(found: dict[str, Any]) -> None:
    for run in found["runs"]:
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(run["verdicts"].items()))
        who = named(run["actor"])
        line = f"{run['id']}  {run['finished_at']}  {run['mode']}  {who}  {verdicts}"
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if not found["runs"]:
        err.print("no run is kept yet; muster check keeps each", markup=False)
