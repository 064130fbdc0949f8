"""What people ask for over the daemon's socket, on a page or without a daemon: incidents and maintenance.

A request is plain data: `{"do": "incident.ack", "incident": 7, "actor": "li (unauthenticated)", ...}`, times
in seconds since the epoch. The answer holds what came of it, or under `refused` what was wrong with it.
"""

from __future__ import annotations

import asyncio
import difflib
import math
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.calendars.calendar import Calendar
from monitor.calendars.windows import Window
from monitor.control.socket import Handler
from monitor.incidents.document import announced, head
from monitor.incidents.incident import Incident
from monitor.people.maintenance import AHEAD_S, Maintenance, Maintenances, Mode, Tree, spans
from monitor.people.refused import Refused
from monitor.store import incident_views, maintenance, people
from monitor.store.database import Database
from monitor.store.people import Act, Moved
from monitor.units import Units
from probes.api import clip

MOST_NAME, MOST_WINDOWS = 100, 20
SHOWN = 12


class World(Protocol):
    """What has to be known of the inventory to announce work."""

    @property
    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars by id."""

    def knows(self, node: str) -> bool:
        """Tell whether there is such a unit, `unit/asset` or check."""

    def nodes(self, unit: str) -> Iterable[str]:
        """Return the ids of all units; with a unit that exists, of its assets and checks."""

    def zone(self, unit: str) -> str:
        """Return the time zone of a unit."""


def carry_out(connection: sqlite3.Connection, request: Mapping[str, Any], now: float) -> Incident:
    """Do what a request asks of an incident, within the caller's transaction. Raises Refused."""
    act = Act(_number(request, "incident"), _actor(request), now, request.get("version"))
    try:
        return _acted(connection, act, request)
    except KeyError:
        raise Refused(_no_incident(connection, act.incident)) from None
    except (Moved, ValueError) as error:
        raise Refused(str(error)) from None


def _acted(connection: sqlite3.Connection, act: Act, request: Mapping[str, Any]) -> Incident:
    comment, until = _text(request, "comment"), _instant(request, "until")
    match request.get("do"):
        case "incident.ack":
            return people.acknowledge(connection, act, comment, until)
        case "incident.unack":
            return people.unacknowledge(connection, act, comment)
        case "incident.snooze":
            if until is None:
                raise Refused("write until when it is to be quiet")
            return people.snooze(connection, act, until, comment)
        case "incident.close":
            return people.close(connection, act, _text(request, "reason"))
        case "incident.note":
            return people.note(connection, act, _text(request, "text"))
    raise Refused(f"no such act; there are {', '.join(ACTS)}")


ACTS = ("incident.ack", "incident.unack", "incident.snooze", "incident.close", "incident.note")


def _no_incident(connection: sqlite3.Connection, number: int) -> str:
    there = incident_views.numbers(connection, SHOWN)
    if not there:
        return f"there is no incident {number}; none was ever opened"
    return f"there is no incident {number}; the last ones are {', '.join(map(str, there))}"


def work_of(request: Mapping[str, Any], world: World, now: float) -> Maintenance:
    """Return the work that a request announces. Raises Refused."""
    scope = _text(request, "scope")
    if not world.knows(scope):
        raise Refused(_no_scope(scope, world))
    windows = tuple(map(str, request.get("every") or ()))[:MOST_WINDOWS]
    calendar, zone = _text(request, "calendar"), _text(request, "zone")
    work = Maintenance(
        0, scope, _mode(request), _text(request, "reason"), _actor(request), now,
        _instant(request, "from"), _instant(request, "to"), windows,
        calendar, (zone or world.zone(scope.partition("/")[0])) if windows else "",
    )  # fmt: skip
    _check(work, world, now)
    return work


def _check(work: Maintenance, world: World, now: float) -> None:
    if not work.reason:
        raise Refused("--reason: write what is done, for those who wonder")
    if work.calendar and not work.windows:
        raise Refused("--calendar goes with --every: the windows count while the calendar is closed")
    if work.calendar and work.calendar not in world.calendars:
        there = ", ".join(sorted(world.calendars))
        raise Refused(f'--calendar: there is no calendar "{work.calendar}"; there are {there}')
    _check_times(work, world, now)


def _check_times(work: Maintenance, world: World, now: float) -> None:
    try:
        ZoneInfo(work.zone or "UTC")
        for text in work.windows:
            Window.parse(text)
    except (ZoneInfoNotFoundError, OSError):
        raise Refused(
            f'--zone: there is no time zone "{work.zone}"; write one such as Asia/Shanghai'
        ) from None
    except ValueError as error:
        raise Refused(f"--every: {error}" if work.windows else f"--zone: {error}") from None
    if not work.windows and work.ends_at is None:
        raise Refused("write until when (--to), or when it recurs (--every)")
    low, high = work.bounds
    if high <= max(low, now):
        raise Refused("--to is past, or not later than --from")
    begin = max(low, now)
    within_reach = high < begin + AHEAD_S or not work.calendar
    if work.windows and within_reach and not _comes(work, begin, min(high, begin + AHEAD_S), world):
        raise Refused("--every: no such window lies between --from and --to")


