"""What all handlers share: the view, threads of the web's own, errors, and the headers of every answer."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor.settings import Web
from monitor.web.view import View

T = TypeVar("T")

THREADS = 4
VIEW: web.AppKey[View] = web.AppKey("view")
SETTINGS: web.AppKey[Web] = web.AppKey("settings", Web)
POOL: web.AppKey[ThreadPoolExecutor] = web.AppKey("pool", ThreadPoolExecutor)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refusal(Exception):  # noqa: N818 - what is refused is the request
    """A request that can't be answered: the status, and what to do instead."""

    def __init__(self, status: int, explanation: str) -> None:
        super().__init__(explanation)
        self.status, self.explanation = status, explanation


async def threaded(request: web.Request, work: Callable[[], T]) -> T:
    """Run `work` in one of the web's few threads, so that no page takes the daemon's."""
    return await asyncio.get_running_loop().run_in_executor(request.app[POOL], work)


def json_response(value: object, status: int = 200) -> web.Response:
    """Return a JSON answer. Big ones are encoded in a thread and go through `json_text`."""
    return json_text(json.dumps(value, ensure_ascii=False, allow_nan=False), status)


def json_text(text: str, status: int = 200) -> web.Response:
    """Return an answer that is JSON already."""
    return web.Response(text=text, status=status, content_type="application/json", charset="utf-8")


def refused(status: int, explanation: str) -> web.Response:
    """Return an error as JSON."""
    return json_response({"error": {"status": status, "explanation": explanation}}, status)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def host_of(header: str) -> str:
    """Return the host of a Host header, without its port and brackets, in lower case."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0] if name.count(":") == 1 else name


async def secure(_: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every answer."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


@web.middleware
async def only_this_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other names for this machine while it listens on loopback only (DNS rebinding)."""
    listen = request.app[SETTINGS].listen.rpartition(":")[0]
    if is_loopback(listen) and not is_loopback(host_of(request.headers.get("Host", ""))):
        raise Refusal(421, "this server answers on loopback only: use http://127.0.0.1 or http://localhost")
    return await handler(request)


def errors_middleware(page: Callable[[web.Request, int, str], Awaitable[web.Response]]) -> Middleware:
    """Return the middleware that makes answers of errors: a page for people, JSON for programs."""

    @web.middleware
    async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as error:
            return await _answer(request, error.status, error.explanation)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return await _answer(request, error.status, _explained(request, error))
        except Exception:  # noqa: BLE001 - one request, not the daemon
            structlog.get_logger("web").exception("a request failed", path=request.path[:200])
            return await _answer(request, 500, "Muster failed to answer; its log says why")

    async def _answer(request: web.Request, status: int, explanation: str) -> web.Response:
        wants_page = "text/html" in request.headers.get("Accept", "")
        if wants_page and not request.path.startswith("/api/"):
            return await page(request, status, explanation)
        return refused(status, explanation)

    return errors


def _explained(request: web.Request, error: web.HTTPException) -> str:
    if error.status == 404:
        return "nothing is here; see / for the board and /api/v1/units for the API"
    if isinstance(error, web.HTTPMethodNotAllowed):
        methods = " or ".join(sorted(error.allowed_methods - {"HEAD"}))
        return f"{request.method[:20]} is not allowed here; this address answers {methods}"
    return error.reason
