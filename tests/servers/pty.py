"""A scripted device on a pseudo-terminal: what is written to the terminal is answered by a function."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[[bytes], bytes]


@dataclass(slots=True)
class Line:
    """A running device; `path` is what a monitor opens, `master` the device's own end."""

    path: str
    master: int
    slave: int
    heard: bytearray = field(default_factory=bytearray)

    def hang_up(self) -> None:
        """Let the device go away."""
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        self.master = -1


@asynccontextmanager
async def device(answer: Answer) -> AsyncIterator[Line]:
    """Run one; `answer` gets all that was written since it last answered, and gives b"" to wait for more."""
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    line = Line(os.ttyname(slave), master, slave)
    waiting = bytearray()

    def ready() -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(master, 4096)
            line.heard.extend(data)
            waiting.extend(data)
            if said := answer(bytes(waiting)):
                waiting.clear()
                os.write(master, said)

    loop.add_reader(master, ready)
    try:
        yield line
    finally:
        if line.master >= 0:
            loop.remove_reader(master)
            os.close(master)
        os.close(slave)
