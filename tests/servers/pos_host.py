"""A card host for echo tests, by its bytes alone: no library of ISO 8583 makes or reads them.

`ASCII` answers messages of digits with a binary bitmap, `PACKED` those of packed decimals behind a TPDU, as
terminals in China send them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.servers.hostile import tcp_server

Reply = Callable[[bytes], bytes]


def with_length(message: bytes) -> bytes:
    return bytes((len(message) >> 8, len(message) & 255)) + message


def ascii_echo(asked: bytes, *, code: str = "00", stan: str | None = None, kind: str = "0810") -> bytes:
    """Answer a message with fields 7, 11 and 70: type, bitmaps (7, 11, 39; 70), their digits."""
    assert asked[:4] == b"0800"
    assert asked[4:20].hex() == "82200000000000000400000000000000"
    time, number, network = asked[20:30], asked[30:36], asked[36:39]
    assert len(asked) == 39
    bits = bytes.fromhex("82200000020000000400000000000000")
    return kind.encode() + bits + time + (stan.encode() if stan else number) + code.encode() + network


PACKED_QUESTION_BITS = "00200000 00C00010"
"""Fields 11, 41, 42, 60."""


def packed_echo(asked: bytes, *, code: str = "00", mac: bool = False) -> bytes:
    """Answer 0820 with fields 11, 41, 42 and 60 behind TPDU and header: 0830, with 12, 13, 37 and 39."""
    tpdu, header, rest = asked[:5], asked[5:11], asked[11:]
    assert rest[:2].hex() == "0820"
    assert rest[2:10].hex() == PACKED_QUESTION_BITS.replace(" ", "").lower()
    number, terminal, merchant, private = rest[10:13], rest[13:21], rest[21:36], rest[36:]
    assert private.hex() == "00110000000130" + "10", private.hex()
    bits = bytes.fromhex("003800000AC000" + ("11" if mac else "10"))
    swapped = tpdu[:1] + tpdu[3:5] + tpdu[1:3]
    body = bytes.fromhex("0830") + bits + number + bytes.fromhex("203015") + bytes.fromhex("1124")
    body += b"123456789012" + code.encode() + terminal + merchant + private
    return swapped + header + body + (bytes(range(8)) if mac else b"")


@dataclass
class Host:
    """What a host answers, how it lays out lengths, and what it was asked."""

    reply: Reply | None = ascii_echo
    frame: Callable[[bytes], bytes] = with_length
    length_bytes: int = 2
    size: Callable[[bytes], int] = field(default=lambda head: head[0] * 256 + head[1])
    pieces: int = 0
    before: bytes = b""
    """What it says first."""
    asked: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.before)
        while True:
            head = await reader.readexactly(self.length_bytes)
            asked = await reader.readexactly(self.size(head))
            self.asked.append(head + asked)
            if self.reply is not None:
                await self._give(self.frame(self.reply(asked)), writer)

    async def _give(self, answer: bytes, writer: asyncio.StreamWriter) -> None:
        size = self.pieces or len(answer) or 1
        for at in range(0, len(answer), size):
            writer.write(answer[at : at + size])
            await writer.drain()
            await asyncio.sleep(0.002 if self.pieces else 0)


@asynccontextmanager
async def card_host(host: Host, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a host and give its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await host.handle(reader, writer)
        except asyncio.IncompleteReadError:
            return

    async with tcp_server(handle, tls=tls) as port:
        yield port
