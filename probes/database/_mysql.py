"""A session with MySQL, MariaDB, or what speaks their protocol (TiDB, OceanBase), by asyncmy.

asyncmy connects on a socket of ours, so that connecting, TLS and logging in are timed apart and happen once.
The session reads only, and its statements are ended by the server after `query_timeout`. A password never
goes out in the clear, or under a key that nobody verified (`_Unsafe`, `_keyless`): that needs TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Literal

from probes._clean import cleaned
from probes._dial import break_off, dial
from probes._driver import loaded
from probes._resolve import resolve
from probes.api import Context, Target
from probes.database._mysql_refusal import refusal
from probes.database._sql import MOST_ROWS, DatabaseParams, Findings, Table
from probes.database._sql_query import only_query
from probes.database._sql_refusal import Refusal
from probes.errors import Ending, ProtocolViolated, TlsFailed

MOST_BYTES = 32 * 2**20
"""What a server may send in one session."""
AT_ONCE = 500
"""Rows that are taken before others have their turn on the loop."""
LOST = (2003, 2006, 2013, 2055)
"""Numbers of the client's own errors for a connection that broke off (mysql, errmsg.h)."""
SSL_CAPABILITY = 0x800
MULTI_STATEMENTS = 1 << 16
"""Capability flags (MySQL, Client/Server Protocol): TLS can be spoken; several statements in one."""
TELLTALES = ("mysql_clear_password", "mysql_old_password", "dialog")
"""Ways to log in that tell the password, or nearly, to whoever listens."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """What engine answers, by the version it shows in its greeting."""

    name: Literal["mysql", "mariadb", "tidb", "oceanbase"]
    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the version as numbers, to compare with."""
        return tuple(int(part) for part in self.version.split(".") if part.isdecimal() and len(part) < 9)


def flavour(shown: str) -> Flavour:
    """Return the engine and its own version ("8.0.11-TiDB-v7.5.1" is TiDB 7.5.1)."""
    for name, pattern in (
        ("mariadb", r"(?:5\.5\.5-)?(\d+(?:\.\d+)+)-MariaDB"),
        ("tidb", r"TiDB-v(\d+(?:\.\d+)+)"),
        ("oceanbase", r"OceanBase(?:_CE)?-v(\d+(?:\.\d+)+)"),
    ):
        if found := re.search(pattern, shown[:200]):
            return Flavour(name, found[1])  # type: ignore[arg-type]
    first = re.match(r"\d+(?:\.\d+)*", shown[:200])
    return Flavour("mysql", first[0] if first else "")


class _Unsafe:
    """What asyncmy asks for a way to log in that tells the password: it does not."""

    def __init__(self, _: object) -> None:
        pass

    def authenticate(self, _: object) -> None:
        raise Refusal("unsafe_login", "the server wants the password itself; write tls: on")


def _refuse_key(_: object) -> None:
    raise Refusal("unsafe_login", "nobody vouches for the key that the server gives; write tls: on")


def _take_no_key(_: object, __: object) -> None:
    pass


@lru_cache(maxsize=1)
def _keyless(connection: type) -> type:
    """Return asyncmy's connection without a place for a key that comes over an open connection."""
    return type("Keyless", (connection,), {"_server_public_key": property(_refuse_key, _take_no_key)})


class _Steps:
    """The loop as asyncmy sees it: it connects on our socket, once, and TLS is a step of its own."""

    def __init__(self, sock: socket.socket, name: str, context: Context) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = sock
        self._name, self._context = name, context
        self._left = MOST_BYTES
        self.secured = time.perf_counter()
        self.tls_ms: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, factory: Any, *_: object, **options: Any) -> Any:
        if "ssl" in options:
            return await self._secure(factory, options["sock"], options["ssl"])
        if self._socket is None:
            raise ConnectionAbortedError(errno.ECONNABORTED, "one connection a run")
        sock, self._socket = self._socket, None
        return await self._loop.create_connection(lambda: self._bounded(factory()), sock=sock)

    async def _secure(self, factory: Any, sock: socket.socket, settings: ssl.SSLContext) -> Any:
        self._context.phase, started = "tls", time.perf_counter()
        made = await self._loop.create_connection(
            lambda: self._bounded(factory()), sock=sock, ssl=settings, server_hostname=self._name
        )
        self.secured = time.perf_counter()
        self.tls_ms = (self.secured - started) * 1000
        self._context.phase = "login"
        return made

    def _bounded(self, protocol: Any) -> Any:
        """Break the connection off where more than `MOST_BYTES` come: asyncmy itself has no bound."""
        updated = protocol.buffer_updated

        def counted(size: int) -> None:
            self._left -= size
            if self._left < 0:
                break_off(protocol.transport)
            else:
                updated(size)

        protocol.buffer_updated = counted
        return protocol

    def close(self) -> None:
        """Close the socket where asyncmy has not come to take it."""
        if self._socket is not None:
            self._socket.close()


