"""mysql against a real MariaDB: what it measures, refusals, TLS, and what is left behind."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncmy.errors import MySQLError

from probes.api import Context, Outcome, Reading
from probes.database import mysql as module
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.mariadb import do, installed, mariadb, mariadb_pair, root
from tests.servers.ports import closed_port

HOST, MARKER = "127.0.0.1", "marker-Pa55w0rd"
SECRETS = {"right": MARKER, "wrong": f"{MARKER}-not"}
ASK: dict[str, Any] = {"database": "billing", "user": "muster", "password": "secret:right"}
TRIP: dict[str, Any] = {"round_trip": {"table": "muster_probe"}}
GRANTS = (
    "grant process, slave monitor on *.* to muster",
    "grant select, show view on billing.* to muster",
    "grant insert, delete on billing.muster_probe to muster",
)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("mariadb"))


async def _prepared(port: int, *statements: str, grants: tuple[str, ...] = GRANTS) -> None:
    await do(
        port, "create database billing character set utf8mb4 collate utf8mb4_general_ci", "use billing",
        "create table customer (id int primary key, name varchar(40))",
        "insert into customer values (1, 'a'), (2, 'b'), (3, null)",
        "create view customers as select * from customer",
        "create table muster_probe (token varchar(64))",
        f"create user muster identified by '{MARKER}'",
        *grants,
        *statements,
    )  # fmt: skip


@asynccontextmanager
async def _server(
    template: Path, directory: Path, *options: str, statements: tuple[str, ...] = ()
) -> AsyncIterator[tuple[int, SharedHere]]:
    async with mariadb(template, directory, *options) as port, shared_here(secrets=SECRETS) as shared:
        await _prepared(port, *statements)
        yield port, shared


async def _until(holds: Callable[[], Awaitable[object]], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def test_a_good_server(template: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wanted = {"max_connections": 90, "innodb_buffer_pool_size": "16 MiB", "log_bin": False}
    async with _server(template, tmp_path, "--max-connections=90") as (port, shared):
        context = Context(shared, 10.0, trace=[])
        reading = await run_once(
            "mysql", HOST, port=port, shared=shared, context=context, **ASK, **TRIP, parameters=wanted,
            schema_version="select '7.1'", backup_age="select 3600", size_limit=10_000_000,
        )  # fmt: skip
        [(left,)] = await do(port, "select count(*) from billing.muster_probe")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts == {
        "version": reading.facts["version"], "server": reading.facts["server"], "engine": "mariadb",
        "encoding": "utf8mb4", "collation": "utf8mb4_general_ci", "timezone": reading.facts["timezone"],
        "role": "standalone", "schema_version": "7.1", "parameters": "none", "invalid_names": "none",
        "not_told": "none",
    }  # fmt: skip
    expected = {
        "connections_max": 90, "read_only": 0, "locks_waiting": 0, "oldest_transaction_s": 0, "replicas": 0,
        "sources": 0, "invalid_objects": 0, "parameters_differing": 0, "backup_age_s": 3600,
    }  # fmt: skip
    assert {name: reading.metrics[name] for name in expected} == expected
    assert 1 <= reading.metrics["connections_used"] <= 3
    size = reading.metrics["size_bytes"]
    assert size >= 2 * 65_536
    assert reading.metrics["tablespace_used_pct"] == pytest.approx(size / 1e5)
    assert reading.metrics["free_bytes"] == 1e7 - size
    assert reading.metrics["select_ms"] > 0
    assert reading.metrics["round_trip_ms"] > 0
    assert reading.metrics["login_ms"] > 0
    assert left == 0
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in module.PROBE.facts}
    assert MARKER not in f"{reading}{context.trace}{caplog.text}"


async def test_what_may_not_be_seen_is_not_told(template: Path, tmp_path: Path) -> None:
    async with mariadb(template, tmp_path) as port, shared_here(secrets=SECRETS) as shared:
        await _prepared(port, grants=("grant select on billing.customer to muster",))
        reading = await run_once("mysql", HOST, port=port, shared=shared, **ASK)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    hidden = {"locks_waiting", "oldest_transaction_s", "replicas", "sources", "invalid_objects", "size_bytes"}
    assert not hidden & {*reading.metrics}
    assert "role" not in reading.facts
    for right in ("PROCESS", "SLAVE MONITOR", "SHOW VIEW"):
        assert right in reading.facts["not_told"]
    assert reading.metrics["connections_used_pct"] > 0


async def test_a_primary_and_its_replica(template: Path, tmp_path: Path) -> None:
    async def followed() -> bool:
        [row] = await do(replica_port, "show slave status")
        return row[10] == row[11] == "Yes" and (await do(replica_port, "show databases like 'billing'")) != ()

    async with (
        mariadb_pair(template, tmp_path) as (primary_port, replica_port),
        shared_here(secrets=SECRETS) as shared,
    ):
        await _prepared(primary_port)
        await _until(followed)
        await asyncio.sleep(0.3)
        ask = {"shared": shared, **ASK}
        primary = await run_once("mysql", HOST, port=primary_port, **ask)
        replica = await run_once("mysql", HOST, port=replica_port, **ask)
        written = await run_once("mysql", HOST, port=replica_port, **ask, **TRIP)
        await do(replica_port, "drop table billing.customer")
        await do(primary_port, "insert into billing.customer values (9, 'z')")
        await _until(lambda: _stopped(replica_port))
        broken = await run_once("mysql", HOST, port=replica_port, **ask)
    assert primary.facts["role"] == "primary"
    assert primary.metrics["replicas"] == 1
    assert replica.facts["role"] == "replica"
    assert (replica.metrics["sources"], replica.metrics["replication_running"]) == (1, 1)
    assert 0 <= replica.metrics["replica_lag_s"] <= 2
    assert replica.metrics["read_only"] == 1
    assert replica.facts["replication"] == f"from {HOST}: io Yes, sql Yes"
    assert (written.outcome, written.kind) == (Outcome.FAILED, "expectation")
    assert written.detail.startswith("read_only: ")
    assert broken.outcome is Outcome.OK
    assert broken.metrics["replication_running"] == 0
    assert "replica_lag_s" not in broken.metrics
    assert "replica_lag_s: replication does not run" in broken.facts["not_told"]
    assert "billing.customer" in broken.facts["replication"]


async def _stopped(port: int) -> bool:
    [row] = await do(port, "show slave status")
    return bool(row[11] == "No")


async def test_views_whose_tables_are_gone(template: Path, tmp_path: Path) -> None:
    async with _server(template, tmp_path, statements=("drop table billing.customer",)) as (port, shared):
        reading = await run_once("mysql", HOST, port=port, shared=shared, **ASK)
    assert reading.metrics["invalid_objects"] == 1
    assert reading.facts["invalid_names"] == "view customers"


async def test_transactions_and_locks(template: Path, tmp_path: Path) -> None:
    update = "update billing.customer set name = 'x' where id = 1"
    async with _server(template, tmp_path) as (port, shared), root(port) as holder, root(port) as waiter:
        await holder.query("start transaction")
        await holder.query(update)
        waiting = asyncio.create_task(waiter.query(update))
        await asyncio.sleep(1.2)
        reading = await run_once("mysql", HOST, port=port, shared=shared, **ASK)
        await holder.query("rollback")
        await waiting
    assert reading.metrics["locks_waiting"] == 1
    assert 0.5 <= reading.metrics["oldest_transaction_s"] <= 10


def _refused(reading: Reading, outcome: Outcome, kind: str, word: str) -> None:
    assert (reading.outcome, reading.kind) == (outcome, kind), reading.detail
    assert reading.detail.startswith(f"{word}: "), reading.detail
    assert MARKER not in str(reading)


async def test_logins_that_are_refused(template: Path, tmp_path: Path) -> None:
    made = (
        "create user locked identified by 'x' account lock",
        "create user expired identified by 'x' password expire",
        "grant select on billing.* to expired",
    )
    async with (
        _server(template, tmp_path, "--disconnect-on-expired-password=1", statements=made) as (port, _),
        shared_here(secrets=SECRETS | {"x": "x"}) as shared,
    ):
        ask: dict[str, Any] = {"port": port, "shared": shared, "database": "billing"}
        wrong = await run_once("mysql", HOST, **ask, user="muster", password="secret:wrong")
        nobody = await run_once("mysql", HOST, **ask, user="nobody", password="secret:right")
        locked = await run_once("mysql", HOST, **ask, user="locked", password="secret:x")
        expired = await run_once("mysql", HOST, **ask, user="expired", password="secret:x")
        elsewhere = await run_once("mysql", HOST, **ask | ASK | {"database": "mysql"})
        missing = await run_once("mysql", HOST, **ask | {"database": "none"}, user="root")
        await do(port, "set global max_connections = 10")
        async with AsyncExitStack() as held:
            for _ in range(11):
                await held.enter_async_context(root(port))
            full = await run_once("mysql", HOST, **ask | ASK)
    _refused(wrong, Outcome.ERROR, "auth", "wrong_password")
    _refused(nobody, Outcome.ERROR, "auth", "wrong_password")
    _refused(locked, Outcome.ERROR, "auth", "account_locked")
    _refused(expired, Outcome.ERROR, "auth", "password_expired")
    _refused(elsewhere, Outcome.ERROR, "permission", "missing_right")
    _refused(missing, Outcome.FAILED, "expectation", "no_such_database")
    _refused(full, Outcome.FAILED, "expectation", "too_many_connections")
    assert wrong.phase == "login"


async def test_an_account_by_ed25519(template: Path, tmp_path: Path) -> None:
    made = (
        "install soname 'auth_ed25519'",
        f"create user edward identified via ed25519 using password('{MARKER}')",
        "grant select on billing.* to edward",
    )
    async with _server(template, tmp_path, statements=made) as (port, shared):
        good = await run_once("mysql", HOST, port=port, shared=shared, **ASK | {"user": "edward"})
        wrong = ASK | {"user": "edward", "password": "secret:wrong"}
        bad = await run_once("mysql", HOST, port=port, shared=shared, **wrong)
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    _refused(bad, Outcome.ERROR, "auth", "wrong_password")


async def test_tls(template: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    authority, stranger = Authority(tmp_path), Authority(other)
    pair = authority.issue(HOST)
    keys = (f"--ssl-cert={pair.file}", f"--ssl-key={pair.file}", f"--ssl-ca={authority.file}")
    async with _server(template, tmp_path, *keys) as (port, shared):
        ask: dict[str, Any] = {"port": port, "shared": shared, "ca": str(authority.file)} | ASK
        good = await run_once("mysql", HOST, **ask, tls="on")
        named = await run_once("mysql", HOST, **ask, tls="on", server_name="other.example")
        unknown = await run_once("mysql", HOST, **ask | {"ca": str(stranger.file)}, tls="on")
        await do(port, "set global require_secure_transport = on")
        plain = await run_once("mysql", HOST, **ask)
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.phases["tls"] > 0
    for reading in (named, unknown):
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "tls"), reading.detail
    assert named.phase == unknown.phase == "tls"
    assert "mismatch" in named.detail
    _refused(plain, Outcome.ERROR, "auth", "wrong_password")
    assert plain.detail.endswith("(or it may come in by TLS only, which is off)")


async def test_a_server_without_tls(template: Path, tmp_path: Path) -> None:
    async with _server(template, tmp_path, "--skip-ssl") as (port, shared):
        reading = await run_once("mysql", HOST, port=port, shared=shared, **ASK, tls="on")
    _refused(reading, Outcome.FAILED, "tls", "tls_refused")


async def test_a_query_that_takes_too_long(template: Path, tmp_path: Path) -> None:
    async with _server(template, tmp_path) as (port, shared):
        reading = await run_once(
            "mysql", HOST, port=port, shared=shared, **ASK, query_timeout=0.5, timeout=10,
            schema_version="select count(*) from billing.customer where sleep(20) = 0",
        )  # fmt: skip
        away = await do(port, "select id from information_schema.processlist where user = 'muster'")
    _refused(reading, Outcome.FAILED, "timeout", "slow_query")
    assert reading.metrics["connections_used"] > 0
    assert away == ()


async def test_a_disk_that_is_full(template: Path, tmp_path: Path) -> None:
    """Stand in for a full disk: the only file there is may not grow."""
    fill = (
        "create table billing.filler (a longblob)", "grant insert, delete on billing.muster_full to muster",
    )  # fmt: skip
    options = ("--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M;ibdata2:10M")
    full: dict[str, Any] = {"round_trip": {"table": "muster_full"}}
    table = "create table billing.muster_full (token varchar(64), filler char(255) default 'x') engine=innodb"
    async with _server(template, tmp_path, *options, statements=(table, *fill)) as (port, shared):
        for size in (200_000, 8000):
            with pytest.raises(MySQLError, match="is full"):
                await _fill(port, size)
        reading = await run_once("mysql", HOST, port=port, shared=shared, **ASK, **full)
    _refused(reading, Outcome.FAILED, "expectation", "disk_full")


async def _fill(port: int, size: int) -> None:
    async with root(port) as connection:
        while True:
            await connection.query(f"insert into billing.filler values (repeat('x', {size}))")


async def test_a_run_that_is_cancelled_leaves_nothing(template: Path, tmp_path: Path) -> None:
    async def theirs() -> tuple[Any, ...]:
        return await do(port, "select state from information_schema.processlist where user = 'muster'")

    async with _server(template, tmp_path) as (port, shared), root(port) as holder:
        await holder.query("lock tables billing.muster_probe write")
        run = asyncio.create_task(
            run_once("mysql", HOST, port=port, shared=shared, **ASK, **TRIP, query_timeout=2, timeout=30)
        )
        await _until(theirs)
        await asyncio.sleep(0.2)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await _until(lambda: _none(theirs))
        await holder.query("unlock tables")
        left = await do(port, "select * from billing.muster_probe")
    assert left == ()


async def _none(those: Callable[[], Awaitable[tuple[Any, ...]]]) -> bool:
    return not await those()


async def test_any_query_on_mysql_reads_only(template: Path, tmp_path: Path) -> None:
    async with _server(template, tmp_path) as (port, shared):
        ask: dict[str, Any] = {"port": port, "shared": shared, "engine": "mysql", **ASK}
        rows = await run_once("sql", HOST, **ask, query="select id, name from customer", limit=2)
        writes = [
            await run_once("sql", HOST, **ask, query=query)
            for query in (
                "delete from muster_probe",
                "insert into muster_probe values ('x')",
                "set session transaction read write; delete from muster_probe",
                "select 1; select 2",
            )
        ]
        many = await run_once("sql", HOST, **ask, query="select seq from seq_1_to_200000", limit=100)
        whole = await run_once("sql", HOST, **ask, query="select seq from seq_1_to_15000", limit=20_000)
        flood = "select repeat('x', 1000000) from seq_1_to_100 limit 100000"
        heavy = await run_once("sql", HOST, **ask, query=flood, limit=5)
    assert (rows.metrics.get("rows"), rows.facts["truncated"]) == (None, "yes")
    assert "more than 2" in rows.facts["not_told"]
    assert {reading.outcome for reading in writes} == {Outcome.ERROR}
    assert all(reading.detail.startswith(("read_only: ", "bad_query: ")) for reading in writes)
    assert (many.metrics.get("rows"), many.facts["truncated"]) == (None, "yes")
    assert "more than 100" in many.facts["not_told"]
    assert (whole.metrics["rows"], whole.facts["truncated"]) == (15_000, "no")
    assert (heavy.outcome, heavy.kind) == (Outcome.FAILED, "protocol"), heavy


async def test_nobody_listens() -> None:
    async with shared_here(secrets=SECRETS) as shared:
        with closed_port() as port:
            reading = await run_once("mysql", HOST, port=port, shared=shared, **ASK)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "refused", "connect")


async def test_the_driver_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncmy.connection", None)
    async with shared_here(secrets=SECRETS) as shared:
        reading = await run_once("mysql", HOST, shared=shared, **ASK)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert "install muster-monitor[mysql]" in reading.detail
