"""The two cursors against a real store and a real VictoriaMetrics: everything, once, the newest first."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from monitor.sinks import feeder as feeding_module
from monitor.sinks.position import Position
from monitor.store import sinks
from monitor.store.api import Cursor
from monitor.store.paths import Bounds
from tests.servers.influxdb import influxdb
from tests.servers.victoriametrics import VictoriaMetrics, victoria_metrics
from tests.sinks.feeding import fed, feeding, fill, level, stored, until, wanted
from tests.store.making import opened


async def test_what_is_committed_is_written_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "state") as store, victoria_metrics(tmp_path) as server:
        fill(store, 0, 300)
        await store.flush()
        async with feeding(fed(store, server.url)) as feeder:
            await until(lambda: level(feeder) and feeder.head > 0)
            fill(store, 300, 300)
            await store.flush()
            await until(lambda: feeder.sender.sent.points["live"] >= 300 and level(feeder))
        assert feeder.sender.sent.points["backfill"] >= 300, "what was there before is a gap"
        assert await stored(server) == wanted(600)


async def test_after_an_outage_live_data_goes_first_and_the_gap_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding_module, "BEHIND", 4)
    monkeypatch.setattr(feeding_module, "AT_ONCE", 50)
    monkeypatch.setattr(feeding_module, "LONGEST_WAIT_S", 0.3)
    server = VictoriaMetrics(tmp_path)
    async with opened(tmp_path / "state") as store:
        feeder = fed(store, server.url, backfill_rate=200)
        async with feeding(feeder):
            for part in range(8):
                fill(store, part * 100, 100)
                await store.flush()
                await until(lambda: feeder.link.failures > 2)
            await until(lambda: bool(feeder.track.now.gaps))
            monkeypatch.setattr(feeding_module, "BEHIND", 10**9)
            await server.start()
            try:
                await until(lambda: feeder.link.trouble is None)
                before = feeder.sender.sent.points["live"]
                fill(store, 800, 5)
                await store.flush()
                await until(lambda: feeder.sender.sent.points["live"] >= before + 5)
                assert feeder.track.now.gaps, "the newest goes first"
                await until(lambda: level(feeder))
                assert await stored(server) == wanted(805)
            finally:
                await server.kill()


async def test_the_position_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with victoria_metrics(tmp_path) as server:
        for part in range(3):
            async with opened(tmp_path / "state") as store:
                fill(store, part * 50, 50)
                await store.flush()
                async with feeding(fed(store, server.url)) as feeder:
                    await until(lambda: level(feeder) and feeder.head > 0)
        assert await stored(server) == wanted(150)


async def test_without_backfill_only_what_is_new_is_written(tmp_path: Path) -> None:
    async with opened(tmp_path / "state") as store, victoria_metrics(tmp_path) as server:
        fill(store, 0, 50)
        await store.flush()
        async with feeding(fed(store, server.url, backfill=False)) as feeder:
            await until(lambda: feeder.idle)
            fill(store, 50, 50)
            await store.flush()
            await until(lambda: feeder.sender.sent.points["live"] >= 50)
        assert feeder.track.now.gaps == ()
        assert await stored(server) == wanted(100) - wanted(50)


async def test_a_position_ahead_of_the_store_begins_at_its_head(tmp_path: Path) -> None:
    """As with a backup that was restored: the sink waits for nothing that never comes."""
    async with opened(tmp_path / "state") as store, victoria_metrics(tmp_path) as server:
        fill(store, 0, 10)
        await store.flush()
        ahead = Position(Cursor(store.head() + 10**6))
        await store.state.write(lambda db: sinks.save(db, "influx", ahead.dump()))
        async with feeding(fed(store, server.url)) as feeder:
            await until(lambda: feeder.idle)
            fill(store, 10, 10)
            await store.flush()
            await until(lambda: feeder.sender.sent.points["live"] >= 10)


async def test_a_gap_is_filled_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of chunks, too: each check's readings of a gap are written in the order of their times."""
    seen: dict[str, list[int]] = {}
    async with opened(tmp_path / "state", Bounds(log_kept=0)) as store, influxdb() as server:
        for part in range(4):
            fill(store, part * 400, 400)
            await store.flush()
            await store.compact(today=0)
        take = server._take

        def noting(lines: list[str]) -> web.Response:
            for each in lines:
                where, _, at = each.rpartition(" ")
                seen.setdefault(where.partition(" ")[0], []).append(int(at))
            return take(lines)

        monkeypatch.setattr(server, "_take", noting)
        feeder = fed(store, server.url, token="secret:influx")
        feeder.writer.secret = lambda _: server.token
        async with feeding(feeder):
            await until(lambda: level(feeder) and feeder.head > 0)
    assert sum(map(len, seen.values())) == 1600
    for times in seen.values():
        assert times == sorted(times)
