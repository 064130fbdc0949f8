"""oracle without one: rows as the views give them, and the real client before a listener.

The session is tested on a stand-in of the driver's connection. The last test wants a real database:
`MUSTER_TEST_ORACLE=host:port/service`, `MUSTER_TEST_ORACLE_USER` and `MUSTER_TEST_ORACLE_PASSWORD`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Context, Outcome, Reading
from probes.database import _oracle_questions as ask
from probes.database._oracle import OracleSession
from probes.database._oracle_refusal import WORDS, codes, gone, refusal
from probes.database._sql import UNREADABLE, Answer, Table
from probes.database._sql_answers import backup, invalid, manifest, oldest, size, waiting
from probes.database._sql_parameters import Setting
from probes.database._sql_query import only_query
from probes.database._sql_refusal import WORDS as KNOWN
from probes.database._sql_refusal import Refusal
from probes.database.oracle import PROBE, OracleParams
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
    async with listener(refuse(12514), other.server_context()) as port:
        wrong = await probed(port, **ask_)
        right = await probed(port, **ask_, server_name="other.example")
    async with listener(refuse(12514)) as port:
        plain = await probed(port, **ask_, timeout=2.0)
    for reading in (reached, named, unverified, right):
        assert ending(reading)[2] == "no_such_database", "TLS stood, and the listener answered"
    for reading in (stranger, misnamed, wrong):
        assert ending(reading)[:2] == (Outcome.FAILED, "tls"), reading.detail
    assert plain.outcome is Outcome.FAILED


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


def test_all_words_are_known() -> None:
    assert {*WORDS.values()} <= {*KNOWN}


@given(st.text(max_size=60) | st.from_regex(r"(ORA|DPY)-\d{1,6}: x"))
def test_no_text_breaks_the_reading(text: str) -> None:
    refusal(text, text)
    gone(text)
    assert all(code.startswith(("ORA-", "DPY-")) for code in codes(text))


def _table(columns: str, *rows: tuple[Any, ...]) -> Table:
    return Table(tuple(columns.upper().split()), rows)


def test_limits() -> None:
    """As v$resource_limit gives them: limits are padded texts, and may be UNLIMITED."""
    rows = (("processes", Decimal(80), "       150"), ("sessions", Decimal(90), "       248"))
    found = ask.limits(_table("name used most", *rows))
    assert found.metrics == {
        "connections_used": 80,
        "connections_max": 150,
        "connections_used_pct": pytest.approx(53.33, abs=0.01),
    }
    none = ask.limits(_table("name used most", ("sessions", Decimal(1), " UNLIMITED")))
    assert not none.metrics
    assert none.not_told


@pytest.mark.parametrize(
    ("told", "standbys", "role"),
    [("PRIMARY", 0, "standalone"), ("PRIMARY", 2, "primary"), ("PHYSICAL STANDBY", 0, "replica")],
)
def test_roles(told: str, standbys: int, role: str) -> None:
    row = (told, "READ ONLY WITH APPLY", "ARCHIVELOG", Decimal(standbys), Decimal(1))
    found = ask.role(_table("role mode_ logging standbys failing", row))
    assert (found.facts["role"], found.facts["database_role"]) == (role, told.lower())
    assert found.metrics == {"replicas": standbys, "archive_failing": 1}


def test_lags() -> None:
    columns, standby = "role name value", "PHYSICAL STANDBY"
    rows = ((standby, "apply lag", "+00 00:01:05"), (standby, "transport lag", "+01 00:00:00"))
    assert ask.lag(_table(columns, *rows)).metrics == {"replica_lag_s": 65, "transport_lag_s": 86400}
    assert ask.lag(_table(columns, ("PRIMARY", None, None))) == Answer()
    unknown = ask.lag(
        _table(columns, (standby, "apply lag", None), (standby, "transport lag", "+00 00:00:00"))
    )
    assert unknown.metrics == {"transport_lag_s": 0}
    assert unknown.not_told


def test_transactions_space_and_backups() -> None:
    assert oldest(_table("age", (None,))).metrics == {"oldest_transaction_s": 0}
    assert oldest(_table("age", (Decimal("90.5"),))).metrics == {"oldest_transaction_s": 90.5}
    assert waiting(_table("waiting", (Decimal(3),))).metrics == {"locks_waiting": 3}
    assert size(_table("bytes", (Decimal(1000),))).metrics == {"size_bytes": 1000}
    spaces = _table(
        "name pct free", ("USERS", Decimal("87.5"), Decimal(100)), ("SYSTEM", Decimal(3), Decimal(9))
    )
    full = ask.tablespaces(spaces)
    assert full.metrics == {"tablespace_used_pct": 87.5, "free_bytes": 9}
    assert full.facts == {"fullest": "USERS: 87.5 %"}
    area = ask.recovery(_table("most used reclaimable", (Decimal(100), Decimal(80), Decimal(30))))
    assert area.metrics == {"recovery_area_used_pct": 50}
    assert ask.recovery(_table("most used reclaimable", (Decimal(0), Decimal(0), Decimal(0)))).not_told
    assert backup(_table("age", (Decimal(3600),))).metrics == {"backup_age_s": 3600}
    assert not backup(_table("age", (None,))).metrics


def test_invalid_objects_and_parameters() -> None:
    assert invalid(_table("name")).facts == {"invalid_names": "none"}
    many = invalid(_table("name", *((f"A.P{number} (procedure)",) for number in range(25))))
    assert many.metrics == {"invalid_objects": 25}
    assert many.facts["invalid_names"].endswith("A.P19 (procedure), ...")
    shown = _table("name value shown", ("processes", "500", "500"), ("sga_target", "1073741824", "1G"))
    wanted: dict[str, Setting] = {"PROCESSES": 500, "sga_target": "1 GB", "cursor_sharing": "EXACT"}
    found = manifest(ask.PARAMETERS, wanted).read(shown)
    assert found.facts["parameters"] == "cursor_sharing is not shown"
    assert manifest(ask.PARAMETERS, {"processes": 300}).read(shown).metrics == {"parameters_differing": 1}


VALUES = (
    st.none()
    | st.integers(-5, 10**6)
    | st.text(max_size=12)
    | st.decimals(allow_nan=False, allow_infinity=False)
)


@given(st.data())
def test_answers_of_something_else_are_unreadable_and_nothing_worse(data: st.DataObject) -> None:
    """What a question can't read is left out by `_sql.ask`, which knows these errors only."""
    for question in ask.questions(OracleParams(database="d", user="u", parameters={"a": 1})):
        width = data.draw(st.integers(1, 4))
        names = data.draw(st.lists(st.sampled_from(COLUMNS), min_size=width, max_size=width, unique=True))
        rows = data.draw(st.lists(st.tuples(*[VALUES] * width), max_size=2))
        try:
            answer = question.read(Table(tuple(names), tuple(rows)))
        except UNREADABLE:
            continue
        assert {*answer.metrics} <= {metric.name for metric in PROBE.metrics}


COLUMNS = [
    "NAME",
    "USED",
    "MOST",
    "ROLE",
    "MODE_",
    "LOGGING",
    "STANDBYS",
    "FAILING",
    "VALUE",
    "OPEN_",
    "AGE",
    "WAITING",
    "BYTES",
    "PCT",
    "FREE",
    "SHOWN",
]


def test_every_question_reports_what_is_declared() -> None:
    declared = {metric.name for metric in PROBE.metrics} | {fact.name for fact in PROBE.facts}
    declared |= {"connections", "replica_lag_s"}
    for question in ask.questions(OracleParams(database="d", user="u", parameters={"a": 1})):
        assert {name.strip() for name in question.name.split(",")} <= declared, question.name


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
