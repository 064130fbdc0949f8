"""Servers that misbehave, on loopback: each an async context manager that gives its port."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import cast

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GARBAGE = random.Random(7).randbytes(2048)
RESET = struct.pack("ii", 1, 0)
PIECE = b"x" * 65536


@asynccontextmanager
async def tcp_server(
    handler: Handler, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Run `handler` for each connection; what it was doing is cancelled at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError, TimeoutError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and never answer."""
    await asyncio.sleep(3600)


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer at once with random bytes, and close."""
    writer.write(GARBAGE)
    await writer.drain()


async def garbage_kept_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer at once with random bytes, then nothing."""
    writer.write(GARBAGE)
    await asyncio.sleep(3600)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send without end."""
    while True:
        writer.write(PIECE)
        await writer.drain()
        await asyncio.sleep(0)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait for a first byte for a moment, then reset the connection."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.05)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close as soon as the connection stands."""


def says(*pieces: bytes, pause: float = 0.0, hold: bool = False) -> Handler:
    """Read a request, then send `pieces` one by one, and close (or hold the connection)."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if hold:
            await asyncio.sleep(3600)

    return handle


def forever(start: bytes, piece: Callable[[int], bytes], pause: float = 0.0) -> Handler:
    """Read a request, send `start`, then `piece(0)`, `piece(1)`, ... without end."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(start)
        number = 0
        while True:
            writer.write(piece(number))
            await writer.drain()
            await asyncio.sleep(pause)
            number += 1

    return handle


OK = b"HTTP/1.1 200 OK\r\n"
HTTP: dict[str, Handler] = {
    "endless_headers": forever(OK, lambda n: b"X-%d: %s\r\n" % (n, b"y" * 1000)),
    "endless_header_name": forever(OK, lambda n: b"y" * 4096),
    "endless_reason": forever(b"HTTP/1.1 200 ", lambda n: b"y" * 4096),
    "endless_interim": forever(b"", lambda n: b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "endless_body": forever(OK + b"\r\n", lambda n: PIECE),
    "endless_chunks": forever(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", lambda n: b"400\r\n" + b"z" * 1024 + b"\r\n"
    ),
    "slow_loris": forever(OK, lambda n: b"X-Slow: y\r\n"[n % 11 : n % 11 + 1], pause=0.02),
    "slow_body": forever(OK + b"Content-Length: 100000\r\n\r\n", lambda n: b"y", pause=0.02),
    "short_body": says(OK + b"Content-Length: 100\r\n\r\nonly this"),
    "long_body": says(OK + b"Content-Length: 4\r\n\r\nmore than four"),
    "bad_length": says(OK + b"Content-Length: banana\r\n\r\nhello"),
    "two_lengths": says(OK + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\nhell"),
    "bad_chunk": says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"),
    "broken_chunks": says(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"),
    "huge_header": says(OK + b"X-Huge: " + b"h" * 500_000 + b"\r\n\r\nhello"),
    "half_header": says(OK + b"Content-Le"),
    "no_http": says(b"SSH-2.0-OpenSSH_9.2\r\n", hold=True),
    "empty": says(),
    "null_bytes": says(OK + b"X: \0\0\r\n\r\n"),
    "switching": says(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", GARBAGE
    ),
}


@contextmanager
def unanswering(host: str = "127.0.0.1") -> Iterator[int]:
    """Give a TCP port whose queue is full: the kernel drops the SYN, as a filter would."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(8):
            filler = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()[1]


UdpAnswer = Callable[[bytes], Iterable[bytes]]


class _Answering(asyncio.DatagramProtocol):
    def __init__(self, answer: UdpAnswer) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for piece in self._answer(data):
            self._transport.sendto(piece, addr)


@asynccontextmanager
async def udp_server(
    answer: UdpAnswer, host: str = "127.0.0.1", *, own_thread: bool = False
) -> AsyncIterator[int]:
    """Answer each datagram with what `answer` gives; with `own_thread` a busy loop here does not delay it."""
    if own_thread:
        with _threaded(answer, host) as port:
            yield port
        return
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answering(answer), local_addr=(host, 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@contextmanager
def _threaded(answer: UdpAnswer, host: str) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as served:
        served.bind((host, 0))
        thread = threading.Thread(target=_serve, args=(served, answer))
        thread.start()
        try:
            yield served.getsockname()[1]
        finally:
            with socket.socket(family, socket.SOCK_DGRAM) as last:
                last.sendto(b"", served.getsockname())
            thread.join()


def _serve(served: socket.socket, answer: UdpAnswer) -> None:
    while True:
        data, asker = served.recvfrom(65536)
        if not data:
            return
        for piece in answer(data):
            served.sendto(piece, asker)


@asynccontextmanager
async def udp_flood(host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Send garbage without end to whoever asked last."""
    tasks: list[asyncio.Task[None]] = []
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.setblocking(False)
        served.bind((host, 0))

        async def flood() -> None:
            asker = None
            while True:
                with contextlib.suppress(OSError):
                    asker = served.recvfrom(65536)[1]
                with contextlib.suppress(OSError):
                    if asker:
                        served.sendto(GARBAGE[:500], asker)
                await asyncio.sleep(0)

        tasks.append(asyncio.create_task(flood()))
        try:
            yield served.getsockname()[1]
        finally:
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
