"""Whether a test may begin: in the runner's path, with what the store and the states say."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.calendars.windows import Window
from monitor.discipline import admission
from monitor.discipline.admission import Sight
from monitor.discipline.rules import Rules
from monitor.job import Job, Line, Route
from monitor.state import State
from monitor.store.api import Latest
from probes.api import MetricDef, Outcome, Params, ProbeSpec, Reading
from tests.discipline.world import LISTEN, Ground, echo, ground, job

NOON = datetime(2026, 11, 23, 12, 0)  # noqa: DTZ001 - the wall has no zone
ROUTE = Route((Line("h1/up", "Asia/Shanghai"), Line("gz/core", "UTC")), 10e6, 20e6)
METER = ProbeSpec("ifmib", "test", "", Params, LISTEN.run, metrics=(MetricDef("use_up_pct", "%"),))


@pytest.mark.parametrize(
    ("sights", "kind", "said"),
    [
        ([], None, ""),
        ([Sight("a", 70.0), Sight("b")], None, ""),
        ([Sight("a", 3.0), Sight("b", 70.1)], "in_use", "70 % of b is in use, tests stop at 70 %"),
        ([Sight("a", 99.0), Sight("b", down="b/x/icmp")], "unhealthy", "b is down (b/x/icmp)"),
        ([Sight("a", risen="rtt 90 ms")], "unhealthy", "a has enough to carry already (rtt 90 ms)"),
    ],
)
def test_what_the_lines_say(sights: list[Sight], kind: str | None, said: str) -> None:
    found = admission.refusal(Rules(), sights)
    assert (found.kind if found else None) == kind
    assert (found.detail if found else "") == said


def test_a_closed_window_is_told_with_the_units_own_time() -> None:
    found = admission.closed((Window.parse("mon-fri 13:00-14:00"),), NOON)
    assert found is not None
    said = "Mon 12:00 in the unit lies outside the windows for this test"
    assert (found.kind, found.detail) == ("window", said)


class Store:
    """What the store knows last of each check."""

    def __init__(self, **use: float) -> None:
        self.use, self.at = use, time.time()

    def latest(self, check: str) -> Latest | None:
        if not check.endswith(f"/{METER.name}"):
            return None
        reading = Reading.ok(dict(self.use))
        reading.at = self.at
        return Latest(reading, reading)


async def ready(yard: Ground) -> tuple[Job, Job]:
    """Return a test on the hall's uplink and a check that listens there, adopted with a meter."""
    test, ears = job(yard.spec(), "h1/up", ROUTE), job(LISTEN, "h1/up", ROUTE)
    meters = [job(METER, "h1/up", ROUTE), job(METER, "gz/core", Route(ROUTE.lines[1:]))]
    await yard.tests.adopt([test, ears, *meters])
    return test, ears


async def once(tmp_path: Path, **given: Any) -> Reading:
    async with ground(tmp_path / "state.db", **given) as yard:
        test, _ = await ready(yard)
        yard.start([test])
        (reading,) = await yard.settled(1)
        assert len(yard.intervals) == (reading.outcome is Outcome.OK)
        refused = {reading.kind: 1} if reading.kind else {}
        assert {kind: n for kind, n in yard.tests.counters.refused.items() if n} == refused
    return reading


async def test_a_line_in_use_is_left_alone(tmp_path: Path) -> None:
    reading = await once(tmp_path, evidence=Store(use_up_pct=12.0, use_down_pct=81.0))
    assert (reading.outcome, reading.kind) == (Outcome.NOT_RUN, "in_use")
    assert reading.detail == "81 % of h1/up is in use, tests stop at 70 %"
    assert (reading.check, reading.vantage) == ("h1/up/claim", "hub")
    assert abs(reading.at - time.time()) < 5


async def test_the_reading_says_whether_the_use_is_known(tmp_path: Path) -> None:
    assert (await once(tmp_path, evidence=Store(use_up_pct=69.0))).facts["link_use"] == "measured"
    assert (await once(tmp_path, evidence=Store(rtt_ms=1.0))).facts["link_use"] == "not measured"
    assert (await once(tmp_path)).facts["link_use"] == "not measured"
    old = Store(use_up_pct=99.0)
    old.at -= 3600
    assert (await once(tmp_path, evidence=old)).facts["link_use"] == "not measured"


async def test_a_line_that_is_down_is_left_alone(tmp_path: Path) -> None:
    reading = await once(tmp_path, state_of={"h1/up/icmp": State.DOWN}.get)
    assert (reading.kind, reading.detail) == ("unhealthy", "h1/up is down (h1/up/icmp)")
    assert (await once(tmp_path, state_of={"h1/up/icmp": State.DEGRADED}.get)).outcome is Outcome.OK


