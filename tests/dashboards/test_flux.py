"""Every query of the Flux dashboards: checked by the Flux language server, and against what Muster writes.

No InfluxDB 2 can be had for the tests, so that no query is run: docs/grafana.md says so.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from monitor.sinks import events, figures, lines
from probes import registry
from tests.dashboards.noded import HERE as NODE
from tests.dashboards.noded import modules, node
from tests.dashboards.shown import filled, queries

ASKED = list(queries("influx"))
OPTION = (
    'option v = {bucket: "muster", defaultBucket: "muster", organization: "grid", timeRangeStart: -1h, '
    "timeRangeStop: now(), windowPeriod: 1m}\n"
)
METRICS = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
MADE = {"text", "tags", "part", "whole"}
"""Columns that queries make."""
OWN_FIELDS = {"outcome", "lag_ms", "duration_ms"}


def script(query: str) -> str:
    """Return a query as InfluxDB gets it from Grafana: imports first, then the options, then the rest."""
    text = filled(query)
    imports = "".join(re.findall(r"^import .*\n", text, re.MULTILINE))
    return imports + OPTION + re.sub(r"^import .*\n", "", text, flags=re.MULTILINE)


def valid(directory: Path, scripts: dict[str, str]) -> list[str]:
    asked = {"directory": str(modules()), "scratch": str(directory), "scripts": scripts}
    found: list[str] = json.loads(node(NODE / "flux.mjs", json.dumps(asked)))
    return found


@pytest.mark.timeout(300)
def test_the_language_server_finds_nothing_wrong_with_any_query(tmp_path: Path) -> None:
    scripts = {each.where: script(each.text) for each in ASKED}
    assert len(scripts) == len(ASKED) > 100
    wrong = valid(tmp_path, scripts)
    assert not wrong, scripts[wrong[0]]


@pytest.mark.timeout(300)
def test_the_language_server_would_find_what_is_wrong(tmp_path: Path) -> None:
    good = script(ASKED[0].text)
    scripts = {
        "good": good,
        "syntax": good + "|> (",
        "no such function": good + '\nfrom(bucket: "b") |> rnage(start: -1h)',
        "no such argument": good + '\nfrom(bucket: "b") |> range(start: -1h) |> limit(number: 3)',
        "wrong type": good + '\nfrom(bucket: "b") |> range(start: -1h) |> limit(n: "three")',
        "not imported": good + '\nschema.tagValues(bucket: "b", tag: "t")',
    }
    assert valid(tmp_path, scripts) == [each for each in scripts if each != "good"]


def _written() -> dict[str, set[str]]:
    """Return the fields of each measurement that Muster writes, by the code and its documentation."""
    found = {
        lines.measurement(name): {lines.field_name(each.name) for each in registry.get(name).metrics}
        | OWN_FIELDS
        for name in registry.BUILT_IN
    }
    rows = re.findall(r"^    (muster_\w+) +(.+)\n +(.+)$", events.__doc__ or "", re.MULTILINE)
    assert len(rows) >= 7
    told = {name.removeprefix("muster_") for name in _figures()} | {"check_state_code"}
    events_ = {name: set(fields.replace(";", "").split()) for name, _, fields in rows}
    return found | events_ | {figures.MEASUREMENT: told}


def _figures() -> set[str]:
    """Return the names on /metrics, by the documentation."""
    rows = re.findall(r"^\| (`muster_[^|]+)\|", METRICS, re.MULTILINE)
    assert len(rows) > 50
    return {name for row in rows for name in re.findall(r"muster_\w+", row)}


def _tags() -> set[str]:
    rows = re.findall(r"^    (muster_\w+) +(.+)\n", events.__doc__ or "", re.MULTILINE)
    labels = re.findall(r"^\| `muster_[^|]*\{([\w,]+)\}", METRICS, re.MULTILINE)
    assert len(labels) > 20
    return {*lines.TAGS, *(tag for _, tags in rows for tag in tags.split()), *",".join(labels).split(",")}


@pytest.mark.parametrize("query", ASKED, ids=[each.where for each in ASKED])
def test_a_query_asks_for_what_muster_writes(query: object) -> None:
    text, written = getattr(query, "text", ""), _written()
    asked = set(re.findall(r'_measurement == "(\w+)"', text))
    assert asked <= set(written), asked - set(written)
    fields = set(re.findall(r'_field == "(\w+)"', text))
    known = OWN_FIELDS.union(*(written[each] for each in asked))
    assert fields <= known, fields - known
    tags = set(re.findall(r"\br\.([a-z]\w*)", text)) | set(re.findall(r'tag: "(\w+)"', text))
    assert tags <= _tags() | MADE, tags - _tags()
