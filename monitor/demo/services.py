"""Small services on loopback for the demonstration to watch: two good ones, a slow one, one that expires."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from aiohttp import web

from monitor.demo.certificates import Authority
from monitor.demo.smtp import Sink

HERE = "127.0.0.1"
NAME = "portal.muster-demo.example"
SLOWNESS_S = 1.5
GOOD_DAYS, EXPIRING_DAYS = 365, 5


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the services are, all on 127.0.0.1; `subjects` are those of the mails that came in."""

    app_port: int
    slow_port: int
    expiring_port: int
    dns_port: int
    smtp_port: int
    ca_file: Path
    subjects: deque[str]


@asynccontextmanager
async def services(directory: Path) -> AsyncIterator[Demo]:
    """Run all services until the block ends. The authority's certificate is written into `directory`."""
    authority, good, expiring = _credentials(directory)
    async with AsyncExitStack() as stack:
        sink = Sink()
        yield Demo(
            app_port=await stack.enter_async_context(_http(0.0, good)),
            slow_port=await stack.enter_async_context(_http(SLOWNESS_S)),
            expiring_port=await stack.enter_async_context(_http(0.0, expiring)),
            dns_port=await stack.enter_async_context(_dns()),
            smtp_port=await stack.enter_async_context(sink.listening(HERE)),
            ca_file=authority.file,
            subjects=sink.subjects,
        )


def _credentials(directory: Path) -> tuple[Authority, ssl.SSLContext, ssl.SSLContext]:
    """Make the authority and its two certificates: a few milliseconds."""
    authority = Authority(directory)
    return authority, authority.server("portal", GOOD_DAYS), authority.server("payment", EXPIRING_DAYS)


@asynccontextmanager
async def _http(delay_s: float, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve the little application, each answer after `delay_s`; yields its port."""
    runner = web.AppRunner(_application(delay_s), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, HERE, 0, ssl_context=tls).start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()


def _application(delay_s: float) -> web.Application:
    async def login(_: web.Request) -> web.Response:
        await asyncio.sleep(delay_s)
        text = "<!doctype html><title>Sign in</title><h1>Customer service</h1><form>Sign in</form>"
        return web.Response(text=text, content_type="text/html")

    async def customer(_: web.Request) -> web.Response:
        await asyncio.sleep(delay_s)
        return web.json_response({"customer": {"number": "0301000001", "status": "active"}, "balance": 0})

    app = web.Application()
    app.add_routes([web.get("/login", login), web.get("/api/customer", customer)])
    return app


class _Answerer(asyncio.DatagramProtocol):
    """Answers questions for one name, and NXDOMAIN for every other (RFC 1035)."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            query = dns.message.from_wire(data)
            self.transport.sendto(_answer(query).to_wire(), addr)
        except (dns.exception.DNSException, ValueError):
            return


def _answer(query: dns.message.Message) -> dns.message.Message:
    answer = dns.message.make_response(query, recursion_available=True)
    answer.flags |= dns.flags.AA
    names = [each.name.to_text(omit_final_dot=True).lower() for each in query.question]
    if names != [NAME]:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif query.question[0].rdtype == 1:
        answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", HERE))
    return answer


@asynccontextmanager
async def _dns() -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Answerer, (HERE, 0))
    try:
        port: int = transport.get_extra_info("sockname")[1]
        yield port
    finally:
        transport.close()
