"""`muster plan`: milestones and dates, who mends what by when, and what that means for the go-live date."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from inventory.problems import ConfigError
from monitor.cli import _plan_view as view
from monitor.cli._gate_acts import GateOption, asked
from monitor.cli._plan_data import Scope, data, reached, roadmap_of
from monitor.cli.acting import actor
from monitor.cli.common import (
    CONFIG_ERROR,
    ConfigOption,
    InventoryOption,
    Lang,
    StateDirOption,
    check_output,
    deliver,
    err,
    fail,
    out,
)
from monitor.place import place
from monitor.roadmap import loading, workbook, writing
from monitor.roadmap.plan import PlanFile
from monitor.roadmap.sheets import Reader, rows
from monitor.workspace import Workspace, open_workspace

app = typer.Typer(
    help="Milestones and dates, who mends what by when, and what will be late.", no_args_is_help=True
)
UnitArgument = Annotated[str, typer.Argument(help="The unit.")]
OneUnit = Annotated[str, typer.Argument(help="One unit; all where none is named.")]
WaveOption = Annotated[str, typer.Option("--wave", help="Only units of this wave.")]
SubtreeOption = Annotated[str, typer.Option("--subtree", help="A unit and all below it.")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file.")]
LangOption = Annotated[Lang, typer.Option(help="The language of titles and reasons.")]


class Form(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


FormOption = Annotated[Form, typer.Option("--format", help="How it is written.")]


@app.command()
def show(
    unit: OneUnit = "",
    *,
    wave: WaveOption = "",
    subtree: SubtreeOption = "",
    gate: GateOption = "go-live",
    form: FormOption = Form.TABLE,
    output: OutputOption = None,
    lang: LangOption = Lang.EN,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Show the forecast of units by what is stored; of one unit its milestones and what is open, too."""
    if output is not None:
        check_output(output)
    found = data(place(config, inventory, state_dir=state_dir), Scope(unit, wave, subtree, gate))
    if form is Form.TABLE and output is None:
        view.show(found.plan, lang.value, whole=bool(unit))
        return
    text = (
        found.text("plan") if form is Form.JSON else view.markdown(found.plan, lang.value, whole=bool(unit))
    )
    deliver(text, output)


@app.command()
def blockers(
    unit: OneUnit = "",
    *,
    wave: WaveOption = "",
    subtree: SubtreeOption = "",
    owner: Annotated[str, typer.Option("--owner", help='Only rows of this owner; "-": nobody\'s.')] = "",
    gate: GateOption = "go-live",
    form: FormOption = Form.TABLE,
    output: OutputOption = None,
    lang: LangOption = Lang.EN,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Show what keeps units from going live, grouped by cause, with owners and estimates."""
    if output is not None:
        check_output(output)
    found = data(place(config, inventory, state_dir=state_dir), Scope(unit, wave, subtree, gate, owner))
    if form is Form.TABLE and output is None:
        view.show_blockers(found.blockers, lang.value)
        return
    text = found.text("blockers") if form is Form.JSON else view.blockers_markdown(found.blockers, lang.value)
    deliver(text, output)


@app.command()
def assign(
    unit: UnitArgument,
    item: Annotated[str, typer.Argument(help="The item of the checklist.")],
    *,
    asset: Annotated[str, typer.Option("--asset", help="The asset of the row.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Who mends it.")] = "",
    due: Annotated[str, typer.Option("--due", help="By which date.")] = "",
    estimate: Annotated[str, typer.Option("--estimate", help="Working time: 3d, 4h, 2w.")] = "",
    note: Annotated[str, typer.Option("--note", help="What to keep with it.")] = "",
    gate: GateOption = "go-live",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Write down who mends what by when. What is not given stays as it was; the history is kept."""
    request = {
        "do": "plan.assign", "actor": actor(), "unit": unit, "item": item, "asset": asset, "gate": gate,
        "owner": owner, "due": due, "estimate": estimate, "note": note,
    }  # fmt: skip
    body = asked(place(config, inventory, state_dir=state_dir), request)["entry"]["body"]
    days = "no estimate" if body["estimate_days"] is None else f"{body['estimate_days']:g} working days"
    typer.echo(f"{item} of {unit}: {body['owner'] or 'nobody'}, by {body['due'] or 'no date'}, {days}")
    if not (body["owner"] and body["due"]):
        err.print("without an owner and a date the unit is not on track", markup=False)


@app.command()
def reach(
    unit: UnitArgument,
    milestone: Annotated[str, typer.Argument(help="The milestone, such as survey.")],
    *,
    on: Annotated[str, typer.Option("--on", help="On which date; today where nothing is written.")] = "",
    note: Annotated[str, typer.Option("--note", help="What to keep with it.")] = "",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Write down that a milestone without a checklist is reached."""
    day = on or date.today().isoformat()  # noqa: DTZ011 - who types it means their own day
    request = {"do": "plan.reach", "actor": actor(), "unit": unit, "gate": milestone, "on": day, "note": note}
    asked(place(config, inventory, state_dir=state_dir), request)
    typer.echo(f"{unit} reached {milestone} on {day}")


@app.command(name="export")
def export_(
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="A file .xlsx (all sheets) or .csv.")],
    wave: WaveOption = "",
    subtree: SubtreeOption = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Write milestones, owners and waves to a workbook, to be changed and imported again."""
    if output.suffix.casefold() not in (".xlsx", ".csv"):
        fail(f"-o {output}: neither a workbook nor CSV", CONFIG_ERROR, "write a name in .xlsx or .csv")
    check_output(output)
    if output.exists() and not force:
        fail(f"{output} is there already", CONFIG_ERROR, "write another name, or --force to overwrite it")
    where = place(config, inventory, state_dir=state_dir)
    workspace = open_workspace(where)
    units = Scope("", wave, subtree).units(workspace)
    workbook.write(output, rows(workspace.inventory, workspace.roadmap, units, reached(where, workspace)))
    out.print(escape(f"{output}: {len(units)} units; change it, then: muster plan import {output}"))


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A workbook or CSV, as muster plan export writes it.")],
    *,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The plan's file; else that of the settings.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Take changes of a workbook into the plan's file: all of them, or none and exit 2."""
    where = place(config, inventory, state_dir=state_dir)
    target = output or where.plan
    if target is None:
        fail("import into which plan?", CONFIG_ERROR, 'write plan = "plan.yaml" in [daemon], or -o FILE')
    check_output(target)
    workspace = open_workspace(where)
    made = _imported(workspace, target, file)
    after = roadmap_of(where, PlanFile.model_validate(made))
    changes = list(writing.differences(workspace.inventory, workspace.roadmap, after))
    for line in changes:
        out.print(escape(line), highlight=False, soft_wrap=True)
    if not dry_run:
        writing.put(target, made)
    told = "would change" if dry_run else f"changed in {target}"
    err.print(escape(f"{len(changes)} dates and owners {told}"))


def _imported(workspace: Workspace, target: Path, file: Path) -> dict[str, object]:
    own = loading.written(target).file if target.exists() else PlanFile(version=1)
    reader = Reader(workspace.inventory, workspace.roadmap, own)
    tables, encoding = workbook.tables(file)
    made = reader.read(tables)
    if reader.problems:
        raise ConfigError(reader.problems)
    if encoding:
        err.print(escape(f"{file.name}: read as {encoding}"))
    return made
