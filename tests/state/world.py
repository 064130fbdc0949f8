"""A tree of channels that fail and recover by a script, seen by the real watch, duty and incident store.

Only the network and the clock are simulated: a check that runs while its target or anything above it is cut
off fails after its timeout, else it answers after `RTT`. With `levels` checks report metrics, and detectors
watch their series.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.child.wire import UnitCard
from monitor.incidents.correlator import Correlator
from monitor.incidents.duty import Duty
from monitor.incidents.incident import Event, Notice
from monitor.incidents.situation import Situation
from monitor.incidents.topology import Needs
from monitor.incidents.troubles import Timing
from monitor.job import Job, Line, Route
from monitor.messages.message import Message
from monitor.noticing import Noticing
from monitor.state import CheckState, Transition
from monitor.store.database import Database
from monitor.store.detectors import DetectorStore
from monitor.store.incidents import IncidentStore
from monitor.units import Known, Units
from monitor.watch import Watch
from probes import registry
from probes.api import Params, ProbeSpec, Reading, Target
from tests.state.readings import _run, failed, ok

ICMP = ProbeSpec("icmp", "network", "answers or not", Params, _run)
TCP = ProbeSpec("tcp", "network", "answers or not", Params, _run)
TIMEOUT, RTT = 5.0, 0.02
START = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Place:
    """An asset (`unit/asset`), what it needs, the unit's parent, and the probes on it."""

    name: str
    above: tuple[str, ...] = ()
    parent: str = ""
    probes: tuple[ProbeSpec, ...] = (ICMP,)


@dataclass(slots=True)
class Mail:
    """An event that somebody was told of, and when (seconds since the start)."""

    key: str
    at: float
    notice: Notice
    root: str
    total: int
    left: tuple[str, ...]


Levels = Callable[[str, float, random.Random], Mapping[str, float]]
"""What a check reports at a time (seconds since the start)."""
Faults = Callable[[str, float], bool]
"""Whether an asset does not pass packets at a time (seconds since the start)."""