async def test_a_line_whose_rtt_has_risen_is_left_alone(tmp_path: Path) -> None:
    async with ground(tmp_path / "state.db") as yard:
        test, ears = await ready(yard)
        for rtt in [10.0] * 9 + [95.0]:
            yard.tests.on_reading(ears, echo(rtt))
        yard.start([test])
        (reading,) = await yard.settled(1)
    assert (reading.kind, reading.detail) == (
        "unhealthy", "h1/up has enough to carry already (h1/up/icmp: rtt 95.0 ms, usually 10.0 ms)",
    )  # fmt: skip


NOON_THERE = datetime(2026, 11, 23, 4, tzinfo=UTC).timestamp()
MORNING = (Window.parse("07:00-11:00"),)


async def test_outside_the_window_nothing_is_run(tmp_path: Path) -> None:
    reading = await once(tmp_path, rules=Rules(windows=MORNING), clock=lambda: NOON_THERE)
    said = "Mon 12:00 in the unit lies outside the windows for this test"
    assert (reading.kind, reading.detail) == ("window", said)
    early = NOON_THERE - 4 * 3600
    assert (await once(tmp_path, rules=Rules(windows=MORNING), clock=lambda: early)).outcome is Outcome.OK


async def test_a_checks_own_windows_count_in_place_of_the_settings(tmp_path: Path) -> None:
    rules = Rules(windows=MORNING)
    async with ground(tmp_path / "state.db", rules, clock=lambda: NOON_THERE) as yard:
        test, _ = await ready(yard)
        yard.start([replace(test, windows=(Window.parse("mon 12:00-12:01"),))])
        (reading,) = await yard.settled(1)
    assert reading.outcome is Outcome.OK


class Clock:
    """The wall's clock, set to a moment."""

    def __init__(self, at: float) -> None:
        self.ahead = at - time.time()

    def __call__(self) -> float:
        return time.time() + self.ahead


async def test_a_nightly_check_waits_for_its_window_but_not_when_asked(tmp_path: Path) -> None:
    clock = Clock(NOON_THERE + 10 * 3600 - 1.0)
    async with ground(tmp_path / "state.db", clock=clock) as yard:
        test, _ = await ready(yard)
        nightly = replace(test, every=86_400.0, windows=(Window.parse("22:00-22:01"),))
        yard.runner.start(nightly, asyncio.get_running_loop().time(), asked=True)
        (asked,) = await yard.settled(1)
        assert asked.kind == "window"
        yard.start([nightly])
        await asyncio.sleep(0.05)
        assert (yard.tests.waiting, yard.tests.under_way) == (1, 0)
        reading = (await yard.settled(2))[1]
    assert reading.outcome is Outcome.OK
    assert reading.phases["turn"] > 100
    assert reading.lag_ms < 200


async def test_a_check_does_not_queue_behind_itself(tmp_path: Path) -> None:
    async with ground(tmp_path / "state.db") as yard:
        test, _ = await ready(yard)
        yard.start([test, test])
        readings = await yard.settled(2)
    assert [reading.kind for reading in readings] == ["busy", ""]
    assert readings[0].detail == "the run before this one is still under way, or waits"


async def test_tries_of_one_run_share_what_it_was_given(tmp_path: Path) -> None:
    async def fails(target: object, params: object, context: Any) -> Reading:
        offered.append(context.link.max_bytes)
        context.link.spent(40_000, 20_000)
        return Reading(Outcome.FAILED, "refused")

    offered: list[int] = []
    async with ground(tmp_path / "state.db", Rules(bytes_per_run=100_000)) as yard:
        spec = replace(yard.spec(), run=fails)
        yard.start([job(spec, "h1/up", ROUTE, retries=2)])
        (reading,) = await yard.settled(1)
        assert (reading.kind, offered) == ("refused", [100_000, 40_000, 0])
        assert (yard.tests.counters.up_bytes, yard.tests.counters.down_bytes) == (120_000, 60_000)


async def test_a_shutdown_starts_no_test_that_waits(tmp_path: Path) -> None:
    async with ground(tmp_path / "state.db") as yard:
        tests = [job(yard.spec(), f"h{n}/up", ROUTE, seconds=0.3) for n in range(5)]
        yard.start(tests)
        while not yard.tests.vitals.under_test("gz/core"):
            await asyncio.sleep(0.005)
        await yard.runner.drain(5)
        assert yard.runner.in_flight == 0
        assert yard.tests.waiting == 0
    assert [reading.check for reading in yard.readings] == ["h0/up/claim"]
    assert len(yard.intervals) == 1


async def test_a_full_disk_is_no_leave(tmp_path: Path) -> None:
    async with ground(tmp_path / "state.db") as yard:
        test, _ = await ready(yard)
        await yard.tests._ledger._database.write(lambda connection: connection.execute("DROP TABLE line_use"))
        yard.start([test])
        (reading,) = await yard.settled(1)
    assert (reading.kind, reading.detail) == ("budget", "what tests use can't be recorded now")
    assert not yard.intervals
