"""`muster attest`: what a person states of what nobody can measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from monitor.cli._gate_acts import GateOption, asked, digest_of, show, standing
from monitor.cli.acting import actor
from monitor.cli.common import ConfigOption, InventoryOption, StateDirOption
from monitor.cli.moments import shown
from monitor.place import place

app = typer.Typer(help="What people state of what nobody can measure.", no_args_is_help=True)
UnitArgument = Annotated[str, typer.Argument(help="The unit.")]
ItemArgument = Annotated[str, typer.Argument(help="The item of the checklist.")]
AssetOption = Annotated[str, typer.Option("--asset", help="Of --not-applicable: one asset only.")]


@app.command()
def state(
    unit: UnitArgument,
    item: ItemArgument,
    *,
    statement: Annotated[str, typer.Option("--statement", "-s", help="What you state, and how you know.")],
    file: Annotated[
        list[Path] | None, typer.Option("--file", help="Evidence; its SHA-256 is kept. May be repeated.")
    ] = None,
    fails: Annotated[bool, typer.Option("--fails", help="State that it does not hold.")] = False,
    not_applicable: Annotated[
        bool, typer.Option("--not-applicable", help="That it does not apply; an approver has to confirm.")
    ] = False,
    asset: AssetOption = "",
    gate: GateOption = "go-live",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """State that an item holds. It counts for as long as the item says (30 days), then it is stale."""
    files = [digest_of(each) for each in file or ()]
    request = {
        "do": "attest", "actor": actor(), "unit": unit, "item": item, "gate": gate, "asset": asset,
        "statement": statement, "files": files, "fails": fails, "not_applicable": not_applicable,
    }  # fmt: skip
    entry = asked(place(config, inventory, state_dir=state_dir), request)["entry"]
    what = "does not apply" if not_applicable else "does not hold" if fails else "holds"
    typer.echo(f"{entry['actor']} stated as {entry['role']}: {item} of {unit} {what} ({len(files)} files)")


@app.command()
def withdraw(
    unit: UnitArgument,
    item: ItemArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why it is taken back.")],
    asset: AssetOption = "",
    gate: GateOption = "go-live",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Take a statement back; it stays in the ledger."""
    request = {
        "do": "attest.withdraw", "actor": actor(), "unit": unit, "item": item, "gate": gate, "asset": asset,
        "reason": reason,
    }  # fmt: skip
    asked(place(config, inventory, state_dir=state_dir), request)
    typer.echo(f"nothing is stated of {item} of {unit} any more")


@app.command()
def confirm(
    unit: UnitArgument,
    item: ItemArgument,
    *,
    asset: AssetOption = "",
    gate: GateOption = "go-live",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Approve that an item does not apply, as somebody else stated."""
    request = {
        "do": "attest.confirm", "actor": actor(), "unit": unit, "item": item, "gate": gate, "asset": asset
    }  # fmt: skip
    asked(place(config, inventory, state_dir=state_dir), request)
    typer.echo(f"{item} does not apply to {unit}")


@app.command(name="list")
def list_(
    unit: Annotated[str, typer.Argument(help="Of one unit only.")] = "",
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """List what stands."""
    table = Table("unit", "item", "asset", "stated", "by", "at", "files", box=None)
    for stated in standing(place(config, state_dir=state_dir)).attestations.values():
        entry = stated.entry
        if unit in ("", entry.unit):
            what = "n/a" if stated.not_applicable else "holds" if stated.holds else "fails"
            said = f"{what}: {stated.statement}"
            table.add_row(
                entry.unit,
                entry.item,
                entry.asset,
                said,
                entry.actor,
                shown(entry.at),
                str(len(stated.files)),
            )
    show(table)
