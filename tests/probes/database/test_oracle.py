"""oracle without one: rows as the views give them, and the real client before a listener.

The session is tested on a stand-in of the driver's connection. The last test wants a real database:
`MUSTER_TEST_ORACLE=host:port/service`, `MUSTER_TEST_ORACLE_USER` and `MUSTER_TEST_ORACLE_PASSWORD`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from probes.api import Context, Outcome, Reading
from probes.database._oracle import OracleSession
from probes.database._sql_query import only_query
from probes.database._sql_refusal import Refusal
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import garbage, resets, tcp_server
from tests.servers.oracle import counting, listener, refuse
from tests.servers.ports import closed_port

oracledb = pytest.importorskip("oracledb", reason="oracledb is not installed")
MARKER = "marker-Pa55/wörd+1"


async def probed(port: int, /, *, timeout: float = 5.0, address: str = "127.0.0.1", **params: Any) -> Reading:
    """Run the probe, and see that no text that came of it shows the password."""
    given_ = {"port": port, "database": "billing", "user": "monitor", "password": "secret:db"} | params
    async with shared_here(secrets={"db": MARKER}) as shared:
        context = Context(shared, timeout, trace=[])
        reading = await run_once("oracle", address, timeout=timeout, shared=shared, context=context, **given_)
    assert MARKER not in f"{reading}{context.trace}"
    return reading


def ending(reading: Reading) -> tuple[Outcome, str, str]:
    """Return outcome, kind and the first word of the detail."""
    return reading.outcome, reading.kind, reading.detail.partition(":")[0]


@pytest.mark.parametrize(
    ("number", "kind", "word"),
    [
        (12514, "expectation", "no_such_database"), (12505, "expectation", "no_such_database"),
        (12516, "expectation", "too_many_connections"), (12518, "expectation", "too_many_connections"),
        (12520, "expectation", "too_many_connections"), (12528, "expectation", "not_ready"),
        (12526, "expectation", "not_ready"), (1034, "expectation", "not_ready"),
    ],
)  # fmt: skip
async def test_what_a_listener_refuses(number: int, kind: str, word: str) -> None:
    async with listener(refuse(number)) as port:
        reading = await probed(port)
    assert ending(reading) == (Outcome.FAILED, kind, word), reading.detail
    assert reading.phase == "login"
    assert f"{number}" in reading.detail
    assert "CONNECTION_ID" not in reading.detail


async def test_a_number_that_nobody_knows() -> None:
    async with listener(refuse(12999)) as port:
        reading = await probed(port)
    assert ending(reading)[:2] == (Outcome.FAILED, "protocol")
    assert "ORA-12999" in reading.detail


async def test_what_is_no_listener(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with closed_port() as port:
        refused = await probed(port)
    assert ending(refused)[:2] == (Outcome.FAILED, "refused")
    for handler in (garbage, resets):
        async with tcp_server(handler) as port:
            reading = await probed(port, timeout=1.0)
        assert reading.outcome is Outcome.FAILED
        assert reading.kind in ("protocol", "timeout"), reading.detail
    assert MARKER not in caplog.text


async def test_a_run_that_is_cancelled_leaves_no_connection() -> None:
    async with counting() as (port, opened):
        reading = await probed(port, timeout=0.5)
        async with asyncio.timeout(5):
            while opened:
                await asyncio.sleep(0.02)
    assert ending(reading) == (Outcome.FAILED, "timeout", "login")


async def test_tls_is_verified_by_the_name_of_the_target(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good, other = authority.issue("127.0.0.1", "localhost"), authority.issue("other.example")
    ask_: dict[str, Any] = {"tls": "on", "ca": str(authority.file)}
    async with listener(refuse(12514), good.server_context()) as port:
        reached = await probed(port, **ask_)
        named = await probed(port, **ask_, address="localhost", family="4")
        stranger = await probed(port, tls="on")
        misnamed = await probed(port, **ask_, server_name="other.example")
        unverified = await probed(port, tls="on", verify=False)
    old = good.server_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listener(refuse(12514), old) as port:
        older = await probed(port, **ask_)
        too_old = await probed(port, **ask_, min_version="1.3")
    async with listener(refuse(12514), other.server_context()) as port:
        wrong = await probed(port, **ask_)
        right = await probed(port, **ask_, server_name="other.example")
    async with listener(refuse(12514)) as port:
        plain = await probed(port, **ask_, timeout=2.0)
    for reading in (reached, named, unverified, right, older):
        assert ending(reading)[2] == "no_such_database", "TLS stood, and the listener answered"
    for reading in (stranger, misnamed, wrong):
        assert ending(reading)[:2] == (Outcome.FAILED, "tls"), reading.detail
    for reading in (plain, too_old):
        assert reading.outcome is Outcome.FAILED
        assert reading.kind in ("tls", "protocol"), reading.detail


class Driver:
    """A stand-in for oracledb's connection: no database is to be had here. What is done is kept."""

    version = "19.21.0.0.0"

    def __init__(self, rows: list[tuple[Any, ...]], fails: str = "") -> None:
        self.done: list[str] = []
        self._rows, self._fails = rows, fails

    async def execute(self, statement: str) -> None:
        self.done.append(statement)

    async def commit(self) -> None:
        self.done.append("COMMIT")

    async def rollback(self) -> None:
        self.done.append("ROLLBACK")

    async def close(self) -> None:
        self.done.append("CLOSE")

    def terminate(self) -> None:
        self.done.append("TERMINATE")

    def cursor(self) -> Cursor:
        return Cursor(self, [*self._rows], self._fails)


