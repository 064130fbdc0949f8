"""One run with every status in it, and texts from targets that try to break out."""
# ruff: noqa: E501 - YAML reads better unbroken

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.readiness.results import Run
from tests.readiness.world import CHECKLIST, INVENTORY, NOW, World
from tests.reports.town import Town, build

EVIL = "]]>\x00\x1b[31m<script>alert(1)</script>&[bold]\u202e\ud800"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def run(world: World) -> Run:
    world.inventory = INVENTORY + (
        "      - {id: tv, kind: peripheral, address: 10.1.2.50, name: '[red]TV', checks: [{probe: tcp}]}\n"
        "      - {id: db, kind: database, address: 10.1.2.60, name_zh: 数据库, checks: [{probe: tcp}]}\n"
    )
    world.checklist = CHECKLIST + (
        "  - {id: drill, category: operations, severity: minor, title: {en: Drill, zh: 演练}, attest: {role: operator},\n"
        "     remediation: {en: Hold the drill, zh: 举行演练}}\n"
        "  - {id: kiosk, category: peripheral, title: {en: Kiosk, zh: 自助终端}, select: {kind: host}, check: http,\n"
        "     expect: {status: 200}, applies_when: {asset.tags: kiosk}}\n"
    )
    world.waivers = """
    version: 1
    waivers:
      - {id: w, unit: hall, asset: tv, item: answers.tcp, reason: r, risk: r, compensating_action: c, requested_by: ann,
         approved_by: bob, effective_at: 2026-11-01T00:00:00+08:00, expires_at: 2026-12-20T18:00:00+08:00}
    """
    world.good().ok("uplink/icmp", 5, rtt_ms=81.2, loss_pct=0).failed("tv/tcp", "refused", 5)
    world.readings[-1].detail = EVIL
    world.failed("pc1/icmp", "timeout", 4)
    return Run("go-live", "stored", NOW - 1, NOW, [world.judge(), world.judge("gz")])


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Return a bureau with ten halls after a week; tests only read it."""
    return build(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="session")
def report(town: Town) -> dict[str, Any]:
    return town.report()
