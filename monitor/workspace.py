"""All files of an installation, read and checked together, and units judged by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from inventory.models import Inventory
from inventory.problems import ConfigError, Problem
from inventory.profiles import Profile
from monitor import plan as planning
from monitor.calendars.calendar import BUILT_IN, Calendar
from monitor.capacity import demand
from monitor.capacity import functions as business
from monitor.capacity.cache import FILE, Cache
from monitor.capacity.functions import Functions
from monitor.capacity.requirements import Requirements
from monitor.gates.after import signoff
from monitor.gates.standing import Standing
from monitor.job import IMPOSSIBLE, Job, Required
from monitor.place import Place
from monitor.plan import Plan
from monitor.readiness import checklists, consistency, waivers
from monitor.readiness.applied import Asked
from monitor.readiness.checklist import Checklist
from monitor.readiness.dependencies import Asset, by_asset
from monitor.readiness.judging import Judge
from monitor.readiness.remembered import Remembered
from monitor.readiness.results import UnitResult
from monitor.readiness.rows import Row, rows
from monitor.readiness.waivers import Waivers
from monitor.releases import asked as releasing
from monitor.releases import loading
from monitor.releases.asked import Releases
from monitor.releases.comparing import Comparing
from monitor.releases.document import unit_document
from monitor.releases.manifest import Release
from monitor.releases.matrix import line_of
from monitor.releases.pledges import Pledging
from monitor.roadmap import loading as planned
from monitor.roadmap.outlook import Planner
from monitor.roadmap.plan import Roadmap
from monitor.store.api import Evidence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Workspace:
    """What the files say."""

    inventory: Inventory
    profiles: Mapping[str, Profile]
    plan: Plan
    checklists: Mapping[str, Checklist]
    waivers: Waivers
    jobs: Mapping[Asset, tuple[Job, ...]]
    requirements: Requirements
    """What the units' business functions require of their channels."""
    releases: Releases = field(default_factory=Releases)
    """What should run where; what units are asked for its sake is among the checklists."""
    digests: dict[tuple[str, str], str] = field(default_factory=dict, repr=False, compare=False)
    """Units' digests by gate and unit, as far as they were needed."""
    asked: dict[tuple[str, str], tuple[Row, ...]] = field(default_factory=dict, repr=False, compare=False)
    """What units are asked, by gate and unit, as far as it was needed."""
    standing: Standing = field(default_factory=Standing, repr=False, compare=False)
    """What people stated, excepted and signed; filled from the ledger (`monitor.store.ledger.catch_up`)."""
    roadmap: Roadmap = field(default_factory=Roadmap, repr=False, compare=False)
    """Milestones, waves, dates and owners; the inventory has its dates already."""

    def required(self, unit: str) -> Required | None:
        """Return what a unit's functions require of its channels, None where it has no functions."""
        need = self.requirements.need(unit)
        if need is None:
            return None
        if need.impossible:
            return IMPOSSIBLE
        up, down = need.up.required_bps, need.down.required_bps
        return Required(up, down, need.rtt_at(up, down).ms, need.loss_max)

    def jobs_by_unit(self) -> Mapping[str, list[Job]]:
        """Return the jobs of each unit that has any, in order, with what they pledge of its release."""
        found: dict[str, list[Job]] = {}
        pledging = Pledging(self.inventory, self.releases.assigned(self.inventory))
        for (unit, _), jobs in self.jobs.items():
            for job in jobs:
                released = pledging.of(job)
                found.setdefault(unit, []).append(replace(job, released=released) if released else job)
        return found

    def judge(self, evidence: Evidence, gate: str, now: float) -> Judge:
        """Return a judge of all units by the evidence at one moment."""
        waivers = Waivers([*self.waivers.all, *self.standing.waivers()])
        return Judge(
            self.inventory, self.plan, self.checklists, evidence,
            now=now, gate=gate, waivers=waivers, jobs=self.jobs, digests=self.digests, asked=self.asked,
            requirements=self.requirements, standing=self.standing,
        )  # fmt: skip

    def results(
        self, units: Iterable[str], evidence: Evidence, gate: str, now: float
    ) -> Iterator[UnitResult]:
        """Yield the result of each unit, those farthest down first."""
        evidence = Remembered(evidence)
        comparing = Comparing(self.inventory, self.releases, evidence)
        for result in self.judge(evidence, gate, now).units(units):
            found = comparing.explained(result)
            yield replace(found, signoff=signoff(self.standing, gate, found))

    def planner(self, gate: str) -> Planner:
        """Return what tells, of units judged at a gate, what is open, whose it is and when they are ready."""
        return Planner(self.inventory, self.roadmap, self.standing, self.checklists, gate)

    def versions(self, result: UnitResult, evidence: Evidence) -> Mapping[str, Any] | None:
        """Return what a judged unit runs against its release (as `muster.versions/1`), None without one."""
        unit, release = self.inventory.units[result.id], self.releases.of(self.inventory, result.id)
        if release is None:
            return None
        comparing = Comparing(self.inventory, self.releases, evidence)
        return unit_document(line_of(unit, result, release, comparing))


