"""Ports nobody uses, and waiting until a server answers on one."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TCP = socket.SOCK_STREAM
FIRST, LAST, WORKERS = 10_000, 32_000, 8
"""Ports given out: below those that the kernel gives to clients, a share of them for each test worker."""
_given: deque[int] = deque(maxlen=1000)


def _candidates() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % WORKERS
    mine = [port for port in range(FIRST + worker, LAST, WORKERS) if port not in _given]
    random.SystemRandom().shuffle(mine)
    return iter(mine)


def _is_free(port: int, kind: int, host: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(*kinds: int, host: str = "127.0.0.1") -> int:
    """Return a port that is free now (TCP unless said), and has not been given to anybody lately.

    For servers that can't be handed a socket. No client's own port takes it before its server does.
    """
    port = next(p for p in _candidates() if all(_is_free(p, kind, host) for kind in kinds or (TCP,)))
    _given.append(port)
    return port


def free_port_of_both() -> int:
    """Return a port of 127.0.0.1 that is free now for UDP and TCP, for a server that listens on both."""
    return free_port(TCP, socket.SOCK_DGRAM)


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
