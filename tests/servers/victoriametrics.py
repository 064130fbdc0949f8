"""VictoriaMetrics of Debian on a private port of loopback, and its questions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program

OPTIONS = (
    "-dedup.minScrapeInterval=1ms", "-search.latencyOffset=0s", "-retentionPeriod=100y",
    "-memory.allowedBytes=64MB", "-loggerLevel=WARN",
)  # fmt: skip
"""The first drops identical points that were written twice; the second shows what was written just now."""
ALL = '{__name__!=""}'


@dataclass(slots=True)
class VictoriaMetrics:
    """A server that can be killed and started again on its data."""

    directory: Path
    options: tuple[str, ...] = OPTIONS
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        command = (
            program("victoria-metrics"), f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}", *self.options,
        )  # fmt: skip
        with (self.directory / "victoria-metrics.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        await until_listening(self.port)

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def ask(self, path: str, **parameters: str) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.url + path, params=parameters) as answer,
        ):
            text = await answer.text()
            assert answer.status == 200, text
            return text

    async def query(self, promql: str, **parameters: str) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        found = json.loads(await self.ask("/api/v1/query", query=promql, **parameters))
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    async def export(self, match: str = ALL) -> list[dict[str, Any]]:
        """Return every series that matches, with all its values; what was just written, too."""
        await self.ask("/internal/force_flush")
        text = await self.ask("/api/v1/export", **{"match[]": match})
        return [json.loads(each) for each in text.splitlines()]

    async def counts(self, match: str = ALL) -> dict[str, int]:
        """Return how many values each series has, by its name and labels."""
        found = {}
        for each in await self.export(match):
            labels = ",".join(f"{k}={v}" for k, v in sorted(each["metric"].items()) if k != "__name__")
            found[f"{each['metric']['__name__']}{{{labels}}}"] = len(set(each["timestamps"]))
        return found


@asynccontextmanager
async def victoria_metrics(
    directory: Path, options: tuple[str, ...] = OPTIONS
) -> AsyncIterator[VictoriaMetrics]:
    """Run a server."""
    server = VictoriaMetrics(directory, options)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
