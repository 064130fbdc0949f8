"""One connection with a Redis server, by redis-py, whose parser reads a stream that is bounded.

The connection is ours (the kernel's connect time, TLS as a phase of its own); redis-py logs in and speaks
RESP2. It never connects a second time: `_Connection` has one socket.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis import exceptions
from redis._parsers import _AsyncRESP2Parser
from redis.asyncio.connection import Connection

from probes._clean import cleaned
from probes._resolve import Address
from probes.api import Context
from probes.database._redis_reply import refusal, unreadable
from probes.database._sql import Findings
from probes.database._streams import streams
from probes.errors import Ending, ProtocolViolated, TlsFailed, from_oserror

MOST_READ = 4 * 1024 * 1024
"""Bytes that a server may say in a run; INFO is some 6 kB, CLUSTER NODES of 1,000 nodes 150 kB."""
MOST_LINES = 100_000
AT_ONCE = 1000
"""Lines that are read before others have their turn on the loop."""
UNREADABLE = (exceptions.InvalidResponse, ValueError, RecursionError, OverflowError)


class _Bounded:
    """What redis-py's parser reads of: a stream that ends with an error where it would give too much."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._left = MOST_READ
        self._lines = 0
        self.first = b""

    async def readline(self) -> bytes:
        data = await self._reader.readline()
        self._spend(len(data))
        self._lines += 1
        if self._lines > MOST_LINES:
            raise ProtocolViolated(f"more than {MOST_LINES} lines in one run")
        if self._lines % AT_ONCE == 0:
            await asyncio.sleep(0)
        self.first = self.first or data[:8]
        return data

    async def readexactly(self, size: int) -> bytes:
        self._spend(size)
        return await self._reader.readexactly(size)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ProtocolViolated(f"more than {MOST_READ >> 20} MiB in one run")


class _Connection(Connection):
    """redis-py's connection on streams that stand already."""

    def __init__(self, streams: tuple[_Bounded, asyncio.StreamWriter], **options: Any) -> None:
        super().__init__(
            **options, protocol=2, parser_class=_AsyncRESP2Parser, decode_responses=True,
            encoding_errors="replace", socket_timeout=None, socket_connect_timeout=None, driver_info=None,
        )  # fmt: skip
        self._streams: tuple[_Bounded, asyncio.StreamWriter] | None = streams

    async def _connect(self) -> None:
        if self._streams is None:
            raise ConnectionResetError("connection lost")
        self._reader, self._writer = self._streams  # type: ignore[assignment]
        self._streams = None


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in; a password without a user is the default user's."""

    user: str | None = None
    password: str = ""
    database: int = 0


class RedisLink:
    """A server that has let the account in; each question is asked on its own."""

    def __init__(
        self, connection: _Connection, stream: _Bounded, secrets: tuple[str, ...], *, secure: bool
    ) -> None:
        self._connection, self._stream, self._secrets = connection, stream, secrets
        self._secure = secure

    async def log_in(self) -> None:
        """Log in where the account has a password. Raises what the server, or the connection, comes to."""
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - a driver's, whatever it is: it becomes an ending
            raise self._ending(error) from None

    async def ask(self, *command: str | int) -> Any:
        """Return the answer: text, number, list or None.

        Raises the ending that a refusal stands for (`_redis_reply`), or that the connection comes to.
        """
        try:
            await self._connection.send_command(*command)
            return await self._connection.read_response()
        except Exception as error:  # noqa: BLE001 - as above
            raise self._ending(error) from None

    def _ending(self, error: Exception) -> Ending:
        if isinstance(error, Ending):
            return error
        if isinstance(error, exceptions.RedisError) and (told := _told(error)):
            return refusal(*told, self._secrets)
        if isinstance(error, UNREADABLE):
            return unreadable(self._stream.first, str(error), self._secrets)
        if isinstance(error, exceptions.ConnectionError):
            return self._lost(error.__cause__ or error.__context__)
        raise error

    def _lost(self, cause: BaseException | None) -> Ending:
        """Return the ending of a connection that broke off.

        With TLS 1.3 a server tells only after the handshake that it wants a certificate of ours.
        """
        if self._secure and not self._stream.first:
            return TlsFailed("ended right after the handshake: does the server want a client certificate?")
        ending = (
            from_oserror(cause) if isinstance(cause, OSError) else ProtocolViolated("closed amid an answer")
        )
        if isinstance(ending, ProtocolViolated) and not self._stream.first:
            return ProtocolViolated("closed without an answer: does the port speak TLS?")
        ending.detail = cleaned(ending.detail, self._secrets)
        return ending


def _told(error: exceptions.RedisError) -> tuple[str, str] | None:
    """Return code and text of an error that the server sent, None for one of the client's own."""
    text = str(error)
    if error.status_code:
        return error.status_code, text
    if not isinstance(error, exceptions.ResponseError):
        return None
    code, _, rest = text.partition(" ")
    return (code, rest) if code.isupper() else ("ERR", text)


@asynccontextmanager
async def linked(
    address: Address,
    port: int,
    tls: tuple[ssl.SSLContext | None, str],
    account: Account,
    context: Context,
    findings: Findings,
) -> AsyncIterator[RedisLink]:
    """Connect, with TLS where there is a context (and the name to verify), and log in; closed at the end.

    Raises `Ending`, and OSError as the kernel has it.
    """
    async with streams(address, port, tls, context, findings) as (reader, writer):
        stream, secrets = _Bounded(reader), (account.password,)
        connection = _Connection(
            (stream, writer), username=account.user, password=account.password or None, db=account.database,
            host=address.host, port=port,
        )  # fmt: skip
        try:
            link = RedisLink(connection, stream, secrets, secure=tls[0] is not None)
            context.phase, started = "login", time.perf_counter()
            await link.log_in()
            if account.password:
                findings.passed("login", (time.perf_counter() - started) * 1000)
            yield link
        finally:
            await connection.disconnect(nowait=True)
