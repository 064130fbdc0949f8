"""`muster outbox list|retry`: messages that wait or were given up, and why."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from monitor.cli.acting import act, reading, refuse
from monitor.cli.common import ConfigOption, Form, StateDirOption, out
from monitor.messages.message import Letter, Trouble
from monitor.place import place
from monitor.store import outbox
from monitor.store.database import Database

app = typer.Typer(help="Messages that wait, and dead letters.", no_args_is_help=True)
Ids = Annotated[list[int] | None, typer.Argument(help="The letters' numbers.", show_default=False)]


@app.command(name="list")
def list_(
    form: Annotated[Form, typer.Option("--format", help="A table, or JSON.")] = Form.TABLE,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Letters listed at most.")] = 50,
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """List what waits after a failed attempt, and dead letters, the newest first."""
    with reading(place(config, state_dir=state_dir)) as database:
        counts = database.read_now(outbox.counts)
        waiting = database.read_now(lambda c: outbox.troubles(c, limit))
        dead = database.read_now(lambda c: outbox.letters(c, limit))
    if form is Form.JSON:
        found = {"counts": counts, "waiting": [asdict(each) for each in waiting]}
        typer.echo(json.dumps(found | {"dead": [asdict(each) for each in dead]}, ensure_ascii=False))
        return
    out.print(", ".join(f"{count} {name}" for name, count in counts.items()))
    _show_waiting(waiting)
    _show_dead(dead)


def _show_waiting(waiting: Sequence[Trouble]) -> None:
    if not waiting:
        return
    table = Table(
        box=None, padding=(0, 2, 0, 0), title="Waiting after a failed attempt", title_justify="left"
    )
    for name in ("recipient", "channel", "messages", "since", "why"):
        table.add_column(name)
    for each in waiting:
        since = _moment(each.since)
        table.add_row(Text(each.recipient), each.channel, str(each.waiting), since, Text(each.error))
    out.print(table)


def _show_dead(dead: Sequence[Letter]) -> None:
    if not dead:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), title="Dead letters", title_justify="left")
    for name in ("number", "recipient", "given up", "attempts", "subject", "why"):
        table.add_column(name)
    for each in dead:
        cells = (Text(each.recipient), _moment(each.finished_at), str(each.attempts))
        table.add_row(str(each.id), *cells, Text(each.subject), Text(each.error))
    out.print(table)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(" ", "seconds")


@app.command()
def retry(
    ids: Ids = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Try dead letters again: those with the given numbers, or all."""
    if bool(ids) == all_:
        refuse("write either the letters' numbers or --all")
    chosen = ids or []

    def alone(database: Database) -> dict[str, Any]:
        now = time.time()
        return {"revived": database.write_now(lambda c: outbox.revive(c, now, outbox.LIFETIME_S, chosen))}

    answer = act(place(config, state_dir=state_dir), {"do": "outbox.retry", "ids": chosen}, alone)
    if not answer["revived"]:
        refuse("there is no such dead letter; see muster outbox list")
    out.print(f"{answer['revived']} to be tried again")
