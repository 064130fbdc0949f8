"""Spreadsheets as people make them: what is read, and what is said of each cell that can't be."""

# ruff: noqa: E501, ISC004 - one row, one message a line

from __future__ import annotations

import time
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.importers import delimited, sources, xlsx
from inventory.importers.cells import read as read_cell
from inventory.importers.columns import ASSETS, SHEETS, UNITS
from inventory.importers.table import Table, read
from inventory.models import Contacts, Contracted, Inventory, Location
from inventory.problems import ConfigError

UNITS_CSV = """\
id,name,name_zh,level,parent,lat,lon,go_live,functions,tier1,tags
gz,Guangzhou bureau,广州供电局,municipal,,23.13,113.26,,,it@gz.example; ops@gz.example,
gz-tianhe,Tianhe hall,天河营业厅,hall,gz,,,2027/1/15,"counter-query: 12, pos: 12",,"pilot, 试点"
"""
ASSETS_CSV = """\
unit,id,kind,role,address,down,up,provider,depends_on,ssh.user,ssh.key
gz,core,channel,core,10.1.0.1,,,,,,
gz-tianhe,uplink,channel,primary,10.1.2.1,20 Mbit/s,10 Mbit/s,carrier one,gz/core,,
gz-tianhe,pc1,host,,10.1.2.11,,,,[],ops,secret:hall_ssh
"""
CHECKS_CSV = 'unit,asset,probe,every,parameters\ngz,core,icmp,30 s,"{count: 20}"\n'


def load(tmp_path: Path, **files: str | bytes) -> Inventory:
    paths = []
    for name, content in files.items():
        path = tmp_path / f"{name}.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(path)
    return sources.read(paths).finish()


def complaints(tmp_path: Path, **files: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **files)
    return str(caught.value).splitlines()


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_csv(tmp_path: Path) -> None:
    found = load(tmp_path, units=UNITS_CSV, assets=ASSETS_CSV, checks=CHECKS_CSV)
    gz, tianhe = found.units["gz"], found.units["gz-tianhe"]
    assert (gz.name_zh, gz.level, gz.location) == ("广州供电局", "municipal", Location(lat=23.13, lon=113.26))
    assert gz.contacts == Contacts(tier1=("it@gz.example", "ops@gz.example"))
    assert (tianhe.parent, tianhe.go_live, tianhe.tags) == ("gz", date(2027, 1, 15), ("pilot", "试点"))
    assert {name: use.users for name, use in tianhe.functions.items()} == {"counter-query": 12, "pos": 12}
    uplink, pc = tianhe.assets
    assert uplink.contracted == Contracted(down=20e6, up=10e6, provider="carrier one")
    assert uplink.depends_on == ("gz/core",)
    assert pc.depends_on == ()
    assert pc.ssh == {"user": "ops", "key": "secret:hall_ssh"}
    core = gz.assets[0]
    assert [(spec.probe, spec.every, spec.parameters) for spec in core.checks] == [
        ("icmp", 30, {"count": 20})
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    text = UNITS_CSV.split("functions", maxsplit=1)[0].rstrip(",") + "\ngz,Bureau,,municipal,,23.13,113.26,\n"
    assert load(tmp_path, units=text.replace(",", delimiter)).units["gz"].name == "Bureau"


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", ""), ("utf-8-sig", ""), ("gb18030", "GB18030"), ("utf-16", "UTF-16")],
)
def test_encodings(tmp_path: Path, encoding: str, told: str) -> None:
    path = tmp_path / "单位.csv"
    path.write_bytes(UNITS_CSV.encode(encoding))
    draft = sources.read([path])
    assert draft.notes == ([f"单位.csv: read as {told}"] if told else [])
    assert draft.finish().units["gz"].name_zh == "广州供电局"


def test_chinese_headings(tmp_path: Path) -> None:
    text = "单位编号,名称,层级,上线日期\nhall-1,一号营业厅,hall,2027-01-15\n"
    assert load(tmp_path, units=text.encode("gb18030")).units["hall-1"].name == "一号营业厅"


