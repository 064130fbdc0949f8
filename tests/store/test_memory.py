"""What the store keeps in memory of each check, and that it is bounded."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from unittest import mock

from monitor.store import engine
from monitor.store.api import Cursor
from monitor.store.engine import Store
from monitor.store.paths import Bounds
from monitor.store.texts import Texts
from probes.api import Outcome, Reading
from tests.store.making import NOON, bad, ok, opened

CHECKS = 20_000
MEASURE = f"""
import asyncio, sys, tracemalloc
from pathlib import Path
from monitor.store.engine import Store
from tests.store.making import METRICS, NOON, ok

async def main():
    checks = [f"u{{n // 20}}/a{{n}}/icmp" for n in range({CHECKS})]
    store = Store.open(Path(sys.argv[1]))
    tracemalloc.start()
    for check in checks:
        store.declare(check, METRICS)
    await store.flush()
    for minute in range(3):
        for number, check in enumerate(checks):
            facts = {{"address": f"10.0.{{number}}"}}
            store.append(ok(check, NOON + 60 * minute, facts, rtt_ms=1.5, load=2.0))
            if number % 500 == 0:
                await store.flush()
    await store.flush()
    print(tracemalloc.get_traced_memory()[0] / {CHECKS})
    store.close()

asyncio.run(main())
"""


def test_a_check_takes_few_bytes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        capture_output=True, check=False, cwd=Path(__file__).parents[2], text=True, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 450


async def test_words_that_are_not_common_come_back_too(tmp_path: Path) -> None:
    with mock.patch.object(engine, "COMMON_WORDS", 3):
        async with opened(tmp_path) as store:
            for minute in range(3):
                for number in range(10):
                    detail = f"no route to 10.0.0.{number}"
                    store.append(bad(f"u/a/c{number}", NOON + minute, Outcome.FAILED, "unreachable", detail))
                await store.flush()
            assert len(store._common) == 3
            assert store._text_count == 10, "steady words are hashed and written once"
            for number in range(10):
                found = store.latest(f"u/a/c{number}")
                assert found is not None
                assert (found.attempt.kind, found.attempt.detail) == (
                    "unreachable", f"no route to 10.0.0.{number}",
                )  # fmt: skip


async def test_late_words_and_facts_are_not_taken_for_the_last_ones(tmp_path: Path) -> None:
    course = [
        Reading(Outcome.FAILED, "timeout", detail, {}, {"v": detail}, check="u/a/c", at=NOON + at)
        for at, detail in [(60, "new"), (0, "old"), (120, "new"), (30, "old"), (180, "old")]
    ]
    with mock.patch.object(engine, "COMMON_WORDS", 0):
        async with opened(tmp_path) as store:
            for reading in course:
                store.append(reading)
            await store.flush()
            drained = sorted(store.read_since(Cursor()).readings, key=lambda r: r.at)
            words = [(r.at - NOON, r.detail, r.facts) for r in drained]
            assert words == [
                (0, "old", {"v": "old"}), (30, "old", {"v": "old"}), (60, "new", {"v": "new"}),
                (120, "new", {"v": "new"}), (180, "old", {"v": "old"}),
            ]  # fmt: skip
            history = [(f.value, f.since - NOON) for f in store.fact_history("u/a/c", "v")]
            assert history == [("new", 60), ("old", 180)]


async def test_a_reading_that_is_dropped_leaves_no_facts(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.append(ok("u/a/c", NOON, {"v": "1"}, rtt_ms=1.0))
        store.append(ok("u/a/c", NOON + 60, {"v": "2"}, rtt_ms="fast"))  # type: ignore[arg-type]
        store.append(ok("u/a/c", NOON + 120, {"v": "1"}, rtt_ms=1.0))
        await store.flush()
        assert store.dropped == 1
        facts = store.facts("u/a/c")
        assert [(f.value, f.since, f.last_seen) for f in facts.values()] == [("1", NOON, NOON + 120)]
        assert len(store.fact_history("u/a/c", "v")) == 1


async def test_words_are_written_again_on_another_day(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        days = []
        for day in (20_700, 20_701):
            with mock.patch("monitor.store.engine.time.time", return_value=day * 86_400.0):
                store.append(ok("u/a/c", NOON, {"v": "1"}))
                await store.flush()
            query = "SELECT day FROM texts"
            with store._pool.use(tmp_path / "heads.db") as db:
                days.append({row[0] for row in db.execute(query)})
        assert days == [{20_700}, {20_701}]
        assert len(store.fact_history("u/a/c", "v")) == 1


async def test_text_that_is_no_unicode_stops_nothing(tmp_path: Path) -> None:
    broken = "\udcff"
    async with opened(tmp_path) as store:
        store.append(bad("u/a/c", NOON, Outcome.FAILED, "timeout", broken))
        store.append(ok("u/a/d", NOON, {"v": broken}, rtt_ms=1.0))
        assert store.dropped == 0
        for reading in (ok(broken, NOON), Reading.ok({broken: 1.0})):
            reading.check, reading.at = reading.check or "u/a/c", NOON
            store.append(reading)
        assert store.dropped == 2
        await store.flush()
        assert store.window("u/a/c", "", 0, math.inf).times.tolist() == [NOON]
        reader = Store.read_only(tmp_path)
        found = reader.latest("u/a/c")
        assert found is not None
        assert found.attempt.detail == "?"
        assert reader.facts("u/a/d")["v"].value == "?"
        reader.close()


async def test_texts_that_cannot_be_written_are_bounded(tmp_path: Path) -> None:
    async with opened(tmp_path, Bounds(queue_limit=10, commit_s=30)) as store:
        for number in range(30):
            store.append(ok("u/a/c", NOON + number, {"v": str(number)}))
        assert len(store._inbox.texts) <= 10
        assert store.dropped > 0
        await store.flush()


def test_a_text_is_known_until_it_is_written(tmp_path: Path) -> None:
    texts = Texts(tmp_path / "none.db", mock.Mock(side_effect=AssertionError))
    for hashed in range(1, 50_000):
        texts.put(hashed, str(hashed))
    assert texts.get(1) == "1"
    texts.written(range(1, 50_000))
    assert not texts._fresh
