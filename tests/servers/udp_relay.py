"""A UDP relay on loopback that loses, delays, doubles or rewrites datagrams as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

Piece = tuple[float, bytes]
"""After how many seconds what is passed on."""
Treatment = Callable[[int, bytes], Iterable[Piece]]
"""From a datagram's place in its direction (from 0) and its bytes to what comes out of it."""


def passes(_: int, data: bytes) -> list[Piece]:
    """Pass everything on."""
    return [(0, data)]


@dataclass(slots=True)
class Relay:
    """What went through; `to_server` and `to_client` may be changed at any time."""

    port: int = 0
    to_server: Treatment = passes
    to_client: Treatment = passes
    from_client: list[bytes] = field(default_factory=list)
    from_server: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Sockets:
    """The relay's two ends: `inner` for the client, `outer` connected with the server."""

    relay: Relay
    inner: socket.socket
    outer: socket.socket
    client: tuple[str, int] | None = None

    def there(self) -> None:
        """Pass on what the client sent."""
        with contextlib.suppress(OSError):
            data, self.client = self.inner.recvfrom(65536)
            self.relay.from_client.append(data)
            for pause, piece in self.relay.to_server(len(self.relay.from_client) - 1, data):
                _later(pause, partial(self.outer.send, piece))

    def back(self) -> None:
        """Pass on what the server sent."""
        with contextlib.suppress(OSError):
            data = self.outer.recv(65536)
            self.relay.from_server.append(data)
            for pause, piece in self.relay.to_client(len(self.relay.from_server) - 1, data):
                _later(pause, partial(self.inner.sendto, piece, self.client))


def _later(pause: float, send: Callable[[], object]) -> None:
    def sends() -> None:
        with contextlib.suppress(OSError):
            send()

    if pause:
        asyncio.get_running_loop().call_later(pause, sends)
    else:
        sends()


@asynccontextmanager
async def relaying(server_port: int, host: str = "127.0.0.1") -> AsyncIterator[Relay]:
    """Relay for one client."""
    loop, relay = asyncio.get_running_loop(), Relay()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as inner,
        socket.socket(family, socket.SOCK_DGRAM) as outer,
    ):
        for each in (inner, outer):
            each.setblocking(False)
            each.bind((host, 0))
        outer.connect((host, server_port))
        relay.port = inner.getsockname()[1]
        ends = _Sockets(relay, inner, outer)
        loop.add_reader(inner.fileno(), ends.there)
        loop.add_reader(outer.fileno(), ends.back)
        try:
            yield relay
        finally:
            loop.remove_reader(inner.fileno())
            loop.remove_reader(outer.fileno())