def test_everything_wrong_is_said_at_once_with_its_cell(tmp_path: Path) -> None:
    units = "id,name,level,parent,go_live,rtt\nGZ,Bureau,municpal,,15.1.2027,60\nhall,Hall,hall,gz,,\nhall,Hall,hall,,,\n"
    assets = (
        "unit,id,kind,address,down,ssh.password,passwort\nhall,a,host,10.1.2,,hunter2,geheim\n"
        "hal,b,host,,,,\nhall,c,channel,,20,,\nhall,c,host,,1 Mbit/s,,\n"
    )
    found = complaints(tmp_path, units=units, assets=assets)
    assert found == [
        'assets.csv:1:7: line 1: a column "passwort": secrets are not imported; '
        'remove it; in ssh.password write "secret:NAME" and store it under that name',
        'assets.csv:2:4: line 2 address: "10.1.2" is no IPv4 address; write four numbers from 0 to 255, '
        "without leading zeros",
        'assets.csv:2:6: line 2 ssh.password: an inline password is refused; write "secret:NAME" and store it '
        "under that name",
        'assets.csv:3:1: line 3 unit: unknown unit "hal"; did you mean "hall"?',
        'assets.csv:4:5: line 4 down: "20" has no unit; write for example "20 Mbit/s", "8 GiB" or "60 s"',
        'assets.csv:5:2: line 5 id: asset "c" is already defined in assets.csv:4; ids are unique within a unit',
        "assets.csv:5:5: line 5 down: only a channel has contracted; leave it out, or write kind: channel",
        'units.csv:2:1: line 2 id: "GZ" is no id; write "gz"',
        'units.csv:2:3: line 2 level: unknown value "municpal"; did you mean "municipal"?',
        'units.csv:2:5: line 2 go_live: "15.1.2027" is no date; write it as 2027-01-15',
        'units.csv:2:6: line 2 rtt: "60" has no unit; write for example "20 Mbit/s", "8 GiB" or "60 s"',
        'units.csv:3:4: line 3 parent: unknown unit "gz"; known are hall',
        'units.csv:4:1: line 4 id: unit "hall" is already in units.csv, row 3; ids are unique',
    ]  # fmt: skip
    assert "hunter2" not in "".join(found)


