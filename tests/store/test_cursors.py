"""What a sink reads: the order of commits while the log reaches back, everything afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.store.api import Cursor
from monitor.store.engine import Store
from monitor.store.paths import Bounds
from probes.api import Outcome, Reading
from tests.store.making import DAY, NOON, bad, ok, opened


def drain(store: Store, cursor: Cursor, limit: int) -> tuple[list[Reading], Cursor, bool]:
    """Read to the end; return the readings, the last cursor, and whether all was in order."""
    found: list[Reading] = []
    ordered = True
    while True:
        batch = store.read_since(cursor, limit)
        found += batch.readings
        ordered = ordered and batch.ordered
        if not batch.readings and batch.cursor == cursor:
            return found, cursor, ordered
        cursor = Cursor.parse(str(batch.cursor))


def times(readings: list[Reading]) -> list[float]:
    return [r.at - NOON for r in readings]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_commits_come_in_order_late_readings_too(tmp_path: Path, limit: int) -> None:
    async with opened(tmp_path) as store:
        for at in (0, 60, -7200, 120, -DAY):
            store.append(ok(f"u/a/c{at}", NOON + at, rtt_ms=1.0))
            await store.flush()
        await store.compact(today=0)
        found, cursor, ordered = drain(store, Cursor(), limit)
        assert times(found) == [0, 60, -7200, 120, -DAY]
        assert ordered, "settled and rolled, but the log still has them"
        store.append(ok("u/a/c", NOON + 180))
        await store.flush()
        assert times(drain(store, cursor, limit)[0]) == [180]


async def test_a_commit_is_never_cut(tmp_path: Path) -> None:
    async with opened(tmp_path, Bounds(commit_s=30)) as store:
        for second in range(20):
            store.append(ok("u/a/c", NOON + second))
        await store.flush()
        batch = store.read_since(Cursor(), 5)
        assert len(batch.readings) == 20
        assert store.read_since(batch.cursor, 5).readings == []


@pytest.mark.parametrize("limit", [1, 4, 1000])
@pytest.mark.parametrize("way", ["log", "settled", "rolled", "sealed"])
async def test_a_sink_that_was_away_misses_nothing(tmp_path: Path, way: str, limit: int) -> None:
    """Consecutive commits lie in the log, in heads, in chunks or in sealed days when it comes back."""
    async with opened(tmp_path, Bounds(log_kept=0, commit_s=30)) as store:
        store.append(ok("u/a/before", NOON))
        await store.flush()
        _, cursor, _ = drain(store, Cursor(), 100)
        wanted = [ok(f"u/a/c{n % 70}", NOON - DAY * (n % 3) + n, rtt_ms=n / 4) for n in range(200)]
        wanted.append(bad("u/a/c0", NOON, Outcome.FAILED, "timeout", "no answer"))
        for start in range(0, len(wanted), 50):
            for reading in wanted[start : start + 50]:
                store.append(reading)
            await store.flush()
        if way == "settled":
            await store._in_writer(store._heads_writer.settle)
        if way in ("rolled", "sealed"):
            await store.compact(today=0 if way == "rolled" else NOON // DAY + 1)
        found, end, ordered = drain(store, cursor, limit)
        assert ordered == (way == "log")
        assert sorted(found, key=key) == sorted(wanted, key=key)
        store.append(ok("u/a/after", NOON))
        await store.flush()
        assert [r.check for r in drain(store, end, limit)[0]] == ["u/a/after"]


def key(reading: Reading) -> tuple[str, float, str]:
    return reading.check, reading.at, reading.kind


async def test_readings_that_move_while_a_sink_catches_up_come_once(tmp_path: Path) -> None:
    async with opened(tmp_path, Bounds(log_kept=0, commit_s=30)) as store:
        wanted = [ok(f"u/a/c{n}", NOON - DAY * (n % 2), rtt_ms=1.0) for n in range(200)]
        for reading in wanted:
            store.append(reading)
        await store._in_writer(store._heads_writer.settle)
        cursor, found = Cursor(), list[str]()
        for step in range(50):
            batch = store.read_since(cursor, 30)
            found += [r.check for r in batch.readings]
            cursor = batch.cursor
            if step == 1:
                await store.compact(today=0)
            if step == 2:
                await store.compact(today=NOON // DAY + 1)
        assert sorted(found) == sorted(r.check for r in wanted)


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4:5:6:7", "1.5"])
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        Cursor.parse(text)
