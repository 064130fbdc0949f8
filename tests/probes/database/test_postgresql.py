"""PostgreSQL as it is installed: a primary, a streaming replica, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from probes import registry
from probes.api import Context, Outcome, Reading, Target
from probes.measure import measure_within
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import garbage, resets, silent, tcp_server
from tests.servers.ports import closed_port
from tests.servers.postgresql import PASSWORD, Postgres, postgresql, standby

LOCKED = (
    "select count(*) > 0 from pg_locks where relation = '{}'::regclass and mode = 'AccessExclusiveLock'"
    " and granted"
)
SECRETS = {"db": PASSWORD, "wrong": "wrong-marker-1", "other": "other-marker-2"}


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgres]:
    registry.get("postgresql")
    with postgresql() as server:
        server.sql(
            "create table muster_probe (token varchar(64) not null)",
            "create role writer login in role pg_monitor",
            f"alter role writer password '{PASSWORD}'",
            "grant insert, select, delete on muster_probe to writer",
            "create table schema_history (version text)",
            "insert into schema_history values ('2.7.1')",
            "grant select on schema_history to monitor, writer",
            "create table private (x int)",
        )
        yield server


@pytest.fixture(scope="module")
def replica(primary: Postgres) -> Iterator[Postgres]:
    with standby(primary) as server:
        yield server


async def probed(port: int, /, timeout: float = 10.0, **params: Any) -> Reading:
    """Run the probe, and see that no text that came of it shows a password."""
    given = {"port": port, "database": "billing", "user": "monitor", "password": "secret:db"} | params
    async with shared_here(secrets=SECRETS) as shared:
        context = Context(shared, timeout, trace=[])
        reading = await run_once(
            "postgresql", "127.0.0.1", timeout=timeout, shared=shared, context=context, **given
        )
        for secret in SECRETS.values():
            assert secret not in repr(reading)
            assert secret not in repr(context.trace)
        return reading


def ending(reading: Reading) -> tuple[Outcome, str, str]:
    """Return outcome, kind and the first word of the detail."""
    return reading.outcome, reading.kind, reading.detail.partition(":")[0]


async def sql(server: Postgres, *statements: str, database: str = "billing") -> str:
    return await asyncio.to_thread(lambda: server.sql(*statements, database=database))


async def test_what_a_primary_tells_an_account_with_pg_monitor_only(
    primary: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        reading = await probed(primary.port, schema_version="select version from schema_history")
    assert reading.outcome is Outcome.OK, reading
    version = await sql(primary, "show server_version")
    assert reading.facts["version"] == version.split()[0]
    for name, text in {
        "encoding": "UTF8", "collation": "C", "timezone": "Asia/Shanghai", "schema_version": "2.7.1",
        "invalid_names": "none",
    }.items():  # fmt: skip
        assert reading.facts[name] == text
    assert reading.metrics["connections_max"] == 17
    assert reading.metrics["connections_used"] == 1
    assert reading.metrics["connections_used_pct"] == pytest.approx(100 / 17)
    assert reading.metrics["size_bytes"] == float(await sql(primary, "select pg_database_size('billing')"))
    assert reading.metrics["locks_waiting"] == reading.metrics["oldest_transaction_s"] == 0
    assert reading.metrics["connect_ms"] > 0
    assert reading.metrics["login_ms"] > 0
    assert 0 < reading.metrics["select_ms"] <= reading.phases["query"]
    assert "round_trip_ms" not in reading.metrics
    assert "backup_age_s" not in reading.metrics
    assert "archive_mode is off" in reading.facts["not_told"]
    assert PASSWORD not in caplog.text


async def test_all_that_is_declared_is_reported_by_some_run_and_nothing_else(
    primary: Postgres, replica: Postgres
) -> None:
    asked: dict[str, Any] = {
        "schema_version": "select version from schema_history", "backup_age": "select 3600.5",
        "parameters": {"max_connections": 20}, "tablespace_limits": {"pg_default": "100 GiB"},
    }  # fmt: skip
    spec = registry.get("postgresql")
    params = {**asked, "tablespace_limits": {"pg_default": 100 * 2**30}, "tls": "on", "ca": primary.ca}
    one = await probed(primary.port, user="writer", round_trip={"table": "muster_probe"}, **params)
    two = await probed(replica.port)
    reported = {*one.metrics, *two.metrics}
    assert one.metrics["backup_age_s"] == 3600.5
    assert {m.name for m in spec.metrics} - reported == {"archive_age_s", "archive_failing"}
    assert reported <= {m.name for m in spec.metrics}
    assert {*one.facts, *two.facts} == {f.name for f in spec.facts}
    assert {*one.phases} == set(spec.phases)


async def test_without_the_grant_what_it_hides_is_left_out_and_named(primary: Postgres) -> None:
    reading = await probed(primary.port, user="nothing")
    assert reading.outcome is Outcome.OK
    hidden = {"connections_used", "connections_used_pct", "locks_waiting", "replicas", "oldest_transaction_s"}
    assert not hidden & set(reading.metrics)
    assert "role" not in reading.facts
    told = reading.facts["not_told"]
    assert "connections, oldest_transaction_s, locks_waiting: missing_right" in told
    assert "(needs pg_monitor)" in told
    assert reading.metrics["size_bytes"] > 0


async def test_parameters_against_a_manifest(primary: Postgres) -> None:
    wanted = {"max_connections": 20, "shared_buffers": "16MB", "FSYNC": False, "statement_timeout": "5s"}
    same = await probed(primary.port, parameters=wanted)
    assert same.metrics["parameters_differing"] == 0
    assert same.facts["parameters"] == "none"
    other = await probed(primary.port, parameters=wanted | {"max_connections": 500, "it's none": 1})
    assert other.metrics["parameters_differing"] == 1
    assert other.facts["parameters"] == "max_connections is 20, wanted 500; it's none is not shown"
    unknown = await probed(primary.port, parameters={"max_connections": 20, "no_such": 1})
    assert "parameters_differing" not in unknown.metrics


async def test_tablespaces_against_their_limits(primary: Postgres) -> None:
    reading = await probed(primary.port, tablespace_limits={"pg_default": 2**30, "pg_global": 2**30})
    size = float(await sql(primary, "select pg_tablespace_size('pg_default')"))
    assert reading.metrics["tablespace_used_pct"] == pytest.approx(100 * size / 2**30, rel=0.05)
    assert reading.metrics["free_bytes"] == pytest.approx(2**30 - size, rel=0.05)
    unknown = await probed(primary.port, tablespace_limits={"gone": 2**30})
    assert "tablespace_used_pct" not in unknown.metrics
    assert "there is no gone" in unknown.facts["not_told"]


async def test_locks_and_the_oldest_transaction(primary: Postgres) -> None:
    holder = await _psql(primary, "begin; lock table private; select pg_sleep(60)")
    try:
        await _until(primary, LOCKED.format("private"))
        waiter = await _psql(primary, "begin; select * from private")
        await _until(primary, "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock'")
        reading = await probed(primary.port)
    finally:
        await _broken_off(primary, "private")
        await holder.wait()
    await waiter.wait()
    assert reading.metrics["locks_waiting"] == 1
    assert reading.metrics["oldest_transaction_s"] > 0
    assert reading.metrics["connections_used"] == 3


async def test_invalid_indexes_and_constraints(primary: Postgres) -> None:
    await sql(primary, "create table doubles (x int)", "insert into doubles values (1), (1)",
              "alter table doubles add constraint small check (x < 1) not valid")  # fmt: skip
    with pytest.raises(AssertionError, match="could not create unique index"):
        await sql(primary, "create unique index concurrently broken on doubles (x)")
    reading = await probed(primary.port)
    await sql(primary, "drop table doubles")
    assert reading.metrics["invalid_objects"] == 2
    assert reading.facts["invalid_names"] == "constraint doubles.small, index broken"


async def test_a_row_goes_round_and_none_is_left(primary: Postgres) -> None:
    reading = await probed(primary.port, user="writer", round_trip={"table": "muster_probe"})
    assert reading.outcome is Outcome.OK, reading
    assert reading.metrics["round_trip_ms"] > 0
    assert await sql(primary, "select count(*) from muster_probe") == "0"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"password": "secret:wrong"}, (Outcome.ERROR, "auth", "wrong_password")),
        ({"user": "nobody"}, (Outcome.ERROR, "auth", "wrong_password")),
        ({"user": "postgres"}, (Outcome.ERROR, "auth", "login_refused")),
        ({"user": "plain"}, (Outcome.ERROR, "prober_error", "unsafe_login")),
        ({"user": "strict"}, (Outcome.ERROR, "auth", "login_refused")),
        ({"database": "absent"}, (Outcome.FAILED, "expectation", "no_such_database")),
        ({"round_trip": {"table": "muster_probe"}}, (Outcome.ERROR, "permission", "missing_right")),
        ({"round_trip": {"table": "muster_none"}}, (Outcome.FAILED, "expectation", "no_such_table")),
        ({"schema_version": "selec 1"}, (Outcome.ERROR, "prober_error", "bad_query")),
        ({"schema_version": "select x from absent"}, (Outcome.FAILED, "expectation", "no_such_table")),
        ({"schema_version": "select 1 / 0"}, (Outcome.FAILED, "expectation", "query_refused")),
        ({"schema_version": "create table made (x int)"}, (Outcome.FAILED, "expectation", "read_only")),
        (
            {"schema_version": "select pg_sleep(9)", "query_timeout": 0.2},
            (Outcome.FAILED, "timeout", "slow_query"),
        ),
    ],
)
async def test_how_a_run_ends(
    primary: Postgres, params: dict[str, Any], expected: tuple[Outcome, str, str]
) -> None:
    reading = await probed(primary.port, **params)
    assert ending(reading) == expected, reading
    assert reading.metrics["connect_ms"] > 0
    assert await sql(primary, "select count(*) from pg_class where relname = 'made'") == "0"


async def test_a_version_that_may_not_be_read_is_left_out(primary: Postgres) -> None:
    reading = await probed(primary.port, schema_version="select x from private")
    assert reading.outcome is Outcome.OK
    assert "schema_version" not in reading.facts
    assert "schema_version: missing_right: permission denied for table private" in reading.facts["not_told"]


async def test_slow_questions_leave_the_rest(primary: Postgres) -> None:
    """A locked catalogue stops one question, and none of the others."""
    holder = await _psql(primary, "begin; lock table pg_catalog.pg_constraint; select pg_sleep(60)")
    try:
        await _until(primary, LOCKED.format("pg_constraint"))
        reading = await probed(primary.port, query_timeout=0.3)
    finally:
        await _broken_off(primary, "lock table pg_cat")
        await holder.wait()
    assert reading.outcome is Outcome.OK, reading
    assert "invalid_objects" not in reading.metrics
    assert "invalid_objects: slow_query" in reading.facts["not_told"]
    assert reading.metrics["size_bytes"] > 0


async def test_no_session_is_left_for_the_monitor() -> None:
    crowd: list[asyncio.subprocess.Process] = []
    settings = {"max_connections": "6", "superuser_reserved_connections": "3"}
    with await asyncio.to_thread(_entered, settings) as (server, leave):
        try:
            for number in (1, 2, 3):
                crowd.append(await _psql(server, "select pg_sleep(60)", user="monitor"))
                query = f"select count(*) = {number} from pg_stat_activity where usename = 'monitor'"
                await _until(server, query)
            reading = await probed(server.port)
        finally:
            await asyncio.to_thread(leave)
            for process in crowd:
                await process.wait()
    assert ending(reading) == (Outcome.FAILED, "expectation", "too_many_connections")


class TestTls:
    async def test_verified(self, primary: Postgres) -> None:
        reading = await probed(primary.port, tls="on", ca=primary.ca, user="strict")
        assert reading.outcome is Outcome.OK, reading
        assert reading.metrics["tls_ms"] > 0
        assert list(reading.phases) == ["resolve", "connect", "tls", "login", "query"]

    async def test_a_password_in_the_clear_is_told_within_it_only(self, primary: Postgres) -> None:
        reading = await probed(primary.port, tls="on", ca=primary.ca, user="plain")
        assert reading.outcome is Outcome.OK, reading

    async def test_no_password_goes_to_a_server_that_asks_for_it_in_pieces(self) -> None:
        heard = b""

        async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal heard
            heard += await reader.read(1024)
            for byte in b"N\0\0\0\x05\0" + b"R\0\0\0\x08\0\0\0\x03":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.005)
            heard += await reader.read(1024)

        async with tcp_server(listens) as port:
            reading = await probed(port)
            await asyncio.sleep(0.05)
        assert reading.detail.startswith("unsafe_login"), reading
        assert b"monitor" in heard
        assert PASSWORD.encode() not in heard

    async def test_by_the_name_that_was_asked_for(self, primary: Postgres) -> None:
        reading = await probed(primary.port, tls="on", ca=primary.ca, server_name="other.example")
        assert ending(reading) == (Outcome.FAILED, "tls", "tls")
        assert "other.example" in reading.detail

    async def test_of_an_authority_that_is_not_trusted(self, primary: Postgres, tmp_path: Path) -> None:
        reading = await probed(primary.port, tls="on", ca=str(Authority(tmp_path).file))
        assert reading.kind == "tls"
        assert "certificate" in reading.detail
        assert reading.phase == "tls"

    async def test_of_a_file_that_is_not_there(self, primary: Postgres) -> None:
        reading = await probed(primary.port, tls="on", ca="/absent.pem")
        assert ending(reading)[:2] == (Outcome.ERROR, "prober_error")

    async def test_a_server_without_is_not_talked_to(self) -> None:
        with await asyncio.to_thread(_entered, {"ssl": "off"}) as (server, leave):
            try:
                reading = await probed(server.port, tls="on", ca=server.ca)
            finally:
                await asyncio.to_thread(leave)
        assert ending(reading) == (Outcome.FAILED, "tls", "tls_refused")


class TestReplication:
    async def test_both_sides(self, primary: Postgres, replica: Postgres) -> None:
        await _until(primary, "select count(*) = 1 from pg_stat_replication where state = 'streaming'")
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
        await _until(replica, "select pg_last_xact_replay_timestamp() is not null")
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
        source, leave = await asyncio.to_thread(_entered_pair)
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
    with await asyncio.to_thread(_entered, settings) as (server, leave):
        try:
            fresh = await probed(server.port)
            await sql(server, "select pg_switch_wal()", database="postgres")
            await _until(server, "select archived_count > 0 from pg_stat_archiver")
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


class TestEndings:
    async def test_nobody_listens(self) -> None:
        with closed_port() as port:
            assert ending(await probed(port))[:2] == (Outcome.FAILED, "refused")

    @pytest.mark.parametrize("handler", [garbage, resets])
    async def test_no_postgresql(self, handler: Any) -> None:
        async with tcp_server(handler) as port:
            assert ending(await probed(port))[:2] == (Outcome.FAILED, "protocol")

    async def test_silence(self) -> None:
        async with tcp_server(silent) as port:
            reading = await probed(port, timeout=0.5)
        assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "timeout", "login")

    async def test_a_missing_secret_is_ours(self, primary: Postgres) -> None:
        reading = await probed(primary.port, password="secret:absent")
        assert ending(reading)[:2] == (Outcome.ERROR, "prober_error")

    async def test_the_server_ends_in_the_middle(self) -> None:
        with await asyncio.to_thread(_entered, {}) as (server, leave):
            try:
                run = asyncio.create_task(probed(server.port, schema_version="select pg_sleep(9)::text"))
                await _until(
                    server, "select count(*) > 0 from pg_stat_activity where query ~ '^select pg_sl'"
                )
                await asyncio.to_thread(server.stop)
                reading = await run
            finally:
                await asyncio.to_thread(leave)
        assert ending(reading) == (Outcome.FAILED, "protocol", "query"), reading
        assert reading.metrics["size_bytes"] > 0


async def test_a_run_that_is_killed_leaves_no_session_and_no_row(primary: Postgres) -> None:
    """The deadline comes while a query runs: the server's side is gone within two seconds."""
    spec = registry.get("postgresql")
    given = {"port": primary.port, "database": "billing", "user": "writer", "password": "secret:db",
             "query_timeout": 60, "schema_version": "select pg_sleep(50)"}  # fmt: skip
    async with shared_here(secrets=SECRETS) as shared:
        run: asyncio.Future[Reading] = asyncio.ensure_future(
            spec.run(Target("127.0.0.1"), spec.params.model_validate(given), Context(shared, 60))
        )
        await _until(primary, "select count(*) = 1 from pg_stat_activity where query ~ '^select pg_sleep.50'")
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    await _until(primary, "select count(*) = 0 from pg_stat_activity where usename = 'writer'", 3)


