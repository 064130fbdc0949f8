"""A store that the first schemas wrote is brought up to date and gives the same answers."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from pathlib import Path

import pytest

from monitor.store.backup import restore
from monitor.store.database import connect, migrate, migrations
from monitor.store.paths import Paths
from tests.store.making import NOON, ok, opened

RECORDED = Path(__file__).parents[1] / "fixtures" / "store" / "first-schema.tar.zst"
STATE = "monitor.store.migrations.state"


def version(path: Path) -> int:
    db = sqlite3.connect(path)
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return found


async def test_a_recorded_store_is_upgraded(tmp_path: Path) -> None:
    await asyncio.to_thread(restore, RECORDED, tmp_path)
    files = Paths(tmp_path).files()
    assert {version(path) for path in files} == {1}
    async with opened(tmp_path) as store:
        assert store.info().schema_version == max(number for number, _ in migrations(STATE)) > 1
        window = store.window("u/a/c", "rtt_ms", 0, math.inf)
        assert window.values.tolist() == [minute / 4 for minute in range(180)] + [1.5, 2.5]
        history = store.fact_history("u/a/c", "version")
        assert [(f.value, f.since - NOON + 86_400) for f in history] == [("1", 0), ("2", 5400)]
        assert [p.count for p in store.series("u/a/c", "rtt_ms", 0, math.inf, "1h")] == [60, 60, 60, 2]
        assert store.pinned("sign-off/1") == [ok("u/a/c", NOON, rtt_ms=1.5)]
        latest = store.latest("u/a/c")
        assert latest is not None
        assert latest.attempt.metrics == {"rtt_ms": 2.5}
        store.append(ok("u/a/c", NOON + 120, rtt_ms=3.5))
        await store.compact(today=NOON // 86_400 + 1)
        assert store.window("u/a/c", "rtt_ms", NOON, math.inf).values.tolist() == [1.5, 2.5, 3.5]


def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [(1, "CREATE TABLE one (a);"), (2, "CREATE TABLE two (a); -- and\nINSERT INTO none VALUES (1);")]
    monkeypatch.setattr("monitor.store.database.migrations", lambda _: steps)
    db = connect(tmp_path / "x.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        migrate(db, "any")
    assert db.execute("PRAGMA user_version").fetchone()[0] == 1
    assert [r[0] for r in db.execute("SELECT name FROM sqlite_master")] == ["one"]
    steps[1] = (
        2,
        "CREATE TABLE two (a);\nCREATE TRIGGER t AFTER INSERT ON one BEGIN SELECT 1; SELECT 2; END;",
    )
    assert migrate(db, "any") == 2
    assert len(db.execute("SELECT name FROM sqlite_master").fetchall()) == 3
    db.close()


async def test_writes_take_turns_and_reads_run_beside(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        state = store.state

        def add(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO evidence SELECT 'n', count(*), 0, '{}' FROM evidence")

        await asyncio.gather(
            *(state.write(add) for _ in range(50)),
            *(asyncio.to_thread(state.write_now, add) for _ in range(50)),
        )
        count = await state.read(
            lambda db: db.execute("SELECT count(DISTINCT id) FROM evidence").fetchone()[0]
        )
        assert count == 100
        with pytest.raises(sqlite3.OperationalError, match="no such"):
            await state.write(lambda db: db.execute("INSERT INTO absent VALUES (1)"))
        await state.write(add)
