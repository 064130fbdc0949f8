"""`muster waive`: an exception that one person asks for and another approves, until it ends."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from monitor.cli._gate_acts import GateOption, asked, named, show, standing
from monitor.cli.acting import actor
from monitor.cli.common import ConfigOption, InventoryOption, StateDirOption
from monitor.cli.moments import ahead, shown
from monitor.place import place

app = typer.Typer(
    help="Exceptions: asked for by one, approved by another, until they end.", no_args_is_help=True
)
WaiverArgument = Annotated[str, typer.Argument(help="The waiver, such as w17 (muster waive list).")]
NoteOption = Annotated[str, typer.Option("--note", help="What to keep with it.")]


@app.command()
def request(
    unit: Annotated[str, typer.Argument(help="The unit.")],
    item: Annotated[str, typer.Argument(help="The item of the checklist.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why it can't be met now.")],
    risk: Annotated[str, typer.Option("--risk", help="What may go wrong meanwhile.")],
    compensating_action: Annotated[
        str, typer.Option("--compensating-action", help="What is done about that.")
    ],
    until: Annotated[str, typer.Option("--until", help='When it ends: a time, or in so long ("14d").')],
    start: Annotated[str, typer.Option("--from", help="When it begins; now where nothing is written.")] = "",
    asset: Annotated[str, typer.Option("--asset", help="The asset of the row.")] = "",
    covers_unknown: Annotated[
        bool, typer.Option("--covers-unknown", help="Also while nobody can tell whether it fails.")
    ] = False,
    gate: GateOption = "go-live",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Ask for an exception. It counts once somebody else, an approver, has approved it."""
    now = time.time()
    wanted = {
        "do": "waive.request", "actor": actor(), "unit": unit, "item": item, "asset": asset, "gate": gate,
        "reason": reason, "risk": risk, "compensating_action": compensating_action,
        "effective_at": ahead(start, "--from", now) if start else None,
        "expires_at": ahead(until, "--until", now), "covers_unknown": covers_unknown,
    }  # fmt: skip
    entry = asked(place(config, inventory, state_dir=state_dir), wanted)["entry"]
    typer.echo(f"w{entry['seq']} is asked for until {entry['body']['expires_at']}")
    typer.echo(f"an approver decides by: muster waive approve w{entry['seq']}")


@app.command()
def approve(
    waiver: WaiverArgument,
    *,
    note: NoteOption = "",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Approve what somebody else asked for."""
    wanted = {"do": "waive.approve", "actor": actor(), "waiver": waiver, "note": note}
    entry = asked(place(config, inventory, state_dir=state_dir), wanted)["entry"]
    typer.echo(f"{waiver} of {entry['unit']}, {entry['item']} is approved by {entry['actor']}")


@app.command()
def reject(
    waiver: WaiverArgument,
    *,
    note: Annotated[str, typer.Option("--note", help="Why.")],
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Reject a request; who asked takes it back so."""
    wanted = {"do": "waive.reject", "actor": actor(), "waiver": waiver, "note": note}
    asked(place(config, inventory, state_dir=state_dir), wanted)
    typer.echo(f"{waiver} is rejected")


@app.command()
def end(
    waiver: WaiverArgument,
    *,
    note: Annotated[str, typer.Option("--note", help="Why.")],
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """End an approved waiver now."""
    wanted = {"do": "waive.end", "actor": actor(), "waiver": waiver, "note": note}
    asked(place(config, inventory, state_dir=state_dir), wanted)
    typer.echo(f"{waiver} is over")


@app.command(name="list")
def list_(
    unit: Annotated[str, typer.Argument(help="Of one unit only.")] = "",
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """List what was asked for, and what became of it. Those of the waiver file are in that file."""
    table = Table("waiver", "state", "unit", "item", "asset", "until", "asked by", "decided by", box=None)
    now = time.time()
    for each in standing(place(config, state_dir=state_dir)).asked.values():
        entry, found = each.entry, each.waiver()
        if unit not in ("", entry.unit):
            continue
        over = found is not None and found.expires_at.timestamp() <= now
        state = "expired" if over and each.state == "approved" else each.state
        by = named(each.decided.actor) if each.decided else ""
        until = shown(datetime.fromisoformat(entry.body["expires_at"]).timestamp())
        table.add_row(each.id, state, entry.unit, entry.item, entry.asset, until, named(entry.actor), by)
    show(table)
