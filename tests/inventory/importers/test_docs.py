"""The examples of docs/import.md, run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inventory.load import load
from monitor.cli.main import app
from monitor.discover.evidence import PORTS
from monitor.discover.ranges import MOST, UNASKED

DOC = (Path(__file__).parents[3] / "docs" / "import.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
COMMANDS = [line[2:].split() for kind, _, text in BLOCKS if kind == "console" for line in text.splitlines()]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _, name, text in BLOCKS:
        if name:
            Path(name).write_text(text, "utf-8")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_command(command: list[str]) -> None:
    done = CliRunner().invoke(app, command[1:])
    assert done.exit_code == 0, done.output
    target = command[command.index("-o") + 1] if "-o" in command else ""
    if target:
        assert load(Path(target)).units
        assert "not-this-one" not in Path(target).read_text("utf-8")


def test_the_inventory_shown_is_what_comes_out() -> None:
    command = next(each for each in COMMANDS if "units.csv" in each)
    assert CliRunner().invoke(app, command[1:]).exit_code == 0
    shown = next(text for kind, _, text in BLOCKS if kind == "yaml")
    assert Path("inventory.yaml").read_text("utf-8") == shown


def test_options_and_limits_are_those_of_the_command() -> None:
    help_ = CliRunner().invoke(app, ["inventory", "discover", "--help"], env={"COLUMNS": "300"}).stdout
    for option in re.findall(r"^\| `(?:-i`, `)?(--[a-z]+)`", DOC, re.MULTILINE):
        assert option in help_, option
    assert f"{len(PORTS)} usual ones" in DOC
    assert f"over {UNASKED:,} addresses" in DOC
    assert f"over {MOST:,} are never" in DOC
