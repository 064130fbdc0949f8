"""A window is what was appended, whatever has happened to it since: a random course against a list."""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from monitor.store.api import OUTCOME_CODES, Cursor, Latest
from monitor.store.engine import Store
from monitor.store.evidence import StoreReader
from monitor.store.paths import Bounds
from probes.api import Outcome, Reading
from tests.store.making import DAY, METRICS, NOON

CHECKS = [f"u/a{i % 2}/c{i}" for i in range(70)]
"""More than one group."""
FIRST = NOON - 2 * DAY
TIMES = st.integers(0, 3 * DAY * 1000 - 1).map(lambda ms: FIRST + ms / 1000)
VALUES = st.one_of(st.floats(-1e6, 1e6), st.floats(), st.integers(0, 100).map(float))
NAMES = st.sampled_from(["rtt_ms", "loss_pct", "load", "undeclared", "none"])
STEP = {"rtt_ms": 0.001, "loss_pct": 0.01}


@st.composite
def readings(draw: st.DrawFn) -> list[Reading]:
    found = []
    for _ in range(draw(st.integers(1, 12))):
        outcome = draw(st.sampled_from(list(Outcome)))
        names = draw(st.sets(st.sampled_from(["rtt_ms", "loss_pct", "load", "undeclared"])))
        metrics = {name: draw(VALUES) for name in sorted(names)} if outcome.measured else {}
        kind = "" if outcome is Outcome.OK else draw(st.sampled_from(["timeout", "refused", "blocked"]))
        detail = draw(st.sampled_from(["", "no route", "数据库"]))
        check, at = draw(st.sampled_from([CHECKS[0], CHECKS[1], CHECKS[69]])), draw(TIMES)
        found.append(Reading(outcome, kind, detail, metrics, check=check, at=at, vantage="hub"))
    return found


class Course(RuleBasedStateMachine):
    """Append, roll, seal, close and open in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="muster-model-"))
        self.loop = asyncio.new_event_loop()
        self.appended: list[Reading] = []
        self.cursor = Cursor()
        self.drained: list[Reading] = []
        self.store = self.open()

    def open(self) -> Store:
        store = Store.open(self.directory, bounds=Bounds(log_kept=0))
        for check in CHECKS:
            store.declare(check, METRICS)
        return store

    @rule(batch=readings())
    def append(self, batch: list[Reading]) -> None:
        for reading in batch:
            self.store.append(reading)
        self.appended += batch
        self.loop.run_until_complete(self.store.flush())

    @rule()
    def settle(self) -> None:
        self.loop.run_until_complete(self.store._in_writer(self.store._heads_writer.settle))

    @rule()
    def roll(self) -> None:
        self.loop.run_until_complete(self.store.compact(today=0))

    @rule(days=st.integers(0, 3))
    def seal(self, days: int) -> None:
        self.loop.run_until_complete(self.store.compact(today=FIRST // DAY + days))

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self.open()

    @rule(limit=st.integers(1, 20))
    def drain(self, limit: int) -> None:
        batch = self.store.read_since(self.cursor, limit)
        self.cursor = Cursor.parse(str(batch.cursor))
        self.drained += batch.readings

    @rule(
        start=TIMES, end=TIMES, metric=st.sampled_from(["rtt_ms", "loss_pct", "load", "undeclared", "none"])
    )
    def window(self, start: float, end: float, metric: str) -> None:
        for check in (CHECKS[0], CHECKS[69]):
            self.check_window(self.store, check, metric, start, end)

    @rule()
    def read_elsewhere(self) -> None:
        reader = Store.read_only(self.directory)
        for check in (CHECKS[0], CHECKS[69]):
            self.check_window(reader, check, "rtt_ms", 0, math.inf)
            assert same(reader.latest(check), self.store.latest(check))
        reader.close()

    @invariant()
    def latest_is_the_last(self) -> None:
        for check in (CHECKS[0], CHECKS[1]):
            mine = [r for r in self.appended if r.check == check]
            latest = self.store.latest(check)
            assert (latest is None) == (not mine)
            if latest is not None:
                assert latest.attempt.at == pytest.approx(max(r.at for r in mine), abs=0.0006)
                measured = [r.at for r in mine if r.outcome.measured]
                assert (latest.measurement is None) == (not measured)
                if latest.measurement is not None:
                    assert latest.measurement.at == pytest.approx(max(measured), abs=0.0006)

    def check_window(self, store: StoreReader, check: str, metric: str, start: float, end: float) -> None:
        window = store.window(check, metric, start, end)
        mine = [(round(r.at * 1000) / 1000, r) for r in self.appended if r.check == check]
        mine = sorted((m for m in mine if start <= m[0] < end), key=lambda m: m[0])
        assert window.times.tolist() == [at for at, _ in mine]
        assert (window.times[1:] >= window.times[:-1]).all()
        given = sorted(
            (at, OUTCOME_CODES[r.outcome], key_of(r.metrics.get(metric, math.nan), metric)) for at, r in mine
        )
        found = sorted(
            (at, outcome, key_of(value, metric))
            for at, outcome, value in zip(
                window.times.tolist(), window.outcomes.tolist(), window.values.tolist(), strict=True
            )
        )
        assert [g[:2] for g in given] == [f[:2] for f in found]
        for (_, _, a), (_, _, b) in zip(given, found, strict=True):
            assert a == b or abs(a[1] - b[1]) <= 1

    def teardown(self) -> None:
        """Whatever happened, a sink that goes on reading gets everything, and nothing twice."""
        for _ in range(10_000):
            batch = self.store.read_since(self.cursor, 50)
            self.drained += batch.readings
            if not batch.readings and batch.cursor == self.cursor:
                break
            self.cursor = batch.cursor
        self.store.close()
        self.loop.close()
        shutil.rmtree(self.directory)
        assert sorted(map(identity, self.drained)) == sorted(map(identity, self.appended))


def key_of(value: float, metric: str) -> tuple[str, float]:
    """Return a value in steps of its resolution, so that half a step more or less can be told."""
    if math.isnan(value):
        return ("nan", 0)
    step = STEP.get(metric)
    if step is None or not abs(value) < 1e300 or abs(value / step) > 2**40:
        return ("exact", value)
    return ("steps", round(value / step))


def identity(reading: Reading) -> tuple[str, int, str, str, str, str, tuple[str, ...]]:
    present = tuple(sorted(name for name, value in reading.metrics.items() if not math.isnan(value)))
    return (
        reading.check, round(reading.at * 1000), str(reading.outcome), reading.kind, reading.detail,
        reading.vantage, present,
    )  # fmt: skip


def same(a: Latest | None, b: Latest | None) -> bool:
    pairs = [(a and a.attempt, b and b.attempt), (a and a.measurement, b and b.measurement)]
    return all((x and identity(x)) == (y and identity(y)) for x, y in pairs)


Course.TestCase.settings = settings(max_examples=60, stateful_step_count=25)


TestCourse = pytest.mark.may_block(Course.TestCase)