@dataclass(frozen=True, slots=True)
class _Files:
    """What is read beside the inventory; None of what can't be used."""

    calendars: Mapping[str, Calendar]
    checklists: Mapping[str, Checklist]
    functions: Functions | None
    manifests: Mapping[str, Release] | None


def open_workspace(place: Place) -> Workspace:
    """Read all files. Raises ConfigError with everything that is wrong in any of them."""
    problems: list[Problem] = []
    files, raw_days = _read(place, problems), place.settings.retention.raw_days
    try:
        inventory, profiles, plan = planning.read(
            place.inventory, place.profile_dirs, calendars=files.calendars
        )
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    jobs = by_asset(plan.jobs.values())
    releases = Releases(files.manifests or {}, place.settings.daemon.release)
    found = {**files.checklists, **releasing.checklists(inventory, releases.assigned(inventory))}
    problems += demand.problems(inventory, files.functions) if files.functions else ()
    problems += releases.problems(inventory) if files.manifests is not None else ()
    problems += consistency.problems(inventory, plan, found, jobs, raw_days=raw_days)
    roadmap = None
    if files.calendars is not BUILT_IN:
        roadmap = _tried(
            problems, lambda: planned.load(place.milestones, place.plan, files.calendars, inventory)
        )
    if problems or roadmap is None:
        raise ConfigError(problems)
    inventory = replace(inventory, planned=roadmap.dates(inventory))
    known = waivers.load(
        place.waivers, units=inventory.units, checklists=found, rows=_rows(inventory, plan, found, jobs)
    )
    requirements = Requirements(inventory, files.functions, Cache(place.state_dir / FILE))
    return Workspace(inventory, profiles, plan, found, known, jobs, requirements, releases, roadmap=roadmap)


def _read(place: Place, problems: list[Problem]) -> _Files:
    """Read what stands beside the inventory; without calendars what names one would only seem wrong."""
    raw_days = place.settings.retention.raw_days
    calendars = _tried(problems, lambda: checklists.load_calendars(place.calendar_dirs))
    functions = _tried(problems, lambda: business.load(place.function_paths))
    if calendars is None:
        return _Files(BUILT_IN, {}, functions, None)
    asked = _tried(
        problems, lambda: checklists.load(place.checklist_dirs, calendars=calendars, raw_days=raw_days)
    )
    manifests = _tried(
        problems, lambda: loading.load(place.release_dirs, calendars=calendars, raw_days=raw_days)
    )
    return _Files(calendars, asked or {}, functions, manifests)


def _tried(problems: list[Problem], read: Callable[[], T]) -> T | None:
    """Return what is read, or None where it can't be used; what is wrong joins the problems."""
    try:
        return read()
    except ConfigError as error:
        problems += error.problems
        return None


def _rows(
    inventory: Inventory,
    plan: Plan,
    found: Mapping[str, Checklist],
    jobs: Mapping[Asset, tuple[Job, ...]],
) -> waivers.RowsOf:
    """Return what finds the rows that a unit is asked at a gate."""
    asked: dict[str, Asked] = {}

    def rows_of(gate: str, key: str) -> Iterator[waivers.Row]:
        unit = inventory.units[key]
        applied = asked.setdefault(gate, Asked(found, gate)).of(unit)
        for row in rows(unit, applied, jobs, plan):
            yield (row.asset.id if row.asset else None), row.item

    return rows_of
