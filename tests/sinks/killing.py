"""A real `muster run` and a real VictoriaMetrics, each killed at random moments; then all is counted."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from monitor.sinks.lines import Series
from monitor.store.api import Cursor
from monitor.store.evidence import StoreReader
from tests.servers import daemon as daemons
from tests.servers.ports import closed_port, free_port
from tests.servers.victoriametrics import VictoriaMetrics
from tests.sinks.feeding import fed, feeding, level, until
from tests.store.making import opened

CHECKS = 40
Counted = set[tuple[str, int]]
"""Check and time in ms of readings."""


def inventory(port: int) -> str:
    """Return checks that are refused at once, each once a second."""
    checks = ", ".join(
        f"{{probe: tcp, id: c{n}, port: {port}, every: 1s, timeout: 500ms}}" for n in range(CHECKS)
    )
    asset = f"{{id: a, kind: host, address: 127.0.0.1, checks: [{checks}]}}"
    return f"version: 1\nunits:\n  - {{id: u, name: 厅, level: hall, assets: [{asset}]}}\n"


def in_store(store: StoreReader) -> Counted:
    """Return all readings of a store."""
    found: Counted = set()
    cursor = Cursor()
    while True:
        batch = store.read_since(cursor)
        found |= {(r.check.rpartition("/")[2], round(r.at * 1000)) for r in batch.readings}
        if not batch.readings and batch.cursor == cursor:
            return found
        cursor = batch.cursor


async def in_server(server: VictoriaMetrics) -> Counted:
    """Return all readings of the server."""
    series = await server.export("muster_tcp_outcome")
    return {(each["metric"]["check"], at) for each in series for at in each["timestamps"]}


async def shown(server: VictoriaMetrics, wanted: int, seconds: float = 5.0) -> Counted:
    """Return what the server has once it shows so much; after a crash that takes it a second or two."""
    end = time.monotonic() + seconds
    while len(found := await in_server(server)) < wanted and time.monotonic() < end:
        await asyncio.sleep(0.2)
    return found


def described(check: str) -> Series:
    """Return what the daemon knows of a check."""
    return Series("u", "a", check.rpartition("/")[2], "tcp", "host", "hall")


async def killed(home: Path, kills: int, seed: int) -> tuple[Counted, Counted]:
    """Kill one side or the other so many times; return what the store has, and what the server has."""
    dice = random.Random(seed)
    server, port = VictoriaMetrics(home), free_port()
    await server.start()
    try:
        with closed_port() as refusing:
            settings = daemons.write_home(
                home / "muster", inventory(refusing), port,
                f'[influx]\nurl = "{server.url}"\nserver = "victoriametrics"\n',
            )  # fmt: skip
            daemon = await daemons.start(settings, port)
            for _ in range(kills):
                await asyncio.sleep(dice.uniform(0.2, 3))
                if dice.random() < 0.5:
                    await server.kill()
                    await asyncio.sleep(dice.uniform(0, 1.5))
                    await server.start()
                else:
                    daemon.process.kill()
                    await daemon.process.wait()
                    daemon = await daemons.start(settings, port, ready=False)
            await asyncio.sleep(2)
            daemon.process.kill()
            await daemon.process.wait()
        async with opened(home / "muster" / "state") as store:
            feeder = fed(store, server.url)
            feeder.lines.describe = described
            async with feeding(feeder):
                await until(lambda: level(feeder) and feeder.head > 0)
            kept = await asyncio.to_thread(in_store, store)
            return kept, await shown(server, len(kept))
    finally:
        await server.kill()
