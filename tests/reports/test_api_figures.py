"""A report and the API tell the same figures of the same moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from monitor.child.wire import card
from monitor.store.engine import Store
from monitor.store.verdicts import Verdicts
from monitor.web import api, incidents, plan
from tests.reports.town import NOW, Town
from tests.web.serving import client_of
from tests.web.views import Sample


@pytest.fixture
async def session(town: Town, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[aiohttp.ClientSession]:
    for module in (api, incidents, plan):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: NOW))
    store = await asyncio.to_thread(Store.open, town.place.state_dir)
    try:
        inventory = (await asyncio.to_thread(town.workspace)).inventory
        view = Sample(store, Verdicts(store.state), [card(inventory, key) for key in inventory.units])
        async with client_of(view) as client:
            yield client
    finally:
        await store.aclose()


async def asked(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


@pytest.mark.may_block
async def test_figures_are_those_of_the_api(town: Town, session: aiohttp.ClientSession) -> None:
    report = await asyncio.to_thread(town.report)
    units = (await asked(session, "/api/v1/units"))["units"]
    mine = {each["id"]: each for each in report["verdicts"]["units"]}
    assert Counter(each["verdict"] for each in units) == Counter(
        {key: n for key, n in report["verdicts"]["counts"].items() if n}
    )
    for each in units:
        row = mine[each["id"]]
        for name in ("verdict", "counts", "coverage"):
            assert each[name] == row[name], (each["id"], name)
        categories = {
            name: found["verdict"] for name, found in each["categories"].items() if found["verdict"]
        }
        assert categories == row["categories"]
    one = (await asked(session, "/api/v1/units/h3"))["unit"]
    assert one["unit_digest"] == mine["h3"]["unit_digest"]


@pytest.mark.may_block
async def test_plan_blockers_and_incidents_are_those_of_the_api(
    town: Town, session: aiohttp.ClientSession
) -> None:
    report = await asyncio.to_thread(town.report)
    found = await asked(session, "/api/v1/plan")
    for name in ("counts", "open", "waves", "burndown", "planned"):
        assert report["plan"][name] == found[name], name
    causes = await asked(session, "/api/v1/blockers")
    assert report["blockers"]["causes"] == causes["causes"]
    assert report["blockers"]["rows"] == causes["rows"]
    opened = (await asked(session, "/api/v1/incidents?state=open"))["incidents"]
    assert len(opened) == report["incidents"]["open"]
    rows = {each["id"]: each for each in report["incidents"]["rows"]}
    for each in opened:
        for name in ("root", "severity", "opened_at", "tier"):
            assert each[name] == rows[each["id"]][name]
