"""Faults of the databases: PostgreSQL and its standby, MariaDB and its replica, Redis and its replica."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator

import asyncpg  # type: ignore[import-untyped]

from tests.servers import mariadb
from tests.servers.ports import free_port
from tests.servers.postgresql import ACCOUNT, Postgres
from tests.servers.redis import say, until
from tests.show.centre.data_centre import DataCentre
from tests.show.centre.planting import fault

IDLE = 11
"""Idle sessions of the 17 that ordinary accounts may have: more would leave the checks none."""
DEPENDANTS = frozenset({"billing-db", "billing-data", "billing-standby", "archive-db", "portal"})


async def sql(server: Postgres, *statements: str) -> str:
    """Do statements without holding the loop."""
    return await asyncio.to_thread(server.sql, *statements)


@fault("database.charset", "archive-db", "SQL_ASCII")
async def wrong_encoding(centre: DataCentre) -> AsyncIterator[None]:
    """The archive was made without a character set (SQL_ASCII)."""
    make = "create database archive encoding '{}' locale 'C' template template0"
    await sql(centre.billing, "drop database archive with (force)", make.format("SQL_ASCII"))
    yield
    await sql(centre.billing, "drop database archive with (force)", make.format("UTF8"))


@fault("release.billing-schema", "billing-data", "2.3.9")
async def old_schema(centre: DataCentre) -> AsyncIterator[None]:
    """The schema is that of the release before (a backup was restored, the migration not run again)."""
    await sql(centre.billing, "insert into schema_history values ('2.3.9', now() + interval '1 s')")
    yield
    await sql(centre.billing, "delete from schema_history where version = '2.3.9'")


@fault("database.no-invalid-objects", "billing-data", "customer.sane")
async def invalid_object(centre: DataCentre) -> AsyncIterator[None]:
    """A migration added a constraint and never validated it."""
    await sql(centre.billing, "alter table customer add constraint sane check (balance > -1000) not valid")
    yield
    await sql(centre.billing, "alter table customer drop constraint sane")


@fault("database.parameters", "billing-db", "work_mem")
async def parameter_off(centre: DataCentre) -> AsyncIterator[None]:
    """Somebody changed work_mem on the server."""
    await sql(centre.billing, "alter system set work_mem = '1MB'", "select pg_reload_conf()")
    yield
    await sql(centre.billing, "alter system reset work_mem", "select pg_reload_conf()")


@fault("database.sessions", "billing-db", "connections_used_pct")
async def sessions_used_up(centre: DataCentre) -> AsyncIterator[None]:
    """Forgotten sessions hold most of what the server allows."""
    where = {"host": str(centre.billing.directory), "port": centre.billing.port, "user": ACCOUNT}
    held = [await asyncpg.connect(database="billing", **where) for _ in range(IDLE)]
    yield
    await asyncio.gather(*(each.close() for each in held))
    await until(lambda: _free(centre))


async def _free(centre: DataCentre) -> bool:
    return (
        int(await sql(centre.billing, "select count(*) from pg_stat_activity where datname = 'billing'")) < 3
    )


@fault("database.backup", "billing-db", "backup_age_s")
async def old_backup(centre: DataCentre) -> AsyncIterator[None]:
    """The last good backup is two days old."""
    await sql(centre.billing, "update backup_log set finished = now() - interval '2 days'")
    yield
    await sql(centre.billing, "update backup_log set finished = now()")


@fault("application.billing-batch", "billing-data", "value = 0")
async def batch_failed(centre: DataCentre) -> AsyncIterator[None]:
    """Last night's billing batch ended with an error."""
    await sql(centre.billing, "update batch set state = 'FAILED'")
    yield
    await sql(centre.billing, "update batch set state = 'OK'")


@fault("application.roles", "billing-data", "differences = 1")
async def role_missing(centre: DataCentre) -> AsyncIterator[None]:
    """A cashier of the HR list has no role in the system."""
    await sql(centre.billing, "delete from account_role where staff_no = '1002'")
    yield
    await sql(centre.billing, "insert into account_role values ('1002', 'cashier')")


