"""One due check, one reading: whatever the probe does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from monitor.job import Job
from monitor.runner import Limits, Runner
from monitor.schedule import Batch, Planned
from probes.api import Context, Outcome, Reading, Target
from probes.errors import Refused
from tests.run.jobs import NoParams, answers, hangs, job, shared


class Harness:
    """A runner whose readings are kept."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.readings: list[Reading] = []
        self.runner = Runner(shared(), lambda _, reading: self.readings.append(reading), limits, "hub")
        self.runner.wheel.start()

    def start(self, check: Job, late: float = 0.0) -> None:
        self.runner.start(check, asyncio.get_running_loop().time() - late)

    async def settled(self, count: int, seconds: float = 5.0) -> list[Reading]:
        end = time.monotonic() + seconds
        while len(self.readings) < count and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return self.readings


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    harness = Harness()
    yield harness
    harness.runner.wheel.stop()


async def test_a_reading_is_stamped(harness: Harness) -> None:
    harness.start(job("u/a/c"), late=0.02)
    (reading,) = await harness.settled(1)
    assert (reading.outcome, reading.check, reading.vantage) == (Outcome.OK, "u/a/c", "hub")
    assert reading.lag_ms >= 20
    assert abs(reading.at - time.time()) < 2
    assert harness.runner.in_flight == 0


async def test_a_target_that_never_answers_costs_its_own_deadline_only(harness: Harness) -> None:
    for number in range(200):
        harness.start(job(f"u/a{number}/dead", hangs, timeout=0.3, address=f"127.0.1.{number}"))
        harness.start(job(f"u/a{number}/alive", answers, address=f"127.0.1.{number}"))
    readings = await harness.settled(400)
    alive = [r for r in readings if r.check.endswith("alive")]
    dead = [r for r in readings if r.check.endswith("dead")]
    assert len(alive) == len(dead) == 200
    assert {(r.outcome, r.kind, r.phase) for r in dead} == {(Outcome.FAILED, "timeout", "connect")}
    assert all(250 <= r.duration_ms < 1500 for r in dead)
    assert {r.outcome for r in alive} == {Outcome.OK}


async def test_a_deadline_while_waiting_for_ourselves_accuses_nobody(harness: Harness) -> None:
    async def queued(target: Target, params: NoParams, context: Context) -> Reading:
        context.phase = "queued"
        await asyncio.Event().wait()
        return Reading.ok()

    harness.start(job(run=queued, timeout=0.1))
    (reading,) = await harness.settled(1)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")


async def test_a_bug_in_a_probe_is_an_error_of_that_check_alone(harness: Harness) -> None:
    async def broken(target: Target, params: NoParams, context: Context) -> Reading:
        raise ZeroDivisionError

    harness.runner.start_batch(Batch(0.0, []))
    planned = [Planned(job("u/a/broken", broken)), Planned(job("u/a/fine"))]
    harness.runner.start_batch(Batch(asyncio.get_running_loop().time(), planned))
    readings = {r.check: r for r in await harness.settled(2)}
    assert (readings["u/a/broken"].outcome, readings["u/a/broken"].kind) == (Outcome.ERROR, "prober_error")
    assert readings["u/a/fine"].outcome is Outcome.OK


async def test_a_check_removed_while_its_slot_waits_is_not_run(harness: Harness) -> None:
    planned = Planned(job())
    planned.active = False
    harness.runner.start_batch(Batch(asyncio.get_running_loop().time(), [planned]))
    await asyncio.sleep(0.05)
    assert not harness.readings


async def test_retries_are_made_only_on_failures_and_said(harness: Harness) -> None:
    tries: list[int] = []

    async def second_time(target: Target, params: NoParams, context: Context) -> Reading:
        tries.append(1)
        if len(tries) == 1:
            raise Refused("connect: refused")
        return Reading.ok()

    harness.start(job(run=second_time, retries=3))
    (reading,) = await harness.settled(1)
    assert (reading.outcome, reading.detail, len(tries)) == (Outcome.OK, "(try 2)", 2)


async def test_each_attempt_has_its_own_deadline(harness: Harness) -> None:
    harness.start(job(run=hangs, timeout=0.1, retries=1))
    (reading,) = await harness.settled(1)
    assert reading.kind == "timeout"
    assert harness.runner.counters.expired == 2


async def test_only_so_many_at_once_on_one_target() -> None:
    harness = Harness(Limits(per_target=2, waiting_per_target=3))
    running, most = 0, 0

    async def counted(target: Target, params: NoParams, context: Context) -> Reading:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return Reading.ok()

    for number in range(6):
        harness.start(job(f"u/a/c{number}", counted))
    readings = await harness.settled(6)
    harness.runner.wheel.stop()
    assert most == 2
    assert sorted(r.outcome for r in readings) == [Outcome.NOT_RUN] + [Outcome.OK] * 5
    assert [r.kind for r in readings if r.outcome is Outcome.NOT_RUN] == ["overload"]


async def test_what_is_too_late_is_shed_and_counted_never_failed(harness: Harness) -> None:
    harness.start(job(), late=5.0)
    (reading,) = await harness.settled(1)
    assert (reading.outcome, reading.kind) == (Outcome.NOT_RUN, "overload")
    assert "5.0 s late" in reading.detail
    assert harness.runner.counters.shed == 1


async def test_draining_lets_runs_finish_and_ends_the_rest(harness: Harness) -> None:
    harness.start(job("u/a/quick"))
    harness.start(job("u/b/stuck", hangs, timeout=30))
    await harness.runner.drain(0.2)
    assert [r.check for r in harness.readings] == ["u/a/quick"]
    assert harness.runner.in_flight == 0


async def test_a_check_that_cannot_be_started_loses_none_of_its_slot() -> None:
    def excuse(check: str, at: float) -> str:
        if check == "u/b/c":
            raise ValueError("a fault of ours")
        return ""

    kept: list[str] = []
    runner = Runner(shared(), lambda _, reading: kept.append(reading.check), maintenance=excuse)
    planned = [Planned(job(name)) for name in ("u/a/c", "u/b/c", "u/d/c")]
    runner.start_batch(Batch(asyncio.get_running_loop().time(), planned))
    await runner.drain(5)
    assert kept == ["u/a/c", "u/d/c"]
    assert runner.in_flight == 0
