"""The seeded roll-out, small: the same seed gives the same ledger and report, and the audit holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks import rollout
from benchmarks._rollout_run import Rollout, run
from benchmarks._rollout_world import Scale
from monitor.reports.report import render

SMALL = Scale(halls=9, days=26, report_day=20, readings_a_day=2)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rollout]:
    with closing(run(tmp_path_factory.mktemp("rollout"), SMALL, 3)) as found:
        yield found


@pytest.mark.timeout(120)
def test_the_same_seed_gives_the_same_roll_out(lived: Rollout, tmp_path: Path) -> None:
    with closing(run(tmp_path, SMALL, 3)) as again:
        assert again.workspace.standing.last == lived.workspace.standing.last
        assert again.figures == lived.figures
        assert again.report == lived.report
    assert lived.figures.acts["sign"] > 0


def test_the_chain_and_each_sign_off_hold(lived: Rollout) -> None:
    found = rollout.audit(lived)
    assert found.wrong == ""
    assert found.entries == lived.workspace.standing.seen
    assert found.whole == found.signed == lived.figures.acts["sign"]


def test_the_report_counts_what_was_judged_on_its_day(lived: Rollout) -> None:
    told: dict[str, Any] = json.loads(render(lived.report, "json"))
    judged = lived.figures.verdicts[SMALL.report_day]
    assert told["verdicts"]["counts"] == judged
    assert (told["kind"], told["units"]) == ("weekly", SMALL.halls)
    assert sum(judged.values()) == SMALL.halls


def test_what_was_foretold_is_held_against_what_came(lived: Rollout) -> None:
    found = list(rollout.errors(lived))
    assert found
    assert any(each.days is not None for each in found)
    assert 0 < rollout.silent(lived) < 1
    marks = rollout.marks(lived, {"json": 1}, rollout.audit(lived), 1.0)
    judged = {each.name: each.holds for each in marks}
    assert judged["entries at which the chain is broken"]
    assert not judged["formats of the report"], "four of them were not written"
