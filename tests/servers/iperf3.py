"""The iperf3 server, on loopback or in a namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.netns import Namespace
from tests.servers.ports import free_port
from tests.servers.process import program, running

WAIT_S, TRIES = 0.02, 500


@asynccontextmanager
async def iperf3(
    directory: Path, namespace: Namespace | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve on `address`; give the port."""
    binary, port = program("iperf3"), free_port()
    command: tuple[str, ...] = (binary, "--server", "--bind", address, "--port", str(port), "--forceflush")
    if namespace is not None:
        command = namespace.command(*command)
    log = directory / "iperf3.log"
    async with running(*command, log=log):
        await _until(log, b"Server listening")
        yield port


@asynccontextmanager
async def busy(directory: Path, port: int) -> AsyncIterator[None]:
    """Keep the server on `port` busy with another client's test."""
    command = (
        program("iperf3"),
        "-c",
        "127.0.0.1",
        "-p",
        str(port),
        "-t",
        "60",
        "-b",
        "1M",
        "-i",
        "0",
        "--forceflush",
    )
    async with running(*command, log=directory / "busy.log"):
        await _until(directory / "iperf3.log", b"Accepted connection")
        yield


async def _until(log: Path, words: bytes) -> None:
    for _ in range(TRIES):
        if words in log.read_bytes():
            return
        await asyncio.sleep(WAIT_S)
    raise TimeoutError
