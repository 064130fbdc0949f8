"""Keeps a readiness run: through the daemon where one runs, else in the store itself."""

from __future__ import annotations

import base64
import binascii
import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from monitor.control.peer import ourselves
from monitor.control.socket import ControlError, Handler, NoDaemon, ask
from monitor.history.effective import new_subjects
from monitor.history.packing import Kept, Seen, Subject, kept, seen
from monitor.place import Place
from monitor.readiness.digest import digest
from monitor.readiness.layered import Layered
from monitor.readiness.results import Run, UnitResult
from monitor.store import runs
from monitor.store.database import Database, SchemaTooNew
from monitor.store.runs import Head
from monitor.workspace import Workspace

AT_ONCE = 100
"""Units in one request to the daemon, whose lines are bounded."""
MOST_BODY = 4 * 1024 * 1024
MOST_UNITS = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """Some units of a run, ready to be written."""

    units: Sequence[Kept]
    seen: Sequence[Seen]
    subjects: Sequence[Subject]


def head_of(run: Run) -> Head:
    """Return a run without its units, as its maker keeps it."""
    inventory = digest([[unit.id, unit.unit_digest] for unit in run.units])
    lists = sorted({each for unit in run.units for each in unit.checklists})
    return Head(
        run.gate, run.mode, run.started_at, run.finished_at, ourselves(os.environ),
        version("muster-monitor"), inventory, tuple(lists), len(run.units),
    )  # fmt: skip


async def keep(place: Place, workspace: Workspace, run: Run) -> str:
    """Keep a run. Returns why it can't be kept, nothing where it was: that is no reason not to show it.

    A stored run makes no store where there is none.
    """
    if run.mode == "stored" and not (place.state_dir / "state.db").exists():
        return ""
    parts = list(_parts(workspace, run, _known(place)))
    try:
        with suppress(NoDaemon):
            await _through(place, head_of(run), parts)
            return ""
        place.state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        with closing(Database(place.state_dir / "state.db")) as database:
            database.write_now(lambda connection: write(connection, head_of(run), parts))
    except (OSError, sqlite3.Error, ControlError) as error:
        return f"this run is not kept for comparison: {error}"
    return ""


def write(connection: sqlite3.Connection, head: Head, parts: Iterable[Part]) -> int:
    """Keep a run in the caller's transaction; return its number."""
    number = runs.begin(connection, head)
    for part in parts:
        put(connection, number, part)
    return number


def put(connection: sqlite3.Connection, run: int, part: Part) -> None:
    """Keep some units of a run."""
    runs.learn(connection, part.subjects)
    runs.add(connection, run, part.units, part.seen)


def _known(place: Place) -> set[str]:
    path = place.state_dir / "state.db"
    with suppress(OSError, sqlite3.Error, SchemaTooNew):
        if path.exists():
            with closing(Database(path, read_only=True)) as database:
                if database.version >= runs.SINCE:
                    return database.read_now(runs.known)
    return set()


def _parts(workspace: Workspace, run: Run, known: AbstractSet[str]) -> Iterator[Part]:
    told, judge = set(known), workspace.judge(Layered(), run.gate, run.finished_at)
    for first in range(0, len(run.units), AT_ONCE):
        some = run.units[first : first + AT_ONCE]
        found: list[Subject] = []
        for unit in some:
            new = list(new_subjects(workspace, run.gate, unit, told, judge))
            told.update(each.digest for each in new)
            found += new
        yield _part(run, some, found)


def _part(run: Run, some: Sequence[UnitResult], found: Sequence[Subject]) -> Part:
    return Part([kept(u) for u in some], [seen(run.gate, u, run.finished_at) for u in some], found)


async def _through(place: Place, head: Head, parts: Iterable[Part]) -> None:
    number = 0
    for part in parts:
        request = {"do": "run.keep", "run": number, "head": asdict(head), "part": _wire(part)}
        async for answer in ask(place.socket, request):
            number = answer["run"]


def _wire(part: Part) -> dict[str, Any]:
    return {
        name: [{k: _text(v) for k, v in asdict(each).items()} for each in getattr(part, name)]
        for name in ("units", "seen", "subjects")
    }


def _text(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _unwired(data: Mapping[str, Any]) -> Part:
    """Return what `_wire` made data of. Raises KeyError, TypeError, ValueError."""
    kinds = {"units": (Kept, "body"), "seen": (Seen, "rows"), "subjects": (Subject, "body")}
    found = {}
    for name, (kind, blob) in kinds.items():
        rows = [{**each, blob: _blob(each[blob])} for each in data[name]]
        found[name] = [kind(**row) for row in rows]
    return Part(**found)


def _blob(text: str) -> bytes:
    if len(text) > MOST_BODY:
        raise ValueError("too large")
    return base64.b64decode(text, validate=True)


@dataclass(frozen=True, slots=True)
class Keeper:
    """The daemon's side: writes down the runs that commands make."""

    database: Database

    def handlers(self) -> Mapping[str, Handler]:
        """Return the handlers of the control socket by name."""
        return {"run.keep": self.keep}

    async def keep(self, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        """Keep a part of a run; the first makes the run, and the answer has its number."""
        try:
            part, number = _unwired(request["part"]), int(request["run"])
            given = {**request["head"], "actor": request["actor"], "id": 0}
            head = Head(**given | {"checklists": tuple(tuple(each) for each in given["checklists"])})
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise ControlError('"head" and "part" must be those of a run') from None

        def work(connection: sqlite3.Connection) -> int:
            run = number or runs.begin(connection, head)
            put(connection, run, part)
            return run

        try:
            yield {"run": await self.database.write(work)}
        except (sqlite3.Error, ValueError) as error:
            raise ControlError(f"the run can't be kept: {type(error).__name__}") from None
