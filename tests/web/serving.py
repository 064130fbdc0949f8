"""A client of the real application on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from monitor.settings import Web
from monitor.web import serving
from tests.web.views import Sample, sample


@asynccontextmanager
async def client_of(view: Sample, settings: Web | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve a view and yield a session whose addresses are relative to it."""
    async with (
        serving(view, settings or Web(listen="127.0.0.1:0")) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


@asynccontextmanager
async def sample_client(directory: Path) -> AsyncIterator[tuple[Sample, aiohttp.ClientSession]]:
    async with sample(directory) as view, client_of(view) as session:
        yield view, session


async def page(session: aiohttp.ClientSession, path: str, **headers: str) -> str:
    """Return a page as a browser gets it. Fails unless it is a page with status 200."""
    async with session.get(path, headers={"Accept": "text/html", **headers}) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/html"
        return await answer.text()


async def refusal(session: aiohttp.ClientSession, path: str, status: int) -> str:
    """Return the explanation of an error of the API."""
    async with session.get(path) as answer:
        assert answer.status == status, await answer.text()
        error = (await answer.json())["error"]
        assert error["status"] == status
        explanation: str = error["explanation"]
        return explanation
