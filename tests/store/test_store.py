"""The store as the rest of the program sees it."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from monitor.process.lock import Locked
from monitor.store.api import NoStore
from monitor.store.database import SchemaTooNew
from monitor.store.engine import Store
from monitor.store.heads import HeadsWriter
from monitor.store.paths import Bounds, Keep
from probes.api import Outcome, Reading
from tests.store.making import DAY, METRICS, NOON, bad, ok, opened

TODAY = NOON // DAY


async def test_a_measurement_outlives_attempts_that_measured_nothing(tmp_path: Path) -> None:
    course = [
        ok("u/a/c", NOON, rtt_ms=20.0),
        bad("u/a/c", NOON + 60, Outcome.ERROR, "inconclusive", "which was it"),
        bad("u/a/c", NOON + 120, Outcome.NOT_RUN, "blocked"),
    ]
    async with opened(tmp_path) as store:
        assert store.latest("u/a/c") is None
        for reading in course:
            store.append(reading)
        found = store.latest("u/a/c")
        assert found is not None
        assert (found.attempt.kind, found.attempt.at) == ("blocked", NOON + 120)
        assert found.measurement is not None
        assert (found.measurement.at, found.measurement.metrics) == (NOON, {"rtt_ms": 20.0})
        store.append(bad("u/a/c", NOON + 180, Outcome.FAILED, "timeout", "no answer in 2 s"))
        found = store.latest("u/a/c")
        assert found is not None
        assert found.measurement == found.attempt
        assert found.attempt.detail == "no answer in 2 s"
        store.append(ok("u/a/c", NOON + 90, rtt_ms=1.0))
        assert store.latest("u/a/c") == found, "a late reading displaces nothing newer"


@pytest.mark.parametrize("end", ["clean", "rolled", "killed"])
async def test_latest_survives_a_restart(tmp_path: Path, end: str) -> None:
    store = await asyncio.to_thread(Store.open, tmp_path)
    store.append(ok("u/a/c", NOON, {"version": "8.0.36"}, rtt_ms=20.0))
    store.append(bad("u/a/c", NOON + 60, Outcome.ERROR, "permission", "not allowed"))
    await store.flush()
    before = store.latest("u/a/c")
    if end == "rolled":
        await store.compact(today=TODAY + 1)
    with mock.patch.object(HeadsWriter, "keep_latest") if end != "clean" else mock.MagicMock():
        await store.aclose()
    async with opened(tmp_path) as again:
        assert again.latest("u/a/c") == before
        assert again.facts("u/a/c")["version"].value == "8.0.36"


async def test_a_reading_comes_back_whole(tmp_path: Path) -> None:
    given = Reading(
        Outcome.FAILED, "timeout", "在 2 秒内没有应答", {"rtt_ms": 1.5}, {"版本": "八"}, {"resolve": 0.25},
        "connect", "u/a/c", NOON + 0.123, 2.0, 30.0, "check",
    )  # fmt: skip
    async with opened(tmp_path) as store:
        store.append(given)
        await store.flush()
        reader = Store.read_only(tmp_path)
        for where in (store, reader):
            found = where.latest("u/a/c")
            assert found is not None
            assert found.attempt == given
        reader.close()


async def test_facts_have_a_history(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        versions = ["1", "1", "2", "2", "1"]
        for minute, version in enumerate(versions):
            store.append(ok("u/a/c", NOON + 60 * minute, {"version": version, "serial": "X"}))
        store.append(ok("u/a/c", NOON + 600))
        store.append(ok("u/a/c", NOON + 90, {"version": "0"}))
        await store.flush()
        reader = Store.read_only(tmp_path)
        for where in (store, reader):
            history = where.fact_history("u/a/c", "version")
            assert [(f.value, f.since - NOON, f.last_seen - NOON) for f in history] == [
                ("1", 0, 60), ("2", 120, 180), ("1", 240, 240),
            ]  # fmt: skip
            current = where.facts("u/a/c")
            assert (current["serial"].since, current["serial"].last_seen) == (NOON, NOON + 240)
        assert store.facts("u/none/c") == {}
        assert store.fact_history("u/none/c", "version") == []
        reader.close()


async def test_a_fact_that_never_rests_is_bounded(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for second in range(500):
            store.append(ok("u/a/c", NOON + second, {"clock": str(second)}))
        await store.flush()
        history = store.fact_history("u/a/c", "clock")
        assert 200 <= len(history) <= 201
        assert history[-1].value == "499"


async def test_names(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.declare("u/a/declared", METRICS)
        store.append(ok("u/a/c", NOON, rtt_ms=1.0))
        store.append(ok("u/a/c", NOON + 1, rtt_ms=1.0, jitter_ms=2.0))
        store.append(bad("u/a/d", NOON + 1, Outcome.FAILED, "timeout"))
        await store.flush()
        reader = Store.read_only(tmp_path)
        for where in (store, reader):
            assert list(where.checks()) == ["u/a/c", "u/a/d"], "a check that is only declared is not stored"
            assert list(where.metrics("u/a/c")) == ["rtt_ms", "jitter_ms"]
            assert list(where.metrics("u/a/d")) == []
            assert list(where.metrics("none")) == []
            assert len(where.window("none", "rtt_ms", 0, math.inf).times) == 0
        reader.close()


async def test_late_readings_land_in_their_day(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.declare("u/a/c", METRICS)
        for day in (0, -1, -5):
            store.append(ok("u/a/c", NOON + day * DAY, rtt_ms=20.0 + day))
        await store.compact(today=TODAY)
        store.append(ok("u/a/c", NOON - DAY - 60, rtt_ms=7.0))
        await store.compact(today=TODAY)
        assert list(store.info().days) == ["2026-08-31", "2026-09-04", "2026-09-05"]
        window = store.window("u/a/c", "rtt_ms", NOON - DAY - 60, NOON - DAY + 1)
        assert window.values.tolist() == [7.0, 19.0]
        points = store.series("u/a/c", "rtt_ms", NOON - 2 * DAY, NOON, "1h")
        assert [(p.at - NOON + DAY, p.count, p.mean) for p in points] == [(-3600, 1, 7.0), (0, 1, 19.0)]


async def test_clock_steps_corrupt_nothing(tmp_path: Path) -> None:
    times = [NOON, NOON + 60, NOON - 7200, NOON - 7140, 0.0, 253_402_300_000.0, NOON + 120]
    async with opened(tmp_path) as store:
        for number, at in enumerate(times):
            store.append(ok("u/a/c", at, rtt_ms=float(number)))
        for at in (-1.0, math.nan, math.inf, 1e300):
            store.append(ok("u/a/c", at, rtt_ms=0.0))
        assert store.dropped == 4
        for _ in range(2):
            await store.flush()
            window = store.window("u/a/c", "rtt_ms", -math.inf, math.inf)
            assert window.times.tolist() == sorted(times)
            assert window.values.tolist() == [4.0, 2.0, 3.0, 0.0, 1.0, 6.0, 5.0]
            await store.compact(today=TODAY + 1)


async def test_what_cannot_be_stored_is_counted(tmp_path: Path) -> None:
    async with opened(tmp_path, Bounds(queue_limit=10, commit_s=30)) as store:
        odd = [ok("", NOON), ok("u/a/c", NOON, rtt_ms="fast"), ok("u/a/c", NOON, rtt_ms=10**400)]  # type: ignore[arg-type]
        for reading in odd:
            store.append(reading)
        assert (store.dropped, store.queued) == (3, 0)
        for second in range(15):
            store.append(ok("u/a/c", NOON + second))
        assert (store.dropped, store.queued) == (8, 10)
        assert store.commit_age() > 0
        await store.flush()
        assert (store.info().dropped, store.queued, store.committed) == (8, 0, 10)
        assert store.commit_age() == 0


async def test_with_little_disk_samples_stop_and_state_goes_on(tmp_path: Path) -> None:
    free = {"bytes": 10**12}
    bounds = Bounds(free=lambda _: free["bytes"], commit_s=0.05)
    with mock.patch("monitor.store.writer.LOOK_AT_DISK_S", 0.05):
        async with opened(tmp_path, bounds) as store:
            store.append(ok("u/a/c", NOON))
            await store.flush()
            free["bytes"] = 1000
            await until(lambda: store.paused)
            store.append(ok("u/a/c", NOON + 60))
            assert store.dropped == 1
            found = store.latest("u/a/c")
            assert found is not None
            assert found.attempt.at == NOON, "what is not kept is not believed"
            await store.pin("incident-1", [ok("u/a/c", NOON)])
            assert len(store.pinned("incident-1")) == 1
            free["bytes"] = 10**12
            await until(lambda: not store.paused)
            store.append(ok("u/a/c", NOON + 120))
            await store.flush()
            assert store.window("u/a/c", "", 0, math.inf).times.tolist() == [NOON, NOON + 120]


async def test_retention_deletes_one_file_at_a_time_and_makes_its_rollups_first(tmp_path: Path) -> None:
    async with opened(tmp_path, keep=Keep(raw_days=3, rollup_5m_days=40)) as store:
        store.declare("u/a/c", METRICS)
        for day in range(6):
            for minute in range(10):
                store.append(ok("u/a/c", NOON - day * DAY + 60 * minute, rtt_ms=10.0 + minute))
        await store.compact(today=0)
        store.window("u/a/c", "rtt_ms", 0, math.inf)
        assert await store.retain(TODAY) == ["2026-08-31.db"]
        assert await store.retain(TODAY) == ["2026-09-01.db"]
        assert await store.retain(TODAY) == []
        assert len(store.info().days) == 4
        assert len(store.window("u/a/c", "rtt_ms", 0, math.inf).times) == 40
        points = store.series("u/a/c", "rtt_ms", 0, math.inf, "5m")
        assert [p.count for p in points] == [5] * 12, "of all six days"
        assert [p.count for p in store.series("u/a/c", "rtt_ms", 0, math.inf, "1h")] == [10] * 6
        assert await store.retain(TODAY + 35) == ["2026-09-02.db"]
        assert await store.retain(TODAY + 41) == ["2026-09-03.db", "5m-2026-08.db"]
        assert await store.retain(TODAY + 20_000) == ["2026-09-04.db", "5m-2026-09.db", "1h-2026.db"]
        left = {f.name.partition(".")[0] for f in tmp_path.glob("*/*")}
        assert left == {"2026-09-05"}, "and no -wal or -shm of what is gone"


async def test_series_of_today_come_from_raw_samples(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.declare("u/a/c", METRICS)
        values = [10.0, 20.0, 30.0, math.nan, 40.0, 50.0]
        for minute, value in enumerate(values):
            store.append(ok("u/a/c", NOON + 60 * minute, rtt_ms=value))
        await store.flush()
        raw = store.series("u/a/c", "rtt_ms", NOON, NOON + 300, "raw")
        assert [(p.at - NOON, p.mean) for p in raw] == [(0, 10.0), (60, 20.0), (120, 30.0), (240, 40.0)]
        first, second = store.series("u/a/c", "rtt_ms", NOON, NOON + DAY, "5m")
        assert (first.count, first.minimum, first.maximum, first.mean) == (4, 10.0, 40.0, 25.0)
        assert (second.at, second.count, second.p95) == (NOON + 300, 1, 50.0)
        assert store.series("u/a/c", "rtt_ms", NOON + 1, NOON + 300, "5m") == []


async def test_another_process_sees_the_current_hour(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        reader = Store.read_only(tmp_path)
        for second in range(30):
            store.append(ok(f"u/a/c{second}", NOON + second, rtt_ms=float(second)))
            await store.flush()
            found = reader.latest(f"u/a/c{second}")
            assert found is not None
            assert found.attempt.metrics == {"rtt_ms": float(second)}
            assert reader.window(f"u/a/c{second}", "rtt_ms", NOON, NOON + 60).values.tolist() == [second]
            if second % 7 == 3:
                await store.compact(today=0)
        assert reader.info().samples == 30
        assert reader.info().checks == 30
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.state.write_now(lambda db: db.execute("DELETE FROM checks"))
        reader.close()


async def test_a_crash_amid_rolling_neither_loses_nor_doubles(tmp_path: Path) -> None:
    times = [NOON + 60 * minute for minute in range(10)]
    async with opened(tmp_path) as store:
        store.declare("u/a/c", METRICS)
        for at in times:
            store.append(ok("u/a/c", at, rtt_ms=20.0))
        crash = mock.patch.object(HeadsWriter, "forget", side_effect=sqlite3.OperationalError("crash"))
        with crash, pytest.raises(sqlite3.OperationalError, match="crash"):
            await store.compact(today=0)
        assert store.window("u/a/c", "rtt_ms", 0, math.inf).times.tolist() == times
    async with opened(tmp_path) as store:
        assert store.window("u/a/c", "rtt_ms", 0, math.inf).times.tolist() == times
        store.append(ok("u/a/c", times[-1] + 60, rtt_ms=20.0))
        await store.compact(today=TODAY + 1)
        assert store.window("u/a/c", "rtt_ms", 0, math.inf).times.tolist() == [*times, times[-1] + 60]
        assert store.info().samples == 11


async def test_damage_is_missing_evidence_and_stops_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for minute in range(4):
            store.append(ok("u/a/c", NOON + 3600 * minute, rtt_ms=20.0))
            if minute != 2:
                await store.compact(today=0)
        day = tmp_path / "samples" / "2026-09-05.db"
        db = sqlite3.connect(day)
        db.execute("UPDATE chunks SET data = zeroblob(40) WHERE row = (SELECT min(row) FROM chunks)")
        db.commit()
        db.close()
        await store.compact(today=TODAY + 1)
        window = store.window("u/a/c", "rtt_ms", 0, math.inf)
        assert 0 < len(window.times) < 4
        assert (window.values == 20.0).all()


async def test_evidence_is_pinned(tmp_path: Path) -> None:
    readings = [
        ok("u/a/c", NOON, {"v": "1"}, rtt_ms=1.25),
        bad("u/b/c", NOON, Outcome.FAILED, "timeout", "x"),
    ]
    async with opened(tmp_path) as store:
        await store.pin("sign-off/7", readings)
        await store.pin("sign-off/7", readings[:1])
        await store.pin("sign-off/8", [ok("u/a/c", NOON, rtt_ms=math.inf)])
        assert list(store.pinned("sign-off/7")) == readings
        assert store.pinned("sign-off/8")[0].metrics == {}
        assert store.pinned("sign-off/9") == []


async def test_one_writer(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(Locked, match="in use by process"):
            await asyncio.to_thread(Store.open, tmp_path)


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(NoStore, match="run the daemon once"):
        Store.read_only(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["state.db", "heads.db"])
async def test_a_newer_schema_is_refused(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path):
        pass
    db = sqlite3.connect(tmp_path / name)
    db.execute("PRAGMA user_version=9999")
    db.close()
    for attempt in (Store.open, Store.read_only):
        with pytest.raises(SchemaTooNew, match=f"{name} has schema version 9999.*use the newer Muster"):
            await asyncio.to_thread(attempt, tmp_path)
    db = sqlite3.connect(tmp_path / name)
    db.execute("PRAGMA user_version=1")
    db.close()


async def test_texts_are_bounded_and_pruned(tmp_path: Path) -> None:
    async with opened(tmp_path, Bounds(text_limit=20)) as store:
        for number in range(100):
            store.append(bad("u/a/c", NOON + number, Outcome.FAILED, "timeout", f"after {number} s"))
        await store.flush()
        db = sqlite3.connect(tmp_path / "heads.db")
        assert db.execute("SELECT count(*) FROM texts").fetchone()[0] == 21
        found = store.latest("u/a/c")
        assert found is not None
        assert (found.attempt.kind, found.attempt.detail) == ("timeout", "…")
        await store._in_writer(lambda: store._heads_writer.prune_texts(10**6, store._live_texts))
        assert db.execute("SELECT text FROM texts").fetchall() == [("timeout\x1fhub\x1f\x1f…",)]
        db.close()


async def test_appending_is_quick_and_writing_leaves_the_loop_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        checks = [f"u{n // 20}/a{n}/icmp" for n in range(2000)]
        for check in checks:
            store.declare(check, METRICS)
        rng = np.random.default_rng(1)
        for minute in range(20):
            readings = [
                ok(c, NOON + 60 * minute, rtt_ms=v)
                for c, v in zip(checks, rng.random(2000).tolist(), strict=True)
            ]
            await asyncio.sleep(0)
            started = time.thread_time()
            for reading in readings:
                store.append(reading)
            assert (time.thread_time() - started) / len(readings) < 20e-6
            await asyncio.sleep(0)
        rolling = asyncio.create_task(store.compact(today=TODAY + 1))
        while not rolling.done():
            await asyncio.sleep(0.001)
        await rolling
        assert store.info().samples == 40_000


async def until(condition: object) -> None:
    for _ in range(500):
        if callable(condition) and condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come about")
