"""Work with `skip`: the check is not run, its state claims nothing, and a fresh result decides afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from monitor.incidents.correlator import Correlator
from monitor.incidents.incident import Decision
from monitor.incidents.troubles import Timing
from monitor.people.maintenance import Maintenance, Maintenances, Mode, Tree
from monitor.readiness.expectation import Truth
from monitor.readiness.verdict import Status
from monitor.runner import Runner
from monitor.state import CheckState, Policy, State, advance
from probes.api import Outcome, Reading
from tests.opened import Nothing
from tests.readiness.world import CHECKLIST, World
from tests.run.jobs import job, shared
from tests.state.readings import failed, not_run, ok


class Believed:
    """A check's state over readings, and what the correlator decides of it; a reading a minute."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.state = CheckState("u/a/c")
        self.correlator = Correlator(Nothing(), lambda _: False, Timing(hold=0.0, stable=300.0))
        self.decisions: list[Decision] = []

    def give(self, *readings: Reading) -> None:
        for reading in readings:
            self.now += 60
            reading.at = self.now
            moved = advance(self.state, reading, Truth.PASS, Policy(), self.now)
            if moved is not None:
                self.correlator.heard(self.state, moved, self.now)
            self.decisions += self.correlator.decide(self.now + 10)

    @property
    def believed(self) -> str:
        return self.state.state.value

    def names(self) -> list[str]:
        return [type(each).__name__ for each in self.decisions]


def skipped(count: int = 1) -> Sequence[Reading]:
    return [not_run(0, "maintenance") for _ in range(count)]


def test_what_was_ok_becomes_unknown_and_opens_nothing() -> None:
    check = Believed()
    check.give(ok(0), *skipped(10))
    assert check.believed == State.UNKNOWN, "nothing is known of it, so nothing is claimed"
    assert check.state.kind == "maintenance"
    assert check.decisions == []
    check.give(ok(0), ok(0))
    assert check.believed == State.OK
    assert check.decisions == []


def test_what_was_down_stays_down_until_a_fresh_result() -> None:
    check = Believed()
    check.give(ok(0), failed(0), failed(0))
    assert check.names() == ["Open"]
    check.give(*skipped(10))
    assert check.believed == State.DOWN
    assert check.names() == ["Open"], "it neither ends nor moves"
    check.give(ok(0), ok(0))
    assert check.believed == State.OK
    assert check.names()[1] == "Leave"


def test_what_fails_after_the_work_opens_an_incident() -> None:
    check = Believed()
    check.give(ok(0), *skipped(5), failed(0), failed(0))
    assert check.believed == State.DOWN
    assert check.names() == ["Open"]


def test_work_is_no_part_of_a_run_of_failures() -> None:
    check = Believed()
    check.give(ok(0), failed(0), *skipped(2), failed(0))
    assert check.believed == State.DOWN, "two failures in a row, whatever lay between"
    check = Believed()
    check.give(ok(0), failed(0), *skipped(4))
    assert check.believed == State.UNKNOWN
    assert check.decisions == []


async def run(runner: Runner, readings: list[Reading], *checks: str, asked: bool = False) -> list[str]:
    readings.clear()
    for check in checks:
        runner.start(job(check), asyncio.get_running_loop().time(), asked=asked)
    async with asyncio.timeout(5):
        while len(readings) < len(checks):
            await asyncio.sleep(0.01)
    return [f"{reading.check}: {reading.kind or reading.outcome.value}" for reading in readings]


@pytest.mark.parametrize("asked", [False, True])
async def test_the_runner_leaves_out_what_is_skipped(asked: bool) -> None:
    work, readings = Maintenances(), list[Reading]()
    work.adopt(Tree({"top": None, "u": "top", "v": None}))
    runner = Runner(shared(), lambda _, reading: readings.append(reading), maintenance=work.excuse)
    runner.wheel.start()
    try:
        assert await run(runner, readings, "u/a/c", asked=asked) == ["u/a/c: ok"]
        work.put([Maintenance(4, "top", Mode.SKIP, "new switch", "li", 0.0, ends_at=1e10)])
        found = await run(runner, readings, "u/a/c", "v/a/c", asked=asked)
        assert sorted(found) == ["u/a/c: maintenance", "v/a/c: ok"]
        [left_out] = [reading for reading in readings if reading.check == "u/a/c"]
        assert (left_out.outcome, left_out.detail) == (Outcome.NOT_RUN, "maintenance 4: new switch")
        work.put([Maintenance(4, "top", Mode.MUTE, "new switch", "li", 0.0, ends_at=1e10)])
        assert await run(runner, readings, "u/a/c", asked=asked) == ["u/a/c: ok"]
    finally:
        await runner.drain(0)
        runner.wheel.stop()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_reading_left_out_is_missing_and_no_failure(world: World) -> None:
    row = world.ok("uplink/icmp", 30, rtt_ms=12).not_run("uplink/icmp", "maintenance", 10).item("rtt")
    assert row.status is Status.PASS, "the last measurement counts until it expires"
    world.readings.clear()
    row = world.not_run("uplink/icmp", "maintenance", 10).item("rtt")
    assert (row.status, row.reason) == (Status.UNKNOWN, "maintenance")


@pytest.mark.parametrize(
    ("every", "status", "reason"), [(20, Status.PASS, ""), (4, Status.UNKNOWN, "inconclusive")]
)
def test_in_a_window_it_is_missing_too(world: World, every: int, status: Status, reason: str) -> None:
    world.checklist = CHECKLIST.replace('{rtt_ms: "<= 40"}', '{rtt_ms: {p95: "<= 40", over: 24h}}')
    for number in range(1440):
        if number % every == every - 1:
            world.not_run("uplink/icmp", "maintenance", 60 * number + 10)
        else:
            world.ok("uplink/icmp", 60 * number + 10, rtt_ms=12)
    row = world.item("rtt")
    assert (row.status, row.reason) == (status, reason)
