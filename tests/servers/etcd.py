"""etcd (Debian: etcd-server) on private ports of loopback: one member, or a cluster of three."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.certificates import Authority
from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running


@dataclass(slots=True)
class Etcd:
    """Where one member is, and its process."""

    port: int
    process: asyncio.subprocess.Process

    async def call(self, what: str, **body: Any) -> dict[str, Any]:
        """Return the answer of its gateway, whatever its status."""
        async with (
            aiohttp.ClientSession(trust_env=False) as http,
            http.post(f"http://127.0.0.1:{self.port}/v3/{what}", json=body) as answer,
        ):
            found: dict[str, Any] = await answer.json(content_type=None)
            return found

    async def until_healthy(self, seconds: float = 30.0) -> None:
        """Wait until it knows a leader."""
        deadline = time.monotonic() + seconds
        while not (await self.call("maintenance/status")).get("leader"):
            if time.monotonic() > deadline:
                raise TimeoutError("etcd has no leader")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def etcd(
    directory: Path,
    *options: str,
    name: str = "one",
    peers: dict[str, int] | None = None,
    authority: Authority | None = None,
) -> AsyncIterator[Etcd]:
    """Run one member (of `peers`, name to peer port); it may know no leader yet."""
    port, peers = free_port(), peers or {name: free_port()}
    scheme, secured = "http", list(options)
    if authority is not None:
        pair = authority.issue("127.0.0.1", label="etcd")
        scheme = "https"
        secured += [f"--cert-file={pair.file}", f"--key-file={pair.file}"]
    every = ",".join(f"{peer}=http://127.0.0.1:{at}" for peer, at in peers.items())
    command = (
        program("etcd"), f"--name={name}", f"--data-dir={directory}/{name}", "--log-level=error",
        f"--listen-client-urls={scheme}://127.0.0.1:{port}",
        f"--advertise-client-urls={scheme}://127.0.0.1:{port}",
        f"--listen-peer-urls=http://127.0.0.1:{peers[name]}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peers[name]}",
        f"--initial-cluster={every}", *secured,
    )  # fmt: skip
    async with running(*command, log=directory / f"{name}.log") as process:
        await until_listening(port)
        yield Etcd(port, process)


@asynccontextmanager
async def cluster(directory: Path, size: int = 3) -> AsyncIterator[list[Etcd]]:
    """Run a cluster whose members know their leader."""
    peers = {f"m{number}": free_port() for number in range(size)}
    async with AsyncExitStack() as stack:
        starting = [stack.enter_async_context(etcd(directory, name=name, peers=peers)) for name in peers]
        members = list(await asyncio.gather(*starting))
        for member in members:
            await member.until_healthy()
        yield members
