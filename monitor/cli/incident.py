"""`muster incident list|show|ack|unack|snooze|close|note`: what is wrong, and what people do about it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from monitor.cli import _incident_view as view
from monitor.cli.acting import act, actor, reading, refuse
from monitor.cli.common import ConfigOption, Form, Lang, StateDirOption, out
from monitor.cli.moments import ahead, duration
from monitor.incidents.document import document, head, listing
from monitor.people.requests import carry_out
from monitor.place import Place, place
from monitor.store import incident_views
from monitor.store.database import Database

T = TypeVar("T")
app = typer.Typer(help="What is wrong now and was before, and what people do about it.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(help="The incident's number.", min=0)]
FormOption = Annotated[Form, typer.Option("--format", help="A table, or JSON.")]
ForOption = Annotated[str, typer.Option("--for", help='For how long, such as "4h".')]
UntilOption = Annotated[str, typer.Option("--until", help="Until when, with its offset.")]
CommentOption = Annotated[str, typer.Option("--comment", help="What others should know.")]


@app.command(name="list")
def list_(
    *,
    all_: Annotated[
        bool, typer.Option("--all/--open", help="Those that are over, too, or (the default) open ones only.")
    ] = False,
    unit: Annotated[str, typer.Option("--unit", help="Only those that concern this unit.")] = "",
    form: FormOption = Form.TABLE,
    lang: Annotated[Lang, typer.Option(help="The language of the units' names.")] = Lang.EN,
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """List incidents, the newest first."""
    now = time.time()

    def read(database: Database) -> dict[str, Any]:
        since = 0.0 if all_ else None
        found = database.read_now(lambda c: incident_views.listed(c, since=since, unit=unit))
        units = [each.incident.unit for each in found]
        return listing(found, database.read_now(lambda c: incident_views.names(c, units)), now)

    found = _read(place(config, state_dir=state_dir), read)
    if form is Form.JSON:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        view.show_list(found, out, chinese=lang is Lang.ZH, now=now, only_open=not all_)


@app.command()
def show(
    number: Number,
    form: FormOption = Form.TABLE,
    lang: Annotated[Lang, typer.Option(help="The language of the unit's name.")] = Lang.EN,
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Show one: members, history, who was told, and the rule and the readings that opened it."""
    now = time.time()

    def read(database: Database) -> dict[str, Any]:
        try:
            found = database.read_now(lambda c: incident_views.whole(c, number))
        except KeyError:
            there = database.read_now(incident_views.numbers)
            known = f"the last ones are {', '.join(map(str, there))}" if there else "none was ever opened"
            refuse(f"there is no incident {number}; {known}")
        names = database.read_now(lambda c: incident_views.names(c, [found.incident.unit]))
        return document(found, names, now)

    found = _read(place(config, state_dir=state_dir), read)
    if form is Form.JSON:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        view.show_one(found, out, chinese=lang is Lang.ZH)


@app.command()
def ack(
    number: Number,
    comment: CommentOption = "",
    for_: ForOption = "",
    until: UntilOption = "",
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Take an incident over: nobody is reminded and nothing escalates until then, or until it is over."""
    end = _end(for_, until)
    _act(config, state_dir, "ack", number, {"comment": comment, "until": end})


@app.command()
def unack(
    number: Number, comment: CommentOption = "", config: ConfigOption = None, state_dir: StateDirOption = None
) -> None:
    """Give an incident back: it waits for somebody again."""
    _act(config, state_dir, "unack", number, {"comment": comment})


@app.command()
def snooze(
    number: Number,
    for_: ForOption = "",
    until: UntilOption = "",
    comment: CommentOption = "",
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Keep quiet about an incident for a while, without taking it over."""
    end = _end(for_, until)
    if end is None:
        refuse("write for how long (--for 2h), or until when (--until 2027-01-15T08:00:00+08:00)")
    _act(config, state_dir, "snooze", number, {"comment": comment, "until": end})


@app.command()
def close(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", help="Why it is closed.")],
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Close an incident by hand; where it still fails, a new one opens."""
    _act(config, state_dir, "close", number, {"reason": reason})


@app.command()
def note(
    number: Number,
    text: Annotated[str, typer.Argument(help="What is to be noted.")],
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Write a note into an incident's history."""
    _act(config, state_dir, "note", number, {"text": text})


def _act(config: Path | None, state_dir: Path | None, what: str, number: int, more: dict[str, Any]) -> None:
    request = {"do": f"incident.{what}", "incident": number, "actor": actor(), **more}

    def alone(database: Database) -> dict[str, Any]:
        now = time.time()
        return {"incident": head(database.write_now(lambda c: carry_out(c, request, now)), {}, now)}

    answer = act(place(config, state_dir=state_dir), request, alone)
    typer.echo(view.done(what, answer["incident"]))


def _end(for_: str, until: str) -> float | None:
    if for_ and until:
        refuse("write either --for or --until")
    now = time.time()
    if for_:
        return now + duration(for_, "--for")
    return ahead(until, "--until", now) if until else None


def _read(where: Place, read: Callable[[Database], T]) -> T:
    with reading(where) as database:
        return read(database)
