"""What the daemon knows of the inventory: a card and the jobs of every unit, applied change by change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from monitor.child.wire import UnitCard, UnitWire, Unpacker
from monitor.job import Job


@dataclass(slots=True)
class Known:
    """A unit as the daemon holds it."""

    card: UnitCard
    digest: str
    jobs: dict[str, Job]
    by_asset: dict[str, tuple[Job, ...]]
    """The jobs of each `unit/asset`."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What one unit's change means: jobs to put on the timetable, checks to take off, addresses concerned."""

    put: tuple[Job, ...] = ()
    removed: tuple[str, ...] = ()
    addresses: frozenset[str] = frozenset()


@dataclass(slots=True)
class Units:
    """All units of the running daemon, by id."""

    known: dict[str, Known] = field(default_factory=dict)
    _unpack: Unpacker = field(default_factory=Unpacker)

    def digests(self) -> dict[str, str]:
        """Return each unit's digest, for the clerk to say what has changed."""
        return {key: unit.digest for key, unit in self.known.items()}

    def jobs(self) -> Iterator[Job]:
        """Yield all jobs."""
        for unit in self.known.values():
            yield from unit.jobs.values()

    def job(self, check: str) -> Job | None:
        """Return the job of a check, or None."""
        unit = self.known.get(check.partition("/")[0])
        return unit.jobs.get(check) if unit else None

    def of_asset(self, asset: str) -> tuple[Job, ...]:
        """Return the jobs of `unit/asset`."""
        unit = self.known.get(asset.partition("/")[0])
        return unit.by_asset.get(asset, ()) if unit else ()

    def knows(self, node: str) -> bool:
        """Tell whether there is such a unit, `unit/asset` or check."""
        unit = self.known.get(node.partition("/")[0])
        return unit is not None and ("/" not in node or node in unit.by_asset or node in unit.jobs)

    def card(self, unit: str) -> UnitCard | None:
        """Return the card of a unit, or None."""
        known = self.known.get(unit)
        return known.card if known else None

    def above(self, unit: str) -> tuple[str, ...]:
        """Return a unit and those above it, nearest first."""
        found: dict[str, None] = {}
        at: str | None = unit
        while at and at not in found:
            found[at] = None
            card = self.card(at)
            at = card.parent if card else None
        return tuple(found)

    def kind(self, root: str) -> str:
        """Return the kind of the asset that `unit/asset` or `unit/asset/check` names, empty if not known."""
        unit, _, rest = root.partition("/")
        card = self.card(unit)
        return card.kinds.get(rest.partition("/")[0], "") if card else ""

    def apply(self, wire: UnitWire) -> Applied:
        """Take a new or changed unit in; jobs that are equal to the old ones are left as they were."""
        old = self.known.get(wire.card.id)
        before = old.jobs if old else {}
        jobs = {job.id: job for job in self._unpack.jobs(wire)}
        for check, job in jobs.items():
            if before.get(check) == job:
                jobs[check] = before[check]
        self.known[wire.card.id] = Known(wire.card, wire.digest, jobs, _by_asset(jobs.values()))
        put = tuple(job for check, job in jobs.items() if before.get(check) is not job)
        removed = tuple(check for check in before if check not in jobs)
        addresses = frozenset(job.target.address for job in put)
        return Applied(put, removed, addresses | {before[check].target.address for check in removed})

    def remove(self, unit: str) -> Applied:
        """Forget a unit."""
        old = self.known.pop(unit, None)
        if old is None:
            return Applied()
        return Applied((), tuple(old.jobs), frozenset(job.target.address for job in old.jobs.values()))


def _by_asset(jobs: Iterable[Job]) -> dict[str, tuple[Job, ...]]:
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(f"{job.unit}/{job.asset}", []).append(job)
    return {asset: tuple(several) for asset, several in found.items()}
