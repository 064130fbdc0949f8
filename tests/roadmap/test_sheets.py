"""The plan through a workbook and through CSV, both ways; what is wrong in a file, by sheet and cell."""

# ruff: noqa: E501 - a table of messages

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.models import Inventory, Unit
from monitor.roadmap import loading, workbook, writing
from monitor.roadmap.plan import PlanFile, Roadmap
from monitor.roadmap.sheets import SHEETS, Reader, Rows, rows
from tests.roadmap.test_workdays import CHINA

SHIPPED = loading.written(Path(__file__).parents[2] / "config/gates/roll-out.yaml").file
UNITS = (
    Unit(id="gz", name="Bureau", level="municipal", wave="w0", gates={"rehearsal": date(2026, 12, 1)}),
    Unit(id="hall", name="Hall", level="hall", parent="gz", wave="w1", go_live=date(2026, 12, 18)),
    Unit(id="hall2", name="=1+1", level="hall", parent="gz", wave="w1"),
    Unit(id="alone", name="Alone", level="hall"),
)
INVENTORY = Inventory({unit.id: unit for unit in UNITS})
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)
DATES = st.dates(date(2020, 1, 1), date(2040, 1, 1))
GATES = st.dictionaries(st.sampled_from(["survey", "install", "rehearsal", "go-live"]), DATES, max_size=3)
OWNERS = st.dictionaries(st.sampled_from(["survey", "install"]), NAMES, max_size=2)
PLANS = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional={
        "buffer": st.integers(0, 9),
        "waves": st.dictionaries(
            st.sampled_from(["w0", "w1"]),
            st.fixed_dictionaries({}, optional={"owner": NAMES, "gates": GATES, "title": st.fixed_dictionaries({"en": NAMES})}),
        ),
        "units": st.dictionaries(
            st.sampled_from(sorted(INVENTORY.units)),
            st.fixed_dictionaries({}, optional={"owner": NAMES, "gates": GATES, "owners": OWNERS}),
        ),
    },
)  # fmt: skip


def roadmap(own: PlanFile) -> Roadmap:
    return loading.over(SHIPPED, own, {"china": CHINA})


def stands(own: PlanFile) -> Rows:
    return rows(INVENTORY, roadmap(own), INVENTORY.units, {})


def taken(path: Path, own: PlanFile) -> PlanFile:
    """Return the plan after a file was imported; nothing in it may be wrong."""
    reader = Reader(INVENTORY, roadmap(own), own)
    made = reader.read(workbook.tables(path)[0])
    assert [*map(str, reader.problems)] == []
    return PlanFile.model_validate(made)


def same(one: PlanFile, two: PlanFile) -> bool:
    """Tell whether two plans come to the same for every unit, and hold the same of their own."""
    return list(writing.differences(INVENTORY, roadmap(one), roadmap(two))) == [] and _own(one) == _own(two)


def _own(plan: PlanFile) -> Any:
    found = {key: each.model_dump(exclude_defaults=True) for key, each in plan.units.items()}
    waves = {key: each.model_dump(exclude_defaults=True) for key, each in plan.waves.items()}
    return ({k: v for k, v in found.items() if v}, {k: v for k, v in waves.items() if v}, plan.buffer)


