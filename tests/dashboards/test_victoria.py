"""Every query of the PromQL dashboards for what Muster writes itself, asked of a real VictoriaMetrics.

Nothing is scraped: a real Muster writes there through its sink and influxdb-client. Beside it another feeder
writes what no machine of ours has: one reading of every metric of every probe, and the figures of a view.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from monitor.sinks.lines import field_name, measurement
from monitor.web import figures
from probes import registry
from tests.dashboards import fleet
from tests.dashboards.shown import Query, filled, instant, queries
from tests.dashboards.test_promql import REAL
from tests.servers.victoriametrics import VictoriaMetrics, victoria_metrics
from tests.sinks.feeding import fed, feeding, level, until

ASKED = list(queries("victoriametrics"))
WRITES = 5
SINK = '[influx]\nurl = "{url}"\nserver = "victoriametrics"\nfigures_every = "1 s"\n'

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@dataclass(frozen=True, slots=True)
class Filled:
    """A server, and when it had been filled."""

    server: VictoriaMetrics
    at: float

    async def answer(self, query: Query) -> list[dict[str, Any]]:
        """Return what the server answered to a query then."""
        text = filled(instant(query.text), __rate_interval="1m")
        return await self.server.query(text, time=f"{self.at:.3f}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Filled]:
    """Run a server that the real Muster alone has filled."""
    home = tmp_path_factory.mktemp("real")
    async with victoria_metrics(home) as server:
        async with fleet.muster(home / "muster", SINK.format(url=server.url)) as daemon:
            await daemon.until('muster_influx_points_total{what="figures"}', 1000, 40)
            await asyncio.sleep(2)
        await server.ask("/internal/force_flush")
        yield Filled(server, time.time())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory, real: Filled) -> Filled:
    """Let another feeder write to it what the real Muster has not."""
    async with AsyncExitStack() as stack:
        view = await stack.enter_async_context(fleet.dressed(tmp_path_factory.mktemp("view")))
        feeder = fed(view.evidence, real.server.url, view.people.units, figures_every=1)
        feeder.lines.describe = fleet.describe
        feeder.figures.tell = lambda: figures.written(view)
        await stack.enter_async_context(feeding(feeder))
        for reading in fleet.one_of_each():
            view.evidence.append(reading)
        await view.evidence.flush()
        sent, told = feeder.sender.sent, len([each async for part in figures.written(view) for each in part])
        await until(lambda: level(feeder) and sent.points["figures"] >= WRITES * told, 60)
        assert not sent.rejected
    await asyncio.sleep(1)
    await real.server.ask("/internal/force_flush")
    return Filled(real.server, time.time())


@pytest.mark.parametrize("query", ASKED, ids=[each.where for each in ASKED])
async def test_every_query_finds_something_in_what_muster_has_written(whole: Filled, query: Query) -> None:
    assert await whole.answer(query), f"{query.where} finds nothing: {query.text}"


async def test_the_real_muster_alone_answers_one_query_of_each_sort(real: Filled) -> None:
    chosen = [each for each in ASKED if each.where in REAL]
    assert len(chosen) == len(REAL), REAL - {each.where for each in chosen}
    silent = [each.where for each in chosen if not await real.answer(each)]
    assert not silent


async def test_the_flux_dashboards_ask_for_figures_that_are_written(whole: Filled) -> None:
    asked = {
        name
        for each in queries("influx")
        for named in re.findall(r'_measurement == "muster"\)\n.*?filter\(fn: \(r\) => (.*?)\)\n', each.text)
        for name in re.findall(r'_field == "(\w+)"', named)
    }
    assert len(asked) > 25
    missing = {name for name in asked if not await whole.server.query(f"muster_{name}", time=str(whole.at))}
    assert missing == {"incident_acknowledge_seconds"}, "nobody has taken over any"


async def test_figures_and_readings_have_names_of_their_own(real: Filled) -> None:
    specs = [registry.get(name) for name in registry.BUILT_IN]
    readings = {f"{measurement(s.name)}_{field_name(m.name)}" for s in specs for m in s.metrics}
    series = await real.server.query('count by (__name__) ({__name__=~"muster_.*",vantage=""})')
    names = {each["metric"]["__name__"] for each in series}
    assert figures.STATE_CODE in names
    assert not names & readings
