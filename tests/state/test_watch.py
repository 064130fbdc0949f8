"""The glue: readings in, states out and told of, on a real database."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from monitor.incidents.incident import REMOVED, Change
from monitor.job import Job
from monitor.readiness.expectation import parse
from monitor.state import CheckState, Phase, State, Transition
from monitor.store.database import Database
from monitor.store.incidents import IncidentStore
from monitor.watch import ROUND, Watch
from probes.api import FactDef, MetricDef
from tests.state.readings import error, failed, job, ok
from tests.state.test_incidents import compose

RTT = parse("<= 40", metric=MetricDef("rtt_ms", "ms"))
P95 = parse({"p95": "<= 40", "over": "24h"}, metric=MetricDef("rtt_ms", "ms"))
CHARSET = parse("UTF8", metric=FactDef("charset"))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A watch over a database in one directory, which can be closed and started again."""

    def __init__(self, directory: Path) -> None:
        self.path, self.clock = directory / "state.db", Clock()
        self.heard: list[tuple[str, State, str]] = []
        self.start()

    def start(self) -> None:
        self.database = Database(self.path)
        self.store = IncidentStore(self.database, compose)
        self.watch = Watch(self.store, heard=self._hear, clock=self.clock)

    def _hear(self, state: CheckState, transition: Transition, now: float) -> None:
        assert (state.check, now) == (transition.check, self.clock.now)
        if transition.hard:
            self.heard.append((transition.check, transition.after, transition.kind))

    async def restart(self, jobs: Iterable[Job]) -> None:
        self.database.close()
        self.start()
        await self.watch.load()
        await self.watch.adopt(jobs)

    def feed(self, job_: Job, letters: str, **metrics: float) -> None:
        for letter in letters:
            self.clock.now += job_.every
            make = {"f": failed, "e": error}.get(letter)
            reading = make(self.clock.now) if make else ok(self.clock.now, **metrics)
            reading.check = job_.id
            self.watch.on_reading(job_, reading)

    def believed(self, check: str) -> State:
        state = self.watch.state(check)
        assert state is not None
        return state.state


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.watch.load()
    yield bench
    bench.database.close()


async def test_from_readings_to_what_is_told(bench: Bench) -> None:
    one = job()
    await bench.watch.adopt([one])
    bench.feed(one, "offfoo")
    assert bench.heard == [(one.id, State.OK, ""), (one.id, State.DOWN, "timeout"), (one.id, State.OK, "")]
    assert bench.watch.counters.transitions == 3
    assert bench.watch.counts[State.OK] == 1


async def test_a_check_behind_a_failed_one_is_shadowed_until_it_serves(bench: Bench) -> None:
    one = job()
    await bench.watch.adopt([one])
    bench.feed(one, "off")
    bench.watch.shade(one.id, "hub/core")
    bench.feed(one, "ff")
    assert bench.believed(one.id) is State.SHADOWED
    assert bench.watch.counts[State.SHADOWED] == 1
    bench.watch.shade(one.id, "")
    assert bench.believed(one.id) is State.DOWN
    bench.watch.shade(one.id, "hub/core")
    bench.feed(one, "oo")
    assert bench.believed(one.id) is State.OK
    bench.watch.shade(one.id, "hub/core")
    assert bench.believed(one.id) is State.OK, "only what is DOWN can be in a shadow"


async def test_the_worker_commits_by_itself(bench: Bench) -> None:
    one = job()
    await bench.watch.adopt([one])
    worker = asyncio.create_task(bench.watch.run())
    bench.feed(one, "off")
    async with asyncio.timeout(5):
        while not await bench.store.load():
            await asyncio.sleep(0.05)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await bench.watch.close()


async def test_expectations_of_the_moment_make_degraded_and_say_why(bench: Bench) -> None:
    one = job(expect={"rtt_ms": RTT, "window": P95})
    await bench.watch.adopt([one])
    bench.feed(one, "o", rtt_ms=20.0)
    assert bench.believed(one.id) is State.OK
    bench.feed(one, "ooo", rtt_ms=81.25)
    assert bench.heard[-1] == (one.id, State.DEGRADED, "expectation")
    state = bench.watch.state(one.id)
    assert state is not None
    assert state.detail == "rtt_ms = 81.25, expected <= 40"


async def test_a_value_that_is_not_reported_never_makes_ok(bench: Bench) -> None:
    one = job(expect={"rtt_ms": RTT, "charset": CHARSET})
    await bench.watch.adopt([one])
    bench.feed(one, "ooooo", rtt_ms=20.0)
    assert bench.believed(one.id) is State.UNKNOWN


async def test_states_survive_a_restart(bench: Bench) -> None:
    one, two = job("u/a/one"), job("u/a/two")
    await bench.watch.adopt([one, two])
    bench.feed(one, "off")
    bench.feed(two, "oof")
    await bench.watch.flush()
    await bench.restart([one, two])
    assert bench.believed(one.id) is State.DOWN
    assert bench.watch.counts[State.DOWN] == 1
    suspect = bench.watch.state(two.id)
    assert suspect is not None
    assert suspect.phase is Phase.SUSPECT
    bench.feed(one, "f")
    bench.feed(two, "f")
    assert bench.believed(two.id) is State.DOWN


