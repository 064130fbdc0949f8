"""A session with PostgreSQL, or with what speaks its protocol, by asyncpg.

asyncpg connects on a socket of ours, so that connecting, TLS and logging in are timed apart and happen once.
The session reads only, its statements are ended by the server after `query_timeout`, and the server notices
within a second when we are gone (`client_connection_check_interval`, PostgreSQL 14 and newer).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from probes._clean import cleaned
from probes._dial import break_off, dial
from probes._driver import loaded
from probes._resolve import resolve
from probes.api import Context, Target
from probes.database._sql import MOST_ROWS, DatabaseParams, Findings, Table
from probes.database._sql_refusal import Refusal
from probes.errors import ProtocolViolated, TlsFailed

MOST_BYTES = 32 * 2**20
"""What a server may send in one session."""
MOST_LOGIN = 2**16
"""Longest message of a login, as it is looked through for AuthenticationCleartextPassword."""
OK, CLEARTEXT = 0, 3
"""What a message R asks for (the manual, 55.7)."""
AT_A_TIME = 1000
"""Rows that a cursor is asked for at once."""
STATES = {
    "28P01": "wrong_password", "28000": "login_refused", "42501": "missing_right", "25006": "read_only",
    "25001": "bad_query", "53100": "disk_full", "53300": "too_many_connections", "57P01": "not_ready",
    "57P02": "not_ready", "57P03": "not_ready", "3D000": "no_such_database", "57014": "slow_query",
    "55P03": "slow_query", "42P01": "no_such_table", "42703": "no_such_table", "3F000": "no_such_table",
    "42883": "no_such_table",
}  # fmt: skip
"""SQLSTATE (PostgreSQL, appendix A) to the word for it; others of class 42 are a `bad_query`."""
IN_THE_CLEAR = ("no encryption", "SSL off", "SSL 关闭")
"""What a server adds where its rules let nobody in who comes like this without TLS (it may speak Chinese)."""
SETTINGS = """select set_config(name, value, false) from pg_catalog.pg_settings join (values
('statement_timeout', '{ms}'), ('lock_timeout', '{ms}'), ('idle_in_transaction_session_timeout', '60000'),
('default_transaction_read_only', 'on')) as wanted (name, value) using (name)"""
NOTICE_GONE = "set client_connection_check_interval = 1000"


class _Listener:
    """Reads along without TLS, and passes nothing on once the server wants the password itself."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take, self._head, self._settled = take, b"", False
        self.transport: asyncio.Transport | None = None
        self.unsafe = False

    def __call__(self, data: bytes) -> None:
        self.unsafe = self.unsafe or (not self._settled and self._asks(data))
        if not self.unsafe:
            self._take(data)
        elif self.transport is not None:
            break_off(self.transport)

    def _asks(self, data: bytes) -> bool:
        """Go through the messages up to AuthenticationOk; true for AuthenticationCleartextPassword."""
        self._head += data
        while len(self._head) >= 9:
            size, question = int.from_bytes(self._head[1:5]), int.from_bytes(self._head[5:9])
            if self._head[:1] == b"R" and question in (OK, CLEARTEXT):
                self._settled = True
                return question == CLEARTEXT
            if len(self._head) <= size or size < 4:
                return len(self._head) > MOST_LOGIN
            self._head = self._head[1 + size :]
        return False


