"""What is worse already for a slight cause is told anew when a grave one joins it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.incidents.incident import Notice, Severity
from monitor.job import Job
from monitor.releases.pledges import Pledge
from monitor.state import DRIFTS, State
from probes.api import Reading
from tests.state.world import START, TCP, Place, World

PLEDGE = Pledge("billing", "r3", "blocker", 0.0, ())


async def drifting(path: Path, first: str, later: str) -> World:
    """Return a world whose only check drifts after 10 minutes, and in another way after 25."""
    world = World(path / "s", [Place("hall/n1", probes=(TCP,))], lambda _name, _at: False)
    world.jobs = {key: replace(job, released=(PLEDGE,)) for key, job in world.jobs.items()}
    await world.start()

    def drift(_: Job, reading: Reading) -> tuple[str, str]:
        at = reading.at - START
        kind = "" if at < 600 else first if at < 1500 else later
        return kind, kind and f"as of {kind}"

    world.watch.drift = drift
    return world


@pytest.mark.parametrize("first", DRIFTS[1:])
async def test_a_graver_cause_is_told(tmp_path: Path, first: str) -> None:
    world = await drifting(tmp_path, first, "drift_blocker")
    await world.until(1400)
    [before] = await world.store.recent(0)
    assert (before.kind, before.severity is Severity.CRITICAL) == (first, False)
    await world.until(2400)
    [after] = await world.store.recent(0)
    assert (after.id, after.kind, after.detail) == (before.id, "drift_blocker", "as of drift_blocker")
    assert (after.state, after.severity) == (State.DEGRADED, Severity.CRITICAL)
    assert [mail.notice for mail in world.mails] == [Notice.OPENED, Notice.WORSE]
    await world.stop()


@pytest.mark.parametrize("later", DRIFTS[1:])
async def test_a_slighter_cause_is_no_news(tmp_path: Path, later: str) -> None:
    world = await drifting(tmp_path, "drift_blocker", later)
    await world.until(2400)
    [incident] = await world.store.recent(0)
    assert (incident.kind, incident.severity) == ("drift_blocker", Severity.CRITICAL)
    assert [mail.notice for mail in world.mails] == [Notice.OPENED]
    await world.stop()
