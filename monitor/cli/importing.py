"""`muster inventory import`: from spreadsheets, Ansible and NetBox to YAML that a person reviews."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from inventory import load
from inventory.importers import export, sources, writing, xlsx
from inventory.importers.sources import Options
from inventory.models import LEVELS, Level
from monitor.cli.common import CONFIG_ERROR, InventoryOption, check_output, deliver, err, fail, out

OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", help="Write to this file.", show_default="standard output")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite the file of -o.")]


class From(StrEnum):
    """What `--from` takes."""

    TABLE = "table"
    ANSIBLE = "ansible"
    NETBOX = "netbox"


def import_command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help=".csv, .xlsx; an Ansible inventory; answers of NetBox's API (.json, or a directory)."
        ),
    ] = None,
    source: Annotated[
        From | None, typer.Option("--from", help="What the files are.", show_default="by their names")
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="GROUP=UNIT", help="Ansible: which group is which unit."),
    ] = None,
    level: Annotated[str, typer.Option(help="The level of units of Ansible and NetBox.")] = "hall",
    output: OutputOption = None,
    *,
    force: ForceOption = False,
    template: Annotated[
        Path | None, typer.Option(help="Write a workbook to fill in (with -i: the inventory in one).")
    ] = None,
    inventory: InventoryOption = None,
) -> None:
    """Print the inventory that files of others stand for; exit 2 with everything that is wrong in them.

    It changes no inventory: read what it prints, then put it where it belongs.
    """
    if template is not None:
        _template(template, inventory, files, force=force)
        return
    if not files:
        fail(
            "import what?",
            CONFIG_ERROR,
            "name the files, or write a workbook to fill in: --template units.xlsx",
        )
    check_target(output, force=force)
    options = Options(_groups(groups or []), level_of(level))
    draft = sources.read(files, source.value if source else "", options)
    for note in draft.notes:
        err.print(f"[yellow]note:[/] {escape(note)}")
    made = draft.finish()
    assets = sum(len(unit.assets) for unit in made)
    names = ", ".join(path.name for path in files)
    counts = f"{len(made.units)} units, {assets} assets"
    head = (f"Imported from {names}: {counts}.", "Review it: comments say where each part came from.")
    deliver(writing.written(draft, head), output)
    told = f"{output}: {counts}; review it, then: muster inventory validate -i {output}" if output else counts
    err.print(escape(told))


def check_target(output: Path | None, *, force: bool) -> None:
    """Refuse, before anything is done, a file that can't be written or is there already."""
    if output is None:
        return
    check_output(output)
    if output.exists() and not force:
        fail(f"{output} is there already", CONFIG_ERROR, "write another name, or --force to overwrite it")


def _template(path: Path, inventory: Path | None, files: list[Path] | None, *, force: bool) -> None:
    if files:
        fail("--template writes a file and reads none", CONFIG_ERROR, "leave the files out")
    if path.suffix.casefold() != ".xlsx":
        fail(f"--template {path} is no workbook", CONFIG_ERROR, "write a name that ends in .xlsx")
    check_target(path, force=force)
    found = export.rows(load.load(inventory)) if inventory else {}
    xlsx.write(path, found)
    out.print(
        escape(f"{path}: fill it in, then: muster inventory import {path} -o inventory.yaml"), soft_wrap=True
    )


def _groups(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        group, equals, unit = word.partition("=")
        if not equals or not group or not unit:
            fail(f"--map {word} maps nothing", CONFIG_ERROR, "write --map GROUP=UNIT")
        if found.setdefault(group, unit) != unit:
            fail(f"--map {group} is given twice", CONFIG_ERROR, "a group is one unit")
    return found


def level_of(text: str) -> Level:
    """Return the level that an option names."""
    found = next((level for level in LEVELS if level == text), None)
    if found is None:
        fail(f"--level {text} is not known", CONFIG_ERROR, f"write one of {', '.join(LEVELS)}")
    return found
