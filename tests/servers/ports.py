"""Ports nobody uses, and waiting until a server answers on one."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def free_port(kind: int = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """Return a port that is free now; for servers that can't be handed a socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def free_port_of_both(tries: int = 50) -> int:
    """Return a port of 127.0.0.1 that is free now for UDP and TCP, for a server that listens on both."""
    for _ in range(tries):
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            try:
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free for both UDP and TCP")


@contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[int]:
    """Hold a TCP port that nobody listens on, so that nobody else can take it either."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as held:
        held.bind((host, 0))
        yield held.getsockname()[1]


async def until_listening(port: int, host: str = "127.0.0.1", seconds: float = 10.0) -> None:
    """Wait until a TCP connection is taken. Raises TimeoutError."""

    async def connects() -> bool:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    deadline = time.monotonic() + seconds
    while not await connects():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on {host}:{port}")
        await asyncio.sleep(0.02)


async def until_answering(
    question: bytes,
    port: int,
    accepts: Callable[[bytes], bool],
    host: str = "127.0.0.1",
    seconds: float = 10.0,
) -> None:
    """Wait until a UDP server answers `question` with something `accepts` takes. Raises TimeoutError."""
    loop, deadline = asyncio.get_running_loop(), time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            asker.connect((host, port))
            try:
                await loop.sock_sendall(asker, question)
                if accepts(await asyncio.wait_for(loop.sock_recv(asker, 4096), 0.2)):
                    return
            except (TimeoutError, ConnectionError):
                await asyncio.sleep(0.05)
    raise TimeoutError(f"nothing answers on {host}:{port}")
