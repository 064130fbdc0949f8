"""A mail server that keeps nothing but subjects (RFC 5321), for the demonstration."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy

KEPT = 100
MAX_MAIL = 1024 * 1024
IDLE_S = 60.0
ANSWERS = {
    b"EHLO": b"250-demo\r\n250 8BITMIME\r\n",
    b"HELO": b"250 demo\r\n",
    b"MAIL": b"250 ok\r\n",
    b"RCPT": b"250 ok\r\n",
    b"RSET": b"250 ok\r\n",
    b"NOOP": b"250 ok\r\n",
    b"DATA": b"354 end with a dot\r\n",
    b"QUIT": b"221 bye\r\n",
}


class Sink:
    """Takes every mail; `subjects` are the last ones, the newest last."""

    def __init__(self) -> None:
        self.subjects: deque[str] = deque(maxlen=KEPT)
        self._talks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, host: str) -> AsyncIterator[int]:
        """Listen until the block ends; yields the port."""
        server = await asyncio.start_server(self._talk, host, 0)
        try:
            port: int = server.sockets[0].getsockname()[1]
            yield port
        finally:
            server.close()
            for task in self._talks:
                task.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)
            await server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self._session(reader, writer)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, talks without end, or the demonstration ends
        finally:
            self._talks.discard(task)
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 demo ESMTP\r\n")
        while True:
            line = await asyncio.wait_for(reader.readline(), IDLE_S)
            verb = line[:4].upper()
            writer.write(ANSWERS.get(verb, b"502 not known here\r\n"))
            await writer.drain()
            if verb == b"DATA":
                self._keep(await asyncio.wait_for(_mail(reader), IDLE_S))
                writer.write(b"250 taken\r\n")
                await writer.drain()
            if verb == b"QUIT" or not line:
                return

    def _keep(self, mail: bytes) -> None:
        subject = message_from_bytes(mail, policy=policy.default).get("Subject", "")
        self.subjects.append(str(subject)[:200])


async def _mail(reader: asyncio.StreamReader) -> bytes:
    """Return a mail up to its dot. Raises ValueError for one that is too big."""
    lines, size = [], 0
    while (line := await reader.readline()) not in (b".\r\n", b""):
        size += len(line)
        if size > MAX_MAIL:
            raise ValueError("a mail of over 1 MiB")
        lines.append(line)
    return b"".join(lines)
