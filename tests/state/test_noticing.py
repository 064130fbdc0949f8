"""From a series that gets worse to a state that says so: which series are watched, and over restarts."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.degradation import Sensitivity
from monitor.incidents.incident import Change
from monitor.job import Job, Line, Required, Route
from monitor.noticing import Noticing, watched
from monitor.readiness.expectation import Truth
from monitor.state import DEGRADATION, CheckState, Phase, Policy, State, advance
from monitor.store.database import Database
from monitor.store.detectors import DetectorStore
from monitor.watch import Watch
from probes import registry
from tests.state.readings import failed, job, ok

ICMP, THROUGHPUT = registry.get("icmp"), registry.get("throughput")
DAY = 86400.0


def channel(degradation: Mapping[str, str] | None = None, check: str = "u/up/icmp") -> Job:
    route = Route((Line("u/up", "Asia/Shanghai"),))
    return replace(job(check), spec=ICMP, route=route, degradation=degradation or {})


class Ledger:
    async def load(self) -> list[CheckState]:
        return []

    async def commit(self, changes: Sequence[Change]) -> None:
        """Keep nothing."""


def test_latency_loss_and_rate_of_channels_are_watched_and_nothing_else() -> None:
    assert [metric.name for metric, _ in watched(channel())] == ["rtt_ms", "loss_pct"]
    assert list(watched(replace(channel(), route=None))) == []
    rates = [metric.name for metric, _ in watched(replace(channel(), spec=THROUGHPUT))]
    assert rates == ["capacity_up_bps", "capacity_down_bps"]


def test_a_series_can_be_left_out_or_taken_in() -> None:
    quiet = channel({"rtt_ms": "off", "loss_pct": "high"})
    assert [(metric.name, how) for metric, how in watched(quiet)] == [("loss_pct", Sensitivity.HIGH)]
    host = replace(channel({"rtt_ms": "low"}), route=None)
    assert [(metric.name, how) for metric, how in watched(host)] == [("rtt_ms", Sensitivity.LOW)]


class Course:
    """A watch with detectors over a database, fed with a reading a minute."""

    def __init__(self, path: Path) -> None:
        self.path, self.now, self.draw = path, 1_700_000_000.0, random.Random(3)
        self.job = channel()

    async def start(self) -> None:
        self.database = Database(self.path)
        self.noticing = Noticing(DetectorStore(self.database))
        await self.noticing.load()
        self.watch = Watch(Ledger(), notice=self.noticing, clock=lambda: self.now)
        await self.watch.adopt([self.job])
        await self.noticing.adopt([self.job])

    def feed(self, minutes: int, rtt: float, loss: float = 0.0) -> None:
        for _ in range(minutes):
            self.now += 60
            lost = sum(self.draw.random() < loss for _ in range(10))
            noise = self.draw.uniform(-0.5, 0.5)
            reading = ok(self.now, rtt_ms=rtt + noise, loss_pct=10.0 * lost, sent=10.0)
            reading.check = self.job.id
            self.watch.on_reading(self.job, reading)

    @property
    def state(self) -> CheckState:
        state = self.watch.state(self.job.id)
        assert state is not None
        return state


@pytest.mark.may_block
async def test_a_rise_is_noticed_within_minutes_and_ends(tmp_path: Path) -> None:
    course = Course(tmp_path / "state.db")
    await course.start()
    course.feed(1440, 20.0)
    assert course.state.state is State.OK
    course.feed(6, 80.0)
    assert (course.state.state, course.state.kind) == (State.DEGRADED, DEGRADATION)
    assert re.fullmatch(r"rtt_ms [78]\d\.\d+ ms, usually 20(\.\d+)? \(jump\)", course.state.detail)
    assert course.now - 120 <= course.state.since <= course.now
    course.feed(15, 20.0)
    assert course.state.state is State.OK
    course.database.close()


@pytest.mark.may_block
async def test_a_rise_that_does_not_matter_is_no_trouble(tmp_path: Path) -> None:
    course = Course(tmp_path / "state.db")
    await course.start()
    course.feed(1440, 20.0)
    course.feed(60, 26.0)
    assert course.state.state is State.OK
    course.database.close()


@pytest.mark.may_block
async def test_what_was_learned_survives_a_restart(tmp_path: Path) -> None:
    course = Course(tmp_path / "state.db")
    await course.start()
    course.feed(1440, 20.0)
    await course.noticing.save_all()
    course.database.close()
    await course.start()
    course.feed(2, 20.0)
    course.feed(6, 80.0)
    assert course.state.state is State.DEGRADED
    await course.noticing.adopt([])
    assert await DetectorStore(course.database).load() == {}
    course.database.close()


@pytest.mark.may_block
async def test_loss_is_noticed(tmp_path: Path) -> None:
    course = Course(tmp_path / "state.db")
    await course.start()
    course.feed(1440, 20.0)
    course.feed(15, 20.0, loss=0.2)
    assert course.state.state is State.DEGRADED
    assert "loss_pct" in course.state.detail
    course.database.close()


def test_what_a_detector_noticed_needs_no_more_evidence_and_a_failure_is_stronger() -> None:
    state = CheckState("u/a/c", State.OK, Phase.STEADY, decided_at=1.0, calm=True)
    transition = advance(state, ok(60), Truth.PASS, Policy(), 60, "rtt_ms 80 ms, usually 20")
    assert transition is not None
    assert (state.state, transition.kind) == (State.DEGRADED, DEGRADATION)
    for at in (120, 180):
        advance(state, failed(at), Truth.PASS, Policy(), at, "rtt_ms 80 ms, usually 20")
    assert (state.state, state.kind) == (State.DOWN, "timeout")


def rated(required_up: float | None) -> tuple[Noticing, Job]:
    noticing = Noticing(DetectorStore.__new__(DetectorStore))
    line = replace(channel(check="u/up/throughput"), spec=THROUGHPUT)
    if required_up is not None:
        noticing.require("u", Required(required_up, 1e6, 80.0), [line])
    return noticing, line


def test_a_rate_is_held_to_what_the_functions_require() -> None:
    noticing, line = rated(5e6)
    for at in range(3):
        said = noticing(line, ok(1000.0 + at, capacity_up_bps=3e6, capacity_down_bps=9e6))
    assert said == "capacity_up_bps 3 Mbit/s, required 5 Mbit/s"
    for at in range(9):
        said = noticing(line, ok(2000.0 + at, capacity_up_bps=9e6, capacity_down_bps=9e6))
    assert said == ""


def test_a_rate_of_which_nothing_is_required_is_no_trouble() -> None:
    noticing, line = rated(None)
    assert noticing(line, ok(1000.0, capacity_up_bps=1.0)) == ""
    assert noticing.count == 0


def test_a_latency_beyond_what_is_required_matters_however_small_the_rise() -> None:
    noticing, line = Noticing(DetectorStore.__new__(DetectorStore)), channel()
    noticing.require("u", Required(1e6, 1e6, 24.0), [line])
    draw = random.Random(5)
    for minute in range(1440):
        assert noticing(line, ok(60.0 * minute, rtt_ms=20 + draw.uniform(-0.5, 0.5))) == ""
    said = [noticing(line, ok(60.0 * minute, rtt_ms=26.0)) for minute in range(1440, 1460)]
    assert said[-1].startswith("rtt_ms 26 ms")


def test_what_is_required_of_a_rate_is_nothing_to_other_metrics() -> None:
    line = channel({"rtt_ms": "off", "loss_pct": "off", "duplicates": "normal"})
    noticing = Noticing(DetectorStore.__new__(DetectorStore))
    noticing.require("u", Required(2.0, 2.0, 24.0, 0.01), [line])
    for minute in range(1440):
        assert noticing(line, ok(60.0 * minute, duplicates=1.0)) == ""
    said = [noticing(line, ok(60.0 * minute, duplicates=6.0)) for minute in range(1440, 1500)]
    assert set(said) == {""}, "5 more do not matter, though they are more than 2 bit/s"


async def test_a_learned_rate_alarm_survives_restarts_before_the_first_judgement(tmp_path: Path) -> None:
    database = await asyncio.to_thread(Database, tmp_path / "state.db")
    line = replace(channel(check="u/up/throughput"), spec=THROUGHPUT)
    required = Required(5e6, 1e6, 80.0)
    first = Noticing(DetectorStore(database))
    await first.adopt([line])
    first.require("u", required, [line])
    for at in range(3):
        first(line, ok(1000.0 + at, capacity_up_bps=3e6))
    await first.save_all()
    for _ in range(3):
        again = Noticing(DetectorStore(database))
        await again.load()
        await again.adopt([line])
        await again.save_all()
    again.require("u", required, [line])
    assert again(line, ok(2000.0, capacity_up_bps=3e6)) != ""
    again.require("u", None, [line])
    assert again(line, ok(3000.0, capacity_up_bps=3e6)) == "", "nothing is required any more"
    await asyncio.to_thread(database.close)


async def test_what_is_required_during_a_reload_counts_after_it(tmp_path: Path) -> None:
    database = await asyncio.to_thread(Database, tmp_path / "state.db")
    line = replace(channel(check="u/up/throughput"), spec=THROUGHPUT)
    noticing = Noticing(DetectorStore(database))

    def jobs() -> Iterator[Job]:
        yield line
        noticing.require("u", Required(5e6, 1e6, 80.0), [line])

    await noticing.adopt(jobs())
    assert noticing.count == 2
    await asyncio.to_thread(database.close)
