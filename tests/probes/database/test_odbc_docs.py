"""What docs/databases.md says of `odbc` and `oracle`: checks are taken, each grant is asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from inventory import units
from probes import registry
from probes.database import _oracle_questions
from probes.database.oracle import OracleParams
from tests.probes.database.page import checks, example, params, section

CHECKS = [check for name in ("odbc", "oracle") for check in checks(name)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.get("id", check["probe"])))
def test_an_example_is_taken(check: dict[str, Any]) -> None:
    assert registry.get(check["probe"]).params.model_validate(
        params(check), context={"quantity": units.parse}
    )


@pytest.mark.parametrize("name", ["odbc", "oracle"])
def test_what_is_said_holds(name: str) -> None:
    assert "Tested against" in section(name)
    assert "Not tested" in section(name)
    spec = registry.get(name)
    for wanted in example(name)["expect"]:
        _, _, what = str(wanted).partition(".")
        assert spec.metric(what) or spec.fact(what), wanted


def test_oracle_grants_are_what_its_questions_need() -> None:
    granted = set(re.findall(r"grant select on sys\.(\S+) to monitor;", section("oracle")))
    asked = list(_oracle_questions.questions(OracleParams(database="d", user="u", parameters={"a": 1})))
    needed = {view for question in asked for view in question.grant.split(", ") if view}
    assert granted == needed
    for question in asked:
        views = set(re.findall(r"\b(?:v\$|dba_)\w+", question.query))
        assert {view.replace("v$", "v_$") for view in views} == {*filter(None, question.grant.split(", "))}
