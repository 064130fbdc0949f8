"""`muster check --diff` and `muster history`, without a daemon and beside one; the API tells the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import muster
from tests.gates.home import CHECKLIST, INVENTORY
from tests.servers.daemon import running

LISTS = 'checklists = "checklists"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "checklists").mkdir()
    (tmp_path / "checklists" / "hall.yaml").write_text(CHECKLIST, "utf-8")
    return tmp_path


def asked_less(home: Path) -> None:
    """Make the item `fast` minor, and lose the report."""
    path = home / "checklists" / "hall.yaml"
    whole = path.read_text("utf-8")
    start, end = whole.index("  - {id: report"), whole.index("  - {id: answers")
    path.write_text(whole[:start] + whole[end:], "utf-8")


@pytest.mark.timeout(120)
async def test_without_a_daemon(home: Path) -> None:
    (home / "inventory.yaml").write_text(INVENTORY, "utf-8")
    settings = f'[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\n{LISTS}'
    (home / "muster.toml").write_text(settings, "utf-8")
    config = ("-c", str(home / "muster.toml"))
    status, _, err = await muster("check", "hall", "--stored", "--diff", "last", *config)
    assert (status, "no run was kept" in err) == (2, True)
    assert (await muster("check", "hall", *config))[0] == 5
    asked_less(home)
    status, out, _ = await muster("check", "hall", "--stored", "--diff", "last", *config)
    assert status == 5, "as without --diff"
    assert "gone: report: unknown -> -" in out
    assert "muster history hall shows how" in out
    status, out, _ = await muster("check", "hall", "--stored", "--diff", "1", "--format", "json", *config)
    document = json.loads(out)
    assert (status, document["diff"]["counts"]["went"], document["diff"]["previous"]["runs"]) == (5, 1, [1])
    _, out, _ = await muster("history", "hall", "report", *config)
    assert "report: unknown -> -" in out
    assert "items.report: " in out
    _, out, _ = await muster("history", *config)
    assert [line.split()[0] for line in out.splitlines()] == ["3", "2", "1"]
    assert "1 UNKNOWN" in out


async def changes(daemon: Any, least: int) -> list[dict[str, Any]]:
    for _ in range(150):
        found: dict[str, Any] = await daemon.json("/api/v1/history?unit=hall")
        if len(found["changes"]) >= least:
            return list(found["changes"])
        await asyncio.sleep(0.2)
    raise AssertionError(found)


@pytest.mark.timeout(120)
async def test_beside_a_daemon(home: Path) -> None:
    inventory = INVENTORY.replace("every: 60s", "every: 30s, count: 1, interval: 1s")
    async with running(home, inventory, LISTS) as daemon:
        await changes(daemon, 1)
        config = ("-c", str(home / "muster.toml"))
        assert (await muster("check", "hall", *config))[0] == 5
        found = await daemon.json("/api/v1/runs")
        [run] = found["runs"]
        assert (run["id"], run["mode"], run["verdicts"], found["next"]) == (1, "fresh", {"UNKNOWN": 1}, None)
        assert "unauthenticated" in run["actor"]
        before = await changes(daemon, 1)
        (home / "inventory.yaml").write_text(inventory.replace("every: 30s", "every: 31s"), "utf-8")
        after = await changes(daemon, len(before) + 1)
        newest = next(each for each in after if each["unit_changed"])
        assert {"path": "checks.hall/pc1/icmp.every", "before": "30", "after": "31"} in newest["differences"]
        _, out, _ = await muster("history", "hall", "--format", "json", *config)
        assert json.loads(out)["changes"] == await changes(daemon, len(after))
        assert (await daemon.get("/api/v1/history"))[0] == 400
        assert (await daemon.get("/api/v1/history?unit=none"))[0] == 404
