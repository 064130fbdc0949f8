"""The requests of one run of `http`: connections, proxies, redirects, and the times of their phases."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, replace
from urllib.parse import quote, urljoin, urlsplit

from probes._certificates import Certificate, now, peer
from probes._http import Response, request
from probes._http_params import HttpParams
from probes._resolve import Address, resolve
from probes._sockets import Connection, Poller, Stream, connect, own_deadline
from probes._tls_stream import TlsStream, start_tls
from probes.api import Context, Target, clip
from probes.errors import Ending, ExpectationFailed, Inconclusive, OwnLoginFailed, ProtocolViolated

FIRST = 4096
"""Bytes asked for in the first call, so that the time of arrival is that of the first byte."""
PIECE = 65_536
BREATH = 4
"""After so many pieces in a row the loop is given to others."""
PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)
MAX_LOCATION = 2048
Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a run: where to, and with what."""

    scheme: str
    host: str
    port: int
    path: str
    method: str
    body: bytes

    @property
    def authority(self) -> str:
        """The Host field (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def shown(self) -> str:
        """The address without what may be a secret or differ each time: query and path parameters."""
        path = re.split(r"[?;]", self.path, maxsplit=1)[0]
        return clip(f"{self.scheme}://{self.authority}{path}", 300)


class Visit:
    """What one run asks, and what it has learnt: the last response and the sums of the phases."""

    __slots__ = (
        "_address", "_certificate", "_context", "_fields", "_hop", "_params", "_poller", "_secret_fields",
        "_target", "_tls", "_until", "first", "phases", "redirects", "response",
    )  # fmt: skip

    def __init__(
        self, target: Target, params: HttpParams, context: Context, fields: tuple[Fields, Fields]
    ) -> None:
        self._target, self._params, self._context = target, params, context
        self._fields, self._secret_fields = fields
        self._poller, self._until = context.shared.get(Poller), own_deadline(context)
        self._address: Address | None = None
        self._certificate: Certificate | None = None
        self._tls: tuple[str, str] = ("", "")
        self.phases: dict[str, float] = {}
        self.redirects = 0
        self.response = Response(params.method, 0, keep=False)
        host = params.host or target.address.removeprefix("[").removesuffix("]")
        port = params.port or PORTS[params.scheme]
        self.first = Hop(params.scheme, host, port, params.path, params.method, params.body.encode())
        self._hop = self.first

    async def ask(self, hop: Hop) -> None:
        """Send one request on a connection of its own and read its response."""
        self._hop = hop
        self._context.log(f"{hop.method} {hop.shown}")
        self.response = Response(hop.method, self._params.body_limit, keep=self._params.reads_body)
        settings = await self._params.context() if hop.scheme == "https" else None
        connection = await self._connect(hop)
        try:
            stream = await self._secured(connection, hop, settings) if settings else connection
            await self._exchange(stream, hop)
        finally:
            connection.close()

    async def _connect(self, hop: Hop) -> Connection:
        if self._params.proxy is None:
            if self._address is None:
                self._address, took_ms = await resolve(self._target, self._context)
                self._add("resolve", took_ms)
            self._context.phase = "connect"
            connection = await connect(self._poller, self._address, hop.port, until=self._until, talks=True)
            self._add("connect", connection.connect_ms)
            return connection
        try:
            return await self._through(self._params.proxy, hop)
        except (OSError, Ending) as error:
            if isinstance(error, OwnLoginFailed):
                raise
            why = error.detail if isinstance(error, Ending) else error.strerror
            raise Inconclusive(f"the proxy {self._params.proxy}: {why}") from None

    async def _through(self, proxy: str, hop: Hop) -> Connection:
        """Connect to the proxy, and for https through it (CONNECT, RFC 9110, section 9.3.6)."""
        parts = urlsplit(proxy)
        self._address, took_ms = await resolve(Target(parts.hostname or ""), self._context)
        self._add("resolve", took_ms)
        self._context.phase = "connect"
        connection = await connect(
            self._poller, self._address, parts.port or 80, until=self._until, talks=True
        )
        self._add("connect", connection.connect_ms)
        if hop.scheme == "https":
            try:
                await self._tunnel(connection, hop)
            except BaseException:
                connection.close()
                raise
        return connection

    async def _tunnel(self, connection: Connection, hop: Hop) -> None:
        host = f"[{hop.host}]" if ":" in hop.host else hop.host
        authority, answer = f"{host}:{hop.port}", Response("CONNECT", 0, keep=False)
        sent_at = await connection.send(
            request("CONNECT", authority, [("Host", authority)], b""), self._until
        )
        at = sent_at
        while not answer.done:
            data, at = await connection.recv(FIRST, self._until)
            answer.feed(data) if data else answer.end()
        self._add("connect", (at - sent_at) * 1000)
        if answer.status == 407:
            raise OwnLoginFailed(f"the proxy {self._params.proxy} wants a login")
        if not 200 <= answer.status < 300:
            raise ProtocolViolated(f"CONNECT {authority} was answered {answer.status}")

    async def _secured(self, connection: Connection, hop: Hop, settings: ssl.SSLContext) -> TlsStream:
        self._context.phase = "tls"
        name = self._params.server_name or hop.host
        stream = await start_tls(connection, settings, name, self._until)
        self._add("tls", stream.handshake_ms)
        cipher = stream.tls.cipher()
        self._tls = (stream.tls.version() or "", cipher[0] if cipher else "")
        self._certificate = peer(stream.tls)
        return stream

    async def _exchange(self, stream: Stream, hop: Hop) -> None:
        self._context.phase = "first_byte"
        sent_at = await stream.send(self._request(hop), self._until)
        data, first_at = await stream.recv(FIRST, self._until)
        self._add("first_byte", (first_at - sent_at) * 1000)
        self._context.phase = "transfer"
        at, response, pieces = first_at, self.response, 0
        self._take(data)
        while not response.done:
            data, at = await stream.recv(PIECE, self._until)
            self._take(data)
            pieces += 1
            if pieces % BREATH == 0:
                await asyncio.sleep(0)
        self._add("transfer", (at - first_at) * 1000)

    def _take(self, data: bytes) -> None:
        if data:
            self.response.feed(data)
        else:
            self.response.end()

    def _request(self, hop: Hop) -> bytes:
        fields = [("Host", hop.authority), ("Connection", "close"), *self._fields]
        if hop.scheme in (self.first.scheme, "https"):
            fields += self._secret_fields
        absolute = self._params.proxy is not None and hop.scheme == "http"
        return request(hop.method, hop.url if absolute else hop.path, fields, hop.body)

    def _add(self, phase: str, took_ms: float) -> None:
        self.phases[phase] = self.phases.get(phase, 0.0) + took_ms

    def same_host(self, host: str) -> bool:
        """Whether a redirect to `host` stays on the asset."""
        return host.lower() in (self.first.host.lower(), self._target.address.lower())

    @property
    def remark(self) -> str:
        """What a good reading should still say."""
        return f"stopped after {self.response.body_bytes} bytes of body" if self.response.truncated else ""

    def metrics(self) -> dict[str, float]:
        """Return what was measured until now."""
        metrics = {f"{phase}_ms": took for phase, took in self.phases.items() if phase != "resolve"}
        metrics["total_ms"] = sum(self.phases.values())
        metrics["redirects"] = float(self.redirects)
        if self.response.head_done:
            metrics["status"] = float(self.response.status)
            metrics["body_bytes"] = float(self.response.body_bytes)
        if self._certificate is not None:
            metrics["cert_days_left"] = self._certificate.days_left(now())
        return metrics

    def facts(self) -> dict[str, str]:
        """Return what was said until now."""
        facts = {"url": self._hop.shown}
        if self._address is not None:
            facts["address"], facts["family"] = self._address.host, self._address.family
        if self.response.head_done:
            facts["server"] = self.response.field("server")
            facts["content_type"] = self.response.field("content-type")
        if self._tls[0]:
            facts["tls_version"], facts["tls_cipher"] = self._tls
        if self._certificate is not None:
            facts["cert_not_after"] = self._certificate.not_after_text
        return facts


def next_hop(hop: Hop, visit: Visit, limit: int) -> Hop | None:
    """Return where the response redirects to, or None where it is the last one.

    Raises `ExpectationFailed` for a redirect that is not followed: elsewhere, or one too many.
    """
    location = visit.response.fields.get("location", "")
    if limit == 0 or visit.response.status not in REDIRECTS or not location:
        return None
    found = _located(hop, location)
    if not visit.same_host(found.host):
        raise ExpectationFailed(
            f"redirects to {found.shown}, another host, which is not followed; "
            "give that host a check of its own, and here write redirects: 0 and the status"
        )
    if visit.redirects >= limit:
        raise ExpectationFailed(f"more than {limit} redirects, the last to {found.shown}")
    visit.redirects += 1
    return _redirected(found, visit.response.status)


def _located(hop: Hop, location: str) -> Hop:
    """Resolve a Location field (RFC 9110, section 10.2.2). Raises `ProtocolViolated`."""
    try:
        parts = urlsplit(urljoin(hop.url, location[:MAX_LOCATION]))
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        host = port = None
    if not host or not port:
        raise ProtocolViolated(f"redirects to {clip(location, 300)!r}, which is no address")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return replace(hop, scheme=parts.scheme, host=host, port=port, path=f"{path}?{query}" if query else path)


def _redirected(hop: Hop, status: int) -> Hop:
    """Return the request with the method that follows (RFC 9110, section 15.4: GET but after 307 and 308)."""
    keeps = status in (307, 308) or hop.method in ("GET", "HEAD") or (status != 303 and hop.method != "POST")
    return hop if keeps else replace(hop, method="GET", body=b"")
