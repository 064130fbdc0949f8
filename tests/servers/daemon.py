"""A real `muster run` in a process of its own, on a private directory and port."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers.ports import free_port


class Daemon:
    """The running process; `url` is its board."""

    def __init__(self, process: asyncio.subprocess.Process, home: Path, port: int) -> None:
        self.process, self.home, self.url = process, home, f"http://127.0.0.1:{port}"
        self.socket = home / "state" / "muster.sock"

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and text of a page."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def json(self, path: str) -> Any:
        """Return a page's JSON."""
        return json.loads((await self.get(path))[1])

    async def metric(self, line: str) -> float:
        """Return the value of the line of /metrics that begins so, 0 where there is none."""
        text = (await self.get("/metrics"))[1]
        found = [each for each in text.splitlines() if each.startswith(line + " ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    async def until(self, line: str, least: float, seconds: float = 20) -> float:
        """Wait for a metric to reach a value."""
        async with asyncio.timeout(seconds):
            while (value := await self.metric(line)) < least:
                await asyncio.sleep(0.2)
            return value

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)

    def log(self) -> str:
        """Return what it printed."""
        return (self.home / "log").read_text("utf-8")


def write_home(home: Path, inventory: str, port: int, extra: str = "") -> Path:
    """Write settings and inventory; return the settings file."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "inventory.yaml").write_text(inventory, "utf-8")
    settings = home / "muster.toml"
    settings.write_text(
        f'[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\nlog = "json"\n{extra}\n'
        '[incidents]\nhold = "1 s"\nclose_after = "1 s"\n'
        f'[web]\nlisten = "127.0.0.1:{port}"\n',
        "utf-8",
    )
    return settings


async def start(settings: Path, port: int, *, ready: bool = True) -> Daemon:
    """Start a daemon, and wait until it is ready (or not)."""
    log = (settings.parent / "log").open("ab")
    command = (sys.executable, "-m", "monitor.cli", "run", "-c", str(settings))
    process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    log.close()
    daemon = Daemon(process, settings.parent, port)
    if ready:
        await _ready(daemon)
    return daemon


async def _ready(daemon: Daemon) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await daemon.get("/readyz"))[0] == 200:
                    return
            except aiohttp.ClientError:
                assert daemon.process.returncode is None, daemon.log()
            await asyncio.sleep(0.1)


@asynccontextmanager
async def running(home: Path, inventory: str, extra: str = "") -> AsyncIterator[Daemon]:
    """Run a daemon, and end it."""
    port = free_port()
    daemon = await start(write_home(home, inventory, port, extra), port)
    try:
        yield daemon
    finally:
        if daemon.process.returncode is None:
            daemon.process.kill()
            await daemon.process.wait()
