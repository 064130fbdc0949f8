"""Meters of DL/T 645 on a line, by frames as published (RECORDED) or as the standard lays them out.

Nothing of the probe's own codec is used: frames are text in hexadecimal digits. `package_meter` is a meter of
the package dlt645, which others have written.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.hostile import tcp_server
from tests.servers.ports import free_port, until_listening
from tests.servers.process import running

RECORDED = {
    # A widespread collection of frames of DL/T 645-2007, of a meter 000000000161: its forward energy ...
    "68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16":
        "68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16",
    # ... and the voltage of its phase A
    "68 61 01 00 00 00 00 68 11 04 33 34 34 35 17 16":
        "68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16",
    # The manual of a gateway (Heyuan ASDU-LS), DL/T 645-1997, meter 000000000003: the voltage of phase A
    "68 03 00 00 00 00 00 68 01 02 44 E9 03 16":
        "68 03 00 00 00 00 00 68 81 04 44 E9 33 34 EC 16",
}  # fmt: skip
Answer = str | Callable[[], str] | None


def frame(meter: str, control: str, data: str) -> str:
    """Return a frame in hexadecimal digits; `data` is as the standard shows it, highest byte first."""
    low_first = [data[at : at + 2] for at in range(0, len(data), 2)][::-1]
    field_ = [f"{(int(byte, 16) + 0x33) % 256:02X}" for byte in low_first]
    address = [meter[at : at + 2] for at in range(0, 12, 2)][::-1]
    body = ["68", *address, "68", control, f"{len(field_):02X}", *field_]
    return " ".join([*body, f"{sum(int(byte, 16) for byte in body) % 256:02X}", "16"])


@dataclass
class Line:
    """What hangs on a line: to each question an answer, a function that makes one, or None for silence."""

    answers: Mapping[str, Answer]
    preamble: str = "FE FE FE FE"
    pieces: int = 0
    """Size of the pieces in which an answer comes; 0: at once."""
    delay: float = 0.0
    asked: list[str] = field(default_factory=list)

    def answer(self, question: bytes) -> bytes:
        asked = question.lstrip(b"\xfe").hex(" ").upper()
        self.asked.append(asked)
        given = self.answers.get(asked)
        text = given() if callable(given) else given
        return bytes.fromhex(f"{self.preamble} {text}") if text else b""

    async def serve(
        self, read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Answer what is read until nothing more comes."""
        come = b""
        while data := await read():
            come = (come + data).lstrip(b"\xfe")
            while len(come) > 11 and len(come) >= 12 + come[9]:
                question, come = come[: 12 + come[9]], come[12 + come[9] :].lstrip(b"\xfe")
                await self._give(self.answer(question), write)

    async def _give(self, answer: bytes, write: Callable[[bytes], Awaitable[None]]) -> None:
        await asyncio.sleep(self.delay)
        size = self.pieces or len(answer) or 1
        for at in range(0, len(answer), size):
            await write(answer[at : at + size])
            await asyncio.sleep(0.002 if self.pieces else 0)


@asynccontextmanager
async def meters_on_tcp(line: Line) -> AsyncIterator[int]:
    """Put a line behind a serial server and give its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        await line.serve(lambda: reader.read(1024), write)

    async with tcp_server(handle) as port:
        yield port


@asynccontextmanager
async def meters_on_pty(line: Line) -> AsyncIterator[str]:
    """Put a line on a pseudo-terminal and give its path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    loop, come = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def arrived() -> None:
        with contextlib.suppress(BlockingIOError):
            come.put_nowait(os.read(master, 1024))

    async def write(data: bytes) -> None:
        os.write(master, data)

    loop.add_reader(master, arrived)
    task = asyncio.create_task(line.serve(come.get, write))
    try:
        yield os.ttyname(slave)
    finally:
        loop.remove_reader(master)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.close(master)
        os.close(slave)


PACKAGE_METER = """
import asyncio, sys
from dlt645.service.serversvc.async_server_service import AsyncMeterServerService

async def serve(port):
    meter = AsyncMeterServerService.new_tcp_server("127.0.0.1", port)
    meter.set_address(bytes.fromhex("610100000000"))
    assert meter.set_00(0x00010000, 1234.56)
    for identifier, volts in ((0x02010100, 230.1), (0x02010200, 231.2), (0x02010300, 229.3)):
        assert meter.set_02(identifier, volts)
    assert meter.set_04(0x04000101, "26112402") and meter.set_04(0x04000102, "120000")
    async with meter:
        await asyncio.sleep(600)

asyncio.run(serve(int(sys.argv[1])))
"""


@asynccontextmanager
async def package_meter(tmp_path: Path) -> AsyncIterator[int]:
    """Run a meter of the package dlt645 (000000000161) and give its port."""
    port = free_port()
    async with running(sys.executable, "-c", PACKAGE_METER, str(port), log=tmp_path / "meter.log"):
        await until_listening(port, seconds=30)
        yield port
