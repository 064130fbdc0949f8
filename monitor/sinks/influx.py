"""The client: influxdb-client's transport, one connection, and lines that are bytes already.

influxdb-client leaves some things to whoever uses it, seen in its source (1.50): a refused connection raises
an error of aiohttp, not one of its own; a body is read to its end, however long; redirects are followed, with
the token; a TLS context that is not given is made on the loop. So it is given a session of ours.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from monitor.sinks.settings import InfluxSettings
from monitor.sinks.trouble import Cause, Trouble, trouble
from monitor.tls import client_context
from probes.api import SecretRef
from probes.errors import Ending

Precision = Literal["ms", "ns"]
MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""
_GZIP_LEVEL = 1


class Writer(Protocol):
    """What takes lines."""

    async def write(self, body: bytes, precision: Precision = "ms") -> None:
        """Hand lines over. Raises `Trouble`; nothing else for what the other side does."""


class BoundedResponse(aiohttp.ClientResponse):
    """An answer of which no more than `MOST_ANSWER` bytes are read."""

    async def read(self) -> bytes:
        """Return the beginning of the body; where there is more, the connection is closed."""
        if self._body is None:
            found = bytearray()
            try:
                while more := await self.content.read(MOST_ANSWER - len(found)):
                    found += more
            except BaseException:
                self.close()
                raise
            if not self.content.at_eof():
                self.close()
            self._body = bytes(found)
        return self._body


@dataclass(slots=True)
class Influx:
    """Writes to one bucket. `met` is called with each connection made that the server had not announced.

    The secret is read when a connection is first needed, and again after it was refused.
    """

    settings: InfluxSettings
    secret: Callable[[SecretRef], str]
    met: Callable[[], None] = lambda: None
    _client: InfluxDBClientAsync | None = None
    _service: Any = None
    _secrets: tuple[str, ...] = ()
    _connecting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _announced: bool = field(default=True)
    """Whether the server said that it would close the connection (or there was none)."""

    async def write(self, body: bytes, precision: Precision = "ms") -> None:
        """Hand lines over. Raises `Trouble`."""
        try:
            if self.settings.gzip:
                body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL)
            service = self._service or await self._connected()
            _, _, headers = await service.post_write_async(
                self.settings.org or "-", self.settings.bucket, body, precision=precision,
                content_type="text/plain; charset=utf-8", async_req=False, _return_http_data_only=False,
                **({"content_encoding": "gzip"} if self.settings.gzip else {}),
            )  # fmt: skip
        except ApiException as error:
            raise await self._refused(error) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            raise self._failed(error) from None
        self._announced = str(headers.get("Connection", "")).lower() == "close"

    async def close(self) -> None:
        """Close the connection."""
        client, self._client, self._service = self._client, None, None
        self._announced = True
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]

    async def _connected(self) -> Any:
        """Return what writes, made once, however many ask for it at the same time."""
        async with self._connecting:
            return self._service or await self._connect()

    async def _connect(self) -> Any:
        token, context = await asyncio.to_thread(self._prepare)
        settings = self.settings
        self._client = InfluxDBClientAsync(
            settings.url, token or "", settings.org or "-",
            timeout=aiohttp.ClientTimeout(total=settings.timeout),
            ssl_context=context, proxy=settings.proxy or None, connection_pool_maxsize=1,
            allow_redirects=False, client_session_type=self._session,
        )  # fmt: skip
        self._service = WriteService(self._client.api_client)  # type: ignore[no-untyped-call]
        return self._service

    def _prepare(self) -> tuple[str | None, ssl.SSLContext]:
        """Read the token and the authorities. Raises `Trouble`."""
        try:
            token = self.secret(self.settings.token) if self.settings.token else None
        except (Ending, LookupError) as error:
            raise Trouble(Cause.SECRET, str(error)) from None
        self._secrets = (token,) if token else ()
        try:
            return token, client_context(self.settings.ca_file)
        except OSError as error:
            raise Trouble(Cause.TLS, f"ca_file: {error.strerror or type(error).__name__}") from None

    def _session(self, **given: Any) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._made)
        given |= {"trace_configs": [trace], "response_class": BoundedResponse}
        return aiohttp.ClientSession(**given, cookie_jar=aiohttp.DummyCookieJar())

    async def _made(self, *_: object) -> None:
        if not self._announced:
            self.met()
        self._announced = False

    async def _refused(self, error: ApiException) -> Trouble:
        headers = {str(k): str(v) for k, v in (error.headers or {}).items()}
        self._announced = headers.get("Connection", "").lower() == "close"
        found = trouble(int(error.status or 0), headers, error.body or b"", self._secrets)
        if found.cause is Cause.AUTH:
            await self.close()
        return found

    def _failed(self, error: Exception) -> Trouble:
        """Return what an error of the transport means; its text is not shown, it may hold anything."""
        self._announced = True
        if isinstance(error, TimeoutError):
            return Trouble(Cause.TIMEOUT, f"no answer within {self.settings.timeout:g} s")
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return Trouble(Cause.TLS, "the certificate does not verify; check ca_file")
        if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
            return Trouble(Cause.TLS, "no TLS connection came about")
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return Trouble(Cause.UNREACHABLE, f"the proxy refused: status {error.status}")
        reason = getattr(error, "strerror", None) or type(error).__name__
        return Trouble(Cause.UNREACHABLE, str(reason))