class _Steps:
    """The loop as asyncpg sees it: it connects on our socket, once, and TLS is a step of its own."""

    def __init__(self, sock: socket.socket, name: str, secure: bool, context: Context) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = sock
        self._name, self._secure, self._context = name, secure, context
        self._listener: _Listener | None = None
        self.began = self.secured = time.perf_counter()

    @property
    def unsafe(self) -> bool:
        """Whether the server wanted the password itself, for all to hear."""
        return self._listener is not None and self._listener.unsafe

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, factory: Any, *_: object, **__: object) -> Any:
        if self._socket is None:
            raise ConnectionAbortedError(errno.ECONNABORTED, "one connection a run")
        sock, self._socket = self._socket, None
        if self._secure:
            self._context.phase = "tls"
            return await self._loop.create_connection(factory, sock=sock)
        self._context.phase = "login"
        protocol = factory()
        self._listener = protocol.data_received = _Listener(protocol.data_received)
        transport, _protocol = await self._loop.create_connection(lambda: protocol, sock=sock)
        self._listener.transport = transport
        return transport, protocol

    async def start_tls(self, transport: Any, protocol: Any, settings: ssl.SSLContext, **_: object) -> Any:
        secured = await self._loop.start_tls(transport, protocol, settings, server_hostname=self._name)
        self.secured, self._context.phase = time.perf_counter(), "login"
        return secured

    def close(self) -> None:
        """Close the socket where asyncpg has not come to take it."""
        if self._socket is not None:
            self._socket.close()


class PostgresSession:
    """A `Session` of `_sql`; made by `open_session`."""

    begin = "begin read write"

    def __init__(self, connection: Any, driver: ModuleType, hidden: tuple[str, ...]) -> None:
        self._connection, self._driver, self._hidden = connection, driver, hidden
        self._busy = self._bounded = False
        self._bound()

    async def rows(self, query: str, limit: int | None = None) -> Table:
        """Return the rows; with a limit they come through a cursor, so that no more are sent."""
        with self._asking():
            if limit is None:
                found = await self._connection.fetch(query)
                return _table(found)
            return await self._through_cursor(query, limit)

    async def _through_cursor(self, query: str, limit: int) -> Table:
        """Read in a transaction, which is not rolled back where the run is cancelled: all is broken off."""
        transaction = self._connection.transaction(readonly=True)
        await transaction.start()
        try:
            statement = await self._connection.prepare(query)
            columns = tuple(attribute.name for attribute in statement.get_attributes())
            table = await _drained(await statement.cursor(), limit, columns)
        except self._driver.PostgresError:
            await transaction.rollback()
            raise
        await transaction.rollback()
        return table

    async def execute(self, statement: str) -> None:
        """Do a statement, or several; in one exchange."""
        with self._asking():
            try:
                await self._connection.execute(statement)
            except self._driver.FeatureNotSupportedError as error:
                word = "read_only" if statement == self.begin else "query_refused"  # a replica says so
                raise Refusal(word, cleaned(str(error), self._hidden)) from None

    async def aclose(self) -> None:
        """Take leave where nothing is under way, else break the connection off."""
        try:
            if not self._busy:
                await self._connection.close(timeout=1)
        except (OSError, self._driver.PostgresError, self._driver.InterfaceError):
            return  # it is gone, which is what was wanted
        finally:
            self._connection.terminate()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        self._busy = True
        with _answers(self._driver, self._hidden):
            yield
        self._busy = False

    def _bound(self) -> None:
        """Break the connection off where more than `MOST_BYTES` come: asyncpg itself has no bound."""
        protocol, transport = self._connection._protocol, self._connection._transport  # noqa: SLF001
        take, left = protocol.data_received, MOST_BYTES

        def bounded(data: bytes) -> None:
            nonlocal left
            left -= len(data)
            if left < 0:
                break_off(transport)
            else:
                take(data)

        protocol.data_received = bounded
        transport.set_protocol(protocol)


