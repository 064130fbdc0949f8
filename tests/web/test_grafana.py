"""Muster's pages lead to Grafana's dashboards, which lead back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitor.dashboards.model import Source
from monitor.settings import Web
from tests.dashboards.shown import dashboards
from tests.web.serving import client_of, page
from tests.web.views import CHECK, sample

SITE = "https://grafana.example"


@pytest.mark.parametrize("source", list(Source))
async def test_pages_lead_to_dashboards_that_there_are(tmp_path: Path, source: str) -> None:
    settings = Web.model_validate({"listen": "127.0.0.1:0", "grafana": SITE + "/", "grafana_source": source})
    async with sample(tmp_path) as view, client_of(view, settings) as session:
        view.cards[1] = replace(view.cards[1], kinds={"uplink": "channel"})
        unit = await page(session, "/units/gz-tianhe")
        check = await page(session, f"/checks/{CHECK}")
    assert f'href="{SITE}/d/muster-{source}-unit?var-unit=gz-tianhe"' in unit
    assert f'href="{SITE}/d/muster-{source}-channel?var-unit=gz-tianhe&amp;var-channel=uplink"' in check
    boards = dashboards(Source(source).value)
    assert boards["unit"]["uid"] == f"muster-{source}-unit"
    names = {each["name"] for each in boards["channel"]["templating"]["list"]}
    assert {"unit", "channel"} <= names


async def test_without_grafana_nothing_leads_there(tmp_path: Path) -> None:
    async with sample(tmp_path) as view, client_of(view) as session:
        assert "Grafana" not in await page(session, "/units/gz-tianhe")
        assert "Grafana" not in await page(session, f"/checks/{CHECK}")


def test_it_must_be_an_address() -> None:
    with pytest.raises(ValidationError):
        Web(grafana="javascript:alert(1)")
