"""What docs/middleware.md says of services: its checks are taken, and its rights are those of the tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from inventory import units
from inventory.source import parse
from probes import registry
from probes.middleware._zookeeper import WORDS
from tests.probes.middleware import test_jmx
from tests.servers import balancers, slapd

PAGE = (Path(__file__).parents[3] / "docs" / "middleware.md").read_text("utf-8")
TITLE = "Coordination, caches, directories, traffic and the JVM"
SECTION = PAGE.partition(f"\n## {TITLE}\n")[2].partition("\n## ")[0]
EXAMPLE = re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[0]
DATA = parse(EXAMPLE.encode(), "example")[0].data
SERVICES = ("etcd", "jmx", "ldap", "load_balancer", "memcached", "nginx", "zookeeper")


def _part(name: str) -> str:
    return SECTION.partition(f"\n### {name}\n")[2].partition("\n### ")[0]


def _block(name: str) -> str:
    return str(re.findall(r"^```\w*\n(.*?)^```$", _part(name), re.MULTILINE | re.DOTALL)[0])


def test_there_is_an_example_of_each() -> None:
    assert sorted(check["probe"] for check in DATA["checks"]) == sorted(SERVICES)


@pytest.mark.parametrize("check", DATA["checks"], ids=lambda check: str(check["probe"]))
def test_an_example_is_taken(check: dict[str, Any]) -> None:
    given = {key: value for key, value in check.items() if key not in ("probe", "every")}
    assert registry.get(check["probe"]).params.model_validate(given, context={"quantity": units.parse})


def test_what_is_expected_is_reported() -> None:
    for name in DATA["expect"]:
        probe, _, what = str(name).partition(".")
        spec = registry.get(probe)
        assert spec.metric(what) or spec.fact(what), name


@pytest.mark.parametrize("name", SERVICES)
def test_what_was_tested_is_said(name: str) -> None:
    assert "Tested against" in _part(name)
    assert "Not tested" in " ".join(_part(name).split())


def test_rights_are_those_of_the_tests() -> None:
    assert _block("zookeeper") == f"4lw.commands.whitelist={','.join(WORDS)}\n"
    assert _block("jmx") == test_jmx.DOCUMENTED
    granted = slapd.CONFIG.replace("{base}", slapd.BASE)
    assert all(line in granted for line in _block("ldap").splitlines())
    served = [line.strip() for line in _block("load_balancer").splitlines()]
    assert all(line in balancers.HAPROXY for line in served if "bind" not in line and "auth" not in line)
