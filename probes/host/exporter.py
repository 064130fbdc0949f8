"""A Prometheus exporter, scraped once a run, its series mapped to metrics: agents that are there already.

Text format 0.0.4 or OpenMetrics 1.0, read as a stream and bounded. A mapped series that is absent, stale or
ambiguous is not reported and named in the fact `missing`; where none is there at all, the run fails.
"""

from __future__ import annotations

import asyncio
import codecs
import email.utils
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Literal

import aiohttp
from pydantic import Field, field_validator, model_validator
from yarl import URL

from probes._exposition import Malformed, Sample, Scan, Selector
from probes._resolve import Address, resolve
from probes.api import (
    Context,
    FactDef,
    MetricDef,
    Params,
    ProbeSpec,
    Reading,
    Seconds,
    Secret,
    Shared,
    Target,
    clip,
)
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    ProberFault,
    ProtocolViolated,
    TlsFailed,
    from_oserror,
)
from probes.host import _snapshot
from probes.host._mapping import FactMap, LastSamples, MetricMap, Scrape, fact, fresh, metric, selectors_of
from probes.host._presets import PRESETS

MAX_BODY = 16 * 1024 * 1024
"""Longest exposition read, in bytes after decompression."""
CHUNK = 16 * 1024
"""Bytes parsed at a stretch: a few milliseconds at worst."""
SPAN_S = 1.0
"""Between the two scrapes of a first run, when rates are asked for."""
ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4"


class ExporterParams(Params):
    """Where the exporter is, how to log in, and what to take."""

    preset: Literal["node_exporter", "windows_exporter"] | None = Field(
        None, description="Take what host reports, under the same names."
    )
    metrics: dict[str, MetricMap] = Field(
        default_factory=dict, max_length=500, description="Metrics by name: a series, or how to compute one."
    )
    facts: dict[str, FactMap] = Field(
        default_factory=dict, max_length=100, description="Facts by name: a series and the label to take."
    )
    port: int | None = Field(None, ge=1, le=65535, description="By default the preset's, else 9100.")
    path: str = Field("/metrics", pattern=r"^/[!-~]*$", description="Path and query.")
    tls: bool = Field(False, description="Use HTTPS, and verify the certificate.")
    verify: bool = Field(True, description="Whether the certificate must verify.")
    ca: str | None = Field(None, description="File with the certificates to trust instead of the system's.")
    server_name: str | None = Field(None, description="The name in the certificate, if not the address.")
    user: str | None = Field(None, description="User of HTTP basic authentication.")
    password: Secret | None = Field(None, description="Its password.")
    bearer: Secret | None = Field(None, description="A bearer token, instead of user and password.")
    max_age: Seconds = Field(300.0, gt=0, description="Samples that state an older time are stale.")

    @field_validator("metrics", "facts")
    @classmethod
    def _names(cls, value: dict[str, MetricMap | FactMap]) -> dict[str, MetricMap | FactMap]:
        for name in value:
            if not name.isidentifier() or not name.isascii():
                msg = f"{name!r} is no name of a metric or fact; write letters, digits and _"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _asks_something(self) -> ExporterParams:
        if not self.metrics and not self.facts and self.preset is None:
            msg = "nothing is asked for; give preset: node_exporter, or metrics: {load1: node_load1}"
            raise ValueError(msg)
        if self.bearer is not None and self.user is not None:
            msg = "give either bearer, or user and password"
            raise ValueError(msg)
        return self

    def wanted(self) -> tuple[dict[str, MetricMap], dict[str, FactMap]]:
        """Return all metrics and facts, the preset's first."""
        preset = PRESETS.get(self.preset or "")
        if preset is None:
            return self.metrics, self.facts
        return preset.metrics | self.metrics, preset.facts | self.facts

    @property
    def port_used(self) -> int:
        """The port that is asked."""
        preset = PRESETS.get(self.preset or "")
        return self.port or (preset.port if preset else 9100)


