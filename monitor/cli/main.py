"""The root of the command line: which commands there are, and how any error ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version as installed_version

import typer

from inventory.problems import ConfigError
from monitor.cli.common import err, refuse
from monitor.control.socket import ControlError
from monitor.process.listening import CannotListen
from monitor.process.lock import Locked
from monitor.store.database import SchemaTooNew

EXPECTED = (Locked, SchemaTooNew, ControlError, CannotListen, FileNotFoundError)
"""Errors whose text says all that there is to say."""

COMMANDS = {
    "demo": "demo:demo",
    "init": "init:init",
    "run": "run:run",
    "check": "check:check",
    "history": "history:history",
    "versions": "versions:versions",
    "probe": "probe:probe",
    "doctor": "doctor:doctor",
    "reflect": "reflect:reflect",
    "report": "report:report",
    "sign": "sign:sign",
    "ledger": "ledger:ledger",
    "backup": "store:backup",
    "restore": "store:restore",
    "capacity": "capacity",
    "inventory": "inventory",
    "store": "store",
    "outbox": "outbox",
    "incident": "incident",
    "maintenance": "maintenance",
    "attest": "attest",
    "waive": "waive",
    "bundle": "bundle",
    "plan": "plan",
    "dashboards": "dashboards",
}
"""Each command: the module of `monitor.cli` with its function; without one, a group of commands (`app`)."""

app = typer.Typer(
    name="muster",
    help="Tells which units are ready to go live, and why the others are not.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(*, version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Tells which units are ready to go live, and why the others are not."""
    if version:
        typer.echo(f"muster {installed_version('muster-monitor')}")
        raise typer.Exit


def _register(words: Sequence[str]) -> None:
    """Take in the command that is called, or all of them: each brings along what only it needs."""
    wanted = words[:1] if words and words[0] in COMMANDS else COMMANDS
    for name in wanted:
        module, _, function = COMMANDS[name].partition(":")
        found = import_module(f"monitor.cli.{module}")
        if function:
            app.command(name)(getattr(found, function))
        else:
            app.add_typer(found.app, name=name)


_register(sys.argv[1:])


def main() -> None:
    """Run the command line; any error ends with a message and its exit status, never with a traceback."""
    sys.exit(_status())


def _status() -> int:
    try:
        app()
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - told, or raised again for those who debug
        return _told(_alone(error))
    return 0


def _alone(error: Exception) -> Exception:
    """Return what a task group wrapped, where that is one error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _told(error: Exception) -> int:
    """Say what went wrong and return the exit status."""
    if isinstance(error, ConfigError):
        return _quietly(error)
    if isinstance(error, EXPECTED):
        err.print(f"muster: {error}", markup=False)
        return 1
    if os.environ.get("MUSTER_DEBUG"):
        raise error
    err.print(f"muster: {type(error).__name__}: {error}", markup=False)
    err.print("this is a bug in Muster; run again with MUSTER_DEBUG=1 to see where", markup=False)
    return 1


def _quietly(error: ConfigError) -> int:
    try:
        refuse(error)
    except typer.Exit as ending:
        return ending.exit_code
