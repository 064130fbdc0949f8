"""`muster inventory import`, as operators run it."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from inventory.load import load
from inventory.problems import ConfigError
from monitor.cli.main import app

UNITS = "id,name,level\ngz,Bureau,municipal\nhall-1,Hall one,hall\n"
ASSETS = "unit,id,kind,address\nhall-1,uplink,channel,10.1.2.1\n"
HOSTS = (
    "[gz_hall]\npc[01:02]\n[gz_hall:vars]\n"
    "ansible_user=ops\nansible_password=hunter2\n[web]\npc01\nelsewhere\n"
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("units.csv").write_text(UNITS)
    Path("assets.csv").write_text(ASSETS)
    Path("hosts.ini").write_text(HOSTS)


def muster(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["inventory", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_what_it_prints_is_an_inventory_that_says_where_it_came_from(tmp_path: Path) -> None:
    done = muster("import", "units.csv", "assets.csv", "-o", "inventory.yaml")
    assert done.exit_code == 0, done.output
    text = Path("inventory.yaml").read_text("utf-8")
    assert "# units.csv, row 3\n  - id: hall-1" in text
    assert "# assets.csv, row 2\n      - {id: uplink, kind: channel, address: 10.1.2.1}" in text
    assert load(Path("inventory.yaml")).units["hall-1"].assets[0].address == "10.1.2.1"
    assert "inventory.yaml: 2 units, 1 assets; review it" in done.stderr
    assert muster("validate", "-i", "inventory.yaml").exit_code == 0


def test_without_a_file_it_goes_to_standard_output(tmp_path: Path) -> None:
    done = muster("import", "units.csv")
    assert done.exit_code == 0
    Path("out.yaml").write_text(done.stdout, "utf-8")
    assert set(load(Path("out.yaml")).units) == {"gz", "hall-1"}


def test_nothing_is_overwritten_without_force() -> None:
    Path("inventory.yaml").write_text("mine")
    done = muster("import", "units.csv", "-o", "inventory.yaml")
    assert (done.exit_code, Path("inventory.yaml").read_text()) == (2, "mine")
    assert "inventory.yaml is there already" in done.stderr
    assert muster("import", "units.csv", "-o", "inventory.yaml", "--force").exit_code == 0
    assert Path("inventory.yaml").read_text() != "mine"


def test_a_fault_writes_nothing_and_ends_with_2() -> None:
    Path("units.csv").write_text(UNITS.replace("hall\n", "hal\n"))
    with pytest.raises(ConfigError, match=r'units\.csv:3:3: line 3 level: unknown value "hal"'):
        muster("import", "units.csv", "-o", "inventory.yaml")
    assert not Path("inventory.yaml").exists()


def test_the_encoding_is_told() -> None:
    Path("units.csv").write_bytes("id,name,level\na,营业厅,hall\n".encode("gb18030"))
    done = muster("import", "units.csv")
    assert "note: units.csv: read as GB18030" in done.stderr
    assert "营业厅" in done.stdout


def test_the_template_can_hold_an_inventory_and_comes_back() -> None:
    muster("import", "units.csv", "assets.csv", "-o", "inventory.yaml")
    assert muster("import", "--template", "units.xlsx", "-i", "inventory.yaml").exit_code == 0
    assert muster("import", "--template", "units.xlsx").exit_code == 2
    assert muster("import", "units.xlsx", "-o", "again.yaml").exit_code == 0
    assert load(Path("again.yaml")) == load(Path("inventory.yaml"))
    assert muster("import", "--template", "empty.xlsx").exit_code == 0
    assert openpyxl.load_workbook("empty.xlsx")["units"].max_row == 1


def test_ansible() -> None:
    done = muster("import", "hosts.ini", "--map", "gz_hall=hall-1", "--level", "county")
    assert done.exit_code == 0, done.output
    Path("out.yaml").write_text(done.stdout, "utf-8")
    unit = load(Path("out.yaml")).units["hall-1"]
    assert (unit.level, [asset.id for asset in unit.assets]) == ("county", ["pc01", "pc02"])
    assert "note: 1 hosts are in no group that is mapped, and left out: elsewhere" in done.stderr
    assert "hunter2" not in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "import what?"),
        (("units.csv", "--level", "village"), "--level village is not known"),
        (("units.csv", "--map", "web"), "--map web maps nothing"),
        (("units.csv", "--map", "web=a", "--map", "web=b"), "--map web is given twice"),
        (("units.csv", "-o", "nowhere/x.yaml"), "there is no directory nowhere"),
        (("--template", "t.csv"), "--template t.csv is no workbook"),
        (("units.csv", "--template", "t.xlsx"), "--template writes a file and reads none"),
    ],
)
def test_usage(arguments: tuple[str, ...], said: str) -> None:
    done = muster("import", *arguments)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
