"""What is asked of every Show: READY, each fault flagged by its item alone, and documents that say so."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import yaml

from monitor.paths import shipped
from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.verdict import Status, Verdict
from tests.cli.running import muster
from tests.show.fault import Fault, Row, S, said
from tests.show.show import Show
from tests.show.table import beginning

DOCS = Path(__file__).parents[2] / "docs"
WEIGHT = ("category", "severity")


async def complete(starting: AbstractAsyncContextManager[S]) -> AsyncIterator[S]:
    """Give a running Show; where CI lacks one of its peers that is a failure and no skip."""
    try:
        async with starting as running:
            yield running
    except pytest.skip.Exception as lacking:
        if os.environ.get("CI"):
            pytest.fail(f"this needs all of its peers: {lacking}")
        raise


def not_passing(unit: UnitResult) -> dict[Row, ItemResult]:
    """Return all rows that do not pass."""
    return {(item.id, item.asset): item for item in unit.items if item.status is not Status.PASS}


def told(rows: dict[Row, ItemResult]) -> str:
    """Return the rows as a failing test shows them."""
    return "\n".join(f"{row}: {item.status.value} ({item.reason}) {said(item)}" for row, item in rows.items())


async def ready_by_the_command_line(show: Show) -> None:
    """Assert exit status 0, READY, and no secret in the output."""
    status, out, err = await muster("check", "-c", str(show.settings), "--format", "json")
    assert out, err
    [unit] = json.loads(out)["units"]
    unsettled = [row for row in unit["items"] if row["status"] != "pass"]
    assert (status, unit["verdict"], unsettled) == (0, "READY", [])
    assert unit["coverage"] == 1.0
    assert not any(secret in out + err for secret in show.secrets.values())


async def flagged_by_its_item_alone(show: S, fault: Fault[S]) -> None:
    """Assert that a fault changes its row and those behind it, and no others."""
    async with fault.planted(show):
        unit = await show.check()
    rows = not_passing(unit)
    flagged = rows.pop(fault.row, None)
    assert flagged is not None, told(rows)
    assert (flagged.status, flagged.reason) == (fault.status, fault.reason), said(flagged)
    assert fault.says in said(flagged)
    assert flagged.remediation
    assert flagged.remediation_zh
    blocked = {
        row for row, item in rows.items() if item.reason == "blocked" and item.blocked_by == flagged.check
    }
    assert set(rows) == blocked, told(rows)
    assert {asset for _, asset in rows} == fault.behind, told(rows)


async def not_ready_by_the_command_line(show: S, fault: Fault[S], says: str) -> None:
    """Assert exit status 3 while a fault lasts, and READY after it."""
    async with fault.planted(show):
        status, out, _ = await muster("check", "-c", str(show.settings))
    assert status == 3
    assert "NOT_READY" in out
    assert says in out
    unit = await show.check()
    assert (unit.verdict, not_passing(unit)) == (Verdict.READY, {})


def documented(document: str, faults: Sequence[Fault[S]]) -> None:
    """Assert that a document lists these faults and no others."""
    rows = [line for line in document.splitlines() if line.count(" | ") == 3][2:]
    assert len(rows) == len(faults)
    for row, fault in zip(rows, faults, strict=True):
        assert row.startswith(beginning(fault))
        assert fault.says in row


def shown_is_what_runs(document: str, here: Path) -> None:
    """Assert that each example of a document is in a file of the Show."""
    shown = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    files = [path.read_text("utf-8") for path in here.rglob("*.yaml")]
    assert shown
    assert [text for text in shown if not any(text in file for file in files)] == []


def weigh_the_same(ours: Path, *theirs: str, least: int) -> None:
    """Assert that items have the category and severity that they have in the shipped checklists."""
    own = _items(ours)
    common = 0
    for name in theirs:
        shipped_items = _items(shipped("config") / "checklists" / name)
        both = {key for key in own.keys() & shipped_items.keys() if "category" in own[key]}
        both &= {key for key in shipped_items if "category" in shipped_items[key]}
        common += len(both)
        assert [
            key for key in both if [own[key][k] for k in WEIGHT] != [shipped_items[key][k] for k in WEIGHT]
        ] == []
    assert common >= least


def _items(path: Path) -> dict[str, dict[str, str]]:
    return {item["id"]: item for item in yaml.safe_load(path.read_text("utf-8"))["items"]}
