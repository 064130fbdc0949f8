"""Prometheus of Debian on a private port of loopback, which scrapes what the tests serve."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server."""

    url: str

    async def query(self, promql: str) -> list[Any]:
        """Return the result of an instant query. Fails with what the server says of a query it refuses."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/api/v1/query", data={"query": promql}) as answer,
        ):
            found = json.loads(await answer.text())
        assert found["status"] == "success", f"{promql}: {found.get('error')}"
        result: list[Any] = found["data"]["result"]
        return result


@asynccontextmanager
async def prometheus(directory: Path, targets: Sequence[str], every: str = "1s") -> AsyncIterator[Prometheus]:
    """Run one that scrapes `host:port` targets, all under one job and instance."""
    port, config = free_port(), directory / "prometheus.yml"
    scraped = [
        {
            "job_name": f"muster-{number}",
            "static_configs": [{"targets": [target], "labels": {"instance": "muster", "job": "muster"}}],
        }
        for number, target in enumerate(targets)
    ]
    config.write_text(json.dumps({"global": {"scrape_interval": every}, "scrape_configs": scraped}), "utf-8")
    command = (
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    )  # fmt: skip
    async with running(*command, log=directory / "prometheus.log"):
        await until_listening(port)
        yield Prometheus(f"http://127.0.0.1:{port}")
