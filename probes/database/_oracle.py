"""A session with Oracle Database (12.1 and newer), by python-oracledb in its thin mode.

The driver connects by itself, so that `login` is all from connecting to logged in. Queries run in read-only
transactions, which end with them; nothing but a query (select, with) is sent as one, since other statements
would commit by themselves. What takes longer than `query_timeout` is broken off at the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from probes._clean import cleaned
from probes._driver import loaded
from probes._resolve import resolve
from probes._tls import VERSIONS
from probes.api import Context, Target
from probes.database._oracle_refusal import gone, refusal
from probes.database._sql import MOST_ROWS, DatabaseParams, Findings, Table
from probes.database._sql_query import only_query
from probes.database._sql_refusal import Refusal
from probes.database._unexplained import Unexplained, explained
from probes.errors import ProberFault, ProtocolViolated, TlsFailed

AT_A_TIME = 500
MOST_BYTES = 32 * 2**20
"""Texts and binaries that a server may send in one answer."""
LEAVE_S = 1.0
NOISE = re.compile(r"\s*(\(CONNECTION_ID=[^)]*\)|Help: \S+)")


class OracleSession:
    """A `Session` of `_sql`; made by `open_session`."""

    begin = ""

    def __init__(self, connection: Any, module: Any, hidden: tuple[str, ...]) -> None:
        self._connection, self._module, self._hidden = connection, module, hidden
        self._busy = self._writing = False

    @property
    def version(self) -> str:
        """The server's version, as it gave it when one logged in."""
        return str(self._connection.version)

    async def rows(self, query: str, limit: int | None = None) -> Table:
        """Return the rows of a query. Raises `Refusal` for what is none."""
        query = only_query(query)
        most = MOST_ROWS if limit is None else limit
        with self._asking():
            if not self._writing:
                await self._connection.rollback()
                await self._connection.execute("set transaction read only")
            with self._connection.cursor() as cursor:
                cursor.arraysize = min(AT_A_TIME, most + 1)
                cursor.prefetchrows = cursor.arraysize
                await cursor.execute(query)
                columns = tuple(str(column[0]) for column in cursor.description)
                return await _drained(cursor, columns, most)

    async def execute(self, statement: str) -> None:
        """Do a statement whose rows nobody asks for."""
        with self._asking():
            if statement == "commit":
                await self._connection.commit()
                self._writing = False
                return
            with self._connection.cursor() as cursor:
                await cursor.execute(statement)
                self._writing = cursor.description is None

    async def aclose(self) -> None:
        """Log off, which rolls back; where a statement is under way, break the connection off."""
        try:
            if not self._busy:
                async with asyncio.timeout(LEAVE_S):
                    await self._connection.close()
        except (TimeoutError, OSError, self._module.Error):
            return  # it is gone, or is broken off now
        finally:
            with contextlib.suppress(self._module.Error, OSError):
                self._connection.terminate()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        self._busy = True
        with _answers(self._module, self._hidden):
            yield
        self._busy = False


async def open_session(
    target: Target, params: DatabaseParams, context: Context, findings: Findings
) -> OracleSession:
    """Connect and log in, as `_sql.Opener` says; the phase is `login`."""
    module: Any = await loaded("oracledb", "oracle")
    module.defaults.fetch_lobs, module.defaults.fetch_decimals = False, True
    hidden = params.secrets(context)
    tls = await _tls(target, params)
    address, resolve_ms = await resolve(target, context)
    findings.passed("resolve", resolve_ms)
    context.phase, started = "login", time.perf_counter()
    try:
        with _answers(module, hidden):
            connection = await module.connect_async(
                user=params.user, password=hidden[0] if hidden else "", host=address.host, port=params.port,
                protocol="tcps" if params.tls == "on" else "tcp", ssl_context=tls, ssl_server_dn_match=False,
                retry_count=0, tcp_connect_timeout=max(1.0, context.remaining), program="muster",
                osuser="muster", **_service(params),
            )  # fmt: skip
    except Unexplained as error:
        raise await explained(error, address, params.port, context) from None
    findings.passed("login", (time.perf_counter() - started) * 1000)
    connection.call_timeout = round(params.query_timeout * 1000)
    return OracleSession(connection, module, hidden)


