"""A whole daemon on an emulated link that becomes slower: one mail of it, and one of its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._degraded_run import CORE, Case, Pace, learned, run
from monitor.degradation import Detector, LossDetector
from probes.api import Reading
from tests.servers.link import needs_link

PACE = Pace(
    every=0.5, interval=0.01, wait=0.2, hold=1.0, close_after=1.0, halls=0, bursts=10, healthy=4, longest=30
)


@needs_link
@pytest.mark.alone
async def test_60_ms_more_are_told_once_and_so_is_their_end(tmp_path: Path) -> None:
    seen = await run(Case("+60 ms", added_ms=60.0), PACE, tmp_path)
    assert 4 <= seen.degraded[CORE].samples <= 15
    assert seen.degraded[CORE].seconds < seen.mails[0].seconds < 20
    assert seen.served[CORE].samples >= 2
    (incident,) = seen.incidents
    assert incident["root"] == "hub/core"
    assert (incident["kind"], incident["worst"], incident["open"]) == ("degradation", "DEGRADED", False)
    assert incident["detail"].startswith("rtt_ms 8")
    opened, closed = seen.mails
    assert (opened.answers, closed.answers) == (False, True)
    assert "DEGRADED" in opened.subject
    assert seen.told_end is not None
    assert seen.told_end < 20


def test_what_is_fed_to_the_detectors_is_a_day_of_the_healthy_link() -> None:
    bursts = [Reading.ok({"rtt_ms": 20.0 + n / 10, "loss_pct": 0.0, "sent": 10.0}) for n in range(5)]
    latency, loss = learned(bursts, 1_700_000_000.0, seed=1)
    found = Detector.from_bytes(latency).explain()
    assert not found.alarm
    assert found.baseline == pytest.approx(20.2, abs=0.11)
    assert found.hour_median == pytest.approx(20.2, abs=0.2)
    usual = LossDetector.from_bytes(loss).explain()
    assert (usual.alarm, usual.score) == (False, 0.0)
