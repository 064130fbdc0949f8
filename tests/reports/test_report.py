"""A report's figures are those of the board, the API and the plan, and each says what it is of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from monitor.readiness.digest import digest
from monitor.readiness.schema import render as rendered
from monitor.reports.document import ReportDocument
from monitor.reports.report import Format, render
from monitor.reports.topics import TOPICS, topics
from tests.reports.town import DAY, NOW, Town

SCHEMA = Path(__file__).parents[2] / "docs/schema/report.json"
Report = dict[str, Any]


def test_it_says_what_it_is_of(town: Town, report: Report) -> None:
    assert report["period"] == {
        "from": "2026-11-17T14:00:00+08:00", "to": "2026-11-24T14:00:00+08:00", "timezone": "Asia/Shanghai",
    }  # fmt: skip
    workspace = town.workspace()
    assert report["inventory_digest"] == digest({each.id: each for each in workspace.inventory})
    [used] = report["checklists"]
    assert (used["id"], used["units"]) == ("hall", 10)
    assert used["digest"] == dict(town.judge("h1").checklists)["hall"]
    assert report["authenticated"] is False
    forms: tuple[Format, ...] = ("html", "markdown")
    for form in forms:
        text = render(report, form, "en").decode()
        for part in (
            "2026-11-17",
            "Asia/Shanghai",
            report["inventory_digest"],
            used["digest"][:19],
            "unauthenticated",
        ):
            assert part in text, (form, part)


def test_verdicts_are_those_of_judging(town: Town, report: Report) -> None:
    found = report["verdicts"]
    assert found["counts"] == {"READY": 6, "CONDITIONAL": 1, "NOT_READY": 1, "UNKNOWN": 3}
    rows = {each["id"]: each for each in found["units"]}
    for unit in ("h1", "h3", "h4", "h5", "h9"):
        judged = town.judge(unit)
        assert rows[unit]["verdict"] == judged.verdict
        assert rows[unit]["counts"] == {status.value: n for status, n in judged.counts.items()}
    assert rows["h4"]["readings"] == 0
    assert rows["h1"]["readings"] == 3
    assert found["readings"] == sum(each["readings"] for each in found["units"])


def test_changes_are_since_last_time(report: Report) -> None:
    found = report["verdicts"]
    assert found["before_units"] == 11
    assert {each["before"] for each in found["units"]} == {"NOT_READY", "UNKNOWN", "READY"}
    h3 = [each for each in found["changes"] if each["unit"] == "h3"]
    assert [(each["before"], each["verdict"]) for each in h3] == [("READY", "NOT_READY")]
    assert all(each["before"] for each in found["changes"])


def test_links_say_how_they_were_counted(report: Report) -> None:
    rows = {(each["unit"], each["measure"]): each for each in report["links"]}
    silent = rows["h4", "rtt"]
    assert (silent["value"], silent["n"], silent["state"], silent["status"]) == (
        None,
        0,
        "NO_DATA",
        "unknown",
    )
    assert silent["missing"] == silent["due"] == 1008
    thin = rows["h6", "rtt"]
    assert thin["state"] == "thin"
    assert thin["n"] + thin["missing"] == thin["due"]
    slow = rows["h3", "rtt"]
    assert slow["status"] == "fail"
    assert slow["value"] > 40
    assert rows["h7", "up"]["contract"] == 10e6
    assert rows["h7", "up"]["value"] < 7e6


def test_incidents_and_response_times(report: Report) -> None:
    found = report["incidents"]
    assert (found["opened"], found["closed"], found["open"], found["repeats"]) == (5, 4, 1, 2)
    first, second, third, nobody = found["tiers"]
    assert (first["incidents"], first["acknowledge_s"]["p50"]) == (3, 240)
    assert (second["incidents"], second["recovered"]) == (1, 0)
    assert (third["acknowledged"], third["acknowledge_s"]) == (0, None)
    assert nobody["incidents"] == 0


def test_people_s_part(report: Report) -> None:
    [waiver] = report["waivers"]["rows"]
    assert (waiver["state"], waiver["days_left"], report["waivers"]["expiring"]) == ("in_force", 6, 1)
    assert (report["signoffs"]["total"], report["signoffs"]["in_period"]) == (1, 1)
    owned = [cause for cause in report["blockers"]["causes"] if cause["owners"]]
    assert [cause["owners"] for cause in owned] == [[{"owner": "carrier", "rows": 1}]]
    counts = {each["id"]: each for each in report["against_plan"]["milestones"]}
    survey = counts["survey"]
    assert (survey["planned"], survey["reached"], survey["in_time"], survey["overdue"]) == (10, 2, 1, 8)


def test_the_league_ranks_time_and_quality_apart(report: Report) -> None:
    rows = {each["unit"]: each for each in report["league"]}
    assert rows["gz"]["time_rank"] is None
    assert rows["h3"]["quality_rank"] > rows["h4"]["quality_rank"] > rows["h5"]["quality_rank"]
    assert rows["h3"]["repeats"] == 2
    assert rows["h1"]["milestones_met"] == 2
    assert min(each["time_rank"] for each in report["league"] if each["time_rank"]) == 1


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly"])
def test_the_document_is_as_its_schema_says(town: Town, kind: Any) -> None:
    found = json.loads(render(town.report(kind), "json"))
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    assert [each.message for each in schema.iter_errors(found)] == []
    ReportDocument.model_validate(found)


def test_a_day_later_all_evidence_has_expired(town: Town) -> None:
    counts = town.report("daily", now=NOW + DAY)["verdicts"]["counts"]
    assert counts["READY"] == counts["CONDITIONAL"] == 0
    assert counts["UNKNOWN"] == 11


@pytest.mark.parametrize("form", ["html", "markdown"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_breaks_out(report: Report, form: Format, language: Any) -> None:
    text = render(report, form, language).decode()
    assert not set("\x1b\u202e") & set(text)
    assert not re.search(r"(?<!\\)<(script|img)", text)
    assert form == "html" or not re.search(r"(?<!\\)\]\(", text)
    assert "alert(1)" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_row_has_every_column(report: Report, language: Any) -> None:
    found = topics(report, language)
    assert [sheet.id for sheet in found] == list(TOPICS)
    for sheet in found:
        assert all(len(row) == len(sheet.columns) for row in sheet.rows), sheet.id
        assert sheet.title
        assert sheet.note
        for cell in (cell for row in sheet.rows for cell in row if cell.tone and cell.number is None):
            assert cell.text[0] in "✔◐✖?", (sheet.id, cell)


def test_the_schema_is_current() -> None:
    assert SCHEMA.read_text("utf-8") == rendered(ReportDocument), "run: python -m monitor.reports.schema"