def test_what_does_not_fit_together_has_its_cell(tmp_path: Path) -> None:
    units = "id,name,level,parent\na,A,hall,b\nb,B,hall,\n"
    assets = "unit,id,kind,depends_on,down\na,x,host,a/y,\na,y,host,x,1 Mbit/s\na,x,host,nowhere,\n"
    assert complaints(tmp_path, units=units, assets=assets) == [
        'assets.csv:2:4: line 2 depends_on: depends on itself: a/x > a/y > a/x; '
        "write depends_on: [] on one of them",
        "assets.csv:3:5: line 3 down: only a channel has contracted; leave it out, or write kind: channel",
        'assets.csv:4:2: line 4 id: asset "x" is already defined in assets.csv:2; ids are unique within a unit',
        'assets.csv:4:4: line 4 depends_on: [0]: unit "a" has no asset "nowhere"; known are x, y',
        'units.csv:2:3: line 2 level: a hall unit can\'t be below "b", which is a hall unit; '
        "the order is province > municipal > county > hall",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,name,level,nam\n", 'units.csv:1:4: line 1: unknown column "nam"; did you mean "name"?'),
        ("id,name\na,A\n", 'units.csv:1:1: line 1 level: there is no column "level"; '
         "write it into the row of headings"),
        ("id,name,level,name\n", 'units.csv:1:4: line 1: a second column "name"; leave one of the two out'),
        ("a,b,c\n1,2,3\n", "units.csv:1:1: the headings are of neither units nor assets nor checks; units have "
         "id, name, level; assets have unit, id, kind; checks have unit, asset"),
        ("id,name,level\na,A,hall,x\n", "units.csv:2:4: line 2: this column has no heading; "
         "write one, or clear the cell"),
        ("id,name,level,functions\na,A,hall,pos\n", 'units.csv:2:4: line 2 functions: "pos" says nothing; '
         "write it as counter-query: 12"),
        ("id,name,level,lat,lon\na,A,hall,north,1\n", "units.csv:2:4: line 2 lat: must be a number; "
         "write digits only, the decimal point as a point"),
        ("id,name,level,lat\na,A,hall,1\n", "units.csv:2:1: line 2 location.lon: a required key is missing"),
        ('id,name,level\na,"A,hall\n', "units.csv:2:1: no CSV: unexpected end of data; put texts that hold the "
         "delimiter or quotes in quotes, and double the quotes in them"),
        (b"id,name,level\na,\x81,hall\n", "units.csv:2:1: byte 0x81 is neither UTF-8 nor GB18030; "
         "save the file as UTF-8"),
        (b"PK\x03\x04\0\0", "units.csv:1:1: a NUL character; this is no CSV file; save as CSV"),
        ("", "import:1:1: no unit was found; give a sheet or a file with units"),
    ],
)  # fmt: skip
def test_complaint(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in complaints(tmp_path, units=text)


def test_a_record_of_several_lines_is_told_by_its_first(tmp_path: Path) -> None:
    text = 'id,name,level\na,"A\nB\nC",hall\nb,B,hal\n'
    assert complaints(tmp_path, units=text) == [
        'units.csv:5:3: line 5 level: unknown value "hal"; did you mean "hall"?'
    ]


def test_a_workbook_as_people_fill_it_in(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "w.xlsx",
        units=[["id", "name", "level", "go_live", "wave", "lat", "lon"],
               [440106, "Hall", "hall", datetime(2027, 1, 15), 3, 23.5, 113], [], [None, "  "]],  # noqa: DTZ001
        assets=[["unit", "id", "kind", "address", "hardware.cpu_cores", "hardware.memory"],
                [440106, "pc", "host", "10.0.0.1", 4.0, "8 GiB"]],
        notes=[["whatever"]],
    )  # fmt: skip
    draft = sources.read([path])
    unit = draft.finish().units["440106"]
    assert (unit.go_live, unit.wave) == (date(2027, 1, 15), "3")
    assert unit.assets[0].hardware == {"cpu_cores": 4, "memory": "8 GiB"}
    assert draft.notes == ['w.xlsx: sheet "notes" is left out: it is none of units, assets, checks, file']
    assert draft.units[0].inner[0].origin.text == "w.xlsx, sheet assets, row 2"


def test_a_block_and_its_keys_go_together_and_rows_stay_apart(tmp_path: Path) -> None:
    assets = "unit,id,kind,ssh,ssh.user\nhall-1,a,host,{port: 2222},ops\nhall-1,b,host,{port: 2222},\n"
    a, b = load(tmp_path, units="id,name,level\nhall-1,Hall,hall\n", assets=assets).units["hall-1"].assets
    assert (a.ssh, b.ssh) == ({"port": 2222, "user": "ops"}, {"port": 2222})


def test_what_the_library_warns_of_is_no_matter(tmp_path: Path) -> None:
    path = workbook(tmp_path / "w.xlsx", units=[["id", "name", "level", "go_live"], ["a", "A", "hall", 1e9]])
    book = openpyxl.load_workbook(path)
    book["units"]["D2"].number_format = "yyyy-mm-dd"
    book.save(path)
    with pytest.raises(
        ConfigError, match=r"w\.xlsx:2:4: units!D2 go_live: the spreadsheet's own error; write the value"
    ):
        sources.read([path]).finish()


def test_a_parameter_that_is_a_key_of_the_check_goes_into_its_column(tmp_path: Path) -> None:
    checks = 'unit,asset,probe,parameters\nhall-1,a,icmp,"{every: 5 s, count: 2}"\n'
    units, assets = "id,name,level\nhall-1,Hall,hall\n", "unit,id,kind\nhall-1,a,host\n"
    assert complaints(tmp_path, units=units, assets=assets, checks=checks) == [
        'checks.csv:2:4: line 2 parameters: "every" is no parameter of a probe; write it into the column "every"'
    ]


def test_a_workbook_with_faults_names_its_cells(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "w.xlsx",
        units=[["id", "name", "level", "go_live"], ["a", "=B1&B2", "hall", 46402],
               ["b", "B", "hall", "=TODAY()"]],
        asets=[["unit"]],
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        sources.read([path]).finish()
    assert str(caught.value).splitlines() == [
        'w.xlsx:1:1: asets: unknown sheet "asets"; did you mean "assets"?',
        "w.xlsx:2:2: units!B2 name: a formula is refused; copy the column and paste it as values",
        "w.xlsx:2:4: units!D2 go_live: must be a date; format the cell as a date, or write it as 2027-01-15",
        "w.xlsx:3:4: units!D3 go_live: a formula is refused; copy the column and paste it as values",
    ]


def test_leading_zeros_that_people_see_are_kept(tmp_path: Path) -> None:
    path = workbook(tmp_path / "w.xlsx", units=[["id", "name", "level", "wave"], ["a", "A", "hall", 7]])
    book = openpyxl.load_workbook(path)
    book["units"]["D2"].number_format = "0000"
    book.save(path)
    assert sources.read([path]).finish().units["a"].wave == "0007"


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 64, b"id,name"]
)
def test_no_workbook(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.xlsx"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="no workbook that can be read"):
        sources.read([path])


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * 200_000)
    monkeypatch.setattr(xlsx, "MAX_UNPACKED", 100_000)
    with pytest.raises(ConfigError, match="unpacks to over 256 MiB"):
        sources.read([path])


