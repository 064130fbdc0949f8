"""What fills the servers that the tests ask: a real Muster, and beside it what no machine of ours has.

The real one watches this very machine: a province, a bureau, a hall with two channels, applications, a host
and something that is down. Meters, printers, databases and the rest can't all stand here: for those a view
serves one value of every metric of every probe, through the same application and its /metrics.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from monitor.job import Required
from monitor.people.maintenance import Maintenance, Mode, Planned
from monitor.readiness.conditions import OneOf
from monitor.releases.pledges import Pledge
from monitor.settings import Web
from monitor.sinks import lines
from monitor.store.api import Latest
from monitor.web import asset_figures, serving
from monitor.web.view import OwnMetric, Series
from probes import registry
from probes.api import Reading
from tests.servers.daemon import Daemon, start, write_home
from tests.servers.ports import free_port
from tests.web.views import CHECK, Sample, card, item, judged, sample, save

INVENTORY = """
version: 1
timezone: Asia/Shanghai
units:
  - {{id: gd, name: Guangdong, name_zh: 广东, level: province, go_live: 2031-03-01}}
  - id: gz
    name: Guangzhou bureau
    name_zh: 广州供电局
    parent: gd
    level: municipal
    location: {{lat: 23.13, lon: 113.26}}
    go_live: 2031-02-01
    assets:
      - id: core
        kind: channel
        role: core
        address: 127.0.0.1
        checks: [{{probe: icmp, count: 3, every: 2s, timeout: 1s}}]
  - id: gz-tianhe
    name: Tianhe service hall
    name_zh: 天河营业厅
    parent: gz
    level: hall
    location: {{lat: 23.14, lon: 113.36}}
    go_live: 2031-01-15
    functions: {{counter-query: {{users: 3}}}}
    assets:
      - id: uplink
        kind: channel
        role: primary
        address: 127.0.0.1
        contracted: {{down: 20 Mbit/s, up: 10 Mbit/s, provider: a}}
        checks: [{{probe: icmp, count: 3, every: 2s, timeout: 1s}}]
      - id: spare
        kind: channel
        role: backup
        address: 127.0.0.2
        checks: [{{probe: icmp, count: 3, every: 2s, timeout: 1s}}]
      - {{id: pc1, kind: host, address: 127.0.0.1, checks: [{{probe: host, every: 2s, timeout: 1s}}]}}
      - id: portal
        kind: application
        address: 127.0.0.1
        checks:
          - {{probe: http, port: {web}, path: /healthz, every: 2s, timeout: 1s}}
          - {{probe: tcp, port: {web}, every: 2s, timeout: 1s}}
      - id: dead
        kind: interface
        address: 127.0.0.1
        checks: [{{probe: tcp, port: {closed}, every: 2s, timeout: 1s}}]
"""


@asynccontextmanager
async def muster(directory: Path, extra: str = "") -> AsyncIterator[Daemon]:
    """Run a real daemon until it has judged, measured, and opened an incident."""
    port = free_port()
    inventory = INVENTORY.format(web=port, closed=free_port())
    daemon = await start(write_home(directory, inventory, port, extra), port)
    try:
        await daemon.until("muster_incidents_opened_total", 1, 40)
        await _measured(daemon)
        yield daemon
    finally:
        if daemon.process.returncode is None:
            daemon.process.kill()
            await daemon.process.wait()


async def _measured(daemon: Daemon) -> None:
    """Wait until channels, an application and a host are measured, and the hall is judged."""
    wanted = (
        "muster_rtt_p95_seconds{",
        "muster_first_byte_seconds{",
        "muster_cpu_ratio{",
        "muster_unit_verdict{",
    )
    async with asyncio.timeout(40):
        while True:
            text = (await daemon.get("/metrics"))[1]
            if all(each in text for each in wanted):
                return
            await asyncio.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Served:
    """The view's address, such as `127.0.0.1:1234`."""

    address: str


@asynccontextmanager
async def dressed(directory: Path) -> AsyncIterator[Sample]:
    """Make a view with one value of every metric of every probe."""
    async with sample(directory) as view:
        _dress(view)
        await save(view, ("gz-tianhe", time.time() + 1, judged("gz-tianhe", "NOT_READY", item("a", "fail"))))
        yield view


@asynccontextmanager
async def everything(directory: Path) -> AsyncIterator[Served]:
    """Serve a view with one value of every metric of every probe."""
    async with dressed(directory) as view, serving(view, Web(listen="127.0.0.1:0")) as url:
        yield Served(url.removeprefix("http://").strip("/"))


def one_of_each() -> Iterator[Reading]:
    """Yield a reading of every probe, with all its metrics."""
    for name in registry.BUILT_IN:
        reading = Reading.ok(dict.fromkeys((each.name for each in registry.get(name).metrics), 1.5))
        reading.check, reading.at, reading.vantage = f"gz-tianhe/uplink/{name}", time.time(), "hub"
        yield reading


def describe(check: str) -> lines.Series:
    """Return the tags of these readings."""
    unit, asset, name = check.split("/")
    probe = registry.get(name)
    return lines.Series(unit, asset, name, name, "channel", "hall", probe.metrics)


def _dress(view: Sample) -> None:
    place: dict[str, Any] = {"location": (23.1, 113.3), "kinds": {"uplink": "channel"}}
    view.cards = [
        replace(card("gd", "Guangdong"), level="province"),
        replace(card("gz", "Guangzhou bureau", "广州供电局", "gd"), level="municipal"),
        card("gz-tianhe", "Tianhe", "天河", "gz", roles={"uplink": "primary"}, **place),
    ]
    specs = [registry.get(name) for name in registry.BUILT_IN]
    view.latest = [
        Series("gz-tianhe", "uplink", spec.name, spec.name, metric.name, metric.unit, 1.5, time.time())
        for spec in specs
        for metric in spec.metrics
    ]
    view.near = list(_near(view))


def _near(view: Sample) -> list[OwnMetric | None]:
    work = Maintenance(1, "gz-tianhe", Mode.MUTE, "works", "li", 0.0, 0.0, 9e9)
    pledges = tuple(
        Pledge(name, "2027.1", "major", 0.0, (("banner", OneOf((banner,))),))
        for name, banner in (("portal", "220 v2"), ("client", "220 v1"))
    )
    reading = Reading.ok({}, {"banner": "220 v1"})
    job = replace(view.jobs[CHECK], released=pledges)
    return [
        *asset_figures.going_on([Planned(work, 0.0, 9e9)], 1.0),
        *asset_figures.required("gz-tianhe", Required(1e6, 2e6, 50.0, 0.01)),
        *asset_figures.released(job, Latest(reading, reading)),
    ]


async def exposition(address: str) -> str:
    """Return what an address exposes."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()
