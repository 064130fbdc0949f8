"""A session by ODBC (pyodbc): any engine that has a driver on the monitor.

The driver blocks and connects by itself: it has a thread of its own (`_odbc_threads`), `login` is all from
connecting to logged in, and TLS is asked for in the driver's own words (`_odbc_string`). Statements that are
given up are cancelled (SQLCancel). Everything is rolled back but what is committed, and where the engine can
do that, the session may only read.
"""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from probes._clean import cleaned
from probes._driver import loaded
from probes._resolve import Address, resolve
from probes.api import Context, Target
from probes.database._odbc_params import DriverParams
from probes.database._odbc_refusal import gone, no_driver, refusal
from probes.database._odbc_string import Dialect, Wanted, connection_string
from probes.database._odbc_threads import OdbcThreads, Worker
from probes.database._sql import MOST_ROWS, Findings, Table
from probes.database._sql_query import only_query
from probes.database._sql_refusal import Refusal
from probes.database._unexplained import Unexplained, explained
from probes.errors import MissingDriver, ProberFault, ProtocolViolated, TimedOut

AT_A_TIME = 500
MOST_BYTES = 32 * 2**20
"""Texts and binaries that a server may send in one answer."""
LEAVE_S = 1.0
"""Longest wait for a driver that takes leave."""
SETTINGS: dict[Dialect, tuple[str, ...]] = {
    "postgresql": ("set statement_timeout = {ms}", "set lock_timeout = {ms}",
                   "set default_transaction_read_only = on"),
    "mysql": ("set session max_statement_time = {s}", "set session max_execution_time = {ms}",
              "set session transaction read only"),
    "mssql": ("set lock_timeout {ms}",),
    "sqlite": ("pragma query_only = 1",),
}  # fmt: skip
"""What a session does first; what an engine refuses of it (MySQL, MariaDB: the other's limit) is left."""
READ_ONLY: tuple[Dialect, ...] = ("postgresql", "mysql", "sqlite")
"""Engines that keep a session from writing once they have taken the last of their settings."""
AFTER: dict[Dialect, str] = {"sqlite": "pragma query_only = 1"}
"""What has a session read only again, once a transaction that may write is over."""
BEGIN: dict[Dialect, str] = {
    "postgresql": "set transaction read write",
    "mysql": "start transaction read write",
    "sqlite": "pragma query_only = 0",
}
SMALLEST: dict[Dialect, str] = {"db2": "values 1"}
"""The smallest query where it is not `select 1`."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is at the other side: the driver's module, what it speaks, and what no text may show."""

    module: ModuleType
    dialect: Dialect
    hidden: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that has let the account in, and whether the server keeps it from writing."""

    connection: Any
    reads_only: bool


class OdbcSession:
    """A `Session` of `_sql`; made by `open_session`."""

    def __init__(self, connected: Connected, worker: Worker, threads: OdbcThreads, kind: Kind) -> None:
        self._connection, self._reads_only = connected.connection, connected.reads_only
        self._worker, self._threads, self.kind = worker, threads, kind
        self._cursor: Any = None
        self._writing = False
        self.begin = BEGIN.get(kind.dialect, "")

    async def rows(self, query: str, limit: int | None = None) -> Table:
        """Return the rows, in a transaction that is rolled back."""
        if not self._reads_only:
            query = only_query(query)
        most = MOST_ROWS if limit is None else limit
        return await self._do(lambda: self._rows(query, most))

    async def execute(self, statement: str) -> None:
        """Do a statement; `commit` is the driver's own (SQLEndTran)."""
        work = self._commit if statement == "commit" else lambda: self._execute(statement)
        await self._do(work)

    async def about(self) -> dict[str, str]:
        """Return what the driver tells of the server and of itself (SQLGetInfo)."""
        return await self._do(self._about)

    async def aclose(self) -> None:
        """Take leave; where the thread is still in the driver, cancel, and leave the rest to the thread."""
        hung = self._worker.busy
        done = self._worker.finish(self._leave)
        if hung:
            self._give_up()
            return
        try:
            async with asyncio.timeout(LEAVE_S):
                await done
        except TimeoutError:
            self._threads.give_up(self._worker)
        except asyncio.CancelledError:
            self._threads.give_up(self._worker)
            raise

    def _give_up(self) -> None:
        self._threads.give_up(self._worker)
        cursor = self._cursor
        if cursor is not None:  # some drivers open a connection to cancel
            threading.Thread(target=_quietly, args=(cursor.cancel,), daemon=True).start()

    async def _do(self, work: Callable[[], T]) -> T:
        with _answers(self.kind):
            return await self._worker.do(work)

    def _rows(self, query: str, most: int) -> Table:
        with self._statement() as cursor:
            cursor.execute(query)
            columns = tuple(str(column[0]) for column in cursor.description or ())
            return _drained(cursor, columns, most) if columns else Table((), ())

    def _execute(self, statement: str) -> None:
        if statement == self.begin:
            self._connection.rollback()
        with self._statement() as cursor:
            cursor.execute(statement)
            if cursor.description:
                cursor.fetchall()
            else:
                self._writing = True

    def _commit(self) -> None:
        self._connection.commit()
        self._writing = False
        if after := AFTER.get(self.kind.dialect):
            self._connection.execute(after)

    @contextmanager
    def _statement(self) -> Iterator[Any]:
        """Give a cursor; roll back after it, unless a transaction that writes goes on."""
        self._cursor = cursor = self._connection.cursor()
        failed = True
        try:
            yield cursor
            failed = False
        finally:
            self._cursor = None
            _quietly(cursor.close)
            if failed or not self._writing:
                self._writing = False
                _quietly(self._connection.rollback)

    def _about(self) -> dict[str, str]:
        module, told = self.kind.module, self._connection.getinfo
        driver = f"{told(module.SQL_DRIVER_NAME)} {told(module.SQL_DRIVER_VER)}"
        version = version_of(str(told(module.SQL_DBMS_VER)))
        return {"version": version, "server": str(told(module.SQL_DBMS_NAME)), "driver": driver}

    def _leave(self) -> None:
        _quietly(self._connection.rollback)
        _quietly(self._connection.close)


