"""Everything people write about readiness, read together and checked against the inventory and the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inventory import units
from inventory.models import Inventory
from inventory.problems import ConfigError, Place, Problem
from inventory.source import Locator
from monitor.job import Job
from monitor.plan import Plan
from monitor.readiness import checklists, waivers
from monitor.readiness.applied import Asked, Conflict
from monitor.readiness.checklist import Checklist, Item
from monitor.readiness.checklists import Registry
from monitor.readiness.dependencies import Asset, by_asset
from monitor.readiness.rows import rows
from monitor.readiness.waivers import Waivers
from probes import registry as built_in


@dataclass(frozen=True, slots=True)
class Files:
    """Checklists and waivers, and the plan's jobs by asset."""

    checklists: Mapping[str, Checklist]
    waivers: Waivers
    jobs: Mapping[Asset, tuple[Job, ...]]

    @property
    def gates(self) -> tuple[str, ...]:
        """All gates that a checklist is for, sorted."""
        return tuple(sorted({each.gate for each in self.checklists.values()}))


def load(
    inventory: Inventory,
    plan: Plan,
    *,
    checklist_dirs: Sequence[Path],
    calendar_dirs: Sequence[Path] = (),
    waiver_file: Path | None = None,
    registry: Registry = built_in,
) -> Files:
    """Return what people have written about readiness. Raises ConfigError with everything that is wrong."""
    calendars = checklists.load_calendars(calendar_dirs)
    found = checklists.load(checklist_dirs, calendars=calendars, registry=registry)
    exceptions = waivers.load(waiver_file, units=inventory.units, checklists=found)
    jobs = by_asset(plan.jobs.values())
    problems = list(_problems(inventory, plan, found, jobs))
    if problems:
        raise ConfigError(problems)
    return Files(found, exceptions, jobs)


def _problems(
    inventory: Inventory,
    plan: Plan,
    found: Mapping[str, Checklist],
    jobs: Mapping[Asset, tuple[Job, ...]],
) -> Iterator[Problem]:
    locator = Locator()
    seen: set[tuple[str, tuple[str, ...], float, float]] = set()
    for gate in sorted({each.gate for each in found.values()}):
        asked = Asked(found, gate)
        for unit in inventory:
            try:
                several = rows(unit, asked.of(unit), jobs, plan)
            except Conflict as conflict:
                place = inventory.places.get(unit.id, Place(""))
                yield locator.problem(place, *str(conflict).split("; ", 1))
                continue
            for row in several:
                if row.job is None or row.item.max_age is None:
                    continue
                key = (row.item.id, row.item.sources, row.job.every, row.job.timeout)
                if key not in seen and row.item.max_age < row.job.every + row.job.timeout:
                    yield _too_young(row.item, row.job, inventory, locator)
                seen.add(key)


def _too_young(item: Item, job: Job, inventory: Inventory, locator: Locator) -> Problem:
    least = job.every + job.timeout
    text = (
        f'max_age {units.render(item.max_age or 0, "s")} of item "{item.id}" is below every + timeout '
        f"of check {job.id}, {units.render(least, 's')}"
    )
    hint = f"write at least {units.render(least, 's')}, or run the check more often"
    if item.where is not None:
        return replace(item.where, message=text, suggestion=hint)
    return locator.problem(inventory.places.get(job.unit, Place("")), text, hint)
