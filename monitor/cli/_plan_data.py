"""What `muster plan` shows: units judged by what is stored, and put together as the API does."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from monitor.cli.common import CONFIG_ERROR, fail
from monitor.gates.standing import Standing
from monitor.place import Place
from monitor.readiness.checklists import load_calendars
from monitor.readiness.layered import Layered
from monitor.readiness.results import utc
from monitor.readiness.selection import BadSelection, Selection, select
from monitor.roadmap import blockers, document, loading
from monitor.roadmap.burndown import Tally, since
from monitor.roadmap.plan import PlanFile, Roadmap
from monitor.store import plans
from monitor.store.api import NoStore
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.store.ledger import catch_up
from monitor.workspace import Workspace, open_workspace


@dataclass(frozen=True, slots=True)
class Scope:
    """Which units are meant; empty texts leave everything in."""

    unit: str = ""
    wave: str = ""
    subtree: str = ""
    gate: str = "go-live"
    owner: str = ""

    def units(self, workspace: Workspace) -> list[str]:
        """Return the units; a selection of nothing ends the command with 2."""
        wanted = Selection(
            (self.unit,) if self.unit else (), self.subtree or None, self.wave or None, None, self.gate
        )
        gates = {each.gate for each in workspace.checklists.values()}
        try:
            return select(workspace.inventory, wanted, gates)
        except BadSelection as error:
            fail(str(error), CONFIG_ERROR)


@dataclass(frozen=True, slots=True)
class Data:
    """The two documents."""

    plan: dict[str, Any]
    blockers: dict[str, Any]

    def text(self, which: Literal["plan", "blockers"]) -> str:
        """Return one of them as JSON."""
        return json.dumps(getattr(self, which), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def data(where: Place, scope: Scope) -> Data:
    """Return the plan and the blockers of the units in scope, judged now by what is stored."""
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    units, now = scope.units(workspace), time.time()
    made = judged(where, workspace, units, scope.gate, now)
    today = datetime.fromtimestamp(now, ZoneInfo(workspace.inventory.timezone(units[0]))).date()
    at = utc(now) or ""
    whole = document.document(scope.gate, at, made, tallies(where, scope.gate, units, today), today)
    return Data(whole, blockers.document(scope.gate, at, made, scope.owner))


def judged(
    where: Place, workspace: Workspace, units: Sequence[str], gate: str, now: float
) -> list[dict[str, Any]]:
    """Return the units' parts of the plan, in the order given."""
    planner = workspace.planner(gate)
    try:
        store = Store.read_only(where.state_dir)
    except NoStore:
        found = {r.id: planner.result(r, now) for r in workspace.results(units, Layered(), gate, now)}
    else:
        with closing(store):
            found = {r.id: planner.result(r, now) for r in workspace.results(units, store, gate, now)}
    return [found[key] for key in units]


def tallies(where: Place, gate: str, units: Sequence[str], today: date) -> list[Tally]:
    """Return what was open day by day, nothing where no daemon ever wrote it down."""
    path = where.state_dir / "state.db"
    if not path.exists():
        return []
    with closing(Database(path, read_only=True)) as database:
        if database.version < plans.SINCE:
            return []
        return database.read_now(lambda connection: plans.tallies(connection, gate, units, since(today)))


def reached(where: Place, workspace: Workspace) -> dict[tuple[str, str], str]:
    """Return the day on which each milestone was reached, by milestone and unit."""
    catch_up(where.state_dir, workspace.standing)
    standing: Standing = workspace.standing
    found = {key: str(entry.body["on"]) for key, entry in standing.reached.items()}
    signed = {key: entries[-1].at for key, entries in standing.signatures.items()}
    return found | {key: datetime.fromtimestamp(at, UTC).date().isoformat() for key, at in signed.items()}


def roadmap_of(where: Place, own: PlanFile) -> Roadmap:
    """Return what a plan comes to, over the shipped milestones. Raises ConfigError."""
    base = loading.written(where.milestones).file
    return loading.over(base, own, load_calendars(where.calendar_dirs))
