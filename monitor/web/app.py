"""The web application: which address is answered by what, and how it is served."""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from aiohttp import web

from monitor.process.listening import CannotListen
from monitor.settings import Web
from monitor.web import api, history, incidents, pages, plan, versions
from monitor.web.exposition import CONTENT_TYPE, expose
from monitor.web.serving import (
    POOL,
    SETTINGS,
    THREADS,
    VIEW,
    errors_middleware,
    only_this_host,
    secure,
    threaded,
)
from monitor.web.view import View

CHECK = "{unit:[^/]{1,100}}/{asset:[^/]{1,100}}/{check:[^/]{1,100}}"
INCIDENT = "{id:[0-9]{1,12}}"


def build(view: View, settings: Web | None = None) -> web.Application:
    """Return the application that shows `view`; without settings it takes itself to be on loopback."""
    app = web.Application(
        middlewares=[errors_middleware(pages.error_page), only_this_host], client_max_size=16 * 1024
    )
    app[VIEW], app[SETTINGS] = view, settings or Web()
    app.on_response_prepare.append(secure)
    app.cleanup_ctx.append(_threads)
    app.add_routes(
        [
            web.get("/", pages.overview),
            web.get("/units/{unit:[^/]{1,100}}", pages.unit),
            web.get(f"/checks/{CHECK}", pages.check),
            web.get("/incidents", incidents.overview),
            web.get(f"/incidents/{INCIDENT}", incidents.one),
            web.post(f"/incidents/{INCIDENT}/{{act:[a-z]{{1,10}}}}", incidents.act),
            web.get("/versions", versions.page),
            web.get("/plan", plan.page),
            web.get("/static/{name}", pages.static),
            web.get("/healthz", health),
            web.get("/readyz", readiness),
            web.get("/metrics", metrics),
            web.get("/api/v1/units", api.units),
            web.get("/api/v1/units/{unit:[^/]{1,100}}", api.unit),
            web.get(f"/api/v1/checks/{CHECK}/series", api.series),
            web.get("/api/v1/incidents", incidents.api_list),
            web.get(f"/api/v1/incidents/{INCIDENT}", incidents.api_one),
            web.get("/api/v1/maintenance", incidents.api_maintenance),
            web.get("/api/v1/versions", versions.api),
            web.get("/api/v1/runs", history.api_runs),
            web.get("/api/v1/history", history.api_history),
            web.get("/api/v1/plan", plan.api_plan),
            web.get("/api/v1/blockers", plan.api_blockers),
        ]
    )
    return app


@asynccontextmanager
async def serving(view: View, settings: Web) -> AsyncIterator[str]:
    """Serve until the block ends; yields the address. Raises `CannotListen`."""
    host, _, port = settings.listen.rpartition(":")
    runner = web.AppRunner(build(view, settings), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        await _listen(web.TCPSite(runner, host.strip("[]"), int(port)), settings.listen)
        yield f"http://{host}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def _listen(site: web.TCPSite, address: str) -> None:
    try:
        await site.start()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CannotListen(
            f"can't listen on {address}: {why}; stop what uses it (another Muster?), "
            "or choose another address with web.listen in the settings (muster demo: --listen)"
        ) from error


async def _threads(app: web.Application) -> AsyncIterator[None]:
    await asyncio.to_thread(pages.environment)
    app[POOL] = ThreadPoolExecutor(THREADS, thread_name_prefix="web")
    yield
    app[POOL].shutdown(wait=False, cancel_futures=True)


async def health(request: web.Request) -> web.Response:
    """Answer whether the daemon is well."""
    return _answer(*request.app[VIEW].healthy())


async def readiness(request: web.Request) -> web.Response:
    """Answer whether the daemon does its work."""
    return _answer(*request.app[VIEW].ready())


def _answer(good: bool, text: str) -> web.Response:
    return web.Response(text=f"{text or ('ok' if good else 'not ok')}\n", status=200 if good else 503)


async def metrics(request: web.Request) -> web.Response:
    """Answer a scrape."""
    body = await expose(request.app[VIEW], request.app[SETTINGS].max_series)
    headers = {"Content-Type": CONTENT_TYPE, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", "").lower():
        body = await threaded(request, lambda: _gzip(body))
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def _gzip(body: bytes) -> bytes:
    """Compress quickly (zlib lets go of the interpreter while it does)."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()
