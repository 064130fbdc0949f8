"""How the lines are, by what other checks saw."""

from __future__ import annotations

import asyncio
import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.discipline.budget import Amount
from monitor.discipline.grant import Grant
from monitor.discipline.vitals import HOUR_S, KEPT, LEAST_USUAL, Pulse, Vitals, risen
from monitor.job import Job, Line, Route
from monitor.process.turns import TURN_S
from probes.api import MetricDef, Outcome, Params, ProbeSpec, Reading
from tests.discipline.world import LISTEN, echo, job

CORE = Line("gz/core", "UTC")
LOAD = ProbeSpec("claim", "test", "", Params, LISTEN.run, loads_link=True)
METER = ProbeSpec("ifmib", "test", "", Params, LISTEN.run, metrics=(MetricDef("use_up_pct", "%"),))


def route(hall: str) -> Route:
    return Route((Line(f"{hall}/up", "UTC"), CORE), 10e6, 20e6)


def ears(hall: str) -> Job:
    return job(LISTEN, f"{hall}/up", route(hall))


class Clock:
    def __init__(self) -> None:
        self.now = 10_000.0

    def __call__(self) -> float:
        return self.now


READINGS = st.lists(
    st.tuples(st.floats(0, 600), st.floats(0.1, 500), st.integers(1, 100), st.integers(0, 100)), max_size=150
)


@given(READINGS)
def test_an_account_is_of_the_last_readings_within_the_hour(
    readings: list[tuple[float, float, int, int]],
) -> None:
    pulse, now = Pulse(ears("h1")), 10_000.0
    kept: list[tuple[float, float, int, int]] = []
    for gap, rtt, sent, lost in readings:
        now += gap
        pulse.add(now, math.nan if lost == 100 else rtt, sent, min(sent, lost))
        kept.append((now, rtt, sent, lost))
    recent = [each for each in kept[-KEPT:] if each[0] > now - HOUR_S]
    rtts = [rtt for _, rtt, _, lost in recent if lost != 100]
    assert pulse.rtts(now) == rtts
    assert pulse.usual(now) == (median(rtts) if len(rtts) >= LEAST_USUAL else None)
    lost = sum(min(each[2], each[3]) for each in recent)
    assert pulse.packets(now) == (sum(each[2] for each in recent), lost)


@pytest.mark.parametrize(
    ("rtt", "usual", "is_risen"),
    [(60.0, 10.0, False), (60.1, 10.0, True), (200.0, 100.0, False), (200.1, 100.0, True)],
)
def test_risen_is_twice_and_fifty_more(rtt: float, usual: float, is_risen: bool) -> None:
    assert risen(rtt, usual) is is_risen


async def listening(clock: Clock, *jobs: Job) -> Vitals:
    vitals = Vitals(clock)
    await vitals.adopt(jobs)
    return vitals


def grant(clock: Clock, *lines: str) -> Grant:
    return Grant(lines, Amount(10**6, 10_000), clock=clock)


async def test_only_lines_that_tests_load_are_listened_to() -> None:
    clock, test = Clock(), job(LOAD, "h1/up", route("h1"))
    other = job(LISTEN, "x/up", Route((Line("x/up", "UTC"),)))
    meter = job(METER, "gz/core", Route((CORE,)))
    vitals = await listening(clock, ears("h1"), ears("h2"), other, test, meter)
    assert [pulse.job.id for pulse in vitals.near("h1/up")] == ["h1/up/icmp"]
    assert [pulse.job.id for pulse in vitals.near("h2/up")] == ["h2/up/icmp"], "a sibling, by the core"
    assert not vitals.near("x/up")
    assert vitals.meters("gz/core") == [meter]
    await vitals.adopt([ears("h1")])
    assert not vitals.near("h1/up"), "no test, no account"


async def test_an_account_outlives_a_reload_unless_the_target_is_another() -> None:
    clock, test = Clock(), job(LOAD, "h1/up", route("h1"))
    vitals = await listening(clock, ears("h1"), test)
    for _ in range(LEAST_USUAL):
        vitals.on_reading(ears("h1"), echo(20.0))
    await vitals.adopt([job(LISTEN, "h1/up", route("h1"), every=30.0), test])
    assert vitals.lately(test) == (0.0, 20.0)
    moved = ears("h1")
    moved = Job(moved.id, "h1", "up", "icmp", LISTEN, type(moved.target)("127.0.0.9"), moved.params, 60, 5,
                route=moved.route)  # fmt: skip
    await vitals.adopt([moved, test])
    assert vitals.lately(test) == (None, None)


async def test_loss_counts_packets_and_not_readings() -> None:
    clock, test = Clock(), job(LOAD, "h1/up", route("h1"))
    vitals = await listening(clock, ears("h1"), test)
    vitals.on_reading(ears("h1"), echo(20.0, sent=90, received=90))
    vitals.on_reading(ears("h1"), echo(40.0, sent=10, received=5))
    assert vitals.lately(test) == (0.05, 30.0)
    failed = Reading(Outcome.FAILED, "timeout", metrics={"sent": 100.0, "received": 0.0})
    vitals.on_reading(ears("h1"), failed)
    assert vitals.lately(test) == (0.525, 30.0)
    vitals.on_reading(ears("h1"), Reading(Outcome.ERROR, "inconclusive", metrics={"sent": 100.0}))
    assert vitals.lately(test)[0] == 0.525, "what was not measured says nothing"
    clock.now += HOUR_S
    assert vitals.lately(test) == (None, None)


