"""The small world with releases: nodes of an application that tell what they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from inventory.load import load
from inventory.models import Inventory
from monitor.plan import Plan
from monitor.readiness.checklist import Checklist
from monitor.readiness.dependencies import by_asset
from monitor.readiness.judging import Judge
from monitor.readiness.layered import Layered
from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.waivers import Waivers
from monitor.readiness.waivers import load as load_waivers
from monitor.releases.asked import Releases, checklists
from monitor.releases.comparing import Comparing
from monitor.releases.loading import load as load_releases
from monitor.releases.manifest import Release
from monitor.releases.matrix import Cell, Matrix, assign, compare
from tests.readiness.world import NOW, Registry, World

INVENTORY = """
version: 1
units:
  - id: gz
    name: Guangzhou bureau
    name_zh: 广州供电局
    level: municipal
    release: r3
    timezone: Asia/Shanghai
    assets: []
  - id: hall
    name: Tianhe hall
    name_zh: 天河营业厅
    parent: gz
    level: hall
    profile: hall
    assets:
      - {id: n1, kind: application, address: 10.1.2.1, tags: [billing], depends_on: []}
      - {id: n2, kind: application, address: 10.1.2.2, tags: [billing], depends_on: []}
"""
PROFILE = """
version: 1
id: hall
checks:
  - {id: version, for: {kind: application}, probe: exec, every: 60s, timeout: 10s}
  - {id: http, for: {tags: [web]}, probe: http, every: 60s, timeout: 10s}
"""
COMPONENT = (
    "\n  - {id: billing, title: {en: Billing, zh: 计费}, severity: blocker, check: version, probe: exec,\n"
    "     select: {kind: application, tags: [billing]}, applies_to: {level: hall}, "
)


def release(key: str, day: str, follows: str, body: str) -> str:
    """Return a manifest with one component."""
    before = f"follows: {follows}\n" if follows else ""
    return f"version: 1\nid: {key}\nreleased: {day}\n{before}components:{COMPONENT}{body}}}\n"


SUM = "checksum: {fact: sum, value: %s}"
RELEASES = "---\n".join(
    (
        release("r1", "2026-01-01", "", f'version: "1.0", {SUM % "aa"}'),
        release("r2", "2026-06-01", "r1", f'version: "2.0", {SUM % "bb"}'),
        release("r3", "2026-11-01", "r2", f'version: "2.10", {SUM % "cc"}, parameters: {{charset: UTF8}}'),
        release("r4", "2026-12-01", "r3", f'version: "3.0", {SUM % "dd"}'),
        release("r2-fix", "2026-07-01", "r2", f'version: "2.0.1", {SUM % "ee"}'),
    )
)
RIGHT = {"version": "2.10", "sum": "cc", "charset": "UTF8"}
"""What r3 says."""


@dataclass
class Yard(World):
    """Files, readings, and what comes of them."""

    inventory: str = INVENTORY
    profile: str = PROFILE
    checklist: str = "version: 1\nid: none\napplies_to: {profile: none}\nitems: []\n"
    releases: str = RELEASES
    default: str = ""

    def known(self) -> dict[str, Release]:
        self.write("releases/all.yaml", self.releases)
        return load_releases([self.directory / "releases"], registry=Registry())

    def ok(self, check: str, age: float = 30, /, **values: float | str) -> Self:
        super().ok(check, age, **values)
        return self

    def failed(self, check: str, kind: str = "timeout", age: float = 30) -> Self:
        super().failed(check, kind, age)
        return self

    def runs(self, node: str = "n1", age: float = 30, /, **facts: str) -> Self:
        """Let a node tell what it runs, besides what is right."""
        self.ok(f"{node}/version", age, **{**RIGHT, **facts})
        return self

    def parts(self) -> tuple[Inventory, Releases, Plan]:
        inventory = load(self.write("inventory.yaml", self.inventory))
        return inventory, Releases(self.known(), self.default), self.plan()

    def _made(self, evidence: Layered, now: float) -> tuple[Inventory, Releases, Callable[[str], Judge]]:
        inventory, releases, plan = self.parts()
        lists = {**self.lists(), **checklists(inventory, releases.assigned(inventory))}
        waived = self._waivers(inventory, lists)
        jobs = by_asset(plan.jobs.values())

        def judge(gate: str) -> Judge:
            return Judge(inventory, plan, lists, evidence, now=now, gate=gate, waivers=waived, jobs=jobs)

        return inventory, releases, judge

    def prepare(self, now: float = NOW) -> Callable[[Sequence[str], str | None, float], Matrix]:
        """Return what compares, the files being read already."""
        evidence = Layered(None, self.readings)
        inventory, releases, judge = self._made(evidence, now)

        def compared(units: Sequence[str], wanted: str | None, at: float) -> Matrix:
            comparing = Comparing(inventory, releases, evidence)
            return compare(units, inventory, assign(releases, inventory, wanted), judge, comparing, at)

        return compared

    def _waivers(self, inventory: Inventory, lists: Mapping[str, Checklist]) -> Waivers:
        path = self.write("waivers.yaml", self.waivers) if self.waivers else None
        return load_waivers(path, units=inventory.units, checklists=lists)

    def matrix(self, *units: str, wanted: str | None = None, now: float = NOW) -> Matrix:
        return self.prepare(now)(units or ("hall",), wanted, now)

    def cell(self, asset: str = "n1", *, wanted: str | None = None, now: float = NOW) -> Cell:
        return next(each for each in self.matrix(wanted=wanted, now=now).cells() if each.asset == asset)

    def judged(self, unit: str = "hall", *, now: float = NOW) -> UnitResult:
        """Return the unit as `muster check` judges it."""
        evidence = Layered(None, self.readings)
        inventory, releases, judge = self._made(evidence, now)
        return Comparing(inventory, releases, evidence).explained(judge("go-live").unit(unit))

    def row(self, asset: str = "n1") -> ItemResult:
        return next(
            each for each in self.judged().items if (each.id, each.asset) == ("release.billing", asset)
        )
