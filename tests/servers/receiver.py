"""A real HTTP server that takes what is posted: slow, redirecting or refusing if asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Posted:
    """A request that came in."""

    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came in, and how the server is to answer; may be changed while it runs."""

    posted: list[Posted] = field(default_factory=list)
    status: int = 200
    body: bytes = b"{}"
    slow: float = 0.0
    location: str = ""
    port: int = 0

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        query, headers = dict(request.query), dict(request.headers)
        self.posted.append(Posted(request.host, request.path, query, headers, body))
        await asyncio.sleep(self.slow)
        given = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, body=self.body, headers=given)


@asynccontextmanager
async def receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a server on a private port."""
    taking = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", taking._take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    taking.port = runner.addresses[0][1]
    try:
        yield taking
    finally:
        await runner.cleanup()
