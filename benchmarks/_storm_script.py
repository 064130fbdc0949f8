"""What is watched in `benchmarks.storm`, and what goes wrong there: from a seed, the same every time."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

PROVINCE = "p"
EVERYTHING = "10.0.0.0/9"
WITNESSES = ("10.255.255.1", "10.255.255.2")
HOSTS_EVERY = 25
"""One hall of so many has a host behind its channel."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: from one run of a check to the next, for an answer, the hold, and of calm before the end."""

    every: float = 60.0
    wait: float = 2.0
    hold: float = 45.0
    close_after: float = 300.0


@dataclass(frozen=True, slots=True)
class Tree:
    """A province, its bureaus (the last one's core is not watched) and their halls, `units` in all."""

    units: int = 1000
    bureaus: int = 30

    def bureau(self, number: int) -> str:
        """Return the id of a bureau, counted from 1."""
        return f"b{number:02}"

    def halls(self, number: int) -> int:
        """Return how many halls a bureau has."""
        halls, more = divmod(self.units - 1 - self.bureaus, self.bureaus)
        return halls + (number <= more)

    def hall(self, bureau: int, number: int) -> str:
        """Return the id of a hall, counted from 1."""
        return f"{self.bureau(bureau)}h{number:02}"

    def watched(self, bureau: int) -> bool:
        """Tell whether a bureau's core is watched."""
        return bureau < self.bureaus

    def inventory(self, pace: Pace) -> str:
        """Return the inventory: one channel a unit, a host behind some."""
        lines = ["version: 1", "units:", *_unit(PROVINCE, "", "province")]
        lines += ["    assets:", *_asset("core", "channel", "10.0.0.1", "", pace)]
        for bureau in range(1, self.bureaus + 1):
            lines += _unit(self.bureau(bureau), PROVINCE, "municipal")
            if self.watched(bureau):
                lines += ["    assets:", *_asset("core", "channel", f"10.{bureau}.0.1", "p/core", pace)]
            for hall in range(1, self.halls(bureau) + 1):
                lines += self._hall(bureau, hall, pace)
        return "\n".join(lines) + "\n"

    def _hall(self, bureau: int, number: int, pace: Pace) -> list[str]:
        needs = f"{self.bureau(bureau)}/core" if self.watched(bureau) else None
        lines = [*_unit(self.hall(bureau, number), self.bureau(bureau), "hall"), "    assets:"]
        lines += _asset("uplink", "channel", f"10.{bureau}.{number}.1", needs, pace)
        if number % HOSTS_EVERY == 0:
            lines += _asset("pc", "host", f"10.{bureau}.{number}.11", None, pace)
        return lines


def _unit(name: str, parent: str, level: str) -> list[str]:
    lines = [f"  - id: {name}", f"    name: Unit {name}", f"    level: {level}"]
    return [*lines, f"    parent: {parent}"] if parent else lines


