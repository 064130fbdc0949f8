"""The documentation's examples are loaded, its tables are complete, and the schemas are current."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
import yaml

from monitor.paths import shipped
from monitor.readiness import checklists, schema
from monitor.readiness.checklist import Checklist, ItemFile
from monitor.readiness.conditions import Truth
from monitor.readiness.expectation import ExpectationError, parse
from monitor.readiness.verdict import Status, Verdict
from monitor.readiness.waivers import load as load_waivers
from probes.api import FactDef, MetricDef

ROOT = Path(__file__).parents[2]
READINESS = (ROOT / "docs" / "readiness.md").read_text("utf-8")
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


def test_the_whole_list_agrees_with_what_is_shipped() -> None:
    """Each of the 66 is there once, and what is shipped has the severity of the list."""
    lists = checklists.load(
        [CONFIG / "checklists"], calendars=checklists.load_calendars([CONFIG / "calendars"])
    )
    shipped_items = [lists[key].items for key in ("service-hall", "municipal-data-centre")]
    rows = [[cell.strip() for cell in cells] for cells in _table("| no. | H | D |")]
    assert [int(cells[1]) for cells in rows] == list(range(1, 67))
    for _, number, *marks, _, where, _ in rows:
        named = re.findall("`([a-z]+[.][a-z-]+)`", where)
        assert named or where.strip().startswith(("not yet", "by the release manifest")), number
        for key in named:
            signs = [_sign(each[key].severity) if key in each else "" for each in shipped_items]
            assert signs == marks, (number, key)


def test_what_must_hold_is_never_optional_but_where_halls_need_not_have_it() -> None:
    lists = checklists.load(
        [CONFIG / "checklists"], calendars=checklists.load_calendars([CONFIG / "calendars"])
    )
    optional = {
        key: {item.id for item in lists[key].items.values() if item.optional}
        for key in ("service-hall", "municipal-data-centre")
    }
    beside = {"network.route", "network.transfer"}  # information, and a cross-check of network.rate
    mails = {"operations.mail-arrives"}  # else attested: operations.test-mail
    assert optional["municipal-data-centre"] == beside | mails
    assert optional["service-hall"] == beside | mails | {
        "peripheral.kiosk", "peripheral.serial-device", "interface.contract",
        "hardware.host-answers", "hardware.storage", "hardware.disks-writable", "hardware.cpu",
        "hardware.as-declared", "system.os-allowed", "system.clock", "system.patched", "security.open-ports",
    }  # fmt: skip


def _table(head: str = "| item | H | D |") -> list[list[str]]:
    lines = TEXT[TEXT.index(head) :].splitlines()[2:]
    return [line.split("|") for line in itertools.takewhile(lambda line: line.startswith("|"), lines)]


def _sign(severity: str) -> str:
    return "!" if severity == "blocker" else "x"


KINDS = (
    MetricDef("rtt_ms", "ms"), MetricDef("memory_bytes", "bytes"), FactDef("banner"),
    FactDef("release", "version"), FactDef("until", "datetime"),
)  # fmt: skip


def conditions() -> list[str]:
    text = READINESS[READINESS.index("## Conditions") : READINESS.index("### Statistics")]
    cells = [line.split(" | ")[0] for line in text.splitlines()[4:] if line.startswith("|")]
    return [each for cell in cells for each in re.findall("`([^`]+)`", cell)]


@pytest.mark.parametrize("written", conditions())
def test_every_condition_of_the_documentation_is_one(written: str) -> None:
    raw = yaml.safe_load(written.replace("[...]", '["<= 40", "> 2"]').replace("...", '"<= 40"'))
    parsed = [_parsed(raw, kind) for kind in KINDS]
    assert any(parsed), written


def _parsed(raw: object, kind: MetricDef | FactDef) -> bool:
    try:
        calendars = checklists.load_calendars([CONFIG / "calendars"])
        return str(parse(raw, metric=kind, calendars=calendars)) != ""
    except ExpectationError:
        return False


EXAMPLES: list[tuple[object, MetricDef | FactDef, float | str | None, Truth]] = [
    ("< 1 s", KINDS[0], 999.0, Truth.PASS),
    (">= 8 GiB", KINDS[1], 8 * 2.0**30, Truth.PASS),
    ("between 18 and 27", KINDS[0], 27.0, Truth.PASS),
    ("UTF8", KINDS[2], "UTF8MB4", Truth.FAIL),
    ("/^8\\./", KINDS[2], "8.0.36", Truth.PASS),
    (">= 15.3", KINDS[3], "15.10", Truth.PASS),
    (">= 15", KINDS[3], "15rc1", Truth.FAIL),
    (">= 15.3", KINDS[3], "none of ours", Truth.UNKNOWN),
    (">= 2027-01-31", KINDS[4], "2027-02-01", Truth.PASS),
    ({"not": "<= 40"}, KINDS[0], None, Truth.UNKNOWN),
    ("<= requirement", KINDS[0], 1.0, Truth.UNKNOWN),
]


@pytest.mark.parametrize(("raw", "kind", "value", "truth"), EXAMPLES, ids=str)
def test_conditions_hold_as_the_documentation_says(
    raw: object, kind: MetricDef | FactDef, value: float | str | None, truth: Truth
) -> None:
    assert parse(raw, metric=kind).judge(value) is truth


def test_every_verdict_and_status_is_explained() -> None:
    for word in (*Verdict, *Status):
        assert word.value in READINESS