class Cursor:
    """The same for a cursor."""

    arraysize = prefetchrows = 0

    def __init__(self, driver: Driver, rows: list[tuple[Any, ...]], fails: str) -> None:
        self._driver, self._rows, self._fails = driver, rows, fails
        self.description: Any = None

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    async def execute(self, statement: str) -> None:
        self._driver.done.append(statement)
        if self._fails:
            raise oracledb.DatabaseError(f"{self._fails}: {MARKER} was said")
        if statement.startswith(("select", "with")):
            self.description = [("N", None), ("NAME", None)]

    async def fetchmany(self, count: int) -> list[tuple[Any, ...]]:
        taken, self._rows = self._rows[:count], self._rows[count:]
        return taken


def session(driver: Driver) -> OracleSession:
    return OracleSession(driver, SimpleNamespace(Error=oracledb.Error), (MARKER,))


async def test_a_query_runs_in_a_transaction_that_reads_only() -> None:
    driver = Driver([(number, "x") for number in range(5)])
    table = await session(driver).rows("select n, name from t;", 3)
    assert driver.done == ["ROLLBACK", "set transaction read only", "select n, name from t"]
    assert (table.columns, len(table.rows), table.more) == (("N", "NAME"), 3, True)


@pytest.mark.parametrize("text", ["drop table t", "begin null; end;", "", "insert into t select 1 from dual"])
async def test_what_is_no_query_is_not_sent(text: str) -> None:
    driver = Driver([])
    with pytest.raises(Refusal, match="bad_query"):
        await session(driver).rows(text)
    assert driver.done == []


@pytest.mark.parametrize(
    "text", [" select 1", "-- why\nselect 1", "/* a\n b */ WITH x as (y) select 1", "(select 1)"]
)
def test_queries(text: str) -> None:
    assert only_query(f"{text};") == text.strip()


def test_many_comments_hold_nobody() -> None:
    with pytest.raises(Refusal, match="bad_query"):
        only_query("/**/" * 4000 + "drop table t")


async def test_a_round_trip_is_one_transaction() -> None:
    driver = Driver([(1, "x")])
    own = session(driver)
    await own.execute("select 1 from dual")
    await own.execute("insert into muster_probe (token) values ('x')")
    await own.rows("select token from muster_probe")
    await own.execute("commit")
    await own.rows("select 1 from dual")
    await own.aclose()
    first, *rest = driver.done
    assert (first, rest) == (
        "select 1 from dual",
        ["insert into muster_probe (token) values ('x')", "select token from muster_probe", "COMMIT",
         "ROLLBACK", "set transaction read only", "select 1 from dual", "CLOSE", "TERMINATE"],
    )  # fmt: skip


async def test_a_statement_under_way_is_broken_off_at_the_end() -> None:
    driver = Driver([], fails="ORA-00028")
    own = session(driver)
    with pytest.raises(ConnectionResetError):
        await own.rows("select 1 from dual")
    await own.aclose()
    assert driver.done[-1] == "TERMINATE"
    assert "CLOSE" not in driver.done


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("ORA-01017", "wrong_password"), ("ORA-28000", "account_locked"), ("ORA-28001", "password_expired"),
        ("ORA-00942", "missing_right"), ("ORA-01031", "missing_right"), ("ORA-01045", "missing_right"),
        ("ORA-00018", "too_many_connections"), ("ORA-00020", "too_many_connections"),
        ("ORA-01653", "disk_full"), ("ORA-01654", "disk_full"), ("ORA-00257", "disk_full"),
        ("ORA-16000", "read_only"), ("ORA-01456", "read_only"), ("ORA-01033", "not_ready"),
        ("ORA-01013", "slow_query"), ("DPY-4024", "slow_query"), ("ORA-00904", "no_such_table"),
        ("ORA-00933", "bad_query"), ("ORA-00600", "query_refused"), ("DPY-3010", "version_too_old"),
    ],
)  # fmt: skip
async def test_numbers_are_words(code: str, word: str) -> None:
    with pytest.raises(Refusal) as raised:
        await session(Driver([], fails=code)).rows("select 1 from dual")
    assert raised.value.word == word
    assert MARKER not in str(raised.value)


async def test_a_real_database() -> None:
    where = os.environ.get("MUSTER_TEST_ORACLE")
    if not where:
        pytest.skip("no Oracle Database is to be had; MUSTER_TEST_ORACLE=host:port/service names one")
    host, _, rest = where.partition(":")
    port, _, service = rest.partition("/")
    password = os.environ["MUSTER_TEST_ORACLE_PASSWORD"]
    async with shared_here(secrets={"db": password, "wrong": "wrong-marker"}) as shared:
        ask_: dict[str, Any] = {"port": int(port), "database": service, "shared": shared, "timeout": 20.0,
                                "user": os.environ["MUSTER_TEST_ORACLE_USER"]}  # fmt: skip
        good = await run_once("oracle", host, **ask_, password="secret:db")
        bad = await run_once("oracle", host, **ask_, password="secret:wrong")
    assert good.outcome is Outcome.OK, good.detail
    assert good.metrics["select_ms"] > 0
    assert ending(bad) == (Outcome.ERROR, "auth", "wrong_password")
