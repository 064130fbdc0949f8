"""PostgreSQL as it is installed: what it tells, and how a run of the probe ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from probes import registry
from probes.api import Outcome
from tests.probes.database.asked_postgresql import (
    LOCKED,
    broken_off,
    ending,
    entered,
    probed,
    psql,
    sql,
    until,
)
from tests.servers.postgresql import PASSWORD, Postgres


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
    holder = await psql(primary, "begin; lock table private; select pg_sleep(60)")
    try:
        await until(primary, LOCKED.format("private"))
        waiter = await psql(primary, "begin; select * from private")
        await until(primary, "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock'")
        reading = await probed(primary.port)
    finally:
        await broken_off(primary, "private")
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
        ({"schema_version": "create table made (x int)"}, (Outcome.ERROR, "prober_error", "read_only")),
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
    holder = await psql(primary, "begin; lock table pg_catalog.pg_constraint; select pg_sleep(60)")
    try:
        await until(primary, LOCKED.format("pg_constraint"))
        reading = await probed(primary.port, query_timeout=0.3)
    finally:
        await broken_off(primary, "lock table pg_cat")
        await holder.wait()
    assert reading.outcome is Outcome.OK, reading
    assert "invalid_objects" not in reading.metrics
    assert "invalid_objects: slow_query" in reading.facts["not_told"]
    assert reading.metrics["size_bytes"] > 0


async def test_no_session_is_left_for_the_monitor() -> None:
    crowd: list[asyncio.subprocess.Process] = []
    settings = {"max_connections": "6", "superuser_reserved_connections": "3"}
    with await asyncio.to_thread(entered, settings) as (server, leave):
        try:
            for number in (1, 2, 3):
                crowd.append(await psql(server, "select pg_sleep(60)", user="monitor"))
                query = f"select count(*) = {number} from pg_stat_activity where usename = 'monitor'"
                await until(server, query)
            reading = await probed(server.port)
        finally:
            await asyncio.to_thread(leave)
            for process in crowd:
                await process.wait()
    assert ending(reading) == (Outcome.FAILED, "expectation", "too_many_connections")


@pytest.mark.parametrize("table", ["customers", "public.customers", "muster; drop table x", 'muster"', ""])
def test_no_other_table_is_written(table: str) -> None:
    spec = registry.get("postgresql")
    given = {"database": "d", "user": "u", "round_trip": {"table": table}}
    with pytest.raises(ValueError, match="table"):
        spec.params.model_validate(given)