async def test_a_test_that_fills_its_own_line_ends_by_others_only() -> None:
    """Round trips that grow on the line itself are what it measures; behind the core others would suffer."""
    clock, test = Clock(), job(LOAD, "h1/up", route("h1"))
    vitals = await listening(clock, ears("h1"), ears("h2"), test)
    for _ in range(LEAST_USUAL):
        for ear in ("h1", "h2"):
            vitals.on_reading(ears(ear), echo(20.0))
    running = grant(clock, "h1/up", "gz/core")
    running.fill()
    vitals.begin(running)
    clock.now += 2
    vitals.on_reading(ears("h1"), echo(900.0))
    assert not running.hurt()
    vitals.on_reading(ears("h2"), echo(900.0))
    assert running.hurt() == "h2/up/icmp: rtt 900.0 ms, usually 20.0 ms"
    again = grant(clock, "h1/up", "gz/core")
    again.fill()
    again.renew()
    assert not again.fills, "the next try has trains first"


async def test_what_was_measured_while_a_test_filled_the_line_does_not_count() -> None:
    clock, test = Clock(), job(LOAD, "h1/up", route("h1"))
    vitals = await listening(clock, ears("h1"), ears("h2"), test)
    running = grant(clock, "h1/up", "gz/core")
    vitals.begin(running)
    bad = Reading(Outcome.OK, metrics={"rtt_ms": 500.0, "loss_pct": 10.0}, check="h1/up/icmp", at=5.0)
    assert vitals.screened(ears("h1"), bad) is bad, "its trains fill nothing"
    running.fill()
    counted = vitals.screened(ears("h1"), bad)
    assert (counted.outcome, counted.kind) == (Outcome.ERROR, "inconclusive")
    assert (counted.detail, counted.metrics) == ("a test filled the queue of h1/up meanwhile", {})
    assert (counted.check, counted.at) == ("h1/up/icmp", 5.0)
    assert vitals.screened(ears("h2"), bad) is bad, "behind the core nothing is filled"
    failed = Reading(Outcome.FAILED, "timeout")
    assert vitals.screened(ears("h1"), failed) is failed
    clock.now += 10
    vitals.end(running)
    clock.now += 5
    assert vitals.screened(ears("h1"), bad) is bad
    bad.duration_ms = 6000.0
    assert vitals.screened(ears("h1"), bad) is not bad, "it began before the test ended"


async def test_a_line_that_goes_dead_ends_even_a_test_that_fills_it() -> None:
    clock, test = Clock(), job(LOAD, "h1/up", route("h1"))
    vitals = await listening(clock, ears("h1"), test)
    vitals.on_reading(ears("h1"), echo(20.0))
    running = grant(clock, "h1/up", "gz/core")
    running.fill()
    vitals.begin(running)
    clock.now += 2
    vitals.on_reading(ears("h1"), Reading(Outcome.FAILED, "timeout"))
    assert "has lost its target" in running.why


async def test_what_was_measured_beside_a_test_is_not_kept() -> None:
    clock, test = Clock(), job(LOAD, "h1/up", route("h1"))
    vitals = await listening(clock, ears("h1"), test)
    vitals.on_reading(ears("h1"), echo(20.0))
    running = grant(clock, "h1/up", "gz/core")
    vitals.begin(running)
    clock.now += 1
    vitals.on_reading(ears("h1"), echo(50.0, received=5))
    vitals.end(running)
    clock.now += 1
    vitals.on_reading(ears("h1"), echo(50.0, received=5, duration_ms=1500))
    assert vitals.lately(test) == (0.0, 20.0)
    vitals.on_reading(ears("h1"), echo(40.0, duration_ms=500))
    assert vitals.lately(test) == (0.0, 30.0)


async def test_a_target_lost_meanwhile_ends_the_test_and_one_long_dead_does_not() -> None:
    clock = Clock()
    jobs = [ears("h1"), ears("h2"), job(LOAD, "h1/up", route("h1"))]
    vitals = await listening(clock, *jobs)
    silent = Reading(Outcome.FAILED, "timeout", metrics={"sent": 10.0, "received": 0.0})
    vitals.on_reading(ears("h1"), echo(20.0))
    vitals.on_reading(ears("h2"), silent)
    running = grant(clock, "h1/up", "gz/core")
    vitals.begin(running)
    clock.now += 1
    vitals.on_reading(ears("h2"), silent)
    assert not running.hurt()
    vitals.on_reading(ears("h1"), silent)
    assert running.hurt() == "h1/up/icmp has lost its target (timeout)"


async def test_nothing_is_called_usual_without_enough_readings() -> None:
    clock = Clock()
    vitals = await listening(clock, ears("h1"), job(LOAD, "h1/up", route("h1")))
    for _ in range(LEAST_USUAL - 1):
        vitals.on_reading(ears("h1"), echo(20.0))
    running = grant(clock, "h1/up", "gz/core")
    vitals.begin(running)
    clock.now += 1
    vitals.on_reading(ears("h1"), echo(900.0))
    assert not running.why


@pytest.mark.alone
@pytest.mark.may_block
async def test_a_hundred_thousand_checks_are_adopted_in_turns() -> None:
    plain = [job(LISTEN, f"u{n}/a", None) for n in range(100_000)]
    longest, last, loop = 0.0, 0.0, asyncio.get_running_loop()

    async def ticks() -> None:
        nonlocal longest, last
        last = loop.time()
        while True:
            await asyncio.sleep(0)
            longest, last = max(longest, loop.time() - last), loop.time()

    ticker = asyncio.create_task(ticks())
    vitals = await listening(Clock(), *plain)
    ticker.cancel()
    assert not vitals.near("u1/a")
    assert longest < 10 * TURN_S
