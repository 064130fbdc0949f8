"""What a broker tells by HTTP and JSON: management and monitoring ports, asked once, bounded."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from probes.api import Shared, clip
from probes.errors import (
    Ending,
    ExpectationFailed,
    PermissionMissing,
    ProtocolViolated,
    TlsFailed,
    from_oserror,
)
from probes.middleware._broker import Found

MAX_BODY = 4 * 1024 * 1024
IN_LOOP = 128 * 1024
"""Bytes of JSON that are read in the loop; more of it in a thread."""


class HttpSession:
    """The one HTTP session of all brokers; a client for `Shared.get`. Connections are not kept."""

    def __init__(self, _: Shared) -> None:
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, happy_eyeballs_delay=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None, connect=None),
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self.http.close()


@dataclass(frozen=True, slots=True)
class Api:
    """Where and as whom to ask; `host` is a numeric address."""

    found: Found
    name: str
    host: str
    port: int
    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    server_name: str = ""

    async def get(self, path: str, *, may_lack: bool = False) -> Any:
        """Return what JSON is at `path`; with `may_lack` None where nothing is (404).

        Raises `PermissionMissing` (401, 403), `ExpectationFailed` (another status), and what the connection
        comes to.
        """
        context = self.found.context
        context.phase = self.name
        session = context.shared.get(HttpSession).http
        headers = {"Accept": "application/json", "User-Agent": "muster"}
        if self.user:
            headers["Authorization"] = aiohttp.encode_basic_auth(self.user, self.password)
        try:
            async with session.get(
                self._url(path),
                headers=headers,
                allow_redirects=False,
                ssl=self.tls or False,
                server_hostname=self.server_name if self.tls else None,
            ) as response:
                if may_lack and response.status == 404:
                    return None
                return await self._json(response, path)
        except aiohttp.ClientError as error:
            raise self._failed(error) from None

    async def _json(self, response: aiohttp.ClientResponse, path: str) -> Any:
        if response.status in (401, 403):
            raise PermissionMissing(f"missing_right: {self.name}: HTTP {response.status} for {path}")
        if response.status != 200:
            raise ExpectationFailed(f"{self.name}: HTTP {response.status} for {path}")
        body = await _body(response, self.name)
        try:
            return await asyncio.to_thread(json.loads, body) if len(body) > IN_LOOP else json.loads(body)
        except (ValueError, RecursionError):
            raise ProtocolViolated(f"{self.name}: what is at {path} is no JSON") from None

    def _url(self, path: str) -> URL:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return URL(f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}", encoded=True)

    def _failed(self, error: aiohttp.ClientError) -> Ending:
        if isinstance(error, aiohttp.ClientSSLError):
            return TlsFailed(clip(f"{self.name}: {error.__cause__ or type(error).__name__}", 300))
        if isinstance(error, OSError):
            return from_oserror(error, self.name)
        return ProtocolViolated(f"{self.name}: {type(error).__name__}")


async def _body(response: aiohttp.ClientResponse, name: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MAX_BODY:
            raise ProtocolViolated(f"{name}: an answer of more than {MAX_BODY >> 20} MiB")
    return bytes(body)


def escaped(name: str) -> str:
    """Return a name as one step of a path."""
    return quote(name, safe="")


def number(document: Any, *path: str) -> float | None:
    """Return the number at `path` of a document, or None where none is."""
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return float(document) if isinstance(document, int | float) and not isinstance(document, bool) else None


def text(document: Any, *path: str) -> str:
    """Return the text at `path` of a document, empty where none is."""
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document if isinstance(document, str) else ""


def rows(document: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, and nothing else."""
    return [each for each in document if isinstance(each, dict)] if isinstance(document, list) else []


def numbers(document: Any, names: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Return metrics by name from their paths; what is not there is left out."""
    found = {name: number(document, *path) for name, path in names.items()}
    return {name: value for name, value in found.items() if value is not None}
