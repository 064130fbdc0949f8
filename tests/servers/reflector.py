"""A real `muster reflect` in a process of its own, on a private port."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from probes.network._reflect_keys import unit_key, written
from tests.servers.netns import Namespace

MASTER = "a master secret of the tests"
UNIT = "gz-tianhe"
SECRETS = {"reflect": MASTER}


@dataclass(slots=True)
class Reflector:
    """The running process, its port and log."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    def entries(self) -> list[dict[str, object]]:
        """Return what it logged."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    async def stop(self) -> dict[str, object]:
        """End it and return the counts it printed last."""
        self.process.terminate()
        await asyncio.wait_for(self.process.wait(), 10)
        return self.entries()[-1]


def key_file(home: Path, unit: str = UNIT) -> Path:
    """Write a unit's key and return its file."""
    path = home / f"{unit}.key"
    path.touch(mode=0o600)
    path.write_text(written(unit_key(MASTER, unit)) + "\n", "ascii")
    return path


async def start(home: Path, *arguments: str, inside: Namespace | None = None) -> Reflector:
    """Run `muster` with these arguments, perhaps `inside` a namespace, and wait until it answers."""
    log = home / f"{uuid.uuid4().hex}.log"
    command: tuple[str, ...] = (sys.executable, "-m", "monitor.cli", *arguments, "--log", "json")
    if inside is not None:
        command = inside.command(*command)
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)
    async with asyncio.timeout(20):
        while '"answering"' not in log.read_text("utf-8"):
            assert process.returncode is None, log.read_text("utf-8")
            await asyncio.sleep(0.05)
    reflector = Reflector(process, 0, log)
    bound = reflector.entries()[0]["port"]
    assert isinstance(bound, int)
    reflector.port = bound
    return reflector


@asynccontextmanager
async def started(home: Path, *arguments: str, inside: Namespace | None = None) -> AsyncIterator[Reflector]:
    """Run `muster reflect` with these arguments, and end it."""
    reflector = await start(home, *arguments, inside=inside)
    try:
        yield reflector
    finally:
        if reflector.process.returncode is None:
            reflector.process.kill()
            await reflector.process.wait()


@asynccontextmanager
async def reflecting(
    home: Path, *options: str, host: str = "127.0.0.1", inside: Namespace | None = None
) -> AsyncIterator[Reflector]:
    """Run a reflector with the tests' key on a free port, perhaps `inside` a namespace, and end it."""
    listen = f"[{host}]:0" if ":" in host else f"{host}:0"
    key = str(key_file(home))
    arguments = ("reflect", "--listen", listen, "--key-file", key, *options)
    async with started(home, *arguments, inside=inside) as reflector:
        yield reflector
