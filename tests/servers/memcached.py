"""memcached on a private port of loopback."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running


@asynccontextmanager
async def memcached(directory: Path, *options: str) -> AsyncIterator[int]:
    """Run one with these options and give its port."""
    port = free_port()
    command = [program("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0", *options]
    if os.getuid() == 0:
        command += ["-u", "root"]
    async with running(*command, log=directory / "memcached.log"):
        await until_listening(port)
        yield port
