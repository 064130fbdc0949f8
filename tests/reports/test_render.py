"""The three formats say the same, and nothing a target sends breaks out of them."""
# ruff: noqa: E501 - expected texts stay unbroken

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from monitor.readiness.results import Run
from monitor.readiness.verdict import Status, Verdict
from monitor.reports.junit import clean
from monitor.reports.look import STATUSES, VERDICTS, Language
from monitor.reports.render import render
from monitor.reports.table import show
from monitor.reports.words import moment, readable, sentence
from tests.readiness.world import NOW, World

ITEM_KEYS = [
    "id", "asset", "category", "title", "title_zh", "severity", "status", "reason", "detail", "blocked_by",
    "expected", "actual", "value", "unit", "collected_at", "expires_at", "attempted_at", "check", "vantage",
    "remediation", "remediation_zh", "waiver", "declared_severity",
]  # fmt: skip
UNIT_KEYS = [
    "id", "name", "name_zh", "verdict", "reasons", "unit_digest", "checklists", "counts", "coverage", "rollup", "items",
]  # fmt: skip


def parsed(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render(run, "json").encode("utf-8"))
    return found


def test_json_is_the_contract(run: Run) -> None:
    data = parsed(run)
    assert list(data) == ["schema", "gate", "mode", "started_at", "finished_at", "units"]
    assert (data["schema"], data["gate"], data["mode"]) == ("muster.check/1", "go-live", "stored")
    assert data["finished_at"] == "2026-11-24T06:00:00.000Z"
    unit = data["units"][0]
    assert list(unit) == UNIT_KEYS
    assert all(list(item) == ITEM_KEYS for item in unit["items"])
    assert list(unit["counts"]) == ["pass", "fail", "unknown", "waived", "not_applicable"]
    assert sum(unit["counts"].values()) == len(unit["items"])
    assert list(unit["rollup"]["counts"]) == ["READY", "CONDITIONAL", "NOT_READY", "UNKNOWN"]
    assert re.fullmatch("sha256:[0-9a-f]{64}", unit["unit_digest"])
    assert [each["id"] for each in unit["checklists"]] == ["hall"]


def test_json_items_carry_their_evidence(run: Run) -> None:
    items = {(item["id"], item["asset"]): item for item in parsed(run)["units"][0]["items"]}
    rtt = items["rtt", "uplink"]
    assert (rtt["status"], rtt["reason"], rtt["value"], rtt["unit"]) == ("fail", "expectation", 81.2, "ms")
    assert (rtt["check"], rtt["vantage"]) == ("hall/uplink/icmp", "hub")
    assert rtt["collected_at"] == "2026-11-24T05:59:55.000Z"
    assert rtt["expires_at"] == "2026-11-24T06:14:55.000Z"
    assert items["page", "pc1"]["blocked_by"] == "hall/pc1/icmp"
    waived = items["answers.tcp", "tv"]
    assert (waived["status"], waived["reason"], waived["waiver"]["approved_by"]) == (
        "waived",
        "refused",
        "bob",
    )
    assert items["drill", None]["reason"] == "not_attested"
    assert items["kiosk", "pc1"]["status"] == "not_applicable"


def test_a_number_that_json_cannot_hold_is_null(world: World) -> None:
    window = '{rtt_ms: {p50: "<= 40", over: 1h}}'
    world.checklist = world.checklist.replace('{rtt_ms: "<= 40"}', window)
    world.every("uplink/icmp", [None] * 60)
    item = world.item("rtt")
    assert item.actual.startswith("p50 = no answer")
    assert item.plain()["value"] is None


def test_junit_counts_as_the_contract_says(run: Run) -> None:
    root = ET.fromstring(render(run, "junit"))
    for suite, unit in zip(root, run.units, strict=True):
        counts = unit.counts
        assert suite.get("name") == unit.id
        assert len(suite.findall("testcase")) == int(suite.get("tests", "")) == len(unit.items)
        assert len(suite.findall("testcase/failure")) == int(suite.get("failures", "")) == counts[Status.FAIL]
        assert len(suite.findall("testcase/error")) == int(suite.get("errors", "")) == counts[Status.UNKNOWN]
        skipped = counts[Status.WAIVED] + counts[Status.NOT_APPLICABLE]
        assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped", "")) == skipped
    hall = {case.get("name"): case for case in root[0].iter("testcase")}
    waived, outside = hall["answers.tcp [tv]"].find("skipped"), hall["kiosk [pc1]"].find("skipped")
    assert waived is not None
    assert outside is not None
    assert waived.get("message", "").startswith("waived by bob until 2026-12-20T18:00:00+08:00")
    assert waived.get("type") == "refused"
    assert outside.get("type") == "applies_when"
    assert len({(case.get("classname"), case.get("name")) for case in root.iter("testcase")}) == int(
        root.get("tests", "")
    )