def _comes(work: Maintenance, start: float, end: float, world: World) -> bool:
    return bool(spans(work, start, end, world.calendars.get(work.calendar)))


def _no_scope(scope: str, world: World) -> str:
    unit = scope.partition("/")[0]
    there = list(world.nodes(unit if world.knows(unit) else ""))
    close = difflib.get_close_matches(scope, there, 3, 0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(there[:SHOWN])}"
    return f'there is no unit, asset or check "{clip(scope, 100)}"; {hint}'


def _mode(request: Mapping[str, Any]) -> Mode:
    return Mode.SKIP if request.get("skip") else Mode.MUTE


def _number(request: Mapping[str, Any], name: str) -> int:
    value = request.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
        raise Refused(f'"{name}" must be a number')
    return value


def _text(request: Mapping[str, Any], name: str) -> str:
    return clip(str(request.get(name) or "").strip(), people.MOST_TEXT)


def _actor(request: Mapping[str, Any]) -> str:
    return clip(str(request.get("actor") or "").strip(), MOST_NAME) or "somebody (unauthenticated)"


def _instant(request: Mapping[str, Any], name: str) -> float | None:
    value = request.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or not (math.isfinite(value) and 0 <= value < 1e11):
        raise Refused(f'"{name}" must be seconds since the epoch')
    return float(value)


@dataclass(slots=True)
class People:
    """The daemon's side. `lost(root, now)` hears of an incident that was closed by hand."""

    database: Database
    units: Units
    maintenances: Maintenances
    lost: Callable[[str, float], None] = lambda _root, _now: None
    clock: Callable[[], float] = time.time

    async def load(self) -> None:
        """Take up the work that was announced before the start."""
        now = self.clock()
        self.maintenances.put(await self.database.read(lambda c: maintenance.current(c, now)))

    def adopt(self, calendars: Mapping[str, Calendar] | None = None) -> None:
        """Take up what changed in the inventory."""
        parents = {key: unit.card.parent for key, unit in self.units.known.items()}
        self.maintenances.adopt(Tree(parents), calendars)

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers of the control socket by name."""
        return dict.fromkeys((*ACTS, "maintenance.add", "maintenance.end"), self._handle)

    async def _handle(self, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        yield await self.answer(request)

    async def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what is asked; a request that can't be carried out is answered with `refused`."""
        try:
            if request["do"] in ACTS:
                return {"incident": await self.act(request)}
            return await self._maintain(request)
        except Refused as error:
            return {"refused": str(error)}

    async def act(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what is asked of an incident; return it as a document. Raises Refused."""
        now = self.clock()
        incident = await self.database.write(lambda c: carry_out(c, request, now))
        if request["do"] == "incident.close":
            self.lost(incident.root, now)
        return head(incident, {}, now)

    async def _maintain(self, request: Mapping[str, Any]) -> dict[str, Any]:
        now = self.clock()
        work = None
        if request["do"] == "maintenance.add":
            work = await asyncio.to_thread(work_of, request, self, now)
        done, all_ = await self.database.write(lambda c: maintain(c, request, work, now))
        self.maintenances.put(all_)
        return announced([done], self.maintenances.planned(now), now)

    @property
    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars by id."""
        return self.maintenances.calendars

    def knows(self, node: str) -> bool:
        """Tell whether there is such a unit, `unit/asset` or check."""
        return self.units.knows(node)

    def nodes(self, unit: str) -> Iterable[str]:
        """Return the ids of all units, or of what a unit has."""
        known = self.units.known.get(unit)
        return [*known.by_asset, *known.jobs] if known else list(self.units.known)

    def zone(self, unit: str) -> str:
        """Return the time zone of a unit."""
        card = self.units.card(unit)
        return card.timezone if card else "UTC"


def maintain(
    connection: sqlite3.Connection, request: Mapping[str, Any], new: Maintenance | None, now: float
) -> tuple[Maintenance, list[Maintenance]]:
    """Keep new work, or end what a request names, within the caller's transaction.

    Return it, and all that is not over. Raises Refused.
    """
    work = _ended(connection, request, now) if new is None else maintenance.add(connection, new)
    return work, maintenance.current(connection, now)


def _ended(connection: sqlite3.Connection, request: Mapping[str, Any], now: float) -> Maintenance:
    number = _number(request, "id")
    try:
        return maintenance.end(connection, number, _actor(request), now)
    except Moved as error:
        raise Refused(str(error)) from None
    except KeyError:
        there = ", ".join(str(each.id) for each in maintenance.current(connection, now)[:SHOWN])
        raise Refused(f"there is no maintenance {number}; there is {there or 'none'}") from None
