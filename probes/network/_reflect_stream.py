"""A TCP stream with a reflector, in one direction: it sends until we close, or counts what we send.

    async with tcp_stream(poller, address, port, key, SEND, most_bytes, seconds, until) as stream:
        while chunk := (await stream.receive(until)).data: ...
    async with tcp_stream(poller, address, port, key, SINK, most_bytes, seconds, until) as stream:
        counts = await stream.push(data, until)

The connection is opened by challenge and response: HELLO (our nonce), COOKIE (the reflector's), STREAM (both,
tagged with the unit's key), READY or REFUSED. Each frame has its length before it (2 bytes).
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes._resolve import Address
from probes._sockets import Chunk, Connection, Poller, connect
from probes.errors import OwnLoginFailed, ProtocolViolated
from probes.network._reflect_bodies import (
    NONCE_SIZE,
    SINK,
    Cookie,
    Count,
    Hello,
    Ready,
    Reason,
    Refused,
    Stream,
    WireError,
    unpack,
)
from probes.network._reflect_keys import SessionKeys, session_keys
from probes.network._reflect_open import WRONG_KEY, refusal
from probes.network._reflect_wire import MAX_SIZE, Frame, Kind, opened, plain, sealed, unsigned

LENGTH = struct.Struct("!H")
READ = 262_144
FIRST_READ = 4096


def framed(data: bytes) -> bytes:
    """Return a frame as the connection carries it."""
    return LENGTH.pack(len(data)) + data


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._pending = b""

    def add(self, data: bytes) -> None:
        """Take what arrived, for `pop`."""
        self._pending += data

    def pop(self) -> bytes | None:
        """Return the next frame, or None until it is complete. Raises `WireError` for one too long."""
        if len(self._pending) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._pending)
        if length > MAX_SIZE:
            raise WireError("a frame that is too long")
        end = LENGTH.size + length
        if len(self._pending) < end:
            return None
        frame, self._pending = self._pending[LENGTH.size : end], self._pending[end:]
        return frame

    def rest(self) -> bytes:
        """Return what came behind the last frame, and forget it."""
        rest, self._pending = self._pending, b""
        return rest


class TcpStream:
    """A granted stream. Made by `tcp_stream`."""

    def __init__(self, connection: Connection, keys: SessionKeys, frames: Frames, mode: int) -> None:
        self.connection = connection
        self._keys, self._frames, self._mode = keys, frames, mode
        self._number = 1
        self._first = b"" if mode == SINK else frames.rest()

    @property
    def rtt_ms(self) -> float:
        """Round trip of the TCP handshake."""
        return self.connection.connect_ms

    async def receive(self, until: float, limit: int = READ) -> Chunk:
        """Return what arrived next of a SEND or FILL stream; no data means that it is over.

        Raises OSError and `TimedOut`.
        """
        if self._first:
            first, self._first = self._first, b""
            return Chunk(first, self.connection.connected_at)
        return await self.connection.recv(limit, until)

    async def push(self, data: bytes, until: float) -> tuple[int, list[Count]]:
        """Send some of `data` to a SINK: as much as goes at once, waiting where nothing does.

        Returns how many bytes went, and what the reflector has counted meanwhile. Raises OSError,
        `TimedOut`, and `ProtocolViolated`.
        """
        while True:
            sent, chunk = self.connection.exchange(data, FIRST_READ)
            counts = self._counts(chunk)
            if sent or counts:
                return sent, counts
            if chunk is not None and not chunk.data:
                raise ProtocolViolated("the reflector closed the stream")
            await self.connection.ready(until)

    async def counts(self, until: float) -> list[Count]:
        """Wait for what the reflector counts next; nothing means that it closed. Raises as `push`."""
        while True:
            chunk = await self.connection.recv(FIRST_READ, until)
            counts = self._counts(chunk)
            if counts or not chunk.data:
                return counts

    def finish(self) -> None:
        """Tell a SINK that no more comes, so that it counts to the end and closes."""
        self.connection.shut()

    def _counts(self, chunk: Chunk | None) -> list[Count]:
        if chunk is None:
            return []
        try:
            self._frames.add(chunk.data)
            return list(map(self._count, iter(self._frames.pop, None)))
        except WireError as error:
            raise ProtocolViolated(f"the reflector's counts: {error}") from None

    def _count(self, data: bytes) -> Count:
        frame = opened(data, self._keys.reflector)
        self._number += 1
        if frame.kind is not Kind.COUNT or frame.number != self._number:
            raise WireError("a frame that was not next")
        return unpack(Count, frame.body)


@asynccontextmanager
async def tcp_stream(
    poller: Poller,
    address: Address,
    port: int,
    key: bytes,
    mode: int,
    most_bytes: int,
    seconds: float,
    until: float,
) -> AsyncIterator[TcpStream]:
    """Open a stream (`SEND`, `FILL` or `SINK`) of at most so many bytes and seconds; closing it ends it.

    Raises OSError, `TimedOut`, `ProtocolViolated`, `OwnLoginFailed` (the key was refused), `NotRun` (the
    reflector's budget).
    """
    connection = await connect(poller, address, port, until=until, talks=True)
    try:
        yield await _granted(connection, key, mode, most_bytes, seconds, until)
    finally:
        connection.close()


async def _granted(
    connection: Connection, key: bytes, mode: int, most_bytes: int, seconds: float, until: float
) -> TcpStream:
    nonce, frames = secrets.token_bytes(NONCE_SIZE), Frames()
    await connection.send(framed(plain(Kind.HELLO, Hello(nonce))), until)
    try:
        challenge = _challenge(await _frame(connection, frames, until), nonce)
        ask = Stream(nonce, challenge, mode, most_bytes, int(seconds * 1000))
        await connection.send(framed(sealed(key, Kind.STREAM, 0, 1, ask)), until)
        keys = session_keys(key, nonce, challenge)
        _accept(await _frame(connection, frames, until), keys)
    except WireError as error:
        raise ProtocolViolated(f"no reflector's answer: {error}") from None
    return TcpStream(connection, keys, frames, mode)


def _challenge(data: bytes, nonce: bytes) -> bytes:
    """Return the reflector's nonce, which COOKIE carries over TCP."""
    challenge = unpack(Cookie, opened(data, b"").body)
    if challenge.nonce != nonce:
        raise WireError("an answer to another question")
    return challenge.cookie


async def _frame(connection: Connection, frames: Frames, until: float) -> bytes:
    while (frame := frames.pop()) is None:
        chunk = await connection.recv(FIRST_READ, until)
        if not chunk.data:
            raise ProtocolViolated("the reflector closed the connection")
        frames.add(chunk.data)
    return frame


def _accept(data: bytes, keys: SessionKeys) -> None:
    try:
        frame = opened(data, keys.reflector)
    except WireError:
        frame = unsigned(data)
        if frame.kind is Kind.REFUSED and unpack(Refused, frame.body).reason == Reason.AUTH:
            raise OwnLoginFailed(WRONG_KEY) from None
        raise
    _check_granted(frame)


def _check_granted(frame: Frame) -> None:
    if frame.kind is Kind.REFUSED:
        raise refusal(unpack(Refused, frame.body))
    if frame.kind is not Kind.READY:
        raise WireError("neither granted nor refused")
    unpack(Ready, frame.body)
