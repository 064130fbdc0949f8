"""Every query of the PromQL dashboards, asked of real servers that a real Muster has filled.

Prometheus scrapes it as it would anywhere; VictoriaMetrics is given what was scraped. Each query must be
understood, and find something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.dashboards import fleet
from tests.dashboards.shown import Query, filled, instant, queries
from tests.servers.prometheus import Prometheus, prometheus
from tests.servers.victoriametrics import VictoriaMetrics, victoria_metrics

SCRAPES, STEP_S = 8, 15.0
ASKED = list(queries("prometheus"))
REAL = {
    "readiness: Verdict by unit A",
    "readiness: Units on the map B",
    "readiness: Countdown B",
    "readiness: Blockers by cause A",
    "unit: Categories A",
    "unit: Checks that are not OK A",
    "unit: annotation Incidents",
    "channel: State A",
    "channel: Latency: its distribution, with loss as smoke B",
    "channel: Latency: its distribution, with loss as smoke E",
    "channel: Rate towards the unit D",
    "channel: Rate towards the unit E",
    "channel: Latency: primary against backup A",
    "hosts: Processor A",
    "hosts: Memory in use A",
    "incidents: Open incidents by unit A",
    "own: Slow targets A",
    "own: From due to started B",
    "peripherals: Portals: first byte A",
    "readiness: variable bureau",
}
"""Some that the real Muster alone must answer, one of each sort."""

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Prometheus, VictoriaMetrics]]:
    async with AsyncExitStack() as stack:
        home = tmp_path_factory.mktemp("fleet")
        daemon = await stack.enter_async_context(fleet.muster(home / "muster"))
        served = await stack.enter_async_context(fleet.everything(home / "view"))
        real = daemon.url.removeprefix("http://")
        scraping = await stack.enter_async_context(prometheus(home, (real, served.address)))
        victoria = await stack.enter_async_context(victoria_metrics(home))
        await _give(victoria, (real, served.address))
        async with asyncio.timeout(60):
            while len(await scraping.query("muster_checks offset 6s")) < 1:
                await asyncio.sleep(0.3)
        yield scraping, victoria


async def _give(server: VictoriaMetrics, addresses: tuple[str, ...]) -> None:
    """Import what is exposed as if it had been scraped every 15 s: the values are real, their times not."""
    end = time.time()
    async with aiohttp.ClientSession() as session:
        for number in range(SCRAPES):
            at = round((end - (SCRAPES - 1 - number) * STEP_S) * 1000)
            for address in addresses:
                body = await fleet.exposition(address)
                where = f"{server.url}/api/v1/import/prometheus?timestamp={at}&extra_label=job=muster"
                async with session.post(where, data=body.encode()) as answer:
                    assert answer.status == 204, await answer.text()
            await asyncio.sleep(0.2)
    await server.ask("/internal/force_flush")


@pytest.mark.parametrize("query", ASKED, ids=[each.where for each in ASKED])
async def test_prometheus_understands_every_query_and_finds_something(
    servers: tuple[Prometheus, VictoriaMetrics], query: Query
) -> None:
    found = await servers[0].query(filled(instant(query.text), __rate_interval="5s"))
    assert found, f"{query.where} finds nothing: {query.text}"


@pytest.mark.parametrize("query", ASKED, ids=[each.where for each in ASKED])
async def test_victoria_metrics_understands_every_query_and_finds_something(
    servers: tuple[Prometheus, VictoriaMetrics], query: Query
) -> None:
    found = await servers[1].query(filled(instant(query.text), __rate_interval="1m"))
    assert found, f"{query.where} finds nothing: {query.text}"


async def test_the_real_muster_alone_answers_one_query_of_each_sort(tmp_path: Path) -> None:
    async with fleet.muster(tmp_path / "muster") as daemon, victoria_metrics(tmp_path) as victoria:
        await _give(victoria, (daemon.url.removeprefix("http://"),))
        chosen = [each for each in ASKED if each.where in REAL]
        assert len(chosen) == len(REAL), REAL - {each.where for each in chosen}
        silent = [
            each.where
            for each in chosen
            if not await victoria.query(filled(instant(each.text), __rate_interval="1m"))
        ]
        assert not silent
