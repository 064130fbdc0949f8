"""Stands in for InfluxDB 2 and 3, which can't be had here: takes lines, and refuses them as they do.

What it says is taken from the documentation of their write API, not from a recording.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

TOKEN = "marker-token-5f2c"
LINE = re.compile(
    r"(?:[^\s,\\]|\\.)+(?:,(?:[^\s,=\\]|\\.)+=(?:[^\s,=\\]|\\.)+)* "
    r'(?:(?:[^\s,=\\]|\\.)+=(?:-?[\d.]+(?:e[-+]?\d+)?i?|"(?:[^"\\]|\\.)*")(?:,|(?= )))+ -?\d+'
)
"""What a line looks like, strictly."""
Answer = Callable[[web.Request], "web.StreamResponse | None"]


def said(
    status: int, message: str, code: str = "invalid", headers: dict[str, str] | None = None
) -> web.Response:
    """Return an answer as InfluxDB 2 words it."""
    body = json.dumps({"code": code, "message": message})
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)


@dataclass
class InfluxDB:
    """The server: `refuse` is asked before anything else, `bad` tells which lines it does not take."""

    port: int = 0
    token: str = TOKEN
    org: str = "grid"
    bucket: str = "muster"
    retention_s: int = 0
    version: int = 2
    lines: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    refuse: Answer = lambda _: None
    bad: Callable[[str], str] = lambda _: ""
    """Returns what is wrong with a line, or an empty text."""
    most_bytes: int = 2**30
    hang: bool = False
    tls: bool = False
    compressed: int = 0
    seen: list[str] = field(default_factory=list)
    """Headers of authorisation, as they came."""

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://localhost:{self.port}"

    async def write(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self.seen.append(request.headers.get("Authorization", ""))
        body = await request.read()
        if self.hang:
            await asyncio.sleep(3600)
        answer = self.refuse(request) or self._denied(request)
        if answer is not None:
            return answer
        if request.headers.get("Content-Encoding") == "gzip":
            self.compressed += 1  # aiohttp has taken it apart already
        if len(body) > self.most_bytes:
            return said(413, "unable to read data: points batch is too large", "request too large")
        return self._take(body.decode().split("\n"))

    def _denied(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != f"Token {self.token}":
            return said(401, "unauthorized access", "unauthorized")
        if request.query.get("bucket") != self.bucket:
            return said(404, f'bucket "{request.query.get("bucket")}" not found', "not found")
        return None

    def _take(self, lines: list[str]) -> web.Response:
        wrong = {number: why for number, each in enumerate(lines, 1) if (why := self._wrong(each))}
        if wrong and self.version == 2:
            first = next(iter(wrong))
            return said(400, f"unable to parse '{lines[first - 1]}': {wrong[first]}")
        good = [each for number, each in enumerate(lines, 1) if number not in wrong]
        self.lines.update(good)
        if not wrong:
            return web.Response(status=204)
        data = [
            {"original_line": lines[n - 1][:20], "line_number": n, "error_message": why}
            for n, why in wrong.items()
        ]
        text = json.dumps({"error": "partial write of line protocol occurred", "data": data})
        return web.Response(status=400, text=text, content_type="application/json")

    def _wrong(self, line: str) -> str:
        return self.bad(line) or ("" if LINE.fullmatch(line) else "invalid field format")

    async def buckets(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Token {self.token}":
            return said(401, "unauthorized access", "unauthorized")
        name = request.query.get("name")
        rules = [{"type": "expire", "everySeconds": self.retention_s}] if self.retention_s else []
        found = [{"name": self.bucket, "retentionRules": rules}] if name == self.bucket else []
        return web.json_response({"buckets": found})

    async def health(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"name": "influxdb", "status": "pass", "version": "v2.7.10"})


@asynccontextmanager
async def influxdb(tls: ssl.SSLContext | None = None) -> AsyncIterator[InfluxDB]:
    """Run the server on a private port."""
    server = InfluxDB(tls=tls is not None)
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/api/v2/write", server.write)
    app.router.add_get("/api/v2/buckets", server.buckets)
    app.router.add_get("/health", server.health)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
