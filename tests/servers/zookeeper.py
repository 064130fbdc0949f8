"""ZooKeeper (Debian: zookeeper) on private ports of loopback: one server, or an ensemble of three."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.process import program, running

JARS = ("zookeeper.jar", "slf4j-simple.jar", "servlet-api.jar")
ANSWER_S = 3.0
LIBRARY = Path("/usr/share/java")
FRUGAL = ("-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
CONFIG = """
tickTime=200
initLimit=50
syncLimit=25
dataDir={dir}
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer={admin}
admin.serverPort={admin_port}
admin.serverAddress=127.0.0.1
4lw.commands.whitelist={words}
"""


@dataclass(slots=True)
class ZooKeeper:
    """Where one server is, and its process."""

    port: int
    admin_port: int
    process: asyncio.subprocess.Process

    async def ask(self, word: str) -> str:
        """Return the answer to a four-letter word, or nothing.

        A server that has just begun to listen may never answer a connection made before it was ready.
        """
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return ""
        writer.write(word.encode())
        try:
            return (await asyncio.wait_for(reader.read(), ANSWER_S)).decode()
        except (TimeoutError, ConnectionError):
            return ""
        finally:
            writer.close()

    async def until_serving(self, seconds: float = 40.0) -> None:
        """Wait until it has a place in the ensemble."""
        deadline = time.monotonic() + seconds
        while "Mode: " not in await self.ask("srvr"):
            if time.monotonic() > deadline:
                raise TimeoutError("no ZooKeeper answers")
            await asyncio.sleep(0.1)


def _class_path() -> str:
    jars = [LIBRARY / jar for jar in JARS]
    if missing := [str(jar) for jar in jars if not jar.exists()]:
        pytest.skip(f"no ZooKeeper of Debian: {', '.join(missing)} is not installed")
    return ":".join(map(str, jars))


@asynccontextmanager
async def zookeeper(
    directory: Path, *lines: str, words: str = "ruok,srvr,mntr", admin: bool = False
) -> AsyncIterator[ZooKeeper]:
    """Run one server; `lines` are added to its configuration. It may not serve yet."""
    port, admin_port = free_port(), free_port()
    directory.mkdir(exist_ok=True)
    text = CONFIG.format(
        dir=directory, port=port, admin=str(admin).lower(), admin_port=admin_port, words=words
    )
    (directory / "zoo.cfg").write_text("\n".join((text, *lines)) + "\n")
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = (program("java"), *FRUGAL, "-cp", _class_path(), main, str(directory / "zoo.cfg"))
    async with running(*command, log=directory / "zookeeper.log") as process:
        yield ZooKeeper(port, admin_port, process)


@asynccontextmanager
async def ensemble(directory: Path, size: int = 3) -> AsyncIterator[list[ZooKeeper]]:
    """Run an ensemble whose servers all have their place."""
    ports = [(free_port(), free_port()) for _ in range(size)]
    peers = [f"server.{n}=127.0.0.1:{quorum}:{vote}" for n, (quorum, vote) in enumerate(ports, 1)]
    async with AsyncExitStack() as stack:
        servers = []
        for number in range(1, size + 1):
            own = directory / f"server{number}"
            own.mkdir()
            (own / "myid").write_text(str(number))
            servers.append(await stack.enter_async_context(zookeeper(own, *peers)))
        for server in servers:
            await server.until_serving()
        yield servers
