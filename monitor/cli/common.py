"""What commands share: the common options, where things are, and how an error ends a command."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from inventory.problems import ConfigError, Problem

CONFIG_ERROR = 2


class Form(StrEnum):
    """What `--format` takes where there is a table and its data."""

    TABLE = "table"
    JSON = "json"


class Lang(StrEnum):
    """What `--lang` takes."""

    EN = "en"
    ZH = "zh"


ConfigOption = Annotated[
    Path | None, typer.Option("-c", "--config", help="The settings file (muster.toml).", show_default=False)
]
InventoryOption = Annotated[
    Path | None,
    typer.Option("-i", "--inventory", help="The inventory, a file or a directory.", show_default=False),
]
ProfilesOption = Annotated[
    Path | None, typer.Option("--profiles", help="A directory of own profiles.", show_default=False)
]
ChecklistsOption = Annotated[
    Path | None, typer.Option("--checklists", help="A directory of own checklists.", show_default=False)
]
FunctionsOption = Annotated[
    Path | None, typer.Option("--functions", help="The business functions.", show_default=False)
]
StateDirOption = Annotated[
    Path | None, typer.Option("--state-dir", help="Where the data are kept.", show_default=False)
]

out = Console()
err = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(message: str, status: int, hint: str = "") -> NoReturn:
    """Say what is wrong on standard error, what to do next, and end the command."""
    err.print(f"[bold red]muster:[/] {_plain(message)}")
    if hint:
        err.print(_plain(hint))
    raise typer.Exit(status)


def refuse(error: ConfigError) -> NoReturn:
    """Show all problems of a configuration, one a line, and end with 2."""
    for problem in error.problems:
        show(problem)
    count = len(error.problems)
    err.print(f"{count} problem{'s' if count != 1 else ''}; nothing was changed")
    raise typer.Exit(CONFIG_ERROR)


def show(problem: Problem) -> None:
    """Print one problem so that editors and terminals can jump to it."""
    err.print(_plain(str(problem)))


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


def deliver(text: str, output: Path | None) -> None:
    """Write text, as far as UTF-8 can hold it, to standard output or to a file."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, "utf-8")


def deliver_bytes(data: bytes, output: Path | None) -> None:
    """Write a document to standard output or to a file."""
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        output.write_bytes(data)


def check_output(output: Path) -> None:
    """Refuse, before anything is done, a file that can't be written."""
    if output.is_dir():
        fail(f"-o {output} is a directory", CONFIG_ERROR, "write the name of a file in it")
    if not output.parent.is_dir():
        fail(f"-o {output}: there is no directory {output.parent}", CONFIG_ERROR, "make it first")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        fail(f"-o {output}: not allowed to write there", CONFIG_ERROR, "write another name")