def _connections() -> aiohttp.TraceConfig:
    """Return what moves a run's context, given as a request's, from connect to first byte."""
    config = aiohttp.TraceConfig()

    async def connected(_: aiohttp.ClientSession, tracing: Any, __: object) -> None:
        tracing.trace_request_ctx.phase = "first_byte"

    config.on_connection_create_end.append(connected)
    return config


class ScrapeSession:
    """The one HTTP session of all exporters; a client for `Shared.get`. Connections are not kept."""

    def __init__(self, _: Shared) -> None:
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, happy_eyeballs_delay=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None, connect=None),
            trust_env=False,
            read_bufsize=CHUNK,
            trace_configs=[_connections()],
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self.http.close()


async def probe_exporter(target: Target, params: ExporterParams, context: Context) -> Reading:
    """Scrape one exporter. Raises what the connection, the login or the text came to."""
    metrics_wanted, facts_wanted = params.wanted()
    phases: dict[str, float] = {}
    address, phases["resolve"] = await resolve(target, context)
    scrape = await _scrape(target, address, params, context, phases)
    if scrape.first and context.remaining > 2 * SPAN_S:
        await asyncio.sleep(SPAN_S)
        scrape = await _scrape(target, address, params, context, phases)
    metrics = {name: metric(how, scrape) for name, how in metrics_wanted.items()}
    facts = {name: fact(how, scrape) for name, how in facts_wanted.items()}
    missing = [name for name, value in (metrics | facts).items() if value is None]
    if len(missing) == len(metrics) + len(facts):
        raise ExpectationFailed("none of the series asked for is there", phases=phases)
    found_facts = {name: clip(value) for name, value in facts.items() if value is not None}
    if missing:
        found_facts["missing"] = ", ".join(sorted(missing))
    found = {name: value for name, value in metrics.items() if value is not None}
    return Reading.ok(found | {"scrape_ms": phases["scrape"]}, found_facts, phases)


async def _scrape(
    target: Target, address: Address, params: ExporterParams, context: Context, phases: dict[str, float]
) -> Scrape:
    metrics, facts = params.wanted()
    expressions = [text for how in metrics.values() for text in how.expressions]
    scan = Scan(selectors_of((*expressions, *(how.of for how in facts.values()))))
    start = time.perf_counter()
    async with _answer(target, address, params, context) as response:
        phases["first_byte"] = _milliseconds_since(start)
        scan.open_metrics = response.content_type == "application/openmetrics-text"
        samples = await _read(response, scan, context)
        now = _clock(response.headers.get("Date"))
    phases["scrape"] = _milliseconds_since(start)
    scrape = Scrape(fresh(samples, now, params.max_age, 1 if scan.open_metrics else 1000), now)
    rated = selectors_of(tuple(text for how in metrics.values() if how.rate for text in how.expressions))
    url = f"{target.address}:{params.port_used}{params.path}"
    scrape.add_rates(context.shared.get(LastSamples), url, rated, start)
    return scrape


