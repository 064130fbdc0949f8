"""Acts of people: through the running daemon where there is one, else on the store itself, under its lock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from monitor.calendars.calendar import Calendar
from monitor.cli.common import CONFIG_ERROR, fail
from monitor.control.peer import ourselves
from monitor.control.socket import NoDaemon, ask
from monitor.people.refused import Refused
from monitor.place import Place
from monitor.process.lock import StateLock
from monitor.readiness.checklists import load_calendars
from monitor.store.database import Database
from monitor.workspace import Workspace, open_workspace

Request = Mapping[str, Any]


def actor() -> str:
    """Return who acts, whom nobody has authenticated; a daemon looks for itself."""
    return ourselves(os.environ)


def act(where: Place, request: Request, alone: Callable[[Database], dict[str, Any]]) -> dict[str, Any]:
    """Return the answer to a request; `alone` carries it out where no daemon runs.

    What can't be done ends the command with 2. Raises ControlError, Locked, ConfigError.
    """
    try:
        answer = asyncio.run(_ask(where, request))
    except NoDaemon:
        try:
            with _locked(where) as database:
                return alone(database)
        except Refused as error:
            refuse(str(error))
    if "refused" in answer:
        refuse(answer["refused"])
    return answer


def refuse(text: str) -> NoReturn:
    """End the command: what was asked for can't be done."""
    fail(text, CONFIG_ERROR)


async def _ask(where: Place, request: Request) -> dict[str, Any]:
    answers = [answer async for answer in ask(where.socket, request)]
    return answers[0]


@contextmanager
def _locked(where: Place) -> Iterator[Database]:
    """Give the store to this process alone."""
    if not (where.state_dir / "state.db").exists():
        nowhere(where)
    lock = StateLock(where.state_dir)
    lock.take()
    try:
        with closing(Database(where.state_dir / "state.db")) as database:
            yield database
    finally:
        lock.release()


@contextmanager
def reading(where: Place) -> Iterator[Database]:
    """Give the store for reading, whether or not a daemon runs."""
    if not (where.state_dir / "state.db").exists():
        nowhere(where)
    with closing(Database(where.state_dir / "state.db", read_only=True)) as database:
        yield database


def nowhere(where: Place) -> NoReturn:
    """End the command: there is no store."""
    fail(f"there is no store in {where.state_dir}: run the daemon once, or name its --state-dir", 1)


@dataclass(slots=True)
class Files:
    """What the files say of units: `monitor.people.requests.World` without a daemon."""

    place: Place
    _workspace: Workspace | None = field(default=None)

    @property
    def workspace(self) -> Workspace:
        """All files, read on first use. Raises ConfigError."""
        if self._workspace is None:
            self._workspace = open_workspace(self.place)
        return self._workspace

    @property
    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars by id."""
        return load_calendars(self.place.calendar_dirs)

    def knows(self, node: str) -> bool:
        """Tell whether there is such a unit, `unit/asset` or check."""
        return node in self.workspace.inventory.units or node in set(self.nodes(node.partition("/")[0]))

    def nodes(self, unit: str) -> Iterable[str]:
        """Return the ids of all units, or of what a unit has."""
        known = self.workspace.inventory.units.get(unit)
        if known is None:
            return list(self.workspace.inventory.units)
        checks = [key for key, job in self.workspace.plan.jobs.items() if job.unit == unit]
        return [*(f"{unit}/{asset.id}" for asset in known.assets), *checks]

    def zone(self, unit: str) -> str:
        """Return the time zone of a unit."""
        return self.workspace.inventory.timezone(unit)
