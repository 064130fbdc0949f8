"""How tests ask a reflector: over a session, or as strangers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes._resolve import Address, numeric
from probes._sockets import Poller
from probes.network._reflect_session import Session, open_session
from tests.probing import shared_here
from tests.servers.liar import KEY

HERE = Address("127.0.0.1", "4")


def soon(seconds: float = 3.0) -> float:
    return time.perf_counter() + seconds


@asynccontextmanager
async def session_with(port: int, key: bytes = KEY, host: str = "127.0.0.1") -> AsyncIterator[Session]:
    address = numeric(host)
    assert address is not None
    async with (
        shared_here() as shared,
        open_session(shared.get(Poller), address, port, key, soon()) as session,
    ):
        yield session


def stranger(port: int) -> socket.socket:
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.setblocking(False)
    asker.connect(("127.0.0.1", port))
    return asker


async def ask(asker: socket.socket, data: bytes, wait: float = 0.1) -> list[bytes]:
    """Send one datagram and return all that comes back within the wait."""
    loop, answers = asyncio.get_running_loop(), list[bytes]()
    asker.send(data)
    try:
        async with asyncio.timeout(wait):
            while True:
                answers.append(await loop.sock_recv(asker, 65536))
    except TimeoutError:
        return answers
