"""PostgreSQL: a primary and a streaming replica, an archive of the log, a full disk."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from probes.api import Outcome
from tests.probes.database.asked_postgresql import (
    ending,
    entered,
    entered_pair,
    probed,
    sql,
    until,
)
from tests.servers.postgresql import Postgres


class TestReplication:
    async def test_both_sides(self, primary: Postgres, replica: Postgres) -> None:
        await until(primary, "select count(*) = 1 from pg_stat_replication where state = 'streaming'")
        above, below = await probed(primary.port), await probed(replica.port)
        assert (above.facts["role"], below.facts["role"]) == ("primary", "replica")
        assert "standby1 at 127.0.0.1 streaming async" in above.facts["replication"]
        assert above.metrics["replicas"] == 1
        assert "receiving" not in above.metrics
        assert below.metrics["receiving"] == 1
        assert below.metrics["replica_lag_s"] <= 1

    async def test_an_idle_primary_makes_no_lag(self, primary: Postgres, replica: Postgres) -> None:
        await sql(primary, "insert into schema_history select version from schema_history limit 0")
        await asyncio.sleep(1.5)
        below = await probed(replica.port)
        assert below.metrics["replica_lag_s"] == 0
        assert below.metrics["replica_lag_bytes"] == 0

    async def test_replay_that_stands_still_is_lag_below_and_not_told_above(
        self, primary: Postgres, replica: Postgres
    ) -> None:
        await sql(primary, "create table replayed ()", "drop table replayed")
        await until(replica, "select pg_last_xact_replay_timestamp() is not null")
        await sql(replica, "select pg_wal_replay_pause()")
        try:
            await sql(primary, "create table stalled as select generate_series(1, 1000) as n")
            await asyncio.sleep(1.2)
            above, below = await probed(primary.port), await probed(replica.port)
        finally:
            await sql(replica, "select pg_wal_replay_resume()")
            await sql(primary, "drop table stalled")
        assert below.metrics["replica_lag_s"] > 1
        assert below.metrics["replica_lag_bytes"] > 1000
        assert "replica_lag_s" not in above.metrics
        assert above.metrics["replica_lag_bytes"] > 1000
        assert "did not advance" in above.facts["not_told"]

    async def test_a_row_does_not_go_round_on_a_replica(self, replica: Postgres) -> None:
        reading = await probed(replica.port, user="writer", round_trip={"table": "muster_probe"})
        assert ending(reading) == (Outcome.FAILED, "expectation", "read_only")

    async def test_a_replica_that_receives_nothing_is_not_without_lag(self) -> None:
        source, leave = await asyncio.to_thread(entered_pair)
        try:
            above, below = source
            await asyncio.to_thread(above.stop)
            await asyncio.sleep(0.5)
            reading = await probed(below.port)
        finally:
            await asyncio.to_thread(leave)
        assert reading.outcome is Outcome.OK, reading
        assert reading.metrics["receiving"] == 0
        assert "replica_lag_s" not in reading.metrics
        assert "the replica receives nothing" in reading.facts["not_told"]


async def test_an_archive_of_the_log(tmp_path: Path) -> None:
    settings = {"archive_mode": "on", "archive_command": "true"}
    with await asyncio.to_thread(entered, settings) as (server, leave):
        try:
            fresh = await probed(server.port)
            await sql(server, "select pg_switch_wal()", database="postgres")
            await until(server, "select archived_count > 0 from pg_stat_archiver")
            archived = await probed(server.port)
        finally:
            await asyncio.to_thread(leave)
    assert "archive_age_s: nothing was archived" in fresh.facts["not_told"]
    assert archived.metrics["archive_age_s"] < 30
    assert archived.metrics["archive_failing"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
async def test_a_full_disk(primary: Postgres) -> None:
    async with _small_disk() as place:
        await sql(primary, f"create tablespace small location '{place}'")
        try:
            await sql(primary, "create table muster_full (token varchar(64)) tablespace small",
                      "grant all on muster_full to writer")  # fmt: skip
            await asyncio.to_thread(_fill, place)
            reading = await probed(primary.port, user="writer", round_trip={"table": "muster_full"})
        finally:
            await asyncio.to_thread((place / "filler").unlink, missing_ok=True)
            await sql(primary, "drop table muster_full", "drop tablespace small")
    assert ending(reading) == (Outcome.FAILED, "expectation", "disk_full"), reading


@asynccontextmanager
async def _small_disk() -> AsyncIterator[Path]:
    """Mount a file system of 2 MB that PostgreSQL may use."""
    place = Path(tempfile.mkdtemp(prefix="small-"))
    mount = ("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(place))
    if await asyncio.to_thread(lambda: subprocess.run(mount, capture_output=True, check=False).returncode):
        place.rmdir()
        pytest.skip("this machine mounts no tmpfs")
    try:
        await asyncio.to_thread(lambda: subprocess.run(["chown", "postgres", str(place)], check=True))
        yield place
    finally:
        await asyncio.to_thread(lambda: subprocess.run(["umount", "-l", str(place)], check=True))
        place.rmdir()


def _fill(place: Path) -> None:
    with (place / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
