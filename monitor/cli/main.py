"""The root of the command line: which commands there are, and how any error ends."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed_version

import typer

from inventory.problems import ConfigError
from monitor.cli import (
    attest,
    bundle,
    capacity,
    check,
    contracts,
    dashboards,
    demo,
    doctor,
    history,
    incident,
    init,
    inventory,
    ledger,
    maintenance,
    outbox,
    plan,
    probe,
    reflect,
    report,
    run,
    sign,
    store,
    versions,
    waive,
)
from monitor.cli.common import err, refuse
from monitor.control.socket import ControlError
from monitor.process.lock import Locked
from monitor.store.database import SchemaTooNew
from monitor.web import CannotListen

EXPECTED = (Locked, SchemaTooNew, ControlError, CannotListen, FileNotFoundError)
"""Errors whose text says all that there is to say."""

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


app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("run")(run.run)
app.command("check")(check.check)
app.command("history")(history.history)
app.command("versions")(versions.versions)
app.command("probe")(probe.probe)
app.command("doctor")(doctor.doctor)
app.command("reflect")(reflect.reflect)
app.command("report")(report.report)
app.command("sign")(sign.sign)
app.command("ledger")(ledger.ledger)
app.command("backup")(store.backup)
app.command("restore")(store.restore)
capacity.app.command("contracts")(contracts.contracts)
app.add_typer(capacity.app, name="capacity")
app.add_typer(inventory.app, name="inventory")
app.add_typer(store.app, name="store")
app.add_typer(outbox.app, name="outbox")
app.add_typer(incident.app, name="incident")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(attest.app, name="attest")
app.add_typer(waive.app, name="waive")
app.add_typer(bundle.app, name="bundle")
app.add_typer(plan.app, name="plan")
app.add_typer(dashboards.app, name="dashboards")


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
