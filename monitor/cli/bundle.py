"""`muster bundle`: readings that a laptop made at a site are taken in, or looked at; a key is shown."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from inventory.secrets import SecretMissing, Secrets
from monitor.bundles import bundle as bundles
from monitor.bundles.bundle import Bundle, NotTaken
from monitor.bundles.intake import Intake
from monitor.bundles.making import text_of
from monitor.bundles.scrubbing import names_of, scrubbed
from monitor.checking import check_now
from monitor.cli.acting import Request, act, actor, refuse
from monitor.cli.common import CONFIG_ERROR, ConfigOption, InventoryOption, StateDirOption, err, fail
from monitor.fresh import Progress
from monitor.gates.counter import answer, written
from monitor.gates.deciding import decide
from monitor.job import Job
from monitor.place import Place, place
from monitor.readiness.results import Run
from monitor.readiness.selection import Selection
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.store.ledger import Overtaken, catch_up
from monitor.workspace import open_workspace
from probes.api import Reading

NOT_TAKEN = 3
app = typer.Typer(help="Readings that a laptop made at a site.", no_args_is_help=True)
FileArgument = Annotated[Path, typer.Argument(help="The bundle.")]


@app.command("import")
def import_(
    file: FileArgument,
    *,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Take a bundle in. Exit status: 0 taken in, 3 not taken in and why, 2 usage, or you may not."""
    text = _text(file)
    manifest = _read(text).manifest
    request = {
        "do": "bundle.import", "actor": actor(), "unit": manifest.unit, "gate": manifest.gate, "bundle": text,
    }  # fmt: skip
    where = place(config, inventory, state_dir=state_dir)
    found = act(where, request, lambda database: _alone(where, database, request))
    shown = found.get("shown", {})
    if "not_taken" in shown:
        _not_taken(shown["not_taken"], shown["why"])
    body = found["entry"]["body"] if "entry" in found else shown
    typer.echo(_told(manifest.unit, body))


@app.command()
def show(file: FileArgument) -> None:
    """Show a bundle's manifest: 0 where it is whole, 3 where it was changed. Nobody is trusted."""
    found = _read(_text(file))
    whole = {**found.manifest.model_dump(by_alias=True), "key": found.key, "digest": found.digest}
    typer.echo(json.dumps(whole, ensure_ascii=False, indent=1))


@app.command()
def key(file: Annotated[Path, typer.Argument(help="A private key (Ed25519, PEM).")]) -> None:
    """Print the public key of a private one, as the settings want it."""
    typer.echo(bundles.public(private_key(file).public_key()))


def private_key(path: Path) -> Ed25519PrivateKey:
    """Return a key; one that can't be used ends the command with 2."""
    made = "make one: openssl genpkey -algorithm ed25519 -out site.pem"
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        refuse(f"--key {path}: {error.strerror}; {made}")
    except (ValueError, TypeError):
        refuse(f"--key {path}: this is no private key without a passphrase; {made}")
    if not isinstance(found, Ed25519PrivateKey):
        refuse(f"--key {path}: not an Ed25519 key; {made}")
    return found


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle to be made by `muster check`."""

    file: Path
    key: Path | None
    vantage: str
    """The name of the place; the unit's id where nothing is written."""

    def run(self, where: Place, wanted: Selection, progress: Progress, diff: str) -> Run:
        """Make a fresh run of one unit, and the bundle of its readings."""
        if len(wanted.units) != 1 or wanted.subtree:
            fail("--bundle is of one unit", CONFIG_ERROR, "name the unit at which you are")
        if self.key is None:
            fail("--bundle needs --key", CONFIG_ERROR, "openssl genpkey -algorithm ed25519 -out site.pem")
        name = self.vantage or wanted.units[0]
        if not re.fullmatch(bundles.VANTAGE, f"site:{name}"):
            fail(f"--vantage {name}: letters, digits, . _ - only, at most 40", CONFIG_ERROR)
        signer, readings = private_key(self.key), list[Reading]()
        run = check_now(where, wanted, "fresh", progress, diff, readings.append)
        jobs = open_workspace(where).plan.jobs
        clocks = frozenset(key for key, job in jobs.items() if job.spec.name == "ntp")
        known = _secrets(where, jobs.values())
        text = text_of(run, [scrubbed(each, known) for each in readings], clocks, signer, name, actor())
        self.file.write_text(text, "utf-8")
        if bundles.read(text).manifest.clock.offset_s is None:
            err.print("no time server told how this clock is: import it within a minute", markup=False)
        return run


def _secrets(where: Place, jobs: Iterable[Job]) -> tuple[str, ...]:
    """Return the values of all secrets that checks use, as far as there are any."""
    secrets, found = Secrets(where.secrets), list[str]()
    for name in {name for job in jobs for name in names_of(job.params)}:
        with suppress(SecretMissing):
            found.append(secrets.get(name))
    return tuple(found)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(bundles.MOST_BYTES + 1)
        return data.decode("utf-8")
    except OSError as error:
        refuse(f"{file}: {error.strerror}")
    except UnicodeDecodeError:
        _not_taken("malformed", "not UTF-8")


def _read(text: str) -> Bundle:
    try:
        return bundles.read(text)
    except NotTaken as error:
        _not_taken(error.code, str(error))


def _not_taken(code: str, why: str) -> NoReturn:
    fail(f"not taken in ({code}): {why}", NOT_TAKEN)


def _alone(where: Place, database: Database, request: Request) -> dict[str, Any]:
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    settings = where.settings
    store = Store.open(where.state_dir, settings.retention, settings.store_bounds())
    with closing(store):
        decided = decide(workspace, store, request, settings.rights, time.time(), settings.bundles.keys)
        try:
            entry = database.write_now(lambda connection: written(connection, decided))
        except Overtaken as error:
            refuse(str(error))
        for check in {reading.check for reading in decided.readings}:
            store.declare(check, workspace.plan.jobs[check].spec.metrics)
        asyncio.run(Intake(store).take(decided.readings))
    return answer(decided, entry)


def _told(unit: str, body: dict[str, Any]) -> str:
    offset = body["clock"]["offset_s"]
    clock = "clock unknown" if offset is None else f"times corrected by {offset:+.3f} s"
    old = f", {body['history']} of them history only" if body["history"] else ""
    done = f"; {body['completed']} were still missing" if "completed" in body else ""
    by = f"by the key of {body['key_of']}"
    return f"{unit}: {body['readings']} readings of {body['vantage']} {by}{old}; {clock}{done}"
