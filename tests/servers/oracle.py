"""An Oracle listener as far as one can be had: it answers a connect packet, and no database is behind.

Packets as python-oracledb's thin mode reads them (its connect and refuse messages).
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.servers.hostile import tcp_server

REFUSE, RESEND = 4, 11


def packet(kind: int, body: bytes = b"") -> bytes:
    """Return a TNS packet of the old header, with 16 bits of length."""
    return struct.pack(">HHBBH", 8 + len(body), 0, kind, 0, 0) + body


def refuse(number: int) -> bytes:
    """Return the packet by which a listener refuses, with the number of an ORA- or TNS- error."""
    text = (
        f"(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR={number})(ERROR_STACK=(ERROR=(CODE={number})(EMFI=4))))"
    )
    return packet(REFUSE, b"\x22\x00" + struct.pack(">H", len(text)) + text.encode())


def listener(answer: bytes | None, tls: ssl.SSLContext | None = None) -> AbstractAsyncContextManager[int]:
    """Serve on a private port: answer each connect packet (None: never)."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8192)
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        await reader.read()

    return tcp_server(talk, tls=tls)


@asynccontextmanager
async def counting() -> AsyncIterator[tuple[int, list[asyncio.StreamWriter]]]:
    """Serve connections that are never answered; give the port and those that are open."""
    opened: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        while await reader.read(8192):
            pass
        opened.remove(writer)

    async with tcp_server(talk) as port:
        yield port, opened
