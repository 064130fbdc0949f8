"""What docs/middleware.md says of the other services: each has its section, and its examples are taken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from inventory import units
from inventory.source import parse
from probes import registry

PAGE = (Path(__file__).parents[3] / "docs" / "middleware.md").read_text("utf-8")
SECTION = PAGE.partition("\n## Coordination, caches, directories, web servers and JVMs\n")[2]
EXAMPLE = re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[0]
DATA = parse(EXAMPLE.encode(), "example")[0].data
NAMES = ("zookeeper", "etcd", "memcached", "ldap", "nginx", "load_balancer", "jmx")


def _part(name: str) -> str:
    return SECTION.partition(f"\n### {name}\n")[2].partition("\n### ")[0]


def test_there_is_an_example_of_each() -> None:
    assert [check["probe"] for check in DATA["checks"]] == list(NAMES)


@pytest.mark.parametrize("check", DATA["checks"], ids=lambda check: str(check["probe"]))
def test_an_example_is_taken(check: dict[str, Any]) -> None:
    given = {key: value for key, value in check.items() if key not in ("probe", "every")}
    assert registry.get(check["probe"]).params.model_validate(given, context={"quantity": units.parse})


def test_what_is_expected_is_reported() -> None:
    for name in DATA["expect"]:
        probe, _, what = str(name).partition(".")
        spec = registry.get(probe)
        assert spec.metric(what) or spec.fact(what), name


@pytest.mark.parametrize("name", NAMES)
def test_what_was_tested_is_said(name: str) -> None:
    assert "Tested against" in _part(name)
    assert "Not tested" in _part(name)
