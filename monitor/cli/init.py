"""`muster init`: a commented starter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.common import CONFIG_ERROR, fail, out
from monitor.init import create


def init(directory: Annotated[Path, typer.Argument(help="Where to write it; made if missing.")]) -> None:
    """Write a commented starter: settings, inventory, a systemd unit. Asks nothing it can find out."""
    try:
        written = create(directory)
    except FileExistsError as error:
        fail(str(error), CONFIG_ERROR, "nothing was changed; choose an empty directory")
    for path in written:
        out.print(f"  {path}", markup=False)
    out.print(f"\nNext: edit {directory / 'inventory.yaml'}, then", markup=False)
    out.print(f"  muster inventory validate -c {directory / 'muster.toml'}", markup=False)
    out.print(f"  muster check -c {directory / 'muster.toml'}", markup=False)
