"""odbc by the drivers of PostgreSQL, MariaDB and SQLite, against the real engines, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from probes import registry
from probes.api import Context, Outcome, Reading
from probes.database import _odbc_threads as threads_module
from probes.database._odbc_threads import OdbcThreads
from probes.database.odbc import PROBE
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.hostile import closes, garbage, silent, tcp_server
from tests.servers.mariadb import do, installed, mariadb
from tests.servers.ports import closed_port
from tests.servers.postgresql import PASSWORD, Postgres, postgresql

POSTGRES, MARIADB, SQLITE = "PostgreSQL Unicode", "MariaDB Unicode", "SQLite3"
SECRETS = {"db": PASSWORD, "wrong": "wrong-marker}1;{"}
WRITTEN = "insert into muster_probe (token) values ('x')"


@pytest.fixture(scope="module", autouse=True)
def drivers() -> None:
    pyodbc = pytest.importorskip("pyodbc", reason="pyodbc is not installed")
    missing = {POSTGRES, MARIADB, SQLITE} - {*pyodbc.drivers()}
    if missing:
        pytest.skip(f"ODBC drivers are not installed: {', '.join(sorted(missing))}")
    registry.get("odbc")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgresql() as server:
        server.sql(
            "create table muster_probe (token varchar(64) not null)",
            "grant insert, select, delete on muster_probe to monitor",
            "create table private (x int)",
        )
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def maria(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    directory = tmp_path_factory.mktemp("mariadb")
    template = await asyncio.to_thread(installed, directory)
    async with mariadb(template, directory, "--max-connections=10") as port:
        await do(
            port,
            "create database billing",
            "create table billing.muster_probe (token varchar(64) not null)",
            "create table billing.private (x int)",
            f"create user monitor identified by '{PASSWORD}'",
            "grant select, insert, delete on billing.muster_probe to monitor",
        )
        yield port


@pytest.fixture
def lite(tmp_path: Path) -> str:
    with contextlib.closing(sqlite3.connect(tmp_path / "billing.db")) as made:
        made.execute("create table muster_probe (token text not null)")
    return str(tmp_path / "billing.db")


async def probed(
    params: dict[str, Any], /, *, timeout: float = 10.0, probe: str = "odbc", shared: SharedHere | None = None
) -> Reading:
    """Run the probe, and see that no text that came of it shows a password."""
    if shared is None:
        async with shared_here(secrets=SECRETS) as own:
            return await probed(params, timeout=timeout, probe=probe, shared=own)
    given = {"database": "billing", "user": "monitor", "password": "secret:db"} | params
    context = Context(shared, timeout, trace=[])
    reading = await run_once(probe, "127.0.0.1", timeout=timeout, shared=shared, context=context, **given)
    for secret in SECRETS.values():
        assert secret not in f"{reading}{context.trace}"
    return reading


def ending(reading: Reading) -> tuple[Outcome, str, str]:
    """Return outcome, kind and the first word of the detail."""
    return reading.outcome, reading.kind, reading.detail.partition(":")[0]


def of(server: Postgres | int | str) -> dict[str, Any]:
    """Return the parameters that reach one of the engines."""
    if isinstance(server, Postgres):
        return {"driver": POSTGRES, "port": server.port}
    if isinstance(server, int):
        return {"driver": MARIADB, "port": server}
    return {"driver": SQLITE, "database": server}


@pytest.fixture(params=["postgres", "maria", "lite"])
def engine(request: pytest.FixtureRequest) -> dict[str, Any]:
    return of(request.getfixturevalue(request.param))


NAMES = {POSTGRES: "PostgreSQL", MARIADB: "MariaDB", SQLITE: "SQLite"}


async def test_what_each_engine_tells(engine: dict[str, Any]) -> None:
    asked = {"schema_version": "select '2.7.1'", "backup_age": "select 60", "parameters": {"a": 1}}
    reading = await probed(engine | asked)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["server"] == NAMES[engine["driver"]]
    assert reading.facts["version"][0].isdecimal()
    assert ".so" in reading.facts["driver"]
    assert reading.facts["schema_version"] == "2.7.1"
    assert reading.metrics["backup_age_s"] == 60
    assert 0 < reading.metrics["select_ms"] < 1000
    assert reading.facts["not_told"].startswith("parameters: not known")
    assert {*reading.metrics} <= {metric.name for metric in PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in PROBE.facts}
    assert {*reading.phases} <= {*PROBE.phases}


async def test_a_round_trip_leaves_no_row(engine: dict[str, Any]) -> None:
    reading = await probed(engine | {"round_trip": {"table": "muster_probe"}})
    left = {"engine": "odbc", "query": "select count(*) from muster_probe"}
    count = await probed(engine | left, probe="sql")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["round_trip_ms"] > 0
    assert count.metrics["value"] == 0


async def test_sql_asks_by_odbc(engine: dict[str, Any]) -> None:
    query = "select 'a' as name, 1 as n union all select 'b', 2 union all select 'c', 3"
    ask = engine | {"engine": "odbc", "query": query}
    whole = await probed(ask, probe="sql")
    cut = await probed(ask | {"limit": 2}, probe="sql")
    same = await probed(ask | {"equals_rows": [["c", 3], ["a", 1], ["b", 2]]}, probe="sql")
    assert (whole.metrics["rows"], whole.facts["truncated"]) == (3, "no")
    assert (cut.metrics.get("rows"), cut.facts["truncated"]) == (None, "yes")
    assert "more than 2" in cut.facts["not_told"]
    assert same.metrics["differences"] == 0


async def test_a_query_can_not_write(engine: dict[str, Any]) -> None:
    reading = await probed(engine | {"engine": "odbc", "query": WRITTEN}, probe="sql")
    left = {"engine": "odbc", "query": "select count(*) from muster_probe"}
    count = await probed(engine | left, probe="sql")
    assert ending(reading) == (Outcome.ERROR, "prober_error", "read_only")
    assert count.metrics["value"] == 0


async def test_where_the_server_does_not_keep_it_from_writing_only_a_query_is_sent(lite: str) -> None:
    ask = of(lite) | {"dialect": "mysql", "engine": "odbc"}
    reading = await probed(ask | {"query": WRITTEN}, probe="sql")
    assert ending(reading) == (Outcome.ERROR, "prober_error", "bad_query")
    asked = await probed(ask | {"query": "select count(*) from muster_probe"}, probe="sql")
    assert asked.metrics["value"] == 0


async def test_a_wrong_password(postgres: Postgres, maria: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for server in (postgres, maria):
        reading = await probed(of(server) | {"password": "secret:wrong"})
        assert ending(reading) == (Outcome.ERROR, "auth", "wrong_password")
        assert reading.phase == "login"
    assert not [secret for secret in SECRETS.values() if secret in caplog.text]


async def test_a_database_that_is_not_there(postgres: Postgres, tmp_path: Path) -> None:
    for where in (of(postgres) | {"database": "absent"}, of(str(tmp_path / "no" / "such.db"))):
        reading = await probed(where)
        assert ending(reading) == (Outcome.FAILED, "expectation", "no_such_database"), reading.detail


async def test_a_missing_right(postgres: Postgres, maria: int) -> None:
    for server in (postgres, maria):
        reading = await probed(of(server) | {"schema_version": "select max(x) from private"})
        assert reading.outcome is Outcome.OK
        assert "schema_version: missing_right: " in reading.facts["not_told"]
        assert "schema_version" not in reading.facts
        asked = {"engine": "odbc", "query": "select max(x) from private"}
        alone = await probed(of(server) | asked, probe="sql")
        assert ending(alone) == (Outcome.ERROR, "permission", "missing_right")


async def test_queries_that_are_none(engine: dict[str, Any]) -> None:
    for query, kind, word in (
        ("select absent from muster_probe", "expectation", "no_such_table"),
        ("seleckt", "prober_error", "bad_query"),
    ):
        reading = await probed(engine | {"engine": "odbc", "query": query}, probe="sql")
        assert ending(reading)[1:] == (kind, word), reading.detail


async def test_a_slow_query_is_ended(postgres: Postgres, maria: int) -> None:
    for server, query in ((postgres, "select pg_sleep(20)"), (maria, "select sleep(20)")):
        asked = {"engine": "odbc", "query": query, "query_timeout": 0.5}
        reading = await probed(of(server) | asked, probe="sql", timeout=5.0)
        assert ending(reading) == (Outcome.FAILED, "timeout", "slow_query"), reading.detail
    assert await _none_left(postgres)


async def _none_left(server: Postgres, seconds: float = 5.0) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(server.sessions):
                await asyncio.sleep(0.05)
            return True
    return False


async def test_a_run_that_is_cancelled_leaves_no_session(postgres: Postgres, maria: int) -> None:
    async with shared_here(secrets=SECRETS) as shared:
        for server, query in ((postgres, "select pg_sleep(50)"), (maria, "select sleep(50)")):
            asked = {"engine": "odbc", "query": query, "query_timeout": 60}
            reading = await probed(of(server) | asked, probe="sql", timeout=1.0, shared=shared)
            assert ending(reading)[:2] == (Outcome.FAILED, "timeout")
        assert await _none_left(postgres)
        async with asyncio.timeout(5):
            while shared.get(OdbcThreads).abandoned:
                await asyncio.sleep(0.05)
        [(left,)] = await do(
            maria, "select count(*) from information_schema.processlist where user = 'monitor'"
        )
    assert left == 0


async def test_a_connection_that_is_broken_off(postgres: Postgres) -> None:
    asked = {"engine": "odbc", "query": "select pg_sleep(20)"}
    run = asyncio.create_task(probed(of(postgres) | asked, probe="sql"))
    async with asyncio.timeout(5):
        while "active" not in await asyncio.to_thread(postgres.sessions):
            await asyncio.sleep(0.05)
    end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'monitor'"
    await asyncio.to_thread(postgres.sql, end)
    assert ending(await run)[:2] == (Outcome.FAILED, "protocol")


async def test_connections_are_used_up(maria: int) -> None:
    async with contextlib.AsyncExitStack() as held:
        from_here = [asyncio.open_connection("127.0.0.1", maria) for _ in range(12)]
        for opening in from_here:
            _, writer = await opening
            held.callback(writer.close)
        reading = await probed(of(maria))
    assert ending(reading) == (Outcome.FAILED, "expectation", "too_many_connections")


async def test_tls_is_verified(postgres: Postgres) -> None:
    reach = of(postgres) | {
        "engine": "odbc",
        "query": "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
    }
    ask = reach | {"keep": True, "tls": "on"}
    good = await probed(ask | {"ca": postgres.ca}, probe="sql")
    stranger = await probed(ask, probe="sql")
    misnamed = await probed(ask | {"ca": postgres.ca, "server_name": "other.example"}, probe="sql")
    unverified = await probed(ask | {"verify": False}, probe="sql")
    required = await probed(of(postgres) | {"user": "strict"})
    assert good.outcome is Outcome.OK, good.detail
    assert unverified.outcome is Outcome.OK, unverified.detail
    assert good.facts["first_rows"] == unverified.facts["first_rows"] != ""
    for reading in (stranger, misnamed):
        assert ending(reading) == (Outcome.FAILED, "tls", "tls_refused"), reading.detail
    assert ending(required) == (Outcome.FAILED, "tls", "tls_required")


async def test_a_server_without_tls(maria: int) -> None:
    reading = await probed(of(maria) | {"tls": "on"})
    assert ending(reading) == (Outcome.FAILED, "tls", "tls_refused"), reading.detail


@pytest.mark.parametrize("driver", [POSTGRES, MARIADB])
async def test_what_is_no_database(driver: str) -> None:
    with closed_port() as port:
        refused = await probed({"driver": driver, "port": port})
    assert ending(refused)[:2] == (Outcome.FAILED, "refused"), refused.detail
    for handler in (garbage, closes):
        async with tcp_server(handler) as port:
            reading = await probed({"driver": driver, "port": port})
        assert ending(reading)[:2] == (Outcome.FAILED, "protocol"), reading.detail


async def test_a_driver_that_is_missing() -> None:
    reading = await probed({"driver": "Nobody's Driver", "port": 1})
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert reading.detail.startswith("the ODBC driver Nobody's Driver is not installed on the monitor")


async def test_a_driver_that_hangs_is_given_up_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "THREADS", 1)
    async with shared_here(secrets=SECRETS) as shared:
        async with tcp_server(silent) as port:
            hung = await probed({"driver": POSTGRES, "port": port}, timeout=0.5, shared=shared)
            busy = await probed({"driver": POSTGRES, "port": port}, timeout=0.5, shared=shared)
            assert shared.get(OdbcThreads).abandoned == 1
        assert ending(hung) == (Outcome.FAILED, "timeout", "login")
        assert (busy.outcome, busy.kind) == (Outcome.NOT_RUN, "overload")
        async with asyncio.timeout(10):
            while shared.get(OdbcThreads).abandoned:
                await asyncio.sleep(0.05)
        with closed_port() as port:
            after = await probed({"driver": POSTGRES, "port": port}, shared=shared)
    assert after.kind == "refused", "its place is free again"
