"""A loop that others keep busy, and a TCP server that does not share it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


@asynccontextmanager
async def busy_loop(held_s: float = 0.005, every_s: float = 0.020) -> AsyncIterator[None]:
    """Hold the loop for `held_s` in every `every_s`."""

    async def hold() -> None:
        while True:
            time.sleep(held_s)
            await asyncio.sleep(every_s - held_s)

    task = asyncio.create_task(hold())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextmanager
def greeter(greeting: bytes, host: str = "127.0.0.1") -> Iterator[int]:
    """Accept in a thread of its own, greet, and wait for the other side to close."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((host, 0))
        listener.listen(128)
        thread = threading.Thread(target=_greet, args=(listener, greeting))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _greet(listener: socket.socket, greeting: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.sendall(greeting)
            connection.settimeout(2)
            connection.recv(1)
