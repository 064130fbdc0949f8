"""What docs/interfaces.md shows is taken, and asked of a server that answers as its partners do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from inventory import units
from inventory.source import parse
from probes import registry
from probes.api import Outcome
from tests.probes.middleware.watched import MARKER, run_watched
from tests.servers.contract import contract

PAGE = (Path(__file__).parents[3] / "docs" / "interfaces.md").read_text("utf-8")
PROBES = re.findall(r"^## ([a-z]+_[a-z]+)$", PAGE, re.MULTILINE)
QUANTITY = {"quantity": units.parse}


def _part(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def _example(name: str) -> dict[str, Any]:
    text = re.findall(r"^```yaml\n(.*?)^```$", _part(name), re.MULTILINE | re.DOTALL)[0]
    found: dict[str, Any] = parse(text.encode(), "example")[0].data
    return found


CHECKS = [check for name in PROBES for check in _example(name)["checks"]]


def _params(check: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in check.items() if key not in ("probe", "id", "every", "timeout")}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.get("id", check["probe"]))
def test_an_example_is_taken(check: dict[str, Any]) -> None:
    assert registry.get(check["probe"]).params.model_validate(_params(check), context=QUANTITY)


@pytest.mark.parametrize("name", PROBES)
def test_what_is_expected_is_reported(name: str) -> None:
    example = _example(name)
    checks = {check.get("id", check["probe"]): check for check in example["checks"]}
    for where in example["expect"]:
        check, _, what = str(where).partition(".")
        spec = registry.get(checks[check]["probe"]).given(checks[check])
        extracted = [name for step in checks[check].get("steps", ()) for name in step.get("extract", ())]
        assert spec.metric(what) or spec.fact(what) or what in extracted, where


@pytest.mark.parametrize("name", PROBES)
def test_what_was_tested_is_said(name: str) -> None:
    said = " ".join(_part(name).split())
    assert "Tested against" in said
    assert "Not tested" in said


@pytest.mark.parametrize("check", _example("http_contract")["checks"], ids=lambda check: check["id"])
async def test_an_example_is_answered(check: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    text = re.sub(r"secret:\w+", "secret:pw", json.dumps(_params(check)))
    spec = registry.get("http_contract")
    params = spec.params.model_validate(
        json.loads(text) | {"tls": "off", "certificate": None, "host": None}, context=QUANTITY
    )
    async with contract(MARKER) as system:
        given = params.model_dump() | {"port": system.port}
        reading = await run_watched(caplog, "http_contract", **given)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["steps_passed"] == len(check["steps"])