async def open_session(
    target: Target, params: DatabaseParams, context: Context, findings: Findings
) -> PostgresSession:
    """Connect and log in, as `_sql.Opener` says."""
    driver = await loaded("asyncpg", "postgresql")
    hidden, tls = params.secrets(context), await params.tls_context()
    address, resolve_ms = await resolve(target, context)
    findings.passed("resolve", resolve_ms)
    sock, connect_ms = await dial(address, params.port, context)
    findings.passed("connect", connect_ms)
    steps = _Steps(sock, params.tls_name(target), tls is not None, context)
    try:
        with _answers(driver, hidden):
            connection = await driver.connect(
                host=address.host, port=params.port, user=params.user, database=params.database,
                password=hidden[0] if hidden else "", passfile=os.devnull, ssl=tls or False, loop=steps,
                timeout=None, statement_cache_size=0, server_settings={"application_name": "muster"},
            )  # fmt: skip
    except (Refusal, OSError):
        if steps.unsafe:
            raise Refusal("unsafe_login", "the server wants the password itself; write tls: on") from None
        raise
    finally:
        steps.close()
    if tls is not None:
        findings.passed("tls", (steps.secured - steps.began) * 1000)
    findings.passed("login", (time.perf_counter() - steps.secured) * 1000)
    session = PostgresSession(connection, driver, hidden)
    try:
        await _settle(session, params)
    except BaseException:
        await session.aclose()
        raise
    return session


async def _settle(session: PostgresSession, params: DatabaseParams) -> None:
    await session.execute(SETTINGS.format(ms=round(params.query_timeout * 1000)))
    try:
        await session.execute(NOTICE_GONE)
    except Refusal:
        return  # older than 14, or a system that can't notice it


def _table(found: list[Any]) -> Table:
    columns = tuple(found[0].keys()) if found else ()
    rows = tuple(tuple(record.values()) for record in found[:MOST_ROWS])
    return Table(columns, rows, len(found) > MOST_ROWS)


async def _drained(cursor: Any, limit: int, columns: tuple[str, ...]) -> Table:
    """Return the rows of a cursor, some at a time, so that many don't hold the loop."""
    rows: list[tuple[Any, ...]] = []
    while len(rows) <= limit:
        found = await cursor.fetch(min(AT_A_TIME, limit + 1 - len(rows)))
        rows += [tuple(record.values()) for record in found]
        if not found:
            break
    return Table(columns, tuple(rows[:limit]), len(rows) > limit)


@contextmanager
def _answers(driver: ModuleType, hidden: tuple[str, ...]) -> Iterator[None]:
    """Turn what asyncpg raises into a `Refusal`, an OSError or an ending, without a secret in its text."""
    try:
        yield
    except driver.PostgresConnectionError as error:
        raise ConnectionResetError(errno.ECONNRESET, cleaned(str(error), hidden)) from None
    except driver.PostgresError as error:
        raise refusal(str(error.sqlstate or ""), cleaned(str(error), hidden)) from None
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "handshake failed"
        raise TlsFailed(f"tls: {cleaned(str(reason), hidden)}") from None
    except ConnectionError as error:
        raise _broken(error, hidden) from None
    except (Refusal, OSError):
        raise
    except driver.InterfaceError as error:
        raise _misunderstood(error, hidden) from None
    except Exception as error:
        raise ProtocolViolated(f"it does not speak the protocol ({type(error).__name__})") from error


def _broken(error: ConnectionError, hidden: tuple[str, ...]) -> Refusal | OSError:
    if "rejected SSL upgrade" in str(error):
        return Refusal("tls_refused", "the server does not speak TLS")
    if error.errno is None:
        return ConnectionResetError(errno.ECONNRESET, cleaned(str(error), hidden))
    return error


def _misunderstood(error: Exception, hidden: tuple[str, ...]) -> Refusal | OSError:
    said = cleaned(str(error), hidden)
    if "authentication" in said:
        return Refusal("unknown_login", said)
    if "closed" in said:
        return ConnectionResetError(errno.ECONNRESET, said)
    return Refusal("bad_query", said)


def refusal(state: str, said: str) -> Refusal:
    """Return what a SQLSTATE stands for, with what the server said."""
    if state == "28000" and any(text in said for text in IN_THE_CLEAR):
        return Refusal("login_refused", f"{said} (if its rules ask for TLS, write tls: on)")
    return Refusal(STATES.get(state) or ("bad_query" if state.startswith("42") else "query_refused"), said)
