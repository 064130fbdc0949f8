"""A readiness run: select units, probe them (or not), judge them, and keep a record of the waivers used."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from typing import Literal

from inventory.secrets import Secrets
from monitor import fresh
from monitor.control.peer import ourselves
from monitor.control.socket import NoDaemon, ask
from monitor.discipline.budget import Ledger
from monitor.discipline.discipline import Discipline
from monitor.fresh import Hear, Progress, Through
from monitor.history.comparing import compare
from monitor.history.keeping import keep
from monitor.history.previous import load
from monitor.people.maintenance import Maintenances, Tree
from monitor.place import Place
from monitor.readiness.audit import uses
from monitor.readiness.checklists import load_calendars
from monitor.readiness.layered import Layered
from monitor.readiness.results import Run, UnitResult
from monitor.readiness.selection import Selection, select
from monitor.readiness.waivers import Waivers
from monitor.shared import SharedClients
from monitor.store import audit, maintenance
from monitor.store.api import Evidence, NoStore
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.store.ledger import catch_up
from monitor.workspace import Workspace, open_workspace

Mode = Literal["fresh", "stored"]
WARNED_WAIVERS = 20


async def check(
    place: Place,
    wanted: Selection,
    mode: Mode,
    progress: Progress = lambda _done, _all: None,
    against: str = "",
    hear: Hear | None = None,
) -> Run:
    """Make a run, and keep it. Raises ConfigError, BadSelection, ControlError, Locked, SchemaTooNew.

    `against` names an earlier run that it is compared with (raises BadPrevious); `hear` gets new readings.
    """
    started = time.time()
    workspace = open_workspace(place)
    catch_up(place.state_dir, workspace.standing)
    gates = {each.gate for each in workspace.checklists.values()}
    units = select(workspace.inventory, wanted, gates)
    previous = load(place, against, wanted.gate, units, started) if against else None
    if mode == "stored":
        results = _stored(place, workspace, units, wanted.gate)
    else:
        results = await _fresh(place, workspace, units, wanted.gate, progress, hear)
    order = {unit: index for index, unit in enumerate(units)}
    results.sort(key=lambda result: order[result.id])
    await _record(place, results, wanted.gate)
    run = Run(wanted.gate, mode, started, time.time(), results, _warnings(workspace, started))
    if lost := await keep(place, workspace, run):
        run = dataclasses.replace(run, warnings=(*run.warnings, lost))
    if previous is None:
        return run
    plain, known = [unit.plain() for unit in results], workspace.inventory.units
    return dataclasses.replace(run, diff=compare(previous.units, plain, previous.told, known))


def _stored(place: Place, workspace: Workspace, units: Sequence[str], gate: str) -> list[UnitResult]:
    try:
        store = Store.read_only(place.state_dir)
    except NoStore:
        return list(workspace.results(units, Layered(), gate, time.time()))
    with closing(store):
        return list(workspace.results(units, store, gate, time.time()))


async def _fresh(
    place: Place,
    workspace: Workspace,
    units: Sequence[str],
    gate: str,
    progress: Progress,
    hear: Hear | None = None,
) -> list[UnitResult]:
    async with _prober(place, workspace) as (prober, base):
        heard = fresh.Heard(prober, hear) if hear else prober
        evidence = await fresh.probe(workspace, units, heard, base, progress)
        return list(workspace.results(units, evidence, gate, time.time()))


@asynccontextmanager
async def _prober(place: Place, workspace: Workspace) -> AsyncIterator[tuple[fresh.Prober, Evidence]]:
    """Give the daemon's runner where a daemon runs, else our own with the store to itself."""
    if await _daemon_runs(place):
        with closing(Store.read_only(place.state_dir)) as reader:
            yield Through(place.socket), reader
        return
    store = Store.open(place.state_dir, place.settings.retention, place.settings.store_bounds())
    shared = SharedClients(place.settings.probe_settings(), Secrets(place.secrets).get)
    tests = Discipline(Ledger(store.state), place.settings.test_rules(), store)
    try:
        await tests.adopt(workspace.plan.jobs.values())
        work = await _maintenances(place, workspace, store)
        async with fresh.own(shared, store, tests, place.settings.witnesses, work.excuse) as prober:
            yield prober, store
    finally:
        await shared.aclose()
        store.close()


async def _maintenances(place: Place, workspace: Workspace, store: Store) -> Maintenances:
    """Return the work that is announced: what it skips isn't probed by hand either."""
    work, now = Maintenances(load_calendars(place.calendar_dirs)), time.time()
    work.adopt(Tree({unit.id: unit.parent for unit in workspace.inventory}))
    work.put(await store.state.read(lambda connection: maintenance.current(connection, now)))
    return work


async def _daemon_runs(place: Place) -> bool:
    try:
        async for _ in ask(place.socket, {"do": "status"}):
            pass
    except NoDaemon:
        return False
    return True


async def _record(place: Place, results: Sequence[UnitResult], gate: str) -> None:
    """Append the waivers used to the audit, through the daemon where one runs."""
    found = list(uses(results, gate=gate, at=time.time(), actor=ourselves(os.environ)))
    if not found:
        return
    with suppress(NoDaemon):
        async for _ in ask(place.socket, {"do": "audit", "uses": [dataclasses.asdict(use) for use in found]}):
            pass
        return
    place.state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    with closing(Database(place.state_dir / "state.db")) as database:
        audit.record(database, found)


def _warnings(workspace: Workspace, now: float) -> tuple[str, ...]:
    """Return a line for each waiver in force that runs out soon."""
    waivers = Waivers([*workspace.waivers.all, *workspace.standing.waivers()])
    found = sorted(waivers.warnings(now), key=lambda pair: pair[0].expires_at)
    return tuple(
        f"waiver {each.id} ({each.unit}, {each.item}) ends {each.expires_at.isoformat()}, within {days} d"
        for each, days in found[:WARNED_WAIVERS]
    )


def check_now(
    place: Place,
    wanted: Selection,
    mode: Mode,
    progress: Progress,
    against: str = "",
    hear: Hear | None = None,
) -> Run:
    """Make a run on a loop of its own."""
    return asyncio.run(check(place, wanted, mode, progress, against, hear))