class MysqlSession:
    """A `Session` of `_sql`; made by `open_session`."""

    begin = "start transaction read write"

    def __init__(self, connection: Any, modules: _Modules, hidden: tuple[str, ...]) -> None:
        self._connection, self._modules, self._hidden = connection, modules, hidden
        self.flavour = flavour(connection.server_version)
        self.reads_only = False
        self._busy = False

    async def rows(self, query: str, limit: int | None = None) -> Table:
        """Return the rows, as they come; what is beyond the limit is passed over.

        With a limit the query is somebody else's: it is asked only where the server keeps it from writing.
        Where it does not, nothing but a query is asked at all: a check has some of its own without a limit.
        """
        if not self.reads_only:
            if limit is not None:
                raise Refusal("version_too_old", f"{self.flavour.name} has no sessions that only read")
            query = only_query(query)
        most = MOST_ROWS if limit is None else limit
        with self._asking():
            async with self._connection.cursor(self._modules.cursors.SSCursor) as cursor:
                if most > MOST_ROWS:
                    await cursor.execute(_at_most(most))
                await cursor.execute(query)
                columns = tuple(str(column[0]) for column in cursor.description or ())
                found = await _taken(cursor, most + 1)
                return Table(columns, tuple(map(tuple, found[:most])), len(found) > most)

    async def execute(self, statement: str) -> None:
        """Do a statement."""
        with self._asking():
            async with self._connection.cursor(self._modules.cursors.SSCursor) as cursor:
                await cursor.execute(statement)

    async def aclose(self) -> None:
        """Take leave where nothing is under way, else break the connection off."""
        transport = self._connection._transport  # noqa: SLF001
        try:
            if not self._busy:
                async with asyncio.timeout(1):
                    await self._connection.ensure_closed()
        except (OSError, self._modules.errors.MySQLError):
            return  # it is gone, which is what was wanted
        finally:
            if transport is not None:
                break_off(transport)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        self._busy = True
        with _answers(self._modules, self._hidden):
            yield
        self._busy = False


@dataclass(frozen=True, slots=True)
class _Modules:
    connection: ModuleType
    cursors: ModuleType
    errors: ModuleType


async def _modules() -> _Modules:
    names = ("asyncmy.connection", "asyncmy.cursors", "asyncmy.errors")
    return _Modules(*[await loaded(name, "mysql") for name in names])


async def _taken(cursor: Any, most: int) -> list[Any]:
    """Take at most so many rows. Those beyond are read and dropped when the cursor is closed."""
    found: list[Any] = []
    while len(found) < most:
        piece = await cursor.fetchmany(min(AT_ONCE, most - len(found)))
        if not piece:
            break
        found += piece
        await asyncio.sleep(0)
    return found


async def open_session(
    target: Target, params: DatabaseParams, context: Context, findings: Findings
) -> MysqlSession:
    """Connect and log in, as `_sql.Opener` says."""
    modules = await _modules()
    hidden, tls = params.secrets(context), await params.tls_context()
    address, resolve_ms = await resolve(target, context)
    findings.passed("resolve", resolve_ms)
    sock, connect_ms = await dial(address, params.port, context)
    findings.passed("connect", connect_ms)
    steps = _Steps(sock, params.tls_name(target), context)
    context.phase = "login"
    try:
        connection = await _logged_in(modules, params, hidden, tls, steps)
    finally:
        steps.close()
        if steps.tls_ms is not None:
            findings.passed("tls", steps.tls_ms)
    session = MysqlSession(connection, modules, hidden)
    findings.passed("login", (time.perf_counter() - steps.secured) * 1000)
    try:
        await _settle(session, params)
    except BaseException:
        await session.aclose()
        raise
    return session