def _asset(name: str, kind: str, address: str, needs: str | None, pace: Pace) -> list[str]:
    lines = [f"      - id: {name}", f"        kind: {kind}", f"        address: {address}"]
    lines += [] if needs is None else [f"        depends_on: [{needs}]"]
    echoes = f"count: 2, interval: 100 ms, wait: {pace.wait:g} s"
    timing = f"every: {pace.every:g} s, timeout: {pace.wait + 0.5:g} s"
    return [*lines, "        checks:", f"          - {{probe: icmp, {echoes}, {timing}}}"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One cause. `spans` are (begin, end) in seconds of the script in which `network` is silent.

    `root` is what its incident should be about, and `scope` the beginning of the ids of all units behind it.
    """

    name: str
    root: str
    network: str
    scope: str
    spans: tuple[tuple[float, float], ...]
    hidden_until: float = 0.0
    """For a fault behind another one: when that is over."""
    restarted: float = 0.0
    """When the daemon is back that was ended while the fault was held."""

    @property
    def begin(self) -> float:
        """When it begins."""
        return self.spans[0][0]

    @property
    def end(self) -> float:
        """When it is over."""
        return self.spans[-1][1]


@dataclass(frozen=True, slots=True)
class Restart:
    """The daemon is ended by `number` at a time, and started again `down` seconds later."""

    at: float
    number: signal.Signals
    down: float = 8.0


@dataclass(frozen=True, slots=True)
class Script:
    """What is watched and what happens; `warm` seconds before it, and it is over at `end` of its own time."""

    tree: Tree
    pace: Pace
    faults: tuple[Fault, ...]
    restarts: tuple[Restart, ...] = ()
    warm: float = 100.0
    end: float = 0.0

    def steps(self) -> list[tuple[float, str, Fault | Restart]]:
        """Return (time, "silence", "restore" or "restart", of what) in order."""
        found: list[tuple[float, str, Fault | Restart]] = []
        for fault in self.faults:
            for begin, end in fault.spans:
                found += [(begin, "silence", fault), (end, "restore", fault)]
        found += [(each.at, "restart", each) for each in self.restarts]
        return sorted(found, key=lambda step: step[0])


@dataclass(slots=True)
class Places:
    """Bureaus with a watched core and halls in them, none twice, by chance."""

    tree: Tree
    chance: random.Random
    _bureaus: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        numbers = [n for n in range(1, self.tree.bureaus) if self.tree.watched(n)]
        self._bureaus = iter(self.chance.sample(numbers, len(numbers)))

    def core(self, name: str, begin: float, end: float, restarted: float = 0.0) -> Fault:
        """Return an outage of a bureau's core with all that is behind it."""
        number = next(self._bureaus)
        root = f"{self.tree.bureau(number)}/core"
        scope = self.tree.bureau(number)
        return Fault(name, root, f"10.{number}.0.0/16", scope, ((begin, end),), restarted=restarted)

    def leaf(self, name: str, *spans: tuple[float, float]) -> Fault:
        """Return a failure of one hall in a bureau that serves."""
        return self.within(name, next(self._bureaus), spans)

    def own(self, name: str, outage: Fault, begin: float, end: float) -> Fault:
        """Return a hall's own failure during its bureau's outage."""
        return self.within(name, int(outage.scope[1:]), ((begin, end),), outage.end)

    def within(
        self, name: str, bureau: int, spans: tuple[tuple[float, float], ...], hidden_until: float = 0.0
    ) -> Fault:
        """Return a failure of one hall of a bureau."""
        number = self.chance.randint(1, self.tree.halls(bureau))
        hall = self.tree.hall(bureau, number)
        return Fault(name, f"{hall}/uplink", f"10.{bureau}.{number}.0/24", hall, spans, hidden_until)

    def middle(self, name: str, begin: float, end: float) -> Fault:
        """Return an outage of the bureau whose core is not watched."""
        number = self.tree.bureaus
        scope = self.tree.bureau(number)
        return Fault(name, scope, f"10.{number}.0.0/16", scope, ((begin, end),))


def full(seed: int) -> Script:
    """Return the storm: first the province, and when that is told to its end all the others side by side."""
    tree, pace, kill, term = Tree(), Pace(), signal.SIGKILL, signal.SIGTERM
    places, at = Places(tree, random.Random(seed)), 700.0
    outage = places.core("d: a bureau core, before d'", at + 60, at + 360)
    faults = (
        Fault("c: the province core", "p/core", EVERYTHING, "", ((0.0, 270.0),)),
        places.core("a: a bureau core, 12 min", at, at + 720),
        places.leaf("b: a hall alone", (at + 10, at + 370)),
        outage,
        places.own("d': a hall's own, behind d and after it", outage, at + 180, at + 1000),
        places.middle("e: a bureau that is not watched", at + 30, at + 390),
        places.core("f: a bureau core, killed in its hold", at + 600, at + 840, at + 635),
        places.core("f': a bureau core, stopped in its hold", at + 900, at + 1080, at + 940),
        places.leaf("g: a hall that flaps", *((at + 20 + 180 * n, at + 110 + 180 * n) for n in range(3))),
    )
    restarts = (
        Restart(150, kill), Restart(at + 560, term), Restart(at + 625, kill), Restart(at + 930, term),
    )  # fmt: skip
    return Script(tree, pace, faults, restarts, warm=100, end=at + 1650)


def quick(seed: int) -> Script:
    """Return a storm of some seconds: three causes and a killed daemon among 94 units."""
    tree, pace = Tree(94, 3), Pace(every=2.0, wait=0.5, hold=2.0, close_after=3.0)
    places = Places(tree, random.Random(seed))
    outage = places.core("a: a bureau core", 0, 16)
    faults = (
        outage,
        places.own("d': a hall's own, behind a and after it", outage, 4, 27),
        places.leaf("b: a hall alone", (1, 20)),
    )
    return Script(tree, pace, faults, (Restart(10, signal.SIGKILL, 0.2),), warm=4, end=36)


def small(seed: int) -> Script:
    """Return one outage of a hub with 30 halls."""
    tree, pace = Tree(63, 2), Pace(every=2.0, wait=0.5, hold=2.0, close_after=2.0)
    return Script(tree, pace, (Places(tree, random.Random(seed)).core("hub", 0, 10),), warm=4, end=30)
