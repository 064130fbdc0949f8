"""`muster doctor`: what is wrong with this installation."""

from __future__ import annotations

import typer
from rich.table import Table
from rich.text import Text

from monitor.cli.common import ConfigOption, InventoryOption, StateDirOption, out
from monitor.doctor import Level, examine
from monitor.place import place

SIGNS = {
    Level.GOOD: ("✔", "#009E73"),
    Level.WARNING: ("◐", "#E69F00"),
    Level.BAD: ("✖", "#D55E00"),
    Level.UNKNOWN: ("?", "#7F7F7F"),
}


def doctor(
    config: ConfigOption = None, inventory: InventoryOption = None, state_dir: StateDirOption = None
) -> None:
    """Say what is wrong with this installation: permissions, clock, disk, store, inventory, secrets, mail."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    worst = Level.GOOD
    for finding in examine(place(config, inventory, state_dir=state_dir)):
        sign, colour = SIGNS[finding.level]
        table.add_row(Text(sign, colour), finding.subject, Text(finding.text), Text(finding.remedy, "dim"))
        if finding.level in (Level.BAD, Level.UNKNOWN):
            worst = Level.BAD
    out.print(table)
    raise typer.Exit(1 if worst is Level.BAD else 0)
