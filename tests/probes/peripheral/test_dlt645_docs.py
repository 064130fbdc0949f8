"""What docs/peripherals.md says of meters, card terminals and the hotline: its checks are taken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from inventory import units
from inventory.source import parse
from probes import registry

PAGE = (Path(__file__).parents[3] / "docs" / "peripherals.md").read_text("utf-8")
TITLE = "Meters, card terminals and the hotline"
SECTION = PAGE.partition(f"\n## {TITLE}\n")[2].partition("\n## ")[0]
EXAMPLE = re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[0]
DATA = parse(EXAMPLE.encode(), "example")[0].data
PROBES = re.findall(r"^### (\w+)$", SECTION, re.MULTILINE)
KEYS = ("probe", "id", "every", "timeout")


def test_there_is_an_example_of_each() -> None:
    assert {check["probe"] for check in DATA["checks"]} == set(PROBES)


@pytest.mark.parametrize("check", DATA["checks"], ids=lambda check: str(check.get("id", check["probe"])))
def test_an_example_is_taken(check: dict[str, Any]) -> None:
    given = {key: value for key, value in check.items() if key not in KEYS}
    assert registry.get(check["probe"]).params.model_validate(given, context={"quantity": units.parse})


def test_what_a_checklist_asks_for_is_reported() -> None:
    ids = {check.get("id", check["probe"]): check["probe"] for check in DATA["checks"]}
    asked = re.findall(r"`(\w+)\.(\w+): ", SECTION)
    assert asked
    for check, what in asked:
        spec = registry.get(ids[check])
        assert spec.metric(what) or spec.fact(what), what


@pytest.mark.parametrize("name", PROBES)
def test_what_was_tested_is_said(name: str) -> None:
    part = " ".join(SECTION.partition(f"\n### {name}\n")[2].partition("\n### ")[0].split())
    assert "Tested against" in part
    assert "Not tested" in part
