"""What docs/peripherals.md says of printers, serial lines, card readers and Modbus."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inventory.source import parse
from inventory.units import parse as quantity
from probes import registry

PAGE = (Path(__file__).parents[3] / "docs" / "peripherals.md").read_text("utf-8")
PART = PAGE.partition("\n## At the counter\n")[2].partition("\n## ")[0]
PROBES = ("ipp", "serial", "pcsc", "modbus")
OWN_KEYS = ("probe", "id", "every", "timeout")
CHECKS = [
    check
    for example in re.findall(r"^```yaml\n(.*?)^```$", PART, re.MULTILINE | re.DOTALL)
    for check in parse(example.encode(), "example")[0].data["checks"]
]


def test_there_is_an_example_of_each() -> None:
    assert {check["probe"] for check in CHECKS} == set(PROBES)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.get("id", check["probe"])))
def test_an_example_is_taken(check: dict[str, object]) -> None:
    given = {key: value for key, value in check.items() if key not in OWN_KEYS}
    spec = registry.get(str(check["probe"]))
    params = spec.params.model_validate(given, context={"quantity": quantity})
    assert set(given) <= params.model_fields_set


@pytest.mark.parametrize("name", PROBES)
def test_what_was_tested_is_said(name: str) -> None:
    section = PART.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    assert "Tested against" in section
    assert re.search(r"not\s+tested", section, re.IGNORECASE)
