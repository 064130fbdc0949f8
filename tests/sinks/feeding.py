"""A store with readings, and a feeder that writes them to a server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from monitor.people.maintenance import Maintenances
from monitor.sinks.feeder import Feeder
from monitor.sinks.settings import InfluxSettings
from monitor.sinks.sink import build
from monitor.store.engine import Store
from monitor.units import Units
from probes.api import Outcome, Reading
from tests.servers.victoriametrics import VictoriaMetrics

BASE = 1_795_000_000


def fed(store: Store, url: str, units: Units | None = None, **more: Any) -> Feeder:
    settings = InfluxSettings(url=url, **({"server": "victoriametrics", "every": 0.1} | more))
    made = build(settings, store, units or Units(), Maintenances(), str)
    assert made is not None
    return made


@asynccontextmanager
async def feeding(feeder: Feeder) -> AsyncIterator[Feeder]:
    """Run a feeder, and end it."""
    task = asyncio.create_task(feeder.run())
    try:
        yield feeder
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


def level(feeder: Feeder) -> bool:
    """Whether everything that was committed was taken."""
    now = feeder.track.now
    return feeder.idle and not now.gaps and feeder.link.trouble is None and now.live.after >= feeder.head


def fill(store: Store, first: int, count: int, checks: int = 5) -> None:
    """Append readings number `first` and on, one a second of each check in turn."""
    for number in range(first, first + count):
        at = BASE + number // checks
        check = f"u/a/c{number % checks}"
        store.append(Reading(Outcome.OK, metrics={"value": float(number)}, check=check, at=at, vantage="hub"))


async def stored(server: VictoriaMetrics, probe: str = "unknown") -> Counter[tuple[str, int]]:
    """Return (check, value) of every stored reading, and how often it is there."""
    found: Counter[tuple[str, int]] = Counter()
    for each in await server.export(f"muster_{probe}_value"):
        found.update((each["metric"]["check"], int(value)) for value in each["values"])
    return found


def wanted(count: int, checks: int = 5) -> Counter[tuple[str, int]]:
    """Return what `fill` of so many readings makes."""
    return Counter((f"c{number % checks}", number) for number in range(count))