async def test_a_run_that_is_killed_within_the_round_trip_leaves_no_row(primary: Postgres) -> None:
    spec = registry.get("postgresql")
    holder = await _psql(
        primary, "begin; lock table muster_probe in access exclusive mode; select pg_sleep(60)"
    )
    try:
        await _until(primary, LOCKED.format("muster_probe"))
        given = {"port": primary.port, "database": "billing", "user": "writer", "password": "secret:db",
                 "round_trip": {"table": "muster_probe"}, "query_timeout": 60}  # fmt: skip
        async with shared_here(secrets=SECRETS) as shared:
            params = spec.params.model_validate(given)
            reading = await measure_within(spec, Target("127.0.0.1"), params, Context(shared, 0.8))
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
        await _until(primary, "select count(*) = 0 from pg_stat_activity where usename = 'writer'", 3)
    finally:
        await _broken_off(primary, "exclusive")
        await holder.wait()
    assert await sql(primary, "select count(*) from muster_probe") == "0"


def test_on_the_loop_of_the_daemon(primary: Postgres) -> None:
    """uvloop keeps the protocol's methods apart from the protocol: what reads along must be seen by it."""
    plain = uvloop.run(probed(primary.port, user="plain"))
    assert plain.detail.startswith("unsafe_login"), plain
    flood = uvloop.run(probed(primary.port, schema_version="select repeat('x', 100000000)", timeout=20))
    assert ending(flood)[:2] == (Outcome.FAILED, "protocol"), flood
    secure = uvloop.run(probed(primary.port, tls="on", ca=primary.ca))
    assert secure.outcome is Outcome.OK, secure
    assert secure.metrics["tls_ms"] > 0
    late = uvloop.run(
        probed(primary.port, schema_version="select pg_sleep(50)", query_timeout=60, timeout=0.8)
    )
    assert late.outcome is Outcome.FAILED, late
    assert late.metrics["size_bytes"] > 0