@given(written=PLANS)
def test_what_is_exported_and_imported_is_the_same(
    written: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    own, path = PlanFile.model_validate(written), tmp_path_factory.mktemp("plan") / "plan.xlsx"
    workbook.write(path, stands(own))
    assert same(taken(path, own), own)
    text = path.with_suffix(".yaml")
    assert writing.put(text, taken(path, own).model_dump(exclude_defaults=True) | {"version": 1}) == taken(
        path, own
    )


@given(written=PLANS)
def test_csv_holds_the_milestones(written: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    own, path = PlanFile.model_validate(written), tmp_path_factory.mktemp("plan") / "plan.csv"
    workbook.write(path, stands(own))
    assert same(taken(path, own), own)


OWN = PlanFile.model_validate(
    {
        "version": 1,
        "waves": {"w1": {"owner": "zhao", "gates": {"rehearsal": "2026-12-10"}}},
        "units": {"hall": {"gates": {"install": "2026-12-01"}}},
    }
)
Edit = Callable[[Any], None]


def edited(tmp_path: Path, edit: Edit) -> Path:
    """Return the workbook of `OWN`, changed as in a spreadsheet program."""
    path = tmp_path / "plan.xlsx"
    workbook.write(path, stands(OWN))
    book = openpyxl.load_workbook(path)
    edit(book)
    book.save(path)
    return path


def cell(sheet: Any, unit: str, milestone: str, heading: str) -> Any:
    heads = [each.value for each in sheet[1]]
    row = next(row for row in sheet.iter_rows(min_row=2) if (row[0].value, row[3].value) == (unit, milestone))
    return row[heads.index(heading)]


def test_a_changed_date_becomes_the_units_own_and_an_empty_one_goes(tmp_path: Path) -> None:
    def edit(book: Any) -> None:
        cell(book["milestones"], "hall2", "rehearsal", "due").value = date(2026, 12, 14)
        cell(book["milestones"], "hall", "install", "due").value = None
        cell(book["milestones"], "hall", "survey", "owner").value = "陈"

    found = taken(edited(tmp_path, edit), OWN)
    assert found.units["hall2"].gates == {"rehearsal": date(2026, 12, 14)}
    assert found.units["hall"].gates == {}
    assert found.units["hall"].owners == {"survey": "陈"}
    assert found.waves == OWN.waves


def test_a_waves_date_moves_its_units(tmp_path: Path) -> None:
    def edit(book: Any) -> None:
        book["waves"]["E3"].value = "rehearsal: 2026-12-12"
        assert book["waves"]["A3"].value == "w1"

    found = taken(edited(tmp_path, edit), OWN)
    moved = list(writing.differences(INVENTORY, roadmap(OWN), roadmap(found)))
    assert moved == [
        "hall rehearsal: due 2026-12-10 -> 2026-12-12 (wave)",
        "hall2 rehearsal: due 2026-12-10 -> 2026-12-12 (wave)",
    ]


def test_rows_that_are_not_there_stay_as_they_are(tmp_path: Path) -> None:
    def edit(book: Any) -> None:
        book.remove(book["waves"])
        book["milestones"].delete_rows(2, 100)
        book["milestones"].append(["hall", None, None, "go-live", date(2026, 12, 21), None, None, None])

    found = taken(edited(tmp_path, edit), OWN)
    assert found.waves == OWN.waves
    assert found.units["hall"].gates == {"install": date(2026, 12, 1), "go-live": date(2026, 12, 21)}


def test_chinese_headings_and_gb18030(tmp_path: Path) -> None:
    path = tmp_path / "计划.csv"
    path.write_bytes("单位,里程碑,截止日期,责任人\nhall,survey,2026/11/30,李\n".encode("gb18030"))
    found, encoding = workbook.tables(path)
    assert encoding == "GB18030"
    reader = Reader(INVENTORY, roadmap(OWN), OWN)
    made = PlanFile.model_validate(reader.read(found))
    assert made.units["hall"].gates["survey"] == date(2026, 11, 30)


WRONG: Sequence[tuple[str, Edit, str]] = [
    ("unknown unit", lambda book: _set(book, "A2", "hal"), 'milestones!A2 unit: unknown unit "hal"; did you mean "hall"?'),
    ("no unit", lambda book: _set(book, "A2", None), "milestones!A2 unit: of which unit?; write the id of the unit"),
    ("milestone", lambda book: _set(book, "D2", "surve"), 'D2 milestone: unknown milestone "surve"; did you mean "survey"?'),
    ("date", lambda book: _set(book, "E2", "1.12.2026"), 'milestones!E2 due: "1.12.2026" is no date; write it as 2027-01-15'),
    ("formula", lambda book: _set(book, "E2", "=A1"), "E2 due: a formula is refused; copy the column and paste it as values"),
    ("number", lambda book: _set(book, "E2", 17), "milestones!E2 due: must be a date"),
    ("owner", lambda book: _set(book, "F2", "x" * 101), "milestones!F2 owner: over 100 characters; shorten it"),
    ("wave", lambda book: _set(book, "C2", "w9"), 'milestones!C2 wave: gz is of wave "w0"; change that in the inventory'),
    ("twice", lambda book: _set(book, "D3", "survey"), "milestones!D3 milestone: gz survey is given twice; leave one row out"),
    ("heading", lambda book: _set(book, "E1", "dew"), 'milestones!E1: unknown column "dew"; did you mean "due"?'),
    ("no heading", lambda book: _set(book, "D1", None), 'milestones!A1: there is no column "milestone"'),
    ("sheet", lambda book: setattr(book["milestones"], "title", "milestone"), 'unknown sheet "milestone"; did you mean "milestones"?'),
    ("wave's dates", lambda book: _set(book, "E2", "go: 2026-12-01", "waves"), 'waves!E2 dates: unknown milestone "go"'),
]  # fmt: skip


def _set(book: Any, at: str, value: object, sheet: str = "milestones") -> None:
    book[sheet][at].value = value


@pytest.mark.parametrize(("_name", "edit", "text"), WRONG, ids=[each[0] for each in WRONG])
def test_what_is_wrong_is_told_by_sheet_and_cell(tmp_path: Path, _name: str, edit: Edit, text: str) -> None:
    reader = Reader(INVENTORY, roadmap(OWN), OWN)
    reader.read(workbook.tables(edited(tmp_path, edit))[0])
    assert any(text in str(each) for each in reader.problems), [*map(str, reader.problems)]


def test_all_columns_have_an_explanation() -> None:
    assert all(column.help and column.help_zh for kind in SHEETS for column in kind.columns)


def test_a_crash_while_writing_leaves_the_old_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.yaml"
    writing.put(path, {"version": 1, "buffer": 4})
    before = path.read_text("utf-8")

    def fails(_: Path, __: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="gone"):
        writing.put(path, {"version": 1, "buffer": 5})
    assert path.read_text("utf-8") == before
    assert [each.name for each in tmp_path.iterdir()] == ["plan.yaml"]


def test_what_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    plan: Mapping[str, Any] = {"version": 1, "units": {"hall": {"owner": ""}}}
    with pytest.raises(Exception, match="owner"):
        writing.put(tmp_path / "plan.yaml", plan)
    assert list(tmp_path.iterdir()) == []
