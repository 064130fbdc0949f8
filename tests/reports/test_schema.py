"""The JSON of a run against the schema that is checked in, which is that of the model."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from monitor.readiness.checklist import SEVERITIES
from monitor.readiness.document import CheckDocument, ItemDocument, UnitDocument
from monitor.readiness.results import ItemResult, Run
from monitor.readiness.verdict import Status, Verdict
from monitor.reports.render import render
from tests.json_schema import errors

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/check.json").read_text("utf-8"))


@pytest.fixture
def document(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render(run, "json").encode("utf-8", "replace"))
    return found


def test_a_run_with_every_status_is_as_the_schema_says(document: dict[str, Any]) -> None:
    assert {item["status"] for unit in document["units"] for item in unit["items"]} == set(Status)
    assert list(errors(document, SCHEMA)) == []
    CheckDocument.model_validate(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "muster.check/2"),
        (("finished_at",), "2026-11-24T06:00:00+08:00"),
        (("units", 0, "verdict"), "OK"),
        (("units", 0, "coverage"), 1.5),
        (("units", 0, "counts", "pass"), -1),
        (("units", 0, "unit_digest"), "sha256:x"),
        (("units", 0, "items", 0, "status"), "skipped"),
        (("units", 0, "items", 0, "value"), []),
        (("units", 0, "items", 0, "waiver"), {"id": "w"}),
    ],
)
def test_the_schema_refuses(document: dict[str, Any], path: tuple[Any, ...], value: object) -> None:
    broken = copy.deepcopy(document)
    part: Any = broken
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert list(errors(broken, SCHEMA))
    del part[path[-1]]
    assert list(errors(broken, SCHEMA))


def test_the_schema_has_every_key_and_word() -> None:
    assert list(ItemDocument.model_fields) == [key for key in ItemResult.__slots__ if key != "raw"]
    text = json.dumps(SCHEMA)
    assert all(f'"{word}"' in text for word in (*Status, *Verdict, *SEVERITIES))
    assert set(UnitDocument.model_fields) >= {"rollup", "items", "counts", "coverage"}
