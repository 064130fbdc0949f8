"""`muster inventory`, as operators run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli import common
from monitor.cli.main import app

INVENTORY = """\
version: 1
units:
  - id: gz
    name: Guangzhou bureau
    name_zh: 广州供电局
    level: municipal
    go_live: 2027-01-15
    assets:
      - {id: core, kind: channel, role: core, address: 10.1.0.1, checks: [{id: line, every: 30s}]}
      - id: pc
        kind: host
        name_zh: 柜台一
        address: 10.1.0.2
        checks: [{probe: http, token: "secret:t", expect: {status: 200}}]
      - {id: bare, kind: host, address: 10.1.0.3}
    profile: own
"""
PROFILE = """\
version: 1
id: own
checks: [{id: line, probe: icmp, for: {kind: channel}, count: 7}]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(common.out, "_width", 400)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "own.yaml").write_text(PROFILE)
    (tmp_path / "i.yaml").write_text(INVENTORY, encoding="utf-8")
    return tmp_path


def muster(place: Path, *arguments: str) -> Result:
    options = ["-i", str(place / "i.yaml")] if arguments[0] in ("validate", "show") else []
    profiles = ["--profiles", str(place / "profiles")]
    return CliRunner().invoke(app, ["inventory", *arguments, *options, *profiles])


def test_validate(place: Path) -> None:
    done = muster(place, "validate")
    assert done.exit_code == 0
    assert re.search(
        r"i\.yaml: valid \(1 units, 3 assets, 2 checks; \d+ profiles, \d+ checklists\)", done.stdout
    )
    assert 'warning: no secret "t": the checks that need it can\'t measure' in done.stderr
    assert "warning: gz/bare: no check measures it, so its unit can't be READY" in done.stderr


def test_validate_says_everything(place: Path) -> None:
    (place / "i.yaml").write_text(
        INVENTORY.replace("go_live", "golive").replace("kind: host\n", "kind: hst\n")
    )
    done = muster(place, "validate")
    assert done.exit_code == 2 or done.exception is not None
    text = str(done.exception) if done.exception else done.stderr
    assert 'units[0].golive: unknown key; did you mean "go_live"?' in text


def test_show(place: Path) -> None:
    done = muster(place, "show", "gz")
    assert done.exit_code == 0
    assert "gz Guangzhou bureau · 广州供电局" in done.stdout
    rows = [re.sub(r"\s*[│┃]\s*", "|", line).strip("|") for line in done.stdout.splitlines()]
    where = f"{place}"
    assert f"|every|30 s|the unit itself, {where}/i.yaml:9" in [
        row if row[0] == "|" else f"|{row}" for row in rows if row
    ]
    assert any(row.endswith(f"count|7|profile own, {where}/profiles/own.yaml:3") for row in rows)
    assert any("timeout" in row and row.endswith("the probe's default") for row in rows)
    assert any(row.startswith("expect.status|200|the unit itself") for row in rows)
    assert "bare (host) 10.1.0.3: no check measures it" in done.stdout
    items = [row.split("|") for row in rows]
    assert ["expect.http.status", "pc", "blocker", "status == 200", "the inventory"] in items
    assert any(row[1:3] == ["bare", "blocker"] for row in items)


def test_show_an_unknown_unit(place: Path) -> None:
    done = muster(place, "show", "gx")
    assert done.exit_code == 2
    assert 'no unit "gx"' in done.stderr


def test_diff(place: Path) -> None:
    new = place / "new.yaml"
    new.write_text(
        INVENTORY.replace("every: 30s", "every: 45s").replace("id: bare", "id: full"), encoding="utf-8"
    )
    done = muster(place, "diff", str(place / "i.yaml"), str(new))
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "+ asset gz/full",
        "- asset gz/bare",
        "~ check gz/core/line",
        "    every: 30.0 -> 45.0",
        "1 added, 1 removed, 1 changed",
    ]
    assert muster(place, "diff", str(new), str(new)).stdout == "no difference\n"
