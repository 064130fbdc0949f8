"""What commands share: the common options, where things are, and how an error ends a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from inventory.problems import ConfigError, Problem
from monitor import settings as settings_file
from monitor.settings import Settings

CONFIG_ERROR = 2
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is: settings with the command line's overrides applied."""

    settings: Settings
    inventory: Path
    profiles: Path | None
    checklists: Path | None
    waivers: Path | None
    secrets: Path | None
    state_dir: Path

    @property
    def socket(self) -> Path:
        """The running daemon's control socket."""
        return self.state_dir / "muster.sock"


def place(
    config: Path | None = None,
    inventory: Path | None = None,
    profiles: Path | None = None,
    checklists: Path | None = None,
    state_dir: Path | None = None,
) -> Place:
    """Return where everything is: an option wins over the settings, the settings over the defaults."""
    settings = settings_file.load(config or _settings_here())
    daemon = settings.daemon
    return Place(
        settings,
        inventory or daemon.inventory,
        profiles or daemon.profiles,
        checklists or daemon.checklists,
        daemon.waivers,
        daemon.secrets,
        state_dir or daemon.state_dir,
    )


def _settings_here() -> Path | None:
    """Return the settings file of the current directory, if there is one."""
    here = Path("muster.toml")
    return here if here.is_file() else None


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