async def _tls(target: Target, params: DatabaseParams) -> ssl.SSLContext | None:
    if params.tls == "off":
        return None
    oldest = VERSIONS[params.min_version]
    given = (params.ca, params.certificate, params.verify, oldest, params.tls_name(target))
    return await asyncio.to_thread(_named, *given)


def _service(params: DatabaseParams) -> dict[str, str]:
    by_sid = getattr(params, "by", "service") == "sid"
    return {"sid" if by_sid else "service_name": params.database}


class _Named(ssl.SSLContext):
    """A context that verifies this name: the driver would compare with the address it connects to."""

    name = ""

    def wrap_bio(self, *args: Any, **given: Any) -> ssl.SSLObject:
        """Begin TLS, with the name to ask for and to verify."""
        return super().wrap_bio(*args, **{**given, "server_hostname": self.name})


@lru_cache(maxsize=256)
def _named(
    ca: str | None, certificate: str | None, verify: bool, oldest: ssl.TLSVersion, name: str
) -> ssl.SSLContext:
    """Return the context for a server of this name. Raises `ProberFault` for files that can't be used."""
    made = _Verifying(ssl.PROTOCOL_TLS_CLIENT) if verify else _Named(ssl.PROTOCOL_TLS_CLIENT)
    made.name, made.minimum_version = name, oldest
    try:
        if verify:
            made.load_verify_locations(ca) if ca else made.load_default_certs()
        else:
            made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        if certificate:
            made.load_cert_chain(certificate, password="")  # never ask on the terminal
    except OSError as error:
        raise ProberFault(f"certificate files ({ca or certificate}): {error.strerror or error}") from None
    return made


class _Verifying(_Named):
    """The same, where nobody switches the verification of the name off."""

    @property
    def check_hostname(self) -> bool:
        """Always True."""
        return True

    @check_hostname.setter
    def check_hostname(self, _: bool) -> None:
        """Leave it as it is: the driver wants to compare names itself."""


@contextmanager
def _answers(module: Any, hidden: tuple[str, ...]) -> Iterator[None]:
    """Turn what the driver raises into a `Refusal`, an OSError or an ending, without a secret in its text."""
    try:
        yield
    except module.Error as error:
        raise _reason(error, hidden) from None
    except ssl.SSLError as error:
        raise _tls_failed(error, hidden) from None
    except (OSError, Refusal, ProtocolViolated):
        raise
    except Exception as error:
        raise ProtocolViolated(f"it does not speak the protocol ({type(error).__name__})") from error


def _reason(error: Exception, hidden: tuple[str, ...]) -> Exception:
    said = cleaned(NOISE.sub("", str(error)), hidden)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return _tls_failed(cause, hidden)
        cause = cause.__cause__
    refused = refusal(str(error), said)
    if refused is not None:
        return refused
    if "DPY-6" in str(error):
        return Unexplained(said)
    return (
        ConnectionResetError(errno.ECONNRESET, said) if gone(str(error)) else Refusal("query_refused", said)
    )


def _tls_failed(error: ssl.SSLError, hidden: tuple[str, ...]) -> TlsFailed:
    reason = getattr(error, "verify_message", "") or error.reason or "handshake failed"
    return TlsFailed(f"tls: {cleaned(str(reason), hidden)}")


async def _drained(cursor: Any, columns: tuple[str, ...], most: int) -> Table:
    rows: list[tuple[Any, ...]] = []
    size = 0
    while len(rows) <= most:
        found = await cursor.fetchmany(min(AT_A_TIME, most + 1 - len(rows)))
        if not found:
            break
        rows += [tuple(row) for row in found]
        size += sum(len(cell) for row in found for cell in row if isinstance(cell, str | bytes))
        if size > MOST_BYTES:
            raise ProtocolViolated(f"an answer of more than {MOST_BYTES >> 20} MiB")
    return Table(columns, tuple(rows[:most]), len(rows) > most)
