"""`muster report`: a daily, weekly or monthly report now, to a file, a pipe, or by mail to a list."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from monitor.cli._gate_acts import GateOption
from monitor.cli.acting import act
from monitor.cli.common import (
    CONFIG_ERROR,
    ConfigOption,
    InventoryOption,
    Lang,
    StateDirOption,
    check_output,
    deliver_bytes,
    fail,
    out,
)
from monitor.place import Place, place
from monitor.readiness.selection import BadSelection, Selection, select
from monitor.reports import report as reports
from monitor.reports.gather import Asked, gather
from monitor.reports.mailing import letters
from monitor.reports.period import Kind
from monitor.store import outbox
from monitor.store.database import Database
from monitor.store.ledger import catch_up
from monitor.workspace import Workspace, open_workspace


class Which(StrEnum):
    """Which report."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Form(StrEnum):
    """What `--format` takes."""

    HTML = "html"
    PDF = "pdf"
    XLSX = "xlsx"
    JSON = "json"
    MARKDOWN = "markdown"


def report(
    which: Annotated[Which, typer.Argument(help="What it covers: a day, a week or a month until now.")],
    *,
    unit: Annotated[str, typer.Option("--unit", help="A unit and all below it.")] = "",
    wave: Annotated[str, typer.Option("--wave", help="Only units of this wave.")] = "",
    gate: GateOption = "go-live",
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.HTML,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this file.")] = None,
    lang: Annotated[Lang, typer.Option(help="The language.")] = Lang.EN,
    zone: Annotated[
        str, typer.Option("--zone", help="The time zone it is counted by; that of the first unit.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="Mail it to this list of the settings instead.")] = "",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Write a report of what is stored: verdicts and changes, league, blockers, links, incidents, waivers."""
    if to:
        _mail(place(config, inventory, state_dir=state_dir), to, which.value)
        return
    if form in (Form.PDF, Form.XLSX) and output is None:
        fail(f"--format {form} is no text", CONFIG_ERROR, f"write -o FILE.{form}")
    if output is not None:
        check_output(output)
    where = place(config, inventory, state_dir=state_dir)
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    asked = _asked(workspace, which.value, unit, wave, gate, zone)
    found = gather(where, workspace, asked, time.time())
    deliver_bytes(reports.render(found, form.value, lang.value), output)


def _mail(where: Place, name: str, kind: Kind) -> None:
    """Queue a list's report, through the daemon where one runs."""
    now = time.time()

    def alone(database: Database) -> dict[str, Any]:
        workspace = open_workspace(where)
        catch_up(where.state_dir, workspace.standing)
        messages = letters(where, workspace, name, kind, float(int(now)), now)
        return {"queued": database.write_now(lambda c: outbox.enqueue(c, messages, now)).queued}

    answer = act(where, {"do": "report.send", "list": name, "kind": kind}, alone)
    out.print(f"{answer['queued']} queued; muster outbox list says what waits")


def _asked(workspace: Workspace, kind: Kind, unit: str, wave: str, gate: str, zone: str) -> Asked:
    gates = {each.gate for each in workspace.checklists.values()}
    wanted = Selection((), unit or None, wave or None, None, gate)
    try:
        units = tuple(select(workspace.inventory, wanted, gates))
    except BadSelection as error:
        fail(str(error), CONFIG_ERROR)
    clock = zone or workspace.inventory.timezone(units[0])
    try:
        ZoneInfo(clock)
    except (ZoneInfoNotFoundError, ValueError):
        fail(f'there is no time zone "{clock}"', CONFIG_ERROR, 'write one such as "Asia/Shanghai"')
    scope = " ".join(part for part in (unit, wave) if part)
    return Asked(kind, units, scope, gate, clock)