async def _logged_in(
    modules: _Modules,
    params: DatabaseParams,
    hidden: tuple[str, ...],
    tls: ssl.SSLContext | None,
    steps: _Steps,
) -> Any:
    made = modules.connection.Connection
    connection = (made if tls else _keyless(made))(
        host="muster", port=params.port, user=params.user, database=params.database, ssl=tls,
        password=hidden[0].encode() if hidden else b"", connect_timeout=86_400, autocommit=True,
        auth_plugin_map={} if tls else dict.fromkeys(TELLTALES, _Unsafe),
        program_name="muster",
    )  # fmt: skip
    connection._loop = steps  # noqa: SLF001
    connection._client_flag &= ~MULTI_STATEMENTS  # noqa: SLF001
    try:
        with _answers(modules, hidden):
            await connection.connect()
    except Refusal as refused:
        if (
            refused.word == "wrong_password"
            and tls is None
            and connection.server_capabilities & SSL_CAPABILITY
        ):
            raise Refusal(
                refused.word, f"{refused.said} (or it may come in by TLS only, which is off)"
            ) from None
        raise
    except TlsFailed:
        if not getattr(connection, "server_capabilities", SSL_CAPABILITY) & SSL_CAPABILITY:
            raise Refusal("tls_refused", "the server does not speak TLS") from None
        raise
    return connection


def _at_most(rows: int) -> str:
    """Have the server send no more than one row beyond these, by which one sees that there are more."""
    return f"set session sql_select_limit = {rows + 1}"


async def _settle(session: MysqlSession, params: DatabaseParams) -> None:
    """Have the session read only, and the server end what takes too long; an engine may lack some of it."""
    seconds = max(1, round(params.query_timeout))
    limits = {
        "mysql": f"max_execution_time = {round(params.query_timeout * 1000)}",
        "tidb": f"max_execution_time = {round(params.query_timeout * 1000)}",
        "mariadb": f"max_statement_time = {params.query_timeout:f}",
        "oceanbase": f"ob_query_timeout = {round(params.query_timeout * 1_000_000)}",
    }
    waits = (f"lock_wait_timeout = {seconds}", f"innodb_lock_wait_timeout = {seconds}")
    settings = (f"set session {setting}" for setting in (limits[session.flavour.name], *waits))
    for statement in (*settings, _at_most(MOST_ROWS)):
        with contextlib.suppress(Refusal):
            await session.execute(statement)
    with contextlib.suppress(Refusal):
        await session.execute("set session transaction read only")
        session.reads_only = session.flavour.name != "tidb"


@contextmanager
def _answers(modules: _Modules, hidden: tuple[str, ...]) -> Iterator[None]:
    """Turn what asyncmy raises into a `Refusal`, an OSError or an ending, without a secret in its text."""
    try:
        yield
    except modules.errors.MySQLError as error:
        raise _meant(error, hidden) from None
    except ssl.SSLError as error:
        raise _tls_failed(error) from None
    except (Refusal, Ending, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a driver's, on what it did not understand
        raise ProtocolViolated(f"it does not speak the protocol ({type(error).__name__})") from None


def _meant(error: Any, hidden: tuple[str, ...]) -> Exception:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError):
        return _tls_failed(cause)
    if isinstance(cause, OSError):
        return cause
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = cleaned(str(error.args[1]) if len(error.args) > 1 else str(error), hidden)
    if number in LOST:
        return ConnectionResetError(errno.ECONNRESET, said)
    if number == 2059:
        return Refusal("unknown_login", said)
    if number == 0 or 2000 <= number < 3000:
        return ProtocolViolated(f"it does not speak the protocol: {said}")
    return refusal(number, said)


def _tls_failed(error: ssl.SSLError) -> TlsFailed:
    reason = getattr(error, "verify_message", "") or error.reason or "the server ended the handshake"
    return TlsFailed(f"tls: {reason.replace('_', ' ').lower()}")
