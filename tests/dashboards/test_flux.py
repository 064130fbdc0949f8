"""Every query of the Flux dashboards: checked by the Flux language server, and against what Muster writes.

No InfluxDB 2 can be had for the tests, so that no query is run: docs/grafana.md says so.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from monitor.sinks import events, lines
from probes import registry
from tests.dashboards.noded import HERE as NODE
from tests.dashboards.noded import modules, node
from tests.dashboards.shown import filled, queries

ASKED = list(queries("influx"))
OPTION = (
    'option v = {bucket: "muster", defaultBucket: "muster", organization: "grid", timeRangeStart: -1h, '
    "timeRangeStop: now(), windowPeriod: 1m}\n"
)
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
    return found | {name: set(fields.replace(";", "").split()) for name, _, fields in rows}


def _tags() -> set[str]:
    rows = re.findall(r"^    (muster_\w+) +(.+)\n", events.__doc__ or "", re.MULTILINE)
    return set(lines.TAGS) | {tag for _, tags in rows for tag in tags.split()}


@pytest.mark.parametrize("query", ASKED, ids=[each.where for each in ASKED])
def test_a_query_asks_for_what_muster_writes(query: object) -> None:
    text, written = getattr(query, "text", ""), _written()
    asked = set(re.findall(r'_measurement == "(\w+)"', text))
    assert asked <= set(written), asked - set(written)
    fields = set(re.findall(r'_field == "(\w+)"', text))
    known = OWN_FIELDS.union(*(written[each] for each in asked))
    assert fields <= known, fields - known
    tags = set(re.findall(r"\br\.([a-z]\w*)", text)) | set(re.findall(r'tag: "(\w+)"', text))
    assert tags <= _tags() | {"text", "tags"}, tags - _tags()