@dataclass
class World:
    """Runs the daemon's decisions second by second."""

    path: Path
    places: Sequence[Place]
    faults: Faults
    seed: int = 1
    every: float = 60.0
    timing: Timing = field(default_factory=Timing)
    now: float = START
    mails: list[Mail] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    pinned: dict[str, list[Reading]] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    """Units of which no check is run any more."""
    runs: int = 0
    levels: Levels | None = None
    tick: float = 1.0
    """Seconds from one look at everything to the next."""
    tells: Callable[[Event], Sequence[Message]] = lambda _: ()
    """Writes messages besides the one to `mails`."""

    def __post_init__(self) -> None:
        self._by_name = {place.name: place for place in self.places}
        self._draw = random.Random(self.seed)
        self.jobs = {job.id: job for place in self.places for job in self._jobs(place)}
        self._due = [(self.now + self._draw.uniform(0, self.every), check) for check in self.jobs]
        heapq.heapify(self._due)
        self._results: list[tuple[float, int, str, float, bool]] = []
        self._values = random.Random(self.seed + 1)

    def _jobs(self, place: Place) -> list[Job]:
        unit, asset = place.name.split("/")
        target = Target("192.0.2.1", unit=unit, asset=asset)
        route = Route((Line(place.name, "UTC"),))
        measured = registry.get("icmp") if self.levels else ICMP
        return [
            Job(f"{place.name}/{spec.name}", unit, asset, spec.name, spec, target, Params(), self.every,
                TIMEOUT, route=route if spec is measured else None)
            for spec in (measured if each is ICMP else each for each in place.probes)
        ]  # fmt: skip

    def _units(self) -> Units:
        known: dict[str, Known] = {}
        for place in self.places:
            unit, asset = place.name.split("/")
            old = known.get(unit)
            needs = dict(old.card.needs) if old else {}
            if place.above:
                needs[asset] = Needs(place.above, every=True)
            elif place.parent:
                needs[asset] = Needs(parent=place.parent)
            jobs = {job.id: job for job in self.jobs.values() if job.unit == unit}
            channels = (*(old.card.channels if old else ()), *((asset,) if ICMP in place.probes else ()))
            card = _card(unit, place.parent, needs, channels)
            by_asset: dict[str, tuple[Job, ...]] = {}
            for job in jobs.values():
                name = f"{unit}/{job.asset}"
                by_asset[name] = (*by_asset.get(name, ()), job)
            known[unit] = Known(card, "", jobs, by_asset)
        return Units(known)

    async def start(self) -> None:
        """Start the daemon's parts on what is stored."""
        self.database = Database(self.path)
        self.store = IncidentStore(self.database, self._told)
        units = self._units()
        self.noticing = Noticing(DetectorStore(self.database))
        self.watch = Watch(self.store, heard=self._heard, notice=self.noticing, clock=lambda: self.now)
        situation = Situation(units, self.watch.state, lambda: self.now, self.noticing.leaning)
        self.correlator = Correlator(
            situation, situation.measures_link, self.timing, situation.silent,
            usual=self.noticing.adopted_at,
        )  # fmt: skip
        self.duty = Duty(
            self.correlator, self.store, self.watch, self._ask, lambda *_: None, self._pin,
            self.noticing.usual, clock=lambda: self.now,
        )  # fmt: skip
        await self.watch.load()
        await self.watch.adopt(self.jobs.values())
        await situation.refresh()
        await self.noticing.load()
        if self.levels:
            await self.noticing.adopt(self.jobs.values())
            for job in self.jobs.values():
                self.noticing.require(job.unit, None, [job])
        await self.duty.load(self.every, units.knows)

    def learn(self, hours: float) -> None:
        """Let the detectors see what is usual before the start."""
        for job in self.jobs.values():
            for number in range(round(hours * 3600 / self.every), 0, -1):
                self.noticing(job, self._answer(job.id, self.now - number * self.every))

    def _answer(self, check: str, at: float) -> Reading:
        reading = ok(at)
        reading.check = check
        if self.levels:
            reading.metrics = dict(self.levels(check, at - START, self._values))
        return reading

    async def _pin(self, reference: str, readings: Sequence[Reading]) -> None:
        self.pinned[reference] = list(readings)

    def _heard(self, state: CheckState, transition: Transition, now: float) -> None:
        self.duty.heard(state, transition, now)

    async def stop(self) -> None:
        """End them as a kill would: what is not committed is gone."""
        self._results.clear()
        self.database.close()

    async def restart(self, pause: float) -> None:
        """Be down for so long."""
        await self.stop()
        self.now += pause
        await self.start()

    async def until(self, at: float) -> None:
        """Go on until so many seconds after the start."""
        while self.now < START + at:
            self.now += self.tick
            self._probe()
            await self.watch.sweep(self.now)
            await self.watch.flush()
            await self.duty.tick()
        sent = await self.database.read(lambda c: {row[0] for row in c.execute("SELECT key FROM outbox")})
        self.mails = [mail for mail in self.mails if mail.key in sent]

    def _probe(self) -> None:
        while self._due and self._due[0][0] <= self.now:
            due, check = heapq.heappop(self._due)
            if self.jobs[check].unit in self.stopped:
                continue
            heapq.heappush(self._due, (due + self.every, check))
            self._begin(check, due)
        while self._results and self._results[0][0] <= self.now:
            _, _, check, began, fine = heapq.heappop(self._results)
            reading = self._answer(check, began) if fine else failed(began)
            reading.check = check
            self.watch.on_reading(self.jobs[check], reading)

    def _begin(self, check: str, at: float) -> None:
        self.runs += 1
        fine = not self._cut(self.jobs[check], at - START)
        heapq.heappush(self._results, (at + (RTT if fine else TIMEOUT), self.runs, check, at, fine))

    def _ask(self, check: str) -> None:
        if self.jobs[check].unit not in self.stopped:
            self._begin(check, self.now)

    def _cut(self, job: Job, at: float) -> bool:
        waiting, seen = [f"{job.unit}/{job.asset}"], set()
        if self.faults(job.id, at):
            return True
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if self.faults(name, at):
                return True
            place = self._by_name.get(name)
            waiting.extend((*place.above, *((place.parent,) if place.parent else ())) if place else ())
        return False

    def _told(self, event: Event) -> Sequence[Message]:
        incident = event.incident
        at = self.now - START
        self.events.append(event)
        key = f"{incident.id}:{event.notice}:{at}"
        self.mails.append(Mail(key, at, event.notice, incident.root, event.total, event.left))
        told = Message(key, incident.thread, "ops@example.org", key, "", f"<{key}@x>", 1.0, 1e12)
        return [told, *self.tells(event)]

    def of(self, notice: Notice) -> list[Mail]:
        """Return the mails of one kind."""
        return [mail for mail in self.mails if mail.notice is notice]


def _card(unit: str, parent: str, needs: Mapping[str, Needs], channels: tuple[str, ...]) -> UnitCard:
    return UnitCard(unit, unit, "", parent or None, "hall", "UTC", None, "", {}, {}, needs, channels)


def during(*spans: tuple[str, float, float]) -> Faults:
    """Return faults: each node is cut off from a second to a second."""
    return lambda name, at: any(name == node and begin <= at < end for node, begin, end in spans)


def hub(sites: int = 30, probes: tuple[ProbeSpec, ...] = (ICMP,)) -> list[Place]:
    """Return a hub's core and so many sites whose uplinks need it."""
    return [Place("hub/core"), *(Place(f"s{n}/uplink", ("hub/core",), "hub", probes) for n in range(sites))]
