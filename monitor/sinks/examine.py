"""What `muster doctor` asks of the server: does it answer, know the token, have the bucket. Writes nothing.

InfluxDB 2 tells of buckets to tokens that may read them (`GET /api/v2/buckets`); a token that may only write
is tried by a write of no lines. InfluxDB 3 and VictoriaMetrics know no buckets of that kind.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from monitor.sinks.settings import InfluxSettings
from monitor.sinks.trouble import Cause, trouble
from monitor.tls import client_context
from probes.api import SecretRef

MOST_ANSWER = 1024 * 1024
DAY_S = 86_400
_NAMING = {
    "influxMeasurementFieldSeparator": "_",
    "influxSkipMeasurement": "false",
    "influxSkipSingleField": "false",
}
"""Options of VictoriaMetrics by which series are named, as they are to be."""
_FLAG = re.compile(r'^flag\{name="(\w+)", value="([^"]*)"', re.MULTILINE)
_DEDUP = re.compile(r'^flag\{name="dedup\.minScrapeInterval", value="([^"]*)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Said:
    """One finding: `good`, `warning` or `bad`, what it is, and what to do."""

    level: str
    text: str
    remedy: str = ""


@dataclass(slots=True)
class Examination:
    """Asks one server."""

    settings: InfluxSettings
    secret: Callable[[SecretRef], str]
    raw_days: int

    async def run(self) -> list[Said]:
        """Return what was found; never raises for what the server does."""
        found: list[Said] = []
        try:
            async for each in self._asked():
                found.append(each)  # noqa: PERF401 - what was found before an error counts
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            found.append(_unreached(error))
        except LookupError as error:
            found.append(Said("bad", str(error), "store the token under the name that [influx] gives"))
        return found

    async def _asked(self) -> AsyncIterator[Said]:
        settings = self.settings
        token = await asyncio.to_thread(self.secret, settings.token) if settings.token else ""
        if settings.token and settings.url.startswith("http://"):
            text, remedy = "the token goes over clear text", "use https, or keep it on one host or network"
            yield Said("warning", text, remedy)
        context = await asyncio.to_thread(client_context, settings.ca_file)
        headers = {"Authorization": f"Token {token}"} if token else {}
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), headers=headers,
            timeout=aiohttp.ClientTimeout(total=settings.timeout),
        ) as session:  # fmt: skip
            async for each in self._written(session, token):
                yield each
            if settings.server == "influxdb2":
                yield await self._bucket(session, token)
            elif settings.server == "victoriametrics":
                for each in await self._options(session):
                    yield each

    async def _written(self, session: aiohttp.ClientSession, token: str) -> AsyncIterator[Said]:
        """Write nothing: a server that knows token and bucket says so, or that there are no points."""
        query = {"org": self.settings.org or "-", "bucket": self.settings.bucket, "precision": "ms"}
        status, headers, body = await self._ask(session, "POST", "/api/v2/write", query)
        version = headers.get("X-Influxdb-Version", "")
        if status < 300 or (status == 400 and self.settings.server != "victoriametrics"):
            yield Said("good", f"{self.settings.url} answers{f' ({version})' if version else ''}")
            return
        found = trouble(status, headers, body, (token,))
        remedies = {
            Cause.AUTH: "give the token leave to write to the bucket, or store another",
            Cause.MISSING: "make the bucket (database), or check org, bucket and url in [influx]",
        }
        remedy = remedies.get(found.cause, "look at its own log")
        yield Said("bad", f"{self.settings.url}: {found.text}", remedy)

    async def _bucket(self, session: aiohttp.ClientSession, token: str) -> Said:
        query = {"org": self.settings.org, "name": self.settings.bucket}
        status, headers, body = await self._ask(session, "GET", "/api/v2/buckets", query)
        if status >= 300:
            text = f"the bucket can't be examined: {trouble(status, headers, body, (token,)).text}"
            return Said("warning", text, "give the token leave to read the bucket, too")
        return retention(body, self.settings.bucket, self.raw_days)

    async def _options(self, session: aiohttp.ClientSession) -> list[Said]:
        """Ask VictoriaMetrics how it was started."""
        status, _, body = await self._ask(session, "GET", "/metrics", {})
        text = body.decode("utf-8", "replace") if status < 300 else ""
        return [dropping(text), *naming(text)]

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, path: str, query: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        async with session.request(
            method, self.settings.url + path, params=query, allow_redirects=False,
            proxy=self.settings.proxy or None,
        ) as answer:  # fmt: skip
            body = bytearray()
            while more := await answer.content.read(MOST_ANSWER - len(body)):
                body += more
            return answer.status, {str(k): str(v) for k, v in answer.headers.items()}, bytes(body)


def dropping(flags: str) -> Said:
    """Return whether VictoriaMetrics drops identical points, by its own metrics."""
    found = _DEDUP.search(flags)
    if found is None:
        return Said("warning", "whether VictoriaMetrics drops identical points can't be seen", DEDUP)
    if found[1] in ("", "0", "0s"):
        return Said("warning", "VictoriaMetrics keeps points that are written twice", DEDUP)
    return Said("good", f"identical points are dropped ({found[1]})")


def naming(flags: str) -> Iterator[Said]:
    """Yield what makes VictoriaMetrics name series otherwise than the dashboards do."""
    for name, value in _FLAG.findall(flags):
        if value != _NAMING.get(name, value):
            text = f"VictoriaMetrics names series otherwise than the dashboards do: -{name}={value}"
            yield Said("warning", text, f"start it without -{name}")


DEDUP = "start it with -dedup.minScrapeInterval=1ms"


def retention(body: bytes, bucket: str, raw_days: int) -> Said:
    """Return what the answer about a bucket means: whether it is there, and keeps as much as the store."""
    rules = _rules(body, bucket)
    if rules is None:
        text = f"no bucket {bucket}, or the token may not read it"
        return Said("warning", text, "make it, or give the token leave to read it")
    seconds = min((n for rule in rules if type(n := rule.get("everySeconds")) is int and n > 0), default=0)
    if 0 < seconds < raw_days * DAY_S:
        text = f"bucket {bucket} keeps {seconds / DAY_S:g} d, less than the {raw_days} d of the store"
        return Said("warning", text, "a gap older than that can't be filled; keep more")
    return Said("good", f"bucket {bucket} keeps {f'{seconds / DAY_S:g} d' if seconds else 'everything'}")


def _rules(body: bytes, bucket: str) -> list[dict[str, Any]] | None:
    try:
        document = json.loads(body)
        found = next(each for each in document["buckets"] if each["name"] == bucket)
        return [rule for rule in found.get("retentionRules") or () if isinstance(rule, dict)]
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
        return None


def _unreached(error: Exception) -> Said:
    """Return what an error of the transport means; its own text may hold anything."""
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
        return Said("bad", "the certificate does not verify", "check ca_file in [influx]")
    if isinstance(error, TimeoutError):
        return Said("bad", "no answer in time", "check url and proxy in [influx]")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return Said("bad", f"not reached: {reason}", "check url and proxy in [influx]")