@fault("database.reconciled", "billing-data", "differences = 2")
async def customer_missing(centre: DataCentre) -> AsyncIterator[None]:
    """One customer of the old system was not migrated."""
    await sql(centre.billing, "delete from customer where id = 3")
    yield
    await sql(centre.billing, "insert into customer values (3, -17.25)")


@fault("database.replica-lag", "billing-standby", "replica_lag_s")
async def standby_behind(centre: DataCentre) -> AsyncIterator[None]:
    """The standby receives and does not replay."""
    await sql(centre.standby, "select pg_wal_replay_pause()")
    await sql(
        centre.billing, "insert into batch values ('LATE', now())", "delete from batch where state = 'LATE'"
    )
    await asyncio.sleep(1.5)
    yield
    await sql(centre.standby, "select pg_wal_replay_resume()")


@fault("database.answers", "billing-db", "refused", reason="refused", behind=DEPENDANTS)
async def database_stopped(centre: DataCentre) -> AsyncIterator[None]:
    """PostgreSQL is stopped: whatever needs it is blocked, not failed."""
    assert centre.billing.process is not None
    command = centre.billing.process.args
    await asyncio.to_thread(centre.billing.stop)
    yield
    user = ACCOUNT if os.geteuid() == 0 else None
    centre.billing.process = subprocess.Popen(command, stdout=-3, stderr=-3, user=user)
    await until(lambda: _serves(centre))


async def _serves(centre: DataCentre) -> bool:
    """Whether the server is back, and its standby receives again."""
    try:
        await sql(centre.billing, "select 1")
    except AssertionError:
        return False
    return bool(await sql(centre.standby, "select 1 from pg_stat_wal_receiver where status = 'streaming'"))


@fault("database.charset", "legacy-db", "latin1")
async def latin1(centre: DataCentre) -> AsyncIterator[None]:
    """The old system's database is in latin1."""
    await mariadb.do(centre.port("legacy"), "alter database legacy character set latin1")
    yield
    await mariadb.do(centre.port("legacy"), "alter database legacy character set utf8mb4")


@fault("database.no-invalid-objects", "legacy-db", "invalid_names = ")
async def broken_view(centre: DataCentre) -> AsyncIterator[None]:
    """A view of the old system names a table that is gone."""
    port = centre.port("legacy")
    await mariadb.do(
        port, "create table legacy.gone (id int)", "create view legacy.v as select id from legacy.gone",
        "drop table legacy.gone",
    )  # fmt: skip
    yield
    await mariadb.do(port, "drop view legacy.v")


@fault("database.replication", "legacy-replica", "replication_running = 0")
async def replication_stopped(centre: DataCentre) -> AsyncIterator[None]:
    """Replication to the replica for reports is stopped."""
    port = centre.port("legacy_replica")
    await mariadb.do(port, "stop slave sql_thread")
    yield
    await mariadb.do(port, "start slave sql_thread")


@fault("database.replication", "legacy-replica", "read_only = 0")
async def replica_writable(centre: DataCentre) -> AsyncIterator[None]:
    """The replica for reports takes writes."""
    port = centre.port("legacy_replica")
    await mariadb.do(port, "set global read_only = 0")
    yield
    await mariadb.do(port, "set global read_only = 1")


@fault("database.cache-memory", "sessions", "memory_used_pct")
async def cache_full(centre: DataCentre) -> AsyncIterator[None]:
    """The session cache has little memory left."""
    port = centre.port("sessions")
    await say(port, "CONFIG", "SET", "maxmemory", "20mb")
    await say(port, "SETRANGE", "forgotten", str(15_000_000), "x")
    yield
    await say(port, "DEL", "forgotten")
    await say(port, "CONFIG", "SET", "maxmemory", "100mb")


@fault("database.cache-replica", "sessions-replica", "replica_link_up = 0")
async def cache_replica_cut_off(centre: DataCentre) -> AsyncIterator[None]:
    """The cache's replica follows a server that is not there."""
    port = centre.port("sessions_replica")
    await say(port, "REPLICAOF", "127.0.0.1", str(free_port()))
    yield
    await say(port, "REPLICAOF", "127.0.0.1", str(centre.port("sessions")))
    await until(centre.linked)
