"""Beside a daemon: who mends what goes through its socket, and the API tells it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import muster
from tests.gates.home import CHECKLIST, INVENTORY
from tests.servers.daemon import Daemon, running

SETTINGS = 'checklists = "checklists"\nplan = "plan.yaml"\n'
OFTEN = INVENTORY.replace("every: 60s", "every: 5s, timeout: 2s, count: 1")
HALL = OFTEN.replace("level: hall\n", "level: hall\n    wave: w1\n    go_live: 2035-01-15\n")


async def until(daemon: Daemon, path: str, holds: Any) -> Any:
    """Return an answer of the API once something holds of it, within 40 s."""
    found: Any = None
    for _ in range(200):
        found = await daemon.json(path)
        if holds(found):
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(found)


@pytest.mark.timeout(120)
async def test_beside_a_daemon(tmp_path: Path) -> None:
    (tmp_path / "checklists").mkdir()
    (tmp_path / "checklists" / "hall.yaml").write_text(CHECKLIST, "utf-8")
    config = ("-c", str(tmp_path / "muster.toml"))
    async with running(tmp_path, HALL, SETTINGS) as daemon:
        first = await until(daemon, "/api/v1/plan?under=hall", lambda plan: plan["units"])
        assert first["units"][0]["forecast"]["status"] == "at_risk"
        for item, due in (("drill", "2035-01-03"), ("report", "2035-01-04")):
            words = ("plan", "assign", "hall", item, "--owner", "wang", "--due", due, *config)
            status, out, err = await muster(*words)
            assert (status, out.split()[:1]) == (0, [item]), err
        mended = "wang" in (await muster("plan", "show", "hall", *config))[1]
        assert mended
        plan = await until(
            daemon, "/api/v1/plan?under=hall", lambda plan: plan["counts"]["on_track"] and plan["burndown"]
        )
        assert plan["units"][0]["forecast"]["earliest_ready"] == "2035-01-04"
        assert plan["burndown"][-1]["open"] == 2
        blockers = await daemon.json("/api/v1/blockers?owner=wang")
        assert [each["item"] for each in blockers["causes"]] == ["drill", "report"]
        await moved(daemon, tmp_path, config)


def _dates(found: Any) -> dict[str, str | None]:
    return {each["id"]: each["gates"].get("go-live") for each in found["units"]}


async def moved(daemon: Daemon, home: Path, config: tuple[str, ...]) -> None:
    """A plan that is imported while the daemon runs is taken up: the card has its date."""
    (home / "new.csv").write_text("unit,milestone,due\nhall,go-live,2035-01-08\n", "utf-8")
    status, out, err = await muster("plan", "import", str(home / "new.csv"), *config)
    assert status == 0, err
    assert "hall go-live: due 2035-01-15 -> 2035-01-08 (plan)" in out.splitlines()
    assert "hall hypercare: due 2035-02-12 -> 2035-02-05 (offset)" in out.splitlines()
    units = await until(
        daemon, "/api/v1/units", lambda found: _dates(found) == {"gz": None, "hall": "2035-01-08"}
    )
    assert len(units["units"]) == 2
    plan = await until(
        daemon, "/api/v1/plan", lambda plan: plan["units"][1]["forecast"]["go_live"] == "2035-01-08"
    )
    assert plan["units"][1]["milestones"][4]["source"] == "plan"
    status, _, err = await muster("plan", "import", str(home / "inventory.yaml"), *config)
    assert (status, "save it as .xlsx or .csv" in err) == (2, True)
