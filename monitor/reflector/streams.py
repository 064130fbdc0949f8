"""The TCP side of a reflector: sends without end until the client closes, or counts what the client sends.

Each connection shows the unit's key first (challenge and response), and is bounded in bytes and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from dataclasses import dataclass, field

from monitor.reflector.core import Core
from monitor.reflector.endpoint import Busy
from monitor.reflector.session import Peer
from probes._kernel_clock import SO_TIMESTAMPNS, stamp_ns
from probes._sockets import CONTROL_ROOM, fill_queues
from probes.network import _reflect_bodies as bodies
from probes.network._reflect_bodies import FILL, NONCE_SIZE, SEND, SINK, Reason, WireError, unpack
from probes.network._reflect_keys import SessionKeys, session_keys
from probes.network._reflect_stream import Frames, framed
from probes.network._reflect_wire import Kind, opened, plain, sealed, unsigned

HANDSHAKE_S = 5.0
COUNT_EVERY_S = 0.010
BLOCK = secrets.token_bytes(65_536)
"""What a SEND stream sends, over and over: nothing on the way can compress it."""
READ = 262_144
TCP_NOTSENT_LOWAT, UNSENT = 25, 131_072
"""linux/tcp.h: how much may wait in our own queue, so that closing ends the stream at once."""
BACKLOG = 16


class Streams:
    """A listening socket and the connections it accepted."""

    def __init__(self, af: socket.AddressFamily, sockaddr: Peer, core: Core, key: bytes, busy: Busy) -> None:
        """Listen. Raises OSError."""
        self._core, self._key, self._busy = core, key, busy
        self._listener = socket.socket(af, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if af == socket.AF_INET6:
                self._listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._listener.bind(sockaddr)
            self._listener.listen(BACKLOG)
        except OSError:
            self._listener.close()
            raise
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self) -> None:
        """Begin to accept."""
        self._accepting = asyncio.create_task(self._accept())

    async def aclose(self) -> None:
        """Close the listener and all connections."""
        tasks = [self._accepting, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Close the listener. Safe to call twice."""
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self._listener)
            except OSError:
                self._core.counts["socket_errors"] += 1
                await asyncio.sleep(0.1)
                continue
            if len(self._tasks) >= self._core.limits.connections:
                self._core.counts["dropped_connections"] += 1
                connection.close()
                continue
            task = asyncio.create_task(self._serve(connection, peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket, peer: Peer) -> None:
        with connection:
            connection.setblocking(False)
            try:
                async with asyncio.timeout(HANDSHAKE_S):
                    granted = await self._granted(Wire(connection), peer)
                if granted is not None:
                    await self._run(granted)
            except WireError:
                self._core.counts["malformed"] += 1
            except OSError:
                self._core.counts["streams_broken"] += 1

    async def _granted(self, wire: Wire, peer: Peer) -> Granted | None:
        """Hold the handshake; return the stream, or None where it was refused."""
        hello = opened(await wire.receive(), b"")
        if hello.kind is not Kind.HELLO:
            raise WireError("no HELLO")
        nonce, own = unpack(bodies.Hello, hello.body).nonce, secrets.token_bytes(NONCE_SIZE)
        await wire.send(plain(Kind.COOKIE, bodies.Cookie(nonce, own)))
        data = await wire.receive()
        asked = unpack(bodies.Stream, unsigned(data).body)
        if not self._core.may_open(str(peer[0]), time.monotonic()):
            await self._refuse(wire, self._key, Reason.RATE, 1000)
            return None
        if not _signed(data, self._key) or (asked.nonce, asked.reflector_nonce) != (nonce, own):
            await self._refuse(wire, self._key, Reason.AUTH)
            return None
        keys = session_keys(self._key, nonce, own)
        return await self._admit(wire, peer, asked, keys)

    async def _admit(self, wire: Wire, peer: Peer, asked: bodies.Stream, keys: SessionKeys) -> Granted | None:
        limits, now = self._core.limits, time.monotonic()
        seconds = asked.milliseconds / 1000
        known = asked.mode in (SEND, SINK, FILL)
        if not known or asked.bytes > limits.stream_bytes or seconds > limits.stream_s:
            await self._refuse(wire, keys.reflector, Reason.LIMIT)
            return None
        if not self._busy.take():
            await self._refuse(wire, keys.reflector, Reason.BUSY, 100)
            return None
        if not self._core.budgets.of(str(peer[0]), now).take(asked.bytes, now):
            self._busy.free()
            await self._refuse(wire, keys.reflector, Reason.BUDGET)
            return None
        granted = Granted(wire, peer, asked.mode, asked.bytes, seconds, keys)
        try:
            await wire.send(sealed(keys.reflector, Kind.READY, 0, granted.next(), bodies.Ready(0)))
        except BaseException:
            self._release(granted)
            raise
        self._core.counts["streams"] += 1
        return granted

    async def _refuse(self, wire: Wire, key: bytes, reason: Reason, retry_ms: int = 0) -> None:
        self._core.counts[f"refused_{reason.name.lower()}"] += 1
        refused = bodies.Refused(bytes(NONCE_SIZE), reason, retry_ms)
        await wire.send(sealed(key, Kind.REFUSED, 0, 1, refused))

    async def _run(self, granted: Granted) -> None:
        """Move what was granted until that is done, its time is over, or the client is gone."""
        try:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(granted.seconds):
                    await (_sink(granted) if granted.mode == SINK else _send(granted))
        finally:
            self._release(granted)

    def _release(self, granted: Granted) -> None:
        """Let others send; give the budget back what was not used."""
        self._busy.free()
        peer = self._core.budgets.of(str(granted.peer[0]), time.monotonic())
        peer.give_back(granted.bytes - granted.moved)
        self._core.counts["stream_bytes"] += granted.moved


class Wire:
    """A connection that carries frames."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._loop, self._frames = asyncio.get_running_loop(), Frames()

    async def receive(self) -> bytes:
        """Return the next frame. Raises OSError, also where the connection ends, and `WireError`."""
        while (frame := self._frames.pop()) is None:
            data = await self._loop.sock_recv(self.connection, 4096)
            if not data:
                raise ConnectionResetError
            self._frames.add(data)
        return frame

    async def send(self, data: bytes) -> None:
        """Send a frame. Raises OSError."""
        await self._loop.sock_sendall(self.connection, framed(data))

    def rest(self) -> bytes:
        """Return what came behind the last frame."""
        return self._frames.rest()


@dataclass(slots=True)
class Granted:
    """A stream that was granted, and how much it has moved."""

    wire: Wire
    peer: Peer
    mode: int
    bytes: int
    seconds: float
    keys: SessionKeys
    moved: int = 0
    number: int = field(default=0)

    def next(self) -> int:
        """Return the number of the next frame to the client."""
        self.number += 1
        return self.number


def _signed(data: bytes, key: bytes) -> bool:
    try:
        return opened(data, key).kind is Kind.STREAM
    except WireError:
        return False


async def _send(granted: Granted) -> None:
    """Send until the bytes or the time are used up, or the client closes."""
    loop, connection = asyncio.get_running_loop(), granted.wire.connection
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)
        if granted.mode == FILL:
            fill_queues(connection)
    while granted.moved < granted.bytes:
        piece = BLOCK[: granted.bytes - granted.moved]
        await loop.sock_sendall(connection, piece)
        granted.moved += len(piece)


async def _sink(granted: Granted) -> None:
    """Count what comes, and say so every 10 ms and at the end."""
    connection = granted.wire.connection
    connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    granted.moved, said_at, at_ns = len(granted.wire.rest()), 0.0, time.time_ns()
    while granted.moved < granted.bytes:
        try:
            data, ancillary, _, _ = connection.recvmsg(READ, CONTROL_ROOM)
        except BlockingIOError:
            await _readable(connection)
            continue
        if not data:
            break
        granted.moved += len(data)
        at_ns = stamp_ns(ancillary) or time.time_ns()
        if time.monotonic() - said_at >= COUNT_EVERY_S:
            said_at = time.monotonic()
            await _count(granted, at_ns)
        await asyncio.sleep(0)
    await _count(granted, at_ns)


async def _count(granted: Granted, at_ns: int) -> None:
    count = bodies.Count(granted.moved, at_ns)
    await granted.wire.send(sealed(granted.keys.reflector, Kind.COUNT, 0, granted.next(), count))


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def readable() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection.fileno(), readable)
    try:
        await ready
    finally:
        loop.remove_reader(connection.fileno())