async def test_a_reload_keeps_what_is_known_and_closes_what_is_gone(bench: Bench) -> None:
    stays, goes = job("u/a/stays"), job("u/a/goes")
    await bench.watch.adopt([stays, goes])
    bench.feed(stays, "off")
    bench.feed(goes, "off")
    assert bench.watch.recent("u/a/goes")
    await bench.watch.adopt([job("u/a/stays", every=30), job("u/a/new")])
    assert (len(bench.watch.recent("u/a/stays")), bench.watch.recent("u/a/goes")) == (3, [])
    await bench.watch.flush()
    assert bench.believed("u/a/stays") is State.DOWN
    assert bench.watch.state("u/a/goes") is None
    assert [s.check for s in await bench.store.load()] == ["u/a/stays"]
    assert bench.heard[-1] == ("u/a/goes", State.UNKNOWN, REMOVED)
    bench.watch.on_reading(goes, failed(bench.clock.now))
    assert bench.watch.counters.strays == 1


async def test_what_was_removed_while_stopped_is_told_at_the_start(bench: Bench) -> None:
    one = job()
    await bench.watch.adopt([one])
    bench.feed(one, "off")
    await bench.watch.flush()
    await bench.restart([])
    await bench.watch.flush()
    assert bench.heard[-1] == (one.id, State.UNKNOWN, REMOVED)
    assert await bench.store.load() == []


async def sweep_all(bench: Bench) -> None:
    for _ in range(ROUND):
        bench.clock.now += 1
        await bench.watch.sweep(bench.clock.now)


async def test_silence_is_noticed(bench: Bench) -> None:
    jobs = [job(f"u/a/c{n}") for n in range(25)]
    await bench.watch.adopt(jobs)
    for each in jobs:
        reading = ok(bench.clock.now)
        bench.watch.on_reading(each, reading)
    for _ in range(13):
        await sweep_all(bench)
    assert bench.watch.counts[State.UNKNOWN] == 0
    await sweep_all(bench)
    assert bench.watch.counts[State.UNKNOWN] == 25
    assert {heard[1:] for heard in bench.heard[-25:]} == {(State.UNKNOWN, "silent")}


async def test_the_monitors_own_pause_is_nobodys_silence(bench: Bench) -> None:
    one = job()
    await bench.watch.adopt([one])
    bench.feed(one, "oo")
    await sweep_all(bench)
    bench.clock.now += 3600
    await sweep_all(bench)
    assert bench.believed(one.id) is State.OK


async def test_after_a_long_stop_the_first_round_comes_before_silence(bench: Bench) -> None:
    one = job()
    await bench.watch.adopt([one])
    bench.feed(one, "oof")
    await bench.watch.flush()
    bench.clock.now += 86400
    await bench.restart([one])
    await sweep_all(bench)
    assert bench.believed(one.id) is State.OK


class Broken:
    """A ledger whose disk is full for a while."""

    def __init__(self, store: IncidentStore) -> None:
        self.store, self.broken = store, True
        self.load = store.load

    async def commit(self, changes: Sequence[Change]) -> None:
        if self.broken:
            raise OSError("no space left on device")
        await self.store.commit(changes)


async def test_nothing_is_lost_while_the_store_refuses(bench: Bench) -> None:
    ledger = Broken(bench.store)
    watch = bench.watch = Watch(ledger, clock=bench.clock)
    one = job()
    await watch.adopt([one])
    bench.feed(one, "off")
    with pytest.raises(OSError, match="no space"):
        await watch.flush()
    bench.feed(one, "oo" + "ffoo" * 40)
    ledger.broken = False
    await watch.flush()
    [kept] = await bench.store.load()
    assert kept.state is bench.believed(one.id) is State.DEGRADED
    assert watch.counters.commit_errors == 1


async def test_stopping_in_the_middle_of_a_commit_loses_nothing(bench: Bench) -> None:
    one = job()
    await bench.watch.adopt([one])
    bench.feed(one, "off")
    flushing = asyncio.create_task(bench.watch.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    await bench.watch.flush()
    assert [state.state for state in await bench.store.load()] == [State.DOWN]


@pytest.fixture
def tuned_gc() -> Iterator[None]:
    """Tune the collector as the daemon does after each load."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("tuned_gc")
async def test_a_sweep_of_a_hundred_thousand_holds_the_loop_for_milliseconds(bench: Bench) -> None:
    jobs = await asyncio.to_thread(lambda: [job(f"unit-{n}/a/c") for n in range(100_000)])
    await bench.watch.adopt(jobs)
    start = time.thread_time()
    await bench.watch.sweep(bench.clock.now + 1)
    assert time.thread_time() - start < 0.050, "about 3 ms on an idle machine, in slices"
    assert sum(bench.watch.counts.values()) == 100_000