@asynccontextmanager
async def _answer(
    target: Target, address: Address, params: ExporterParams, context: Context
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask once, no redirect followed. Raises an `Ending` for all that is not an answer with status 200."""
    session = context.shared.get(ScrapeSession).http
    headers = _headers(target, params, context.shared)
    context.phase = "connect"
    try:
        async with session.get(
            _url(address, params),
            headers=headers,
            allow_redirects=False,
            trace_request_ctx=context,
            ssl=await _tls(params),
            server_hostname=(params.server_name or target.address) if params.tls else None,
        ) as response:
            context.phase = "transfer"
            _check_status(response, params)
            yield response
    except aiohttp.ClientError as error:
        raise _failed(error, context) from None
    except Malformed as error:
        raise ProtocolViolated(clip(f"the exposition: {error}", 300)) from None


async def _read(
    response: aiohttp.ClientResponse, scan: Scan, context: Context
) -> dict[Selector, list[Sample]]:
    decoder, size = codecs.getincrementaldecoder("utf-8")("replace"), 0
    async for chunk in response.content.iter_chunked(CHUNK):
        size += len(chunk)
        if size > MAX_BODY:
            raise ProtocolViolated(f"the exposition is longer than {MAX_BODY >> 20} MiB")
        scan.feed(decoder.decode(chunk))
        await asyncio.sleep(0)
    context.log(f"{size} bytes, {scan.kept} series kept")
    return scan.close()


def _url(address: Address, params: ExporterParams) -> URL:
    host = f"[{address.host}]" if address.family == "6" else address.host
    return URL(f"{'https' if params.tls else 'http'}://{host}:{params.port_used}{params.path}", encoded=True)


def _headers(target: Target, params: ExporterParams, shared: Shared) -> dict[str, str]:
    host = f"[{target.address}]" if ":" in target.address else target.address
    headers = {"Host": f"{host}:{params.port_used}", "Accept": ACCEPT, "User-Agent": "muster"}
    if params.bearer is not None:
        headers["Authorization"] = f"Bearer {shared.secret(params.bearer)}"
    elif params.user is not None:
        password = "" if params.password is None else shared.secret(params.password)
        headers["Authorization"] = aiohttp.encode_basic_auth(params.user, password)
    return headers


def _check_status(response: aiohttp.ClientResponse, params: ExporterParams) -> None:
    if response.status in (401, 403):
        who = f"user {params.user}" if params.user else "the bearer token" if params.bearer else "no login"
        raise OwnLoginFailed(f"HTTP {response.status} for {params.path} with {who}")
    if response.status != 200:
        raise ExpectationFailed(clip(f"HTTP {response.status} {response.reason} for {params.path}", 200))


def _failed(error: aiohttp.ClientError, context: Context) -> Ending:
    if isinstance(error, aiohttp.ClientSSLError):
        return TlsFailed(clip(f"tls: {error.__cause__ or error}", 300))
    if isinstance(error, OSError):
        return from_oserror(error, context.phase)
    return ProtocolViolated(clip(f"{context.phase}: {error or type(error).__name__}", 300))


def _clock(date: str | None) -> float:
    """Return the exporter's own clock (its Date header, RFC 9110 section 6.6.1), else ours."""
    try:
        return email.utils.parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return time.time()


@lru_cache(maxsize=64)
def _ssl(ca: str | None, verify: bool) -> ssl.SSLContext:
    """Return a context, made once: loading the system's certificates costs milliseconds."""
    made = ssl.create_default_context(cafile=ca)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


async def _tls(params: ExporterParams) -> ssl.SSLContext | bool:
    if not params.tls:
        return False
    try:
        return await asyncio.to_thread(_ssl, params.ca, params.verify)
    except OSError as error:
        raise ProberFault(f"can't load the certificates in {params.ca}: {error}") from None


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


PROBE = ProbeSpec(
    name="exporter",
    family="host",
    summary="A Prometheus exporter's series as metrics; node_exporter and windows_exporter as agents",
    params=ExporterParams,
    run=probe_exporter,
    metrics=(
        *_snapshot.HOST_METRICS,
        MetricDef("scrape_ms", "ms", "lower", 0.001, "connect to last byte"),
    ),
    facts=(
        *_snapshot.HOST_FACTS,
        FactDef("missing", help="what was asked for and is absent, stale or ambiguous"),
    ),
    phases=("resolve", "first_byte", "scrape"),
    kinds=(
        "unreachable", "refused", "timeout", "dns", "tls",
        "protocol",  # no HTTP, no exposition, one that breaks off or is too long
        "expectation",  # another HTTP status than 200, or none of the series
        "auth", "permission", "inconclusive", "prober_error",
    ),
    dynamic=True,
    default_every=60.0,
    default_timeout=10.0,
)  # fmt: skip
