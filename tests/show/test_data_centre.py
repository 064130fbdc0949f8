"""A data centre of real servers is READY; each planted fault is flagged by its item, and by nothing else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import yaml

from monitor.paths import shipped
from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.verdict import Status, Verdict
from tests.cli.running import muster
from tests.servers.accounts import needs_root
from tests.show.data_centre import HERE, DataCentre, data_centre
from tests.show.fault import Row, said
from tests.show.faults import FAULTS, Fault
from tests.show.table import beginning

DOCUMENT = (HERE.parents[1] / "docs" / "data-centre.md").read_text("utf-8")

pytestmark = [needs_root, pytest.mark.alone, pytest.mark.timeout(300)]
one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def centre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DataCentre]:
    try:
        async with data_centre(tmp_path_factory.mktemp("centre")) as running:
            yield running
    except pytest.skip.Exception as lacking:
        if os.environ.get("CI"):
            pytest.fail(f"the data centre needs all of its servers: {lacking}")
        raise


def not_passing(unit: UnitResult) -> dict[Row, ItemResult]:
    return {(item.id, item.asset): item for item in unit.items if item.status is not Status.PASS}


def told(rows: dict[Row, ItemResult]) -> str:
    return "\n".join(f"{row}: {item.status.value} ({item.reason}) {said(item)}" for row, item in rows.items())


@one_loop
async def test_the_centre_is_ready_by_the_command_line(centre: DataCentre) -> None:
    status, out, err = await muster("check", "-c", str(centre.home / "muster.toml"), "--format", "json")
    assert out, err
    [unit] = json.loads(out)["units"]
    unsettled = [row for row in unit["items"] if row["status"] != "pass"]
    assert (status, unit["verdict"], unsettled) == (0, "READY", [])
    assert unit["coverage"] == 1.0
    assert not any(secret in out + err for secret in centre.secrets.values())


@one_loop
@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.name)
async def test_a_fault_is_flagged_by_its_item_and_nothing_else(centre: DataCentre, fault: Fault) -> None:
    async with fault.planted(centre):
        unit = await centre.check()
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


@one_loop
async def test_a_fault_is_3_by_the_command_line_and_undone_all_is_ready(centre: DataCentre) -> None:
    [fault] = [each for each in FAULTS if each.name == "no_consumer"]
    async with fault.planted(centre):
        status, out, _ = await muster("check", "-c", str(centre.home / "muster.toml"))
    assert status == 3
    assert "NOT_READY" in out
    assert "consumers = 0" in out
    unit = await centre.check()
    assert (unit.verdict, not_passing(unit)) == (Verdict.READY, {})


def test_there_are_25_faults_and_more() -> None:
    assert len({each.name for each in FAULTS}) == len(FAULTS) >= 25
    assert len({each.item for each in FAULTS}) >= 25


def test_the_documentation_lists_these_faults_and_no_others() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.count(" | ") == 3][2:]
    assert len(rows) == len(FAULTS)
    for row, fault in zip(rows, FAULTS, strict=True):
        assert row.startswith(beginning(fault))
        assert fault.says in row


def test_what_the_documentation_shows_is_what_runs() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    files = [path.read_text("utf-8") for path in HERE.rglob("*.yaml")]
    assert shown
    assert [text for text in shown if not any(text in file for file in files)] == []


def test_items_of_the_shipped_checklist_weigh_the_same_here() -> None:
    directories = (shipped("config") / "checklists", HERE / "checklists")
    ours, theirs = (
        {item["id"]: item for item in yaml.safe_load((directory / name).read_text("utf-8"))["items"]}
        for directory, name in zip(
            directories[::-1], ("data-centre.yaml", "municipal-data-centre.yaml"), strict=True
        )
    )
    common = {key for key in ours.keys() & theirs.keys() if "category" in ours[key]}
    assert len(common) >= 10
    weight = ("category", "severity")
    assert [key for key in common if [ours[key][k] for k in weight] != [theirs[key][k] for k in weight]] == []
