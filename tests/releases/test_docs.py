"""The documentation's example is loaded, its tables are complete, and the schemas are current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor import settings
from monitor.readiness.schema import render
from monitor.releases import schema
from monitor.releases.loading import load
from monitor.releases.manifest import ComponentFile, ReleaseFile
from monitor.releases.matrix import State
from monitor.releases.pledges import kind_of
from monitor.releases.table import LOOK
from probes import registry

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "releases.md").read_text("utf-8")


def example(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_example_loads(tmp_path: Path) -> None:
    (tmp_path / "releases.yaml").write_text(example("yaml"), "utf-8")
    found = load([tmp_path])
    assert found["billing-5.1"].follows == "billing-5.0"
    assert [len(each.components) for each in found.values()] == [1, 2]


def test_the_settings_load(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text(example("toml"), "utf-8")
    daemon = settings.load(tmp_path / "muster.toml").daemon
    assert (daemon.releases, daemon.release) == (tmp_path / "releases", "billing-5.1")


@pytest.mark.parametrize("name", sorted(schema.MODELS))
def test_schema_is_current(name: str) -> None:
    text = (ROOT / "docs" / "schema" / name).read_text("utf-8")
    assert text == render(schema.MODELS[name]), "run: python -m monitor.releases.schema"


@pytest.mark.parametrize(
    ("heading", "model"), [("key of a release", ReleaseFile), ("key of a component", ComponentFile)]
)
def test_every_key_is_documented(heading: str, model: type[ReleaseFile] | type[ComponentFile]) -> None:
    rows = TEXT[TEXT.index(f"| {heading}") :].split("\n\n")[0]
    for key in model.model_fields:
        assert key == "version" or f"`{key}`" in rows, key


def test_states_signs_and_kinds_are_those_of_the_code() -> None:
    for state in State:
        assert f"| {LOOK[state].sign} | {state} |" in TEXT
    for severity in ("blocker", "major", "minor", "info"):
        assert f"| {severity} | `{kind_of(severity)}` |" in TEXT


def test_whose_facts_are_those_that_probes_declare() -> None:
    table = TEXT[TEXT.index("| component | probe |") :].split("\n\n")[0].splitlines()[2:]
    rows = [[re.findall(r"`(\w+)`", each) for each in row.split("|")[2:4]] for row in table]
    for probes, names in rows:
        specs = [registry.get(probe) for probe in probes]
        if any(spec.dynamic or spec.names_in for spec in specs):
            continue
        assert names, probes
        for name in names:
            assert any(spec.metric(name) or spec.fact(name) for spec in specs), name
