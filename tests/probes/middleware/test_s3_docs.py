"""What docs/middleware.md says of object stores and search: checks are taken, the policy is tested."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from inventory import units
from inventory.source import parse
from probes import registry
from tests.probes.middleware.test_s3 import DOCUMENTED

PAGE = (Path(__file__).parents[3] / "docs" / "middleware.md").read_text("utf-8")
SECTION = PAGE.partition("\n## Object stores and search\n")[2].partition("\n## ")[0]
DATA = parse(re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[0].encode(), "example")[
    0
].data


def _part(name: str) -> str:
    return SECTION.partition(f"\n### {name}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize("check", DATA["checks"], ids=lambda check: str(check["probe"]))
def test_an_example_is_taken(check: dict[str, Any]) -> None:
    given = {key: value for key, value in check.items() if key not in ("probe", "every")}
    assert registry.get(check["probe"]).params.model_validate(given, context={"quantity": units.parse})


def test_what_is_expected_is_reported() -> None:
    for name in DATA["expect"]:
        probe, _, what = str(name).partition(".")
        spec = registry.get(probe)
        assert spec.metric(what) or spec.fact(what), name


def test_the_policy_is_the_one_of_the_tests() -> None:
    policy = json.loads(re.findall(r"^```json\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[0])
    statements = [(entry["Action"], entry["Resource"]) for entry in policy["Statement"]]
    assert statements == [
        (actions, [on.replace("data*", "archive") for on in resources]) for actions, resources in DOCUMENTED
    ]


@pytest.mark.parametrize("name", ["s3", "elasticsearch"])
def test_what_was_tested_is_said(name: str) -> None:
    assert "Tested against" in _part(name)
    assert "Not tested" in _part(name)
