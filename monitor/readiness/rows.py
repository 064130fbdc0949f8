"""From items to rows: one for each asset that an item selects, and one for whatever nobody asks about.

Besides the checklists' items a unit has rows of its own: `expect.<check>.<metric>` for each condition that
the inventory writes; `answers.<check>` for a check that no item and no condition asks about, since a target
that is down must not go unseen; and `monitored` for an asset that no check measures at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from inventory.models import Asset as AssetSpec
from inventory.models import Unit
from inventory.profiles import Selector
from monitor.job import Job
from monitor.plan import Expectation, Plan
from monitor.readiness.applied import Applied, applies
from monitor.readiness.checklist import CATEGORY_OF, Item
from monitor.readiness.dependencies import Asset
from monitor.readiness.figures import figure

MONITORED = "monitored"


@dataclass(frozen=True, slots=True)
class Row:
    """One item on one asset (or on none), with the check that answers it."""

    item: Item
    asset: AssetSpec | None = None
    job: Job | None = None
    applicable: bool = True
    lacking: str = ""
    """Why there is no check to answer it."""
    expected: str = ""
    """What is expected, for people; empty where that was not written out yet, or is nothing."""


def rows(unit: Unit, applied: Applied, jobs: Mapping[Asset, tuple[Job, ...]], plan: Plan) -> list[Row]:
    """Return all rows of a unit, those of the checklists first."""
    found = [row for item in applied.items for row in of_item(unit, item, jobs)]
    asked = {row.job.id for row in found if row.job and row.applicable}
    for asset in unit.assets:
        found.extend(_own(asset, jobs.get((unit.id, asset.id), ()), plan, asked))
    return found


def of_item(unit: Unit, item: Item, jobs: Mapping[Asset, tuple[Job, ...]]) -> Iterator[Row]:
    """Yield the rows of one item: one for each asset it selects, or one that says that there is none."""
    if item.select is None:
        yield Row(item, applicable=applies(item, unit, None))
        return
    selected = [asset for asset in unit.assets if item.select.matches(asset)]
    for asset in selected:
        yield _row(unit, item, asset, jobs.get((unit.id, asset.id), ()))
    if not selected and not item.optional:
        wanted = _wanted(item.select)
        lacking = f"this unit has no asset with {wanted}"
        yield Row(_to_add(item, wanted), applicable=applies(item, unit, None), lacking=lacking)


def _wanted(select: Selector) -> str:
    """Return such as "kind application, tags login"."""
    keys = (("kind", select.kind), ("role", select.role), ("id", select.id))
    several = [f"{key} {' or '.join(values)}" for key, values in keys if values]
    tags = [f"tag {' and '.join(select.tags)}"] if select.tags else []
    return ", ".join([*several, *tags]) or "any kind"


def _to_add(item: Item, wanted: str) -> Item:
    """Return the item with the remedy that helps where nothing is selected."""
    return replace(
        item,
        remediation=f"Add what is missing to the inventory, or tag what is there: an asset with {wanted}.",
        remediation_zh=f"请在清单文件中补充缺少的资产，或为已有资产加上标签：{wanted}。",
    )


def _row(unit: Unit, item: Item, asset: AssetSpec, jobs: tuple[Job, ...]) -> Row:
    applicable = applies(item, unit, asset)
    if item.awaits:
        return Row(item, asset, None, applicable, f"not measured by this version: {item.awaits}")
    found = _by_name(item, jobs) if item.check else _by_probe(item, jobs)
    if isinstance(found, str):
        return Row(item, asset, None, applicable, found)
    return Row(item, asset, found, applicable)


def _by_name(item: Item, jobs: tuple[Job, ...]) -> Job | str:
    """Return the check that the item names, or why it has none."""
    job = next((job for job in jobs if job.check == item.check), None)
    if job is None:
        return f'this asset has no check "{item.check}"'
    if job.spec.name not in item.probes:
        asked = " or ".join(item.probes)
        return f'check "{job.check}" is made by probe "{job.spec.name}", and the item asks for "{asked}"'
    return job


def _by_probe(item: Item, jobs: tuple[Job, ...]) -> Job | str:
    """Return the check that one of the item's probes makes; of several the one that has the probe's name."""
    made = [job for job in jobs if job.spec.name in item.probes]
    named = [job for job in made if job.check == job.spec.name] or made
    if len(named) == 1:
        return named[0]
    asked = " or ".join(item.probes)
    if not named:
        return f"this asset has no check made by {asked}"
    ids = " and ".join(f'"{job.check}"' for job in named)
    return f"checks {ids} are both made by {asked}: call the one that is meant by its probe's name"


def _own(asset: AssetSpec, jobs: tuple[Job, ...], plan: Plan, asked: AbstractSet[str]) -> Iterator[Row]:
    if not jobs:
        yield Row(_monitored(asset), asset, lacking="no check measures this asset")
        return
    for job in jobs:
        expected = plan.expectations.get(job.id, {})
        for name, expectation in expected.items():
            yield Row(_expected(asset, job, name, expectation), asset, job)
        if job.id not in asked and not expected:
            yield Row(_answers(asset, job), asset, job)


def _called(asset: AssetSpec) -> tuple[str, str]:
    return asset.name or asset.id, asset.name_zh or asset.name or asset.id


def _expected(asset: AssetSpec, job: Job, name: str, expectation: Expectation) -> Item:
    en, zh = _called(asset)
    condition = expectation.condition.text(figure(job.spec.metric(name)))
    return Item(
        f"expect.{job.check}.{name}", CATEGORY_OF[asset.kind], expectation.severity,
        f"{en}: {name} {condition}", f"{zh}：{name} {condition}",
        f'Bring {name} of {en} to "{condition}", or correct what the inventory expects of it.',
        f"请将{zh}的 {name} 调整到“{condition}”，或更正清单文件中的期望值。",
        check=job.check, probes=(job.spec.name,), expect=((name, expectation.condition),),
        max_age=expectation.max_age,
    )  # fmt: skip


def _answers(asset: AssetSpec, job: Job) -> Item:
    en, zh = _called(asset)
    return Item(
        f"answers.{job.check}", CATEGORY_OF[asset.kind], "major",
        f"{en} answers {job.check}", f"{zh} 响应 {job.check} 检查",
        f"Find out why {en} does not serve, starting with the detail of this row.",
        f"请从本行的详情入手，查明{zh}无法提供服务的原因。",
        check=job.check, probes=(job.spec.name,),
    )  # fmt: skip


def _monitored(asset: AssetSpec) -> Item:
    en, zh = _called(asset)
    return Item(
        MONITORED, "operations", "blocker", f"{en} is monitored", f"{zh} 已纳入监控",
        f"Give {en} a check in the inventory, or a profile whose checks select it.",
        f"请在清单文件中为{zh}配置检查，或选用包含该类资产检查的配置模板。",
    )  # fmt: skip