def test_old_workbooks_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.xls files are not read; save it as \.xlsx"):
        sources.read([tmp_path / "units.xls"])


@pytest.mark.may_block
def test_ten_thousand_rows_take_less_than_ten_seconds(tmp_path: Path) -> None:
    units: list[list[Any]] = [
        ["id", "name", "name_zh", "level", "go_live", "lat", "lon", "functions", "tier1"]
    ]
    assets: list[list[Any]] = [["unit", "id", "kind", "address", "ssh.user", "ssh.key", "tags", "depends_on"]]
    for index in range(1000):
        units.append(
            [
                f"h-{index}",
                f"Hall {index}",
                "营业厅",
                "hall",
                "2027-01-15",
                23.1,
                113.2,
                "pos: 12",
                "a@b.example",
            ]
        )
        for number in range(10):
            address = f"10.{index // 250}.{index % 250}.{number + 1}"
            assets.append(
                [f"h-{index}", f"pc{number}", "host", address, "ops", "secret:hall", "counter, pc", "[]"]
            )
    path = workbook(tmp_path / "w.xlsx", units=units, assets=assets)
    start = time.process_time()
    assert len(sources.read([path]).finish().units) == 1000
    assert time.process_time() - start < 10


def test_the_template_is_empty_and_explains_every_column(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    xlsx.write(path, {})
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["explanations", *(kind.name for kind in SHEETS)]
    told = {(row[0], row[1]): row for row in book["explanations"].iter_rows(values_only=True)}
    for kind in SHEETS:
        assert [cell.value for cell in book[kind.name][1]] == [column.heading for column in kind.columns]
        for column in kind.columns:
            row = told[f"{kind.name} {kind.zh}", column.heading]
            assert all(row[index] for index in (3, 4, 5, 6)), column
    lists = {str(each.sqref): each.formula1 for each in book["assets"].data_validations.dataValidation}
    assert lists["A2:A20000"] == "units!$A$2:$A$20000"
    assert "peripheral" in str(lists["C2:C20000"])
    with pytest.raises(ConfigError, match="no unit was found"):
        sources.read([path]).finish()


@pytest.mark.parametrize(
    "column", [each for kind in SHEETS for each in kind.columns], ids=lambda each: each.heading
)
def test_every_example_of_the_template_is_read(column: Any) -> None:
    assert read_cell(column, column.example) not in (None, "", [], {})


def test_without_its_library_a_workbook_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(ConfigError, match=r"install muster-monitor\[xlsx\]"):
        sources.read([tmp_path / "w.xlsx"])


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_table_or_a_complaint(data: bytes) -> None:
    try:
        text, _ = delimited.decoded(data, "x.csv")
        read([Table("x.csv", "", delimited._rows(text, "x.csv"), lambda row, _: str(row))]).finish()
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either of the two


CELLS = (
    st.none()
    | st.text(max_size=12)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.datetimes()
    | st.dates()
)


@given(
    st.lists(st.lists(CELLS, min_size=4, max_size=len(UNITS.columns)), min_size=1, max_size=4), st.booleans()
)
@settings(max_examples=200)
def test_any_cells_are_an_inventory_or_a_complaint(rows: list[list[Any]], units: bool) -> None:
    kind = UNITS if units else ASSETS
    headings = [column.heading for column in kind.columns]
    table = Table("x", kind.name, enumerate([headings, *rows], 1), lambda row, column: f"{column}{row}")
    try:
        read([table]).finish()
    except ConfigError as error:
        assert all(each.line >= 1 and each.message for each in error.problems)  # noqa: PT017 - as above
