"""A download by HTTP GET from the asset, watched at this end only: what it carries up, by any server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from probes._http import Response, request
from probes._resolve import Address
from probes._sockets import Chunk, Connection, Poller, connect
from probes.errors import ExpectationFailed
from probes.network._rate_leave import Leave
from probes.network._rate_transfer import SEGMENT_SHARE, download
from probes.network._tcp_rate import EarlyStop, Settled

PORT = 80
FIRST, PIECE = 4096, 131_072


@dataclass(slots=True)
class Download:
    """What came of it."""

    settled: Settled
    rtt_ms: float
    ended: bool
    """Whether the body ended first."""


async def measure_http(
    poller: Poller, address: Address, url: str, most: int, until: float, leave: Leave
) -> Download:
    """Fetch at most `most` bytes (IP layer) of `url` from `address` until the rate settles.

    Raises `ExpectationFailed` (another status than 200), `ProtocolViolated`, `TimedOut`, `Stopped`, OSError.
    """
    parts = urlsplit(url)
    connection = await connect(poller, address, parts.port or PORT, until=until, talks=True)
    try:
        body = _Body(connection, int(most * SEGMENT_SHARE), until)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        target = f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else path
        fields = [("Host", parts.netloc), ("Connection", "close"), ("Accept-Encoding", "identity"),
                  ("User-Agent", "muster")]  # fmt: skip
        await connection.send(request("GET", target, fields, b""), until)
        stop = EarlyStop(connection.connect_ms / 1000)
        await download(body.receive, stop, leave, until)
    finally:
        connection.abort()
    return Download(stop.result(), connection.connect_ms, body.response.complete)


class _Body:
    """The response as pieces of what arrived, until it ends or is long enough."""

    def __init__(self, connection: Connection, most: int, until: float) -> None:
        self._connection, self._until = connection, until
        self.response = Response("GET", most, keep=False)

    async def receive(self, until: float) -> Chunk:
        response = self.response
        if response.done:
            return Chunk(b"", 0.0)
        limit = PIECE if response.head_done else FIRST
        chunk = await self._connection.recv(limit, min(until, self._until))
        if chunk.data:
            response.feed(chunk.data)
        else:
            response.end()
        if response.head_done and response.status != 200:
            raise ExpectationFailed(f"status {response.status}, expected 200")
        return chunk
