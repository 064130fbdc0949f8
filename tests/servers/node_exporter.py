"""Prometheus' own node_exporter (Debian: prometheus-node-exporter) on a private port of loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running


@asynccontextmanager
async def node_exporter(directory: Path, *options: str, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Run one and give its port; `options` are further flags."""
    port = free_port(host=host)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    command = [program("prometheus-node-exporter"), f"--web.listen-address={address}", *options]
    async with running(*command, log=directory / "node_exporter.log"):
        await until_listening(port, host)
        yield port