def test_nothing_breaks_out(run: Run) -> None:
    for form in ("junit", "table", "json"):
        text = render(run, form)
        assert "\x1b" not in text
        assert "\x00" not in text
    assert "<script>" not in render(run, "junit")
    assert "[red]TV" in render(run, "table")


@given(st.text())
def test_any_text_is_xml(text: str) -> None:
    element = ET.Element("a", b=clean(text))
    element.text = clean(text)
    again = ET.fromstring(ET.tostring(element, encoding="unicode"))
    assert (again.text or "").replace("\r", "\n") == clean(text).replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sentence_stands_before_any_table(run: Run, language: Language) -> None:
    console = Console(file=io.StringIO(), width=180, no_color=True)
    show(Run("go-live", "stored", NOW, NOW, run.units[:1]), console, language=language)
    assert isinstance(console.file, io.StringIO)
    lines = [line for line in console.file.getvalue().splitlines() if line.strip()]
    assert lines[0].startswith(sentence(run.units[0], language)[:60])


def test_sentences(run: Run, world: World) -> None:
    hall, bureau = run.units
    assert sentence(hall, "en") == (
        "✖ Tianhe hall (hall): NOT_READY, 1 blocker fails; 1 major fails; 2 majors are unknown; 1 major is waived; "
        "1 minor is unknown: uplink: RTT, rtt_ms = 81.2 ms, expected rtt_ms <= 40 ms."
    )
    assert sentence(hall, "zh").startswith(
        "✖ 天河营业厅 (hall): 未就绪，2 项不通过；3 项未知；1 项已豁免：uplink: 往返时延"
    )
    assert sentence(hall, "zh").endswith("。")
    assert sentence(bureau, "en") == "✔ Guangzhou bureau (gz): READY, its one item holds."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("total_ms = 1503.02", "total_ms = 1503 ms"),
        ("rtt_ms <= 40; loss_pct <= 1", "rtt_ms <= 40 ms; loss_pct <= 1 %"),
        ("rtt_ms p95 <= 58.3 over 24h", "rtt_ms p95 <= 58.3 ms over 24h"),
        ("rtt_ms = 1000.4", "rtt_ms = 1000.4 ms"),
        ("rtt_ms = 5 ms", "rtt_ms = 5 ms"),
        ("memory_bytes = 23.54 GiB", "memory_bytes = 23.54 GiB"),
        ("p95 = 81.2, 95 % bounds 78.9..84.0, n = 1440", "p95 = 81.2, 95 % bounds 78.9..84.0, n = 1440"),
        ("kernel = 6.18.44", "kernel = 6.18.44"),
    ],
)
def test_people_see_units(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_one_dead_host_is_one_cause_with_its_dependants_counted(world: World) -> None:
    world.good().failed("pc1/icmp", "timeout", 5)
    text = sentence(world.judge(), "en")
    assert text.endswith("pc1: pc1 answers icmp, timeout (no answer), and 1 more is blocked by it.")


def test_chinese_columns_are_aligned(run: Run) -> None:
    lines = render(run, "table", "zh").splitlines()
    start = next(index for index, line in enumerate(lines) if "状态" in line)
    head = lines[start]
    column = cell_len(head[: head.index("期望")])
    for line in lines[start + 2 : start + 2 + len(run.units[0].items)]:
        cells, width = 0, 0
        while width < column and cells < len(line):
            width += cell_len(line[cells])
            cells += 1
        assert width == column, line
        assert line[cells - 1] == " ", line


def test_each_verdict_and_status_has_a_sign_of_its_own() -> None:
    assert set(VERDICTS) == set(Verdict)
    assert set(STATUSES) == set(Status)
    for tokens in (list(VERDICTS.values()), list(STATUSES.values())):
        assert len({token.sign for token in tokens}) == len(tokens)
    assert [VERDICTS[each].colour for each in Verdict] == ["#009E73", "#E69F00", "#D55E00", "#7F7F7F"]


def test_a_summary_is_one_line_a_unit(run: Run) -> None:
    text = render(run, "table", summary=True)
    assert text.count("NOT_READY") == 1
    assert "What to do" not in text
    assert "✔1 ✖1" in text


def test_what_to_do_names_causes_once(run: Run) -> None:
    text = render(run, "table")
    todo = text[text.index("What to do") : text.index("Guangzhou bureau (gz): READY")]
    assert "uplink: Call the carrier" in todo
    assert "drill: Hold the drill" in todo
    assert todo.count("page") == 0


def test_times_are_in_the_unit_s_zone_with_the_offset(run: Run) -> None:
    assert moment(NOW, "Asia/Shanghai") == "2026-11-24 14:00:00 +08:00"
    assert moment(None, "UTC") == ""
    assert "gate go-live, stored, 2026-11-24 14:00:00 +08:00" in render(run, "table")
