"""`muster capacity explain`: its document, its table, and the command as people run it."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from inventory.problems import ConfigError
from monitor.capacity import schema, table
from monitor.capacity.explain import GENERAL, MeasuredRtt, explain, what_if
from monitor.capacity.functions import load
from monitor.capacity.requirements import Requirements, solve
from monitor.capacity.words import _GENERAL_ZH, _WORDS
from monitor.cli.main import app
from monitor.paths import shipped
from monitor.readiness.schema import render
from monitor.reports.look import Language
from tests.capacity import example
from tests.cli.running import muster
from tests.json_schema import errors
from tests.store.making import ok, opened

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/schema/capacity.json").read_text("utf-8"))
SHIPPED = load([shipped("config") / "functions"])
UNIT = "gz-tianhe"
BUSY = """\
version: 1
units:
  - id: gz-tianhe
    name: Tianhe service hall
    name_zh: 天河营业厅
    level: hall
    functions: {counter-query: {users: 200}, kiosk: {users: 3}}
    realtime: {hotline-voice: {streams: 6}}
    assets: [{id: uplink, kind: channel, role: primary, address: 10.1.2.1}]
"""


def document(text: str = example.UNIT, **more: Any) -> dict[str, Any]:
    inventory = example.inventory(text)
    solved = Requirements(inventory, SHIPPED).solved(UNIT)
    assert solved is not None
    found = explain(inventory.units[UNIT], solved, **more)
    assert list(errors(found, SCHEMA)) == []
    return json.loads(json.dumps(found, allow_nan=False))  # type: ignore[no-any-return]


def printed(found: dict[str, Any], language: Language = "en") -> str:
    buffer = io.StringIO()
    table.show(found, Console(file=buffer, width=200, no_color=True), language)
    return buffer.getvalue()


@pytest.mark.parametrize("name", sorted(schema.MODELS))
def test_schema_is_current(name: str) -> None:
    text = (ROOT / "docs" / "schema" / name).read_text("utf-8")
    assert text == render(schema.MODELS[name]), "run: python -m monitor.capacity.schema"


def test_the_keys_of_the_contract() -> None:
    found = document()
    assert (found["schema"], found["unit"]) == ("muster.capacity/1", UNIT)
    assert list(found)[:2] == ["schema", "unit"]
    for each in ("up", "down"):
        assert {"mean_bps", "capacity_bps", "minimum_bps", "required_bps", "binding"} <= found[each].keys()
    assert {"id", "round_trips", "budget_s", "up_bps", "down_bps", "rtt_max_ms"} <= found["functions"][
        0
    ].keys()
    assert (found["rtt_max_ms"], found["rtt_binding"]) == (58.295, "kiosk")
    assert round(100 * found["loss_max"], 2) == 0.23
    assert [each["id"] for each in found["functions"]] == [
        "bill-pdf", "new-connection", "kiosk", "counter-query", "pos",
    ]  # fmt: skip
    assert all(each["simulated_p95_s"] < each["target_s"] for each in found["functions"])


def test_what_nobody_has_measured_is_listed() -> None:
    found = document()["assumptions"]
    assert "bill-pdf: assumption" in found
    assert "meter-upload: assumption" in found
    assert set(GENERAL) <= set(found)
    assert not any(each.startswith("hotline-voice") for each in document(BUSY)["assumptions"])


def test_contracted_rates_are_enough_short_or_not_known() -> None:
    (uplink,) = document()["channels"]
    assert uplink["up"] == {"bps": 6e6, "short_bps": pytest.approx(745813.3)}
    assert uplink["down"] == {"bps": 20e6, "short_bps": 0}
    (unknown,) = document(BUSY)["channels"]
    assert unknown["up"] == {"bps": None, "short_bps": None}


def test_what_would_be_required_at_the_measured_round_trip() -> None:
    measured = {"uplink": MeasuredRtt(f"{UNIT}/uplink/icmp", 60.0, 1440, 24.0)}
    found = document(measured=measured)["channels"][0]["measured"]
    assert (found["rtt_p95_ms"], found["requirement"]["network"]["rtt_ms"]) == (60, 60)
    assert found["requirement"]["down"]["required_bps"] > document()["down"]["required_bps"]
    beyond = document(measured={"uplink": MeasuredRtt("c", 150.0, 9, 24.0)})
    assert "no bandwidth can meet" in beyond["channels"][0]["measured"]["requirement"]["impossible"]
    assert "no bandwidth can meet" in printed(beyond)
    assert document(measured={"uplink": MeasuredRtt("c", 0.0, 9, 24.0)})["channels"][0]["measured"]


def test_a_unit_that_no_bandwidth_serves() -> None:
    found = document(example.UNIT.replace("level: hall", "level: hall\n    network: {rtt: 120 ms}"))
    assert "no bandwidth can meet the target of counter-query" in found["impossible"]
    lost = next(each for each in found["functions"] if each["id"] == "kiosk")
    assert (lost["up_bps"], lost["down_bps"]) == (None, None)
    assert lost["budget_s"] < 0
    assert printed(found).startswith("Tianhe service hall: no bandwidth can meet the target of counter-query")


def test_the_formula_that_gives_too_little_is_told() -> None:
    crowded = re.sub(r"users: (\d+)", lambda found: f"users: {200 * int(found[1])}", example.UNIT)
    found = document(crowded)
    assert found["minimum_factor"] > 1
    assert found["up"]["minimum_bps"] == found["up"]["capacity_bps"]
    assert "The formulas give too little here" in printed(found)


def test_what_if_stands_beside() -> None:
    demand = example.of(example.UNIT, UNIT, SHIPPED)
    assert demand is not None
    changed = what_if(demand, SHIPPED, {"counter-query": 200, "pos": 0}, 0.03)
    found = document(other=("counter-query = 200", solve(changed)))
    assert {each["id"] for each in found["what_if"]["functions"]} == {
        "counter-query", "bill-pdf", "kiosk", "new-connection",
    }  # fmt: skip
    assert found["what_if"]["network"]["rtt_ms"] == 30
    assert found["what_if"]["down"]["required_bps"] > found["down"]["required_bps"]
    assert "What if: counter-query = 200" in printed(found)
    with pytest.raises(ValueError, match="no user"):
        what_if(demand, SHIPPED, {each.id: 0 for each in demand.uses}, None)
    with pytest.raises(KeyError):
        what_if(demand, SHIPPED, {"none": 1}, None)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tables_are_aligned_in_both_languages(language: Language) -> None:
    lines = printed(document(BUSY), language).splitlines()
    heads = [index for index, line in enumerate(lines) if set(line.strip()) == {"─"}]
    assert len(heads) == 6
    for head in heads:
        rows = [lines[head - 1], *lines[head + 1 :]]
        table_rows = rows[: next(i for i, row in enumerate(rows) if not row.strip())]
        width = cell_len(lines[head].rstrip())
        assert all(cell_len(row.rstrip()) <= width for row in table_rows)
        assert len(table_rows) > 1


def test_the_chinese_table_is_chinese() -> None:
    text = printed(document(BUSY), "zh")
    for part in ("天河营业厅：通道须达到", "柜台查询", "客服热线通话", "清单未写速率", "平均负载"):
        assert part in text
    assert set(_GENERAL_ZH) == set(GENERAL)
    fields = [re.findall(r"\{(\w+)", each) for pair in _WORDS.values() for each in pair]
    assert all(sorted(en) == sorted(zh) for en, zh in zip(fields[::2], fields[1::2], strict=True))


def test_bars_grow_with_what_they_stand_for() -> None:
    lengths = [len(table.bar(value, 8.0)) for value in (0.001, 1.0, 4.0, 8.0, 9.0)]
    assert lengths == [1, 4, 15, 30, 30]
    assert table.bar(None, 8.0).endswith("…")


def test_voice_binds_delay_and_loss_in_the_document() -> None:
    found = document(BUSY)
    assert found["realtime"][0]["rate_bps"] == 6 * 87e3
    assert (found["loss_max"], found["loss"]["binding"]) == (0.001, "hotline-voice")
    assert "hotline-voice (Hotline call)" in printed(found)


# The command.


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "i.yaml").write_text(example.UNIT + "  - {id: bare, name: B, level: hall}\n", "utf-8")
    (tmp_path / "f.yaml").write_text(example.FUNCTIONS, "utf-8")
    return tmp_path


def command(home: Path, *arguments: str) -> tuple[str, ...]:
    where = ("-i", str(home / "i.yaml"), "--functions", str(home / "f.yaml"), "--state-dir", str(home / "s"))
    return "capacity", "explain", *arguments, *where


async def explained(home: Path, *arguments: str) -> tuple[int, str, str]:
    return await muster(*command(home, *arguments))


async def test_the_command_prints_what_the_documentation_shows(home: Path) -> None:
    status, out, err = await explained(home, UNIT)
    assert (status, err) == (0, "")
    shown = re.search(
        r"^```console\n\$ muster capacity explain gz-tianhe\n(.*?)^```$",
        example.DOC,
        re.MULTILINE | re.DOTALL,
    )
    assert shown is not None
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in (" ".join(each.split()) for each in shown[1].splitlines()):
        if "minimum M" not in line:
            assert line in lines
            continue
        (found,) = (each for each in lines if "minimum M" in each)
        pairs = zip(line.split()[-2:], found.split()[-2:], strict=True)
        assert all(float(one) == pytest.approx(float(other), rel=0.06) for one, other in pairs)


async def test_json_with_a_what_if_and_the_measured_round_trip(home: Path) -> None:
    now = time.time()
    async with opened(home / "s") as store:
        for minute in range(100):
            store.append(ok(f"{UNIT}/uplink/icmp", now - 60 * minute - 5, rtt_ms=20.0 + minute / 10))
        store.append(ok(f"{UNIT}/uplink/icmp", now - 90_000, rtt_ms=900.0))
        await store.flush()
    status, out, err = await explained(home, UNIT, "--format", "json", "--users", "kiosk=9", "--rtt", "30ms")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert list(errors(found, SCHEMA)) == []
    assert found["what_if"]["asked"] == "kiosk = 9, RTT 30 ms"
    measured = found["channels"][0]["measured"]
    assert (measured["readings"], measured["check"]) == (100, f"{UNIT}/uplink/icmp")
    assert measured["rtt_p95_ms"] == pytest.approx(29.4, abs=0.1)
    assert (home / "s" / "capacity.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bare",), 'unit "bare" names no business functions with users: nothing to derive'),
        (("gz-tianh",), 'did you mean "gz-tianhe"?'),
        ((UNIT, "--users", "kiosk"), "--users kiosk: write a function and a number"),
        ((UNIT, "--users", "kiosk=-1"), "--users kiosk=-1: write a function and a number"),
        ((UNIT, "--users", "kiosk=nan"), "write a function and a number"),
        ((UNIT, "--users", "kiosc=1"), 'did you mean "kiosk"?'),
        ((UNIT, "--rtt", "0 ms"), "must be above 0"),
        ((UNIT, "--rtt", "soon"), "--rtt soon: not a duration"),
    ],
)
def test_what_can_not_be_explained_ends_with_2(home: Path, arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, [*command(home, *arguments), "--format", "json"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


def test_unknown_functions_are_an_error_of_the_inventory(home: Path) -> None:
    text = example.UNIT.replace("kiosk:", "kiosc:")
    (home / "i.yaml").write_text(text, "utf-8")
    done = CliRunner().invoke(app, ["inventory", "validate", "-i", str(home / "i.yaml")])
    line = text.splitlines().index("      kiosc: {users: 3}") + 1
    assert isinstance(done.exception, ConfigError)
    (problem,) = done.exception.problems
    assert f'i.yaml:{line}:7: units[0].functions.kiosc: unknown business function "kiosc"' in str(problem)
