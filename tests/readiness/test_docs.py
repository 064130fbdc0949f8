"""The documentation's examples are loaded, its tables are complete, and the schemas are current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.paths import shipped
from monitor.readiness import checklists, schema
from monitor.readiness.checklist import Checklist, ItemFile
from monitor.readiness.verdict import Status, Verdict
from monitor.readiness.waivers import load as load_waivers

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "checklist.md").read_text("utf-8")
CHECKLIST, CALENDAR, WAIVERS = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CONFIG = shipped("config")


def load(directory: Path) -> dict[str, Checklist]:
    (directory / "calendars").mkdir()
    (directory / "calendars" / "own.yaml").write_text(CALENDAR, "utf-8")
    (directory / "checklists").mkdir()
    (directory / "checklists" / "own.yaml").write_text(CHECKLIST, "utf-8")
    calendars = checklists.load_calendars([CONFIG / "calendars", directory / "calendars"])
    return checklists.load([CONFIG / "checklists", directory / "checklists"], calendars=calendars)


def test_the_examples_load(tmp_path: Path) -> None:
    lists = load(tmp_path)
    assert lists["county-hall"].items["network.jitter"].severity == "blocker"
    assert lists["county-hall"].max_waivers == 2
    (tmp_path / "waivers.yaml").write_text(WAIVERS, "utf-8")
    found = load_waivers(tmp_path / "waivers.yaml", units={"gz-tianhe": 1}, checklists=lists)
    assert [each.id for each in found.all] == ["w-17"]


@pytest.mark.parametrize("name", sorted(schema.MODELS))
def test_schema_is_current(name: str) -> None:
    text = (ROOT / "docs" / "schema" / name).read_text("utf-8")
    assert text == schema.render(schema.MODELS[name]), "run: python -m monitor.readiness.schema"


def test_every_key_of_an_item_is_documented() -> None:
    table = TEXT[TEXT.index("| key of an item") : TEXT.index("**An overlay may tighten**")]
    for key in ItemFile.model_fields:
        assert f"`{key}`" in table, key


def test_every_shipped_item_is_listed_with_its_severity() -> None:
    lists = checklists.load(
        [CONFIG / "checklists"], calendars=checklists.load_calendars([CONFIG / "calendars"])
    )
    rows = {cells[1].strip(" `"): [cell.strip() for cell in cells[2:4]] for cells in _table()}
    hall, centre = lists["service-hall"].items, lists["municipal-data-centre"].items
    assert set(rows) == set(hall) | set(centre)
    for key, marks in rows.items():
        signs = [_sign(each[key].severity) if key in each else "" for each in (hall, centre)]
        assert marks == signs, key


def _table() -> list[list[str]]:
    lines = TEXT[TEXT.index("| item | H | D |") :].splitlines()[2:]
    return [line.split("|") for line in lines if line.startswith("|")]


def _sign(severity: str) -> str:
    return "!" if severity == "blocker" else "x"


def test_every_verdict_and_status_is_explained() -> None:
    text = (ROOT / "docs" / "readiness.md").read_text("utf-8")
    for word in (*Verdict, *Status):
        assert word.value in text
