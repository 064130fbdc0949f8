"""Who is behind whom, and what a dead target means for those behind it: one cause, named once.

A dependency that fails blocks its dependants. Within an asset the reachability check (icmp) comes first:
while a host is dead, its other checks are blocked by it, unless one of them was answered later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from inventory.models import Inventory
from monitor.job import Job
from monitor.store.api import Latest
from probes.api import Outcome, Reading

REACHABILITY = "icmp"
DEAD = frozenset({"unreachable", "timeout"})
SERVES_NOT = DEAD | {"refused", "tls", "protocol", "dns", "auth"}
HOUR_S = 3600.0
TABLE_S: Mapping[str, float] = {"host": HOUR_S, "interface": 26 * HOUR_S}
"""Default ages by kind of asset; channels and services 15 minutes."""
LOADING_S = 26 * HOUR_S
"""Default age of what loads a link, and so runs seldom, and not at all hours."""
Asset = tuple[str, str]


class LatestOf(Protocol):
    """The part of the evidence that is needed here."""

    def latest(self, check: str) -> Latest | None:
        """Return the last attempt and last measurement of a check."""


def default_age(kind: str, job: Job) -> float:
    """Return for how many seconds a reading of a check on such an asset counts where nothing says so."""
    usual = LOADING_S if job.spec.loads_link else TABLE_S.get(kind, 900.0)
    return max(usual, 2 * job.every + job.timeout)


def by_asset(jobs: Iterable[Job]) -> dict[Asset, tuple[Job, ...]]:
    """Return the jobs of each (unit, asset), in order."""
    found: dict[Asset, list[Job]] = {}
    for job in jobs:
        found.setdefault((job.unit, job.asset), []).append(job)
    return {key: tuple(several) for key, several in found.items()}


class Dependencies:
    """What is blocked by what, by the evidence at one moment; remembers what it found out."""

    def __init__(
        self,
        inventory: Inventory,
        jobs: Mapping[Asset, tuple[Job, ...]],
        evidence: LatestOf,
        now: float,
    ) -> None:
        self._inventory, self._jobs, self._evidence, self._now = inventory, jobs, evidence, now
        self._failing: dict[Asset, str | None] = {}
        self._dead: dict[Asset, str | None] = {}
        self._roots: dict[Asset, str | None] = {}

    def blocked(self, job: Job) -> str | None:
        """Return the check that is the cause why `job` can't be judged, None where there is none."""
        asset = (job.unit, job.asset)
        if root := self.root(asset):
            return root
        dead = self.dead(asset)
        return dead if dead != job.id else None

    def root(self, asset: Asset) -> str | None:
        """Return the failing check farthest up that cuts this asset off, None where nothing does."""
        if asset not in self._roots:
            self._roots[asset] = None  # a ring ends here
            self._roots[asset] = self._cut_off(asset)
        return self._roots[asset]

    def _cut_off(self, asset: Asset) -> str | None:
        unit, key = asset
        own = self._inventory.units[unit].asset(key)
        needed = self._inventory.depends_on(unit, key)
        causes = [self.root(each) or self.failing(each) for each in needed if each != asset]
        found = [cause for cause in causes if cause]
        if own is None or not found:
            return None
        all_needed = own.depends_on is not None
        return found[0] if all_needed or len(found) == len(causes) else None

    def failing(self, asset: Asset) -> str | None:
        """Return the check by which an asset does not serve: it is dead, or all that was measured fails."""
        if asset not in self._failing:
            self._failing[asset] = self.dead(asset) or self._all_fail(asset)
        return self._failing[asset]

    def _all_fail(self, asset: Asset) -> str | None:
        measured = self._measured(asset)
        failed = [job.id for job, reading in measured if _failed(reading, SERVES_NOT)]
        return failed[0] if failed and len(failed) == len(measured) else None

    def dead(self, asset: Asset) -> str | None:
        """Return the check that shows that nothing at the asset's address answers."""
        if asset not in self._dead:
            self._dead[asset] = self._silent(self._measured(asset))
        return self._dead[asset]

    def _silent(self, measured: list[tuple[Job, Reading]]) -> str | None:
        first = [(job, reading) for job, reading in measured if job.spec.name == REACHABILITY]
        kinds = DEAD if first else {"unreachable"}
        answered = max((r.at for _, r in measured if not _failed(r, DEAD)), default=float("-inf"))
        for job, reading in first or measured:
            if _failed(reading, kinds) and reading.at >= answered:
                return job.id
        return None

    def _measured(self, asset: Asset) -> list[tuple[Job, Reading]]:
        """Return the asset's checks with their last measurements, those that have expired left out."""
        found = []
        for job in self._jobs.get(asset, ()):
            latest = self._evidence.latest(job.id)
            reading = latest.measurement if latest else None
            if reading and self._now < reading.at + default_age(self._kind(asset), job):
                found.append((job, reading))
        return found

    def _kind(self, asset: Asset) -> str:
        own = self._inventory.units[asset[0]].asset(asset[1])
        return own.kind if own else ""


def _failed(reading: Reading, kinds: Iterable[str]) -> bool:
    return reading.outcome is Outcome.FAILED and reading.kind in kinds


def probe_order(inventory: Inventory, jobs: Iterable[Job]) -> tuple[tuple[Job, ...], ...]:
    """Return the jobs in stages: what others depend on first, and each asset's reachability before the rest.

    After each stage `Dependencies.blocked` tells which jobs of the later stages need not be run.
    """
    depths: dict[Asset, int] = {}
    stages: dict[int, list[Job]] = {}
    for job in jobs:
        depth = _depth(inventory, (job.unit, job.asset), depths)
        stages.setdefault(2 * depth + (job.spec.name != REACHABILITY), []).append(job)
    return tuple(tuple(stages[key]) for key in sorted(stages))


def _depth(inventory: Inventory, asset: Asset, known: dict[Asset, int]) -> int:
    if asset not in known:
        known[asset] = 0  # a ring ends here
        above = [_depth(inventory, each, known) for each in inventory.depends_on(*asset)]
        known[asset] = 1 + max(above) if above else 0
    return known[asset]


def with_dependencies(
    inventory: Inventory, jobs: Mapping[Asset, tuple[Job, ...]], units: Iterable[str]
) -> tuple[Job, ...]:
    """Return all jobs of some units, and the reachability checks of what they depend on in other units."""
    wanted = set(units)
    chosen = [job for asset, several in jobs.items() if asset[0] in wanted for job in several]
    waiting = [asset for asset in jobs if asset[0] in wanted]
    seen = set(waiting)
    while waiting:
        for above in inventory.depends_on(*waiting.pop()):
            if above not in seen:
                seen.add(above)
                waiting.append(above)
                own = jobs.get(above, ())
                first = [job for job in own if job.spec.name == REACHABILITY]
                chosen.extend(first or own)
    return tuple(chosen)
