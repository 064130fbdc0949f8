"""What `muster attest`, `waive` and `sign` share: the daemon decides where one runs, else this process."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from monitor.cli.acting import Request, act, refuse
from monitor.cli.common import out
from monitor.control.peer import UNAUTHENTICATED
from monitor.gates.counter import answer, written
from monitor.gates.deciding import decide
from monitor.gates.standing import Standing
from monitor.place import Place
from monitor.readiness.layered import Layered
from monitor.store.api import Evidence, NoStore
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.store.ledger import Overtaken, catch_up
from monitor.workspace import open_workspace

GateOption = Annotated[str, typer.Option("--gate", help="The gate.")]
MOST_BYTES = 200_000_000


def asked(where: Place, request: Request) -> dict[str, Any]:
    """Return the answer to a request at a gate; what is refused ends the command with 2."""
    return act(where, request, lambda database: _alone(where, database, request))


def _alone(where: Place, database: Database, request: Request) -> dict[str, Any]:
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    evidence: Evidence = Layered()
    try:
        reader = Store.read_only(where.state_dir)
    except NoStore:
        decided = decide(workspace, evidence, request, where.settings.rights, time.time())
    else:
        with closing(reader):
            decided = decide(workspace, reader, request, where.settings.rights, time.time())
    try:
        return answer(decided, database.write_now(lambda connection: written(connection, decided)))
    except Overtaken as error:
        refuse(str(error))


def standing(where: Place) -> Standing:
    """Return what stands, whether or not a daemon runs."""
    found = Standing()
    catch_up(where.state_dir, found)
    return found


def show(table: Table) -> None:
    """Print a table of what people did; names in it go without `(unauthenticated)`, which is said below."""
    out.print(table)
    out.print("nobody is authenticated: names are those of the operating system", style="dim")


def named(actor: str) -> str:
    """Return who acted, for a table."""
    return actor.removesuffix(UNAUTHENTICATED)


def digest_of(path: Path) -> dict[str, Any]:
    """Return name, SHA-256 and size of a file; one that can't be read ends the command with 2."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            return {"name": path.name, "sha256": found, "size": file.tell()}
    except OSError as error:
        refuse(f"--file {path}: {error.strerror}")
