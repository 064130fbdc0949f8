"""Makes and deletes nodes of ZooKeeper, as its applications do."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes.middleware._zookeeper_jute import ALL_RIGHTS, CREATE, Session, buffer, text

PERSISTENT = 0


@asynccontextmanager
async def _session(port: int) -> AsyncIterator[Session]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    class Direct:
        async def say(self, data: bytes) -> None:
            writer.write(data)

        async def exactly(self, size: int) -> bytes:
            return await reader.readexactly(size)

    session = Session(Direct())  # type: ignore[arg-type]
    await session.open()
    yield session
    await session.close()
    writer.close()
    await writer.wait_closed()


async def make(port: int, path: str) -> None:
    """Make a node that anyone may use."""
    rights = struct.pack(">ii", 1, ALL_RIGHTS) + text("world") + text("anyone")
    async with _session(port) as session:
        body = text(path) + buffer(b"") + rights + struct.pack(">i", PERSISTENT)
        await session._ask(CREATE, body, "create", path)


async def delete(port: int, path: str) -> None:
    """Delete a node."""
    async with _session(port) as session:
        await session.delete(path)
