"""A small storm on the real daemon: a hub fails with 30 halls behind it, and people hear of it once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._storm_run import above, run
from benchmarks._storm_scoring import naive, tally
from benchmarks._storm_script import small
from tests.servers.country import why_not


@pytest.mark.alone
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "root")
async def test_a_hub_with_thirty_halls_is_one_problem_and_one_recovery(tmp_path: Path) -> None:
    script = small(seed=1)
    record = await run(script, tmp_path, lambda _: None)
    told = tally(record.mails, script.faults)
    subjects = [(f"{mail.at:.1f} s", mail.notice, mail.subject) for mail in record.mails]
    assert told.children == told.duplicates == 0, subjects
    assert [(len(each.problems), len(each.recoveries)) for each in told.scores] == [(1, 1)], subjects
    assert record.settled, record.log[-3000:]
    peers = naive(record.runs, above(list(record.runs)))
    assert peers.each >= 30, "what was recorded shows the outage of all behind the hub"