async def test_a_server_that_sends_without_end_is_left(primary: Postgres) -> None:
    query = "select repeat('x', 100000000)"
    reading = await probed(primary.port, schema_version=query, timeout=20)
    assert ending(reading)[:2] == (Outcome.FAILED, "protocol"), reading
    assert reading.metrics["select_ms"] > 0


@pytest.mark.parametrize("table", ["customers", "public.customers", "muster; drop table x", 'muster"', ""])
def test_no_other_table_is_written(table: str) -> None:
    spec = registry.get("postgresql")
    given = {"database": "d", "user": "u", "round_trip": {"table": table}}
    with pytest.raises(ValueError, match="table"):
        spec.params.model_validate(given)


async def _psql(server: Postgres, text: str, user: str = "postgres") -> asyncio.subprocess.Process:
    """Have psql do `text` in one session, in the background."""
    host = str(server.directory) if user == "postgres" else "127.0.0.1"
    return await asyncio.create_subprocess_exec(
        "psql", "-Xq", "-h", host, "-p", str(server.port), "-U", user, "-d", "billing", "-c", text,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PGPASSWORD": PASSWORD},
    )  # fmt: skip


async def _broken_off(server: Postgres, query: str) -> None:
    """End the sessions whose query is like that."""
    ours = f"query ~ '{query}' and pid <> pg_backend_pid()"
    await sql(server, f"select pg_terminate_backend(pid) from pg_stat_activity where {ours}")


async def _until(server: Postgres, query: str, seconds: float = 10.0) -> None:
    """Wait until a query gives true."""
    until = time.monotonic() + seconds
    while (told := await sql(server, query)) != "t":
        assert time.monotonic() < until, f"{query}: {told}"
        await asyncio.sleep(0.05)


@contextmanager
def _closing(server: Postgres, leave: Any) -> Iterator[tuple[Postgres, Any]]:
    yield server, leave


def _entered(settings: dict[str, str]) -> Any:
    manager = postgresql(settings)
    server = manager.__enter__()
    return _closing(server, lambda: manager.__exit__(None, None, None))


def _entered_pair() -> tuple[tuple[Postgres, Postgres], Any]:
    outer = postgresql()
    above = outer.__enter__()
    inner = standby(above)
    below = inner.__enter__()

    def leave() -> None:
        inner.__exit__(None, None, None)
        outer.__exit__(None, None, None)

    return (above, below), leave


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