async def open_session(
    target: Target, params: DriverParams, context: Context, findings: Findings
) -> OdbcSession:
    """Connect and log in, as `_sql.Opener` says; the phase is `login`."""
    if params.driver is None:
        raise ProberFault('no driver is named, e.g. driver: "ODBC Driver 18 for SQL Server"')
    module: Any = await loaded("pyodbc", "odbc")
    module.pooling = False
    kind = Kind(module, params.spoken, params.secrets(context))
    address: Address | None = None
    if kind.dialect != "sqlite":
        address, resolve_ms = await resolve(target, context)
        findings.passed("resolve", resolve_ms)
    text = connection_string(_wanted(params.driver, target, params, address, kind), kind.dialect)
    threads = context.shared.get(OdbcThreads)
    worker = await threads.take(context)
    context.phase, started = "login", time.perf_counter()
    connected = await _connected(worker, threads, kind, text, params, address, context)
    findings.passed("login", (time.perf_counter() - started) * 1000)
    return OdbcSession(connected, worker, threads, kind)


def _wanted(driver: str, target: Target, params: DriverParams, address: Address | None, kind: Kind) -> Wanted:
    return Wanted(
        driver, address.host if address else "", params.tls_name(target), params.port, params.database,
        params.user, kind.hidden[0] if kind.hidden else "", params.tls == "on", params.verify,
        params.ca, params.options,
    )  # fmt: skip


async def _connected(
    worker: Worker,
    threads: OdbcThreads,
    kind: Kind,
    text: str,
    params: DriverParams,
    address: Address | None,
    context: Context,
) -> Connected:
    """Return the connection. Raises `Refusal` and `Ending`; the thread is ended, or given up."""
    made: list[Any] = []
    seconds = max(1, round(context.remaining))

    def connect() -> Connected:
        made.append(kind.module.connect(text, timeout=seconds, autocommit=True))
        return Connected(made[0], _settle(made[0], kind, params.query_timeout))

    def leave() -> None:
        if made:
            _quietly(made[0].close)

    try:
        with _answers(kind, params.driver or ""):
            return await worker.do(connect)
    except BaseException as error:
        worker.finish(leave)
        if worker.busy:
            threads.give_up(worker)
        if isinstance(error, Unexplained):
            raise await explained(error, address, params.port, context) from None
        raise


def _settle(connection: Any, kind: Kind, seconds: float) -> bool:
    """Have the session end long statements, and read only; with a transaction of its own from then on.

    Returns whether the server took the last setting, which has it read only.
    """
    _quietly(lambda: setattr(connection, "timeout", max(1, round(seconds))))
    taken = False
    for statement in SETTINGS.get(kind.dialect, ()):
        taken = _quietly(lambda: connection.execute(statement.format(ms=round(seconds * 1000), s=seconds)))  # noqa: B023
    connection.autocommit = False
    return taken and kind.dialect in READ_ONLY


@contextmanager
def _answers(kind: Kind, logging_in: str = "") -> Iterator[None]:
    """Turn what pyodbc raises into a `Refusal`, an OSError or an ending, without a secret in its text.

    `logging_in` is the driver's name while one connects.
    """
    try:
        yield
    except kind.module.Error as error:
        state, text = _said(error)
        raise _reason(state, text, kind, logging_in) from None


def _said(error: Exception) -> tuple[str, str]:
    state = str(error.args[0]) if error.args else ""
    return state, str(error.args[1]) if len(error.args) > 1 else str(error)


def _reason(state: str, text: str, kind: Kind, logging_in: str) -> Exception:
    said = cleaned(text, kind.hidden)
    if logging_in and no_driver(state, text):
        return MissingDriver(f"the ODBC driver {logging_in} is not installed on the monitor: {said}")
    if logging_in and state.startswith("HYT"):
        return TimedOut(f"login: {said}")
    refused = refusal(state, text, kind.dialect, said)
    if refused is not None and not (gone(state) and not logging_in):
        return refused
    if gone(state):
        return ConnectionResetError(errno.ECONNRESET, said)
    return Unexplained(said) if logging_in else Refusal("query_refused", said)


def _drained(cursor: Any, columns: tuple[str, ...], most: int) -> Table:
    rows: list[tuple[Any, ...]] = []
    size = 0
    while len(rows) <= most:
        found = cursor.fetchmany(min(AT_A_TIME, most + 1 - len(rows)))
        if not found:
            break
        rows += [tuple(row) for row in found]
        size += sum(len(cell) for row in found for cell in row if isinstance(cell, str | bytes))
        if size > MOST_BYTES:
            raise ProtocolViolated(f"an answer of more than {MOST_BYTES >> 20} MiB")
    return Table(columns, tuple(rows[:most]), len(rows) > most)


def _quietly(work: Callable[[], object]) -> bool:
    """Return whether it went well."""
    try:
        work()
    except Exception:  # noqa: BLE001 - drivers raise what they like; what is being left or is optional
        return False
    return True


def version_of(text: str) -> str:
    """Return a version as drivers write it ("15.00.2000", "10.11.000019") without the leading zeros."""
    parts = text.split(maxsplit=1)[0].split(".") if text.strip() else []
    return ".".join(part.lstrip("0") or "0" if part.isdecimal() else part for part in parts)
