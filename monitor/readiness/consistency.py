"""What only shows when checklists meet the inventory and the plan: conflicts, and ages that can't be kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from inventory import units
from inventory.models import Inventory
from inventory.problems import Place, Problem
from inventory.source import Locator
from monitor.job import Job
from monitor.plan import Plan
from monitor.readiness.applied import Asked, Conflict
from monitor.readiness.checklist import Checklist, Item
from monitor.readiness.checklists import DAY_S, RAW_DAYS, too_long
from monitor.readiness.dependencies import Asset
from monitor.readiness.rows import Row, rows

MAX_PROBLEMS = 100


def problems(
    inventory: Inventory,
    plan: Plan,
    checklists: Mapping[str, Checklist],
    jobs: Mapping[Asset, tuple[Job, ...]],
    *,
    raw_days: int = RAW_DAYS,
) -> list[Problem]:
    """Return what is wrong, each once.

    The same item in two forms, a max_age below every + timeout, a window past raw retention.
    """
    found: dict[str, Problem] = {}
    locator = Locator()
    _windows(inventory, plan, raw_days, found)
    for gate in sorted({each.gate for each in checklists.values()}):
        asked = Asked(checklists, gate)
        for unit in inventory:
            try:
                several = rows(unit, asked.of(unit), jobs, plan)
            except Conflict as conflict:
                place = inventory.places.get(unit.id, Place(""))
                message, _, hint = str(conflict).partition("; ")
                found.setdefault(hint + message.partition(": ")[2], locator.problem(place, message, hint))
                continue
            for row in several:
                _too_young(row, inventory, locator, found)
            if len(found) >= MAX_PROBLEMS:
                return list(found.values())
    return list(found.values())


def _windows(inventory: Inventory, plan: Plan, raw_days: int, found: dict[str, Problem]) -> None:
    """Look at the conditions that the inventory itself writes."""
    locator = Locator()
    for check, expected in plan.expectations.items():
        for name, expectation in expected.items():
            key = f"{name} {expectation.condition}"
            if expectation.condition.reach > raw_days * DAY_S and key not in found:
                place = inventory.places.get(check.partition("/")[0], Place(""))
                text = f"{check}: {name} {expectation.condition}: {too_long(raw_days)}"
                found[key] = locator.problem(place, text, "shorten it")


def _too_young(row: Row, inventory: Inventory, locator: Locator, found: dict[str, Problem]) -> None:
    item, job = row.item, row.job
    if job is None or item.max_age is None or item.max_age >= job.every + job.timeout:
        return
    key = f"{item.id} {item.sources} {job.every} {job.timeout}"
    if key not in found:
        found[key] = _age_problem(item, item.max_age, job, inventory, locator)


def _age_problem(item: Item, age: float, job: Job, inventory: Inventory, locator: Locator) -> Problem:
    least = units.render(job.every + job.timeout, "s")
    text = (
        f'max_age {units.render(age, "s")} of item "{item.id}" is below every + timeout of {job.id}, {least}'
    )
    hint = f"write at least {least}, or run the check more often"
    if item.where is not None:
        return replace(item.where, message=text, suggestion=hint)
    return locator.problem(inventory.places.get(job.unit, Place("")), text, hint)
