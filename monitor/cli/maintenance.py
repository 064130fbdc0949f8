"""`muster maintenance add|list|end`: work that is announced, so that nobody is called for it."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from monitor.cli import _incident_view as view
from monitor.cli.acting import Files, act, actor, reading
from monitor.cli.common import ConfigOption, Form, InventoryOption, StateDirOption, out
from monitor.cli.moments import ahead
from monitor.incidents.document import announced
from monitor.people.maintenance import Maintenance, Maintenances
from monitor.people.requests import maintain, work_of
from monitor.place import Place, place
from monitor.store import maintenance as kept
from monitor.store.database import Database

app = typer.Typer(help="Work that is announced, so that nobody is called for it.", no_args_is_help=True)


@app.command()
def add(
    scope: Annotated[str, typer.Argument(help="A unit and all below it, unit/asset, or unit/asset/check.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="What is done.")],
    start: Annotated[str, typer.Option("--from", help='When it begins: a time, "now", or in so long.')] = "",
    end: Annotated[str, typer.Option("--to", help='When it ends: a time, or in so long ("4h").')] = "",
    every: Annotated[
        list[str] | None, typer.Option("--every", help='When it recurs: "sat 22:00-06:00". May be repeated.')
    ] = None,
    calendar: Annotated[
        str, typer.Option("--calendar", help="It recurs only while this calendar is closed.")
    ] = "",
    zone: Annotated[str, typer.Option("--zone", help="Time zone; of --every else that of the unit.")] = "",
    skip: Annotated[bool, typer.Option("--skip", help="Don't probe either.")] = False,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Announce work: nobody is told of what fails there meanwhile; with --skip nothing is probed."""
    where, now = place(config, inventory, state_dir=state_dir), time.time()
    request = {
        "do": "maintenance.add", "actor": actor(), "scope": scope, "reason": reason, "skip": skip,
        "from": ahead(start, "--from", now, zone) if start else None if every else now,
        "to": ahead(end, "--to", now, zone) if end else None,
        "every": every or [], "calendar": calendar, "zone": zone,
    }  # fmt: skip

    files = Files(where)

    def alone(database: Database) -> dict[str, Any]:
        work = work_of(request, files, time.time())
        return _done(database, request, work, where)

    answer = act(where, request, alone)
    typer.echo(view.announced(answer["maintenance"][0]))


@app.command()
def end(
    number: Annotated[int, typer.Argument(help="The number of the maintenance.", min=0)],
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """End a maintenance now, for good."""
    where = place(config, state_dir=state_dir)
    request = {"do": "maintenance.end", "id": number, "actor": actor()}
    answer = act(where, request, lambda database: _done(database, request, None, where))
    row = answer["maintenance"][0]
    typer.echo(f"maintenance {row['id']} of {row['scope']} is over")


@app.command(name="list")
def list_(
    *,
    past: Annotated[bool, typer.Option("--past", help="Those that are over.")] = False,
    form: Annotated[Form, typer.Option("--format", help="A table, or JSON.")] = Form.TABLE,
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """List what is announced, going on or to come."""
    where, now = place(config, state_dir=state_dir), time.time()
    read = kept.past if past else kept.current
    with reading(where) as database:
        found = database.read_now(lambda connection: read(connection, now))
    document = _document(found, where, now)
    if form is Form.JSON:
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        view.show_maintenance(document, out)


def _done(
    database: Database, request: dict[str, Any], work: Maintenance | None, where: Place
) -> dict[str, Any]:
    now = time.time()
    done, _ = database.write_now(lambda connection: maintain(connection, request, work, now))
    return _document([done], where, now)


def _document(found: list[Maintenance], where: Place, now: float) -> dict[str, Any]:
    maintenances = Maintenances(Files(where).calendars)
    maintenances.put(found)
    return announced(found, maintenances.planned(now), now)
