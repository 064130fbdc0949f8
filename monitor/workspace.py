"""All files of an installation, read and checked together, and units judged by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from inventory.models import Inventory
from inventory.problems import ConfigError, Problem
from inventory.profiles import Profile
from monitor import plan as planning
from monitor.capacity import demand
from monitor.capacity import functions as business
from monitor.capacity.cache import FILE, Cache
from monitor.capacity.functions import Functions
from monitor.capacity.requirements import Requirements
from monitor.job import Job, Required
from monitor.place import Place
from monitor.plan import Plan
from monitor.readiness import checklists, consistency, waivers
from monitor.readiness.applied import Asked
from monitor.readiness.calendars import BUILT_IN, Calendar
from monitor.readiness.checklist import Checklist
from monitor.readiness.dependencies import Asset, by_asset
from monitor.readiness.judging import Judge
from monitor.readiness.results import UnitResult
from monitor.readiness.rows import rows
from monitor.readiness.waivers import Waivers
from monitor.store.api import Evidence


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
    digests: dict[tuple[str, str], str] = field(default_factory=dict, repr=False, compare=False)
    """Units' digests by gate and unit, as far as they were needed."""

    def required(self, unit: str) -> Required | None:
        """Return what a unit's functions require of its channels, None where there is nothing to hold to."""
        need = self.requirements.need(unit)
        if need is None or need.impossible:
            return None
        up, down = need.up.required_bps, need.down.required_bps
        return Required(up, down, need.rtt_at(up, down).ms)

    def jobs_by_unit(self) -> Mapping[str, list[Job]]:
        """Return the jobs of each unit that has any, in order."""
        found: dict[str, list[Job]] = {}
        for (unit, _), jobs in self.jobs.items():
            found.setdefault(unit, []).extend(jobs)
        return found

    def judge(self, evidence: Evidence, gate: str, now: float) -> Judge:
        """Return a judge of all units by the evidence at one moment."""
        return Judge(
            self.inventory, self.plan, self.checklists, evidence,
            now=now, gate=gate, waivers=self.waivers, jobs=self.jobs, digests=self.digests,
            requirements=self.requirements,
        )  # fmt: skip

    def results(
        self, units: Iterable[str], evidence: Evidence, gate: str, now: float
    ) -> Iterator[UnitResult]:
        """Yield the result of each unit, those farthest down first."""
        yield from self.judge(evidence, gate, now).units(units)


def open_workspace(place: Place) -> Workspace:
    """Read all files. Raises ConfigError with everything that is wrong in any of them."""
    problems: list[Problem] = []
    found: dict[str, Checklist] = {}
    functions: Functions | None = None
    raw_days = place.settings.retention.raw_days
    calendars: Mapping[str, Calendar] = BUILT_IN
    try:
        calendars = checklists.load_calendars(place.calendar_dirs)
        found = checklists.load(place.checklist_dirs, calendars=calendars, raw_days=raw_days)
    except ConfigError as error:
        problems += error.problems
    try:
        functions = business.load(place.function_paths)
    except ConfigError as error:
        problems += error.problems
    try:
        inventory, profiles, plan = planning.read(place.inventory, place.profile_dirs, calendars=calendars)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    jobs = by_asset(plan.jobs.values())
    problems += demand.problems(inventory, functions) if functions else ()
    problems += consistency.problems(inventory, plan, found, jobs, raw_days=raw_days)
    if problems:
        raise ConfigError(problems)
    known = waivers.load(
        place.waivers, units=inventory.units, checklists=found, rows=_rows(inventory, plan, found, jobs)
    )
    requirements = Requirements(inventory, functions, Cache(place.state_dir / FILE))
    return Workspace(inventory, profiles, plan, found, known, jobs, requirements)


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
