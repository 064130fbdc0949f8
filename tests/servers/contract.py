"""Outside systems as a contract check meets them: an SMS gateway and a metering system that check
signatures, a bank and a finance system over SOAP, an agent that collects payments, a map server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from aiohttp import web

from tests.servers.ports import free_port

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


@dataclass
class Contract:
    """What came in, and how the systems behave."""

    port: int
    key: str
    delivered_after_s: float = 0.3
    rows: int = 3
    seen: list[tuple[str, str]] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    _submitted: dict[str, float] = field(default_factory=dict)

    async def login(self, request: web.Request) -> web.Response:
        """Give a token, with characters that a path must escape."""
        self.seen.append((request.path, await request.text()))
        return web.json_response({"token": "t/1?&x", "seconds": 60})

    async def submit(self, request: web.Request) -> web.Response:
        """Take a message whose signature is right: HMAC-SHA256 of time, nonce and the body's digest."""
        body = await request.read()
        stamp, nonce = request.headers["X-Time"], request.headers["X-Nonce"]
        text = f"{request.method}\n{request.raw_path}\n{stamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
        right = hmac.new(self.key.encode(), text.encode(), "sha256").hexdigest()
        if not hmac.compare_digest(right, request.headers.get("X-Signature", "")):
            return web.json_response(
                {"code": 40101, "message": f"wrong signature for {self.key}"}, status=401
            )
        if nonce in self.nonces or abs(time.time() - int(stamp)) > 60:
            return web.json_response({"code": 40102}, status=409)
        self.nonces.add(nonce)
        self.seen.append((request.path, body.decode()))
        self._submitted["m-1"] = time.monotonic()
        return web.json_response({"code": 0, "id": "m-1"}, status=202)

    async def receipt(self, request: web.Request) -> web.Response:
        """Say whether a message was delivered: it is, a while after."""
        passed = time.monotonic() - self._submitted[request.match_info["id"]]
        state = "delivered" if passed >= self.delivered_after_s else "queued"
        return web.json_response({"code": 0, "state": state, "parts": 1})

    async def show(self, request: web.Request) -> web.Response:
        """Repeat what was asked."""
        return web.json_response({"path": request.raw_path, "token": request.query.get("token", "")})

    async def bank(self, request: web.Request) -> web.Response:
        """Answer a SOAP question for the balance of a day."""
        asked = ET.fromstring(await request.text())
        day = asked.findtext(f"{SOAP}Body/{{urn:bank}}Count/{{urn:bank}}Day")
        text = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<b:CountResult xmlns:b="urn:bank" day="{day}"><b:Code>0000</b:Code><b:Rows>{self.rows}</b:Rows>'
            "</b:CountResult></s:Body></s:Envelope>"
        )
        return web.Response(text=text, content_type="text/xml")

    async def bank_gbk(self, request: web.Request) -> web.Response:
        """Answer in GBK what was asked in GBK."""
        asked = (await request.read()).decode("gbk")
        self.seen.append((request.path, asked))
        text = '<?xml version="1.0" encoding="GBK"?><Reply><Code>0000</Code><Text>交易成功</Text></Reply>'
        return web.Response(body=text.encode("gbk"), content_type="text/xml")

    async def collector(self, request: web.Request) -> web.Response:
        """Log a collecting agent in by a form, and show a bill to who has the token."""
        if request.path.endswith("/login"):
            form = await request.post()
            good = (form["agent"], form["password"]) == ("A0107", self.key)
            return web.json_response({"token": "agent-token-1"}, status=200 if good else 401)
        if request.headers.get("Authorization") != "Bearer agent-token-1":
            return web.json_response({}, status=403)
        return web.json_response({"customer": request.query["customer"], "bills": [{"due": 12.5}]})

    async def metering(self, request: web.Request) -> web.Response:
        """Show the newest reading of a meter to who signs with base64 of HMAC-SHA256."""
        body, text = await request.read(), request.headers["X-Date"]
        right = base64.b64encode(hmac.digest(self.key.encode(), text.encode() + b"." + body, "sha256"))
        if request.headers.get("Authorization") != f"HMAC muster:{right.decode()}":
            return web.json_response({}, status=401)
        meter = json.loads(body)["meter"]
        return web.json_response({"result": "ok", "data": [{"meter": meter, "kwh": 1042.7, "age_min": 9}]})

    async def finance(self, request: web.Request) -> web.Response:
        """Answer a SOAP 1.2 question for a period's state to who has the key."""
        if request.headers.get("X-Api-Key") != self.key or request.content_type != "application/soap+xml":
            return web.Response(status=401)
        period = ET.fromstring(await request.text()).findtext(".//{urn:finance}Period")
        text = (
            '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>'
            f'<f:State xmlns:f="urn:finance" period="{period}">OPEN</f:State></e:Body></e:Envelope>'
        )
        return web.Response(text=text, content_type="application/soap+xml")

    async def gis(self, request: web.Request) -> web.Response:
        """Answer as a map server: what the service is, and features by attribute."""
        if request.path.endswith("/query"):
            where = request.query["where"]
            return web.json_response({"features": [{"attributes": {"CODE": where.split("'")[1]}}]})
        layers = [{"id": 0, "name": "transformers"}]
        return web.json_response({"currentVersion": 11.3, "layers": layers, "capabilities": "Map,Query"})

    async def bomb(self, _: web.Request) -> web.Response:
        """Answer with entities that would grow."""
        text = '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><a>&d;</a>'
        return web.Response(text=text, content_type="text/xml")

    async def guarded(self, request: web.Request) -> web.Response:
        """Refuse, and repeat the credentials."""
        status = int(request.query.get("status", "401"))
        return web.Response(status=status, text=request.headers.get("Authorization", ""))

    async def away(self, _: web.Request) -> web.Response:
        """Lead elsewhere."""
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})

    async def large(self, _: web.Request) -> web.Response:
        """Answer with much."""
        return web.json_response({"code": 0, "much": "x" * 100_000})


@asynccontextmanager
async def contract(key: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Contract]:
    """Serve on a private port of loopback."""
    served = Contract(free_port(), key)
    app = web.Application()
    app.router.add_post("/login", served.login)
    app.router.add_post("/sms", served.submit)
    app.router.add_get("/sms/{id}", served.receipt)
    app.router.add_get("/show/{rest:.*}", served.show)
    app.router.add_post("/bank", served.bank)
    app.router.add_post("/bank/gbk", served.bank_gbk)
    app.router.add_post("/agent/login", served.collector)
    app.router.add_get("/agent/bills", served.collector)
    app.router.add_post("/ami/readings", served.metering)
    app.router.add_post("/finance/PeriodService", served.finance)
    app.router.add_get("/arcgis/rest/services/grid/MapServer", served.gis)
    app.router.add_get("/arcgis/rest/services/grid/MapServer/0/query", served.gis)
    app.router.add_get("/bomb", served.bomb)
    app.router.add_get("/guarded", served.guarded)
    app.router.add_get("/away", served.away)
    app.router.add_get("/large", served.large)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", served.port, ssl_context=tls).start()
    try:
        yield served
    finally:
        await runner.cleanup()
