"""`muster ledger`: what people did at gates, in order, and whether it is whole."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from monitor.cli._gate_acts import named, show
from monitor.cli.acting import reading
from monitor.cli.common import ConfigOption, Form, StateDirOption, err
from monitor.cli.moments import shown
from monitor.gates.ledger import Entry, broken
from monitor.place import place
from monitor.store import ledger as kept

NOT_WHOLE = 3


def ledger(
    unit: Annotated[str, typer.Argument(help="Of one unit only.")] = "",
    *,
    form: Annotated[Form, typer.Option("--format", help="A table, or JSON.")] = Form.TABLE,
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """List what people did at gates, and verify that nothing of it was changed or left out."""
    with reading(place(config, state_dir=state_dir)) as database:
        entries = database.read_now(kept.read)
    chosen = [each for each in entries if unit in ("", each.unit)]
    if form is Form.JSON:
        rows = [{**each.plain(), "digest": each.digest} for each in chosen]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        _show(chosen)
    if wrong := broken(entries):
        err.print(f"NOT WHOLE: {wrong}", markup=False)
        raise typer.Exit(NOT_WHOLE)
    head = entries[-1].digest if entries else "nothing was written yet"
    err.print(f"whole: {len(entries)} entries; {head}", markup=False)


def _show(entries: list[Entry]) -> None:
    table = Table("no.", "at", "did", "unit", "item", "by", "as", box=None)
    for each in entries:
        item = f"{each.item} ({each.asset})" if each.asset else each.item
        table.add_row(str(each.seq), shown(each.at), each.kind, each.unit, item, named(each.actor), each.role)
    show(table)
