"""Units x components on the web: judged by the real judge, kept in a real store, served to a real client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from inventory.models import Inventory
from monitor.readiness.layered import Layered
from monitor.releases.comparing import Comparing
from monitor.releases.document import VersionsDocument, unit_document
from monitor.releases.matrix import line_of
from tests.json_schema import errors
from tests.readiness.world import NOW
from tests.releases.world import Yard
from tests.web.serving import page, refusal, sample_client
from tests.web.test_docs import EXAMPLES
from tests.web.views import Sample, card, save

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/versions.json").read_text("utf-8"))
CARDS = [card("gz", "Guangzhou bureau", "广州供电局"), card("hall", "Tianhe hall", "天河营业厅", "gz")]
EVIL = "<script>alert(1)</script>"


def judgement(directory: Path, now: float, **facts: str) -> dict[str, Any]:
    """Return the hall as the daemon's child judges it: node n1 runs these, n2 what is right."""
    yard = Yard(directory)
    age = NOW - now + 30
    yard.runs("n1", age, **facts).runs("n2", age)
    result = yard.judged(now=now)
    inventory, releases, _ = yard.parts()
    return result.plain() | {"versions": _line(inventory, yard, releases.known["r3"], result)}


def _line(inventory: Inventory, yard: Yard, release: Any, result: Any) -> dict[str, Any]:
    _, releases, _ = yard.parts()
    comparing = Comparing(inventory, releases, Layered(None, yard.readings))
    return unit_document(line_of(inventory.units["hall"], result, release, comparing))


@asynccontextmanager
async def served(
    tmp_path: Path, *, ago: float = 0.0, **facts: str
) -> AsyncIterator[tuple[Sample, aiohttp.ClientSession]]:
    now = time.time() - ago
    judged = await asyncio.to_thread(judgement, tmp_path, now, **facts)
    async with sample_client(tmp_path / "state") as (view, session):
        view.cards = list(CARDS)
        await save(view, ("hall", now, judged))
        yield view, session


async def found(session: aiohttp.ClientSession, query: str = "") -> dict[str, Any]:
    async with session.get(f"/api/v1/versions{query}") as answer:
        assert answer.status == 200, await answer.text()
        document: dict[str, Any] = await answer.json()
    assert await asyncio.to_thread(lambda: list(errors(document, SCHEMA))) == []
    await asyncio.to_thread(VersionsDocument.model_validate, document)
    return document


async def test_the_api_tells_what_drifted(tmp_path: Path) -> None:
    async with served(tmp_path, version="2.0", sum="bb") as (_, session):
        document = await found(session)
        assert [(unit["id"], unit["release"], unit["state"]) for unit in document["units"]] == [
            ("gz", None, "unknown"), ("hall", "r3", "drift"),
        ]  # fmt: skip
        one, two = document["units"][1]["cells"]
        assert (one["asset"], one["state"], one["found"], two["state"]) == ("n1", "drift", "2.0", "released")
        assert (one["drift"]["direction"], one["drift"]["steps"], one["drift"]["release"]) == (
            "behind",
            1,
            "r2",
        )
        assert document["components"] == [{"id": "billing", "title": "Billing", "title_zh": "计费"}]
        example = next(each for each in EXAMPLES if each.get("schema") == document["schema"])
        (cell,) = example["units"][0]["cells"]
        assert (cell.keys(), cell["drift"].keys()) == (one.keys(), one["drift"].keys())
        async with session.get("/api/v1/units/hall") as answer:
            assert "versions" not in (await answer.json())["unit"], "one element of check --format json"


async def test_what_has_expired_is_unknown(tmp_path: Path) -> None:
    async with served(tmp_path, ago=2 * 86400.0, version="2.0") as (_, session):
        unit = (await found(session, "?under=hall"))["units"][0]
        assert (unit["state"], {cell["reason"] for cell in unit["cells"]}) == ("unknown", {"stale"})
        assert (unit["cells"][0]["drift"], unit["cells"][0]["detail"]) == (None, "")


async def test_only_what_drifted_and_a_page_at_a_time(tmp_path: Path) -> None:
    async with served(tmp_path, version="2.0") as (_, session):
        assert [unit["id"] for unit in (await found(session, "?drifted=1"))["units"]] == ["hall"]
        first = await found(session, "?limit=1&drifted=1&under=gz")
        assert (first["units"], first["total"]) == ([], 2)
        second = await found(session, first["next"].removeprefix("/api/v1/versions"))
        assert ([unit["id"] for unit in second["units"]], second["next"]) == (["hall"], None)


async def test_bad_questions(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, session):
        assert 'no unit "x"' in await refusal(session, "/api/v1/versions?under=x", 404)
        assert "limit" in await refusal(session, "/api/v1/versions?limit=101", 400)


async def test_the_page_in_both_languages(tmp_path: Path) -> None:
    async with served(tmp_path, version="2.0", sum="bb") as (_, session):
        english = await page(session, "/versions")
        assert "One unit on this page has drifted from its release" in english
        assert "2.0 ↓1" in english and "1/2" in english  # noqa: PT018
        assert 'title="n1: 1 release behind (r2), since ' in english
        chinese = await page(session, "/versions?lang=zh&under=gz")
        assert "本页有 1 个单位与发布清单不一致" in chinese
        assert "计费" in chinese and "广州供电局及下属单位" in chinese  # noqa: PT018
        only = await page(session, "/versions?drifted=1")
        assert "Tianhe hall" in only and "Guangzhou bureau" not in only  # noqa: PT018


async def test_what_a_node_says_is_escaped(tmp_path: Path) -> None:
    async with served(tmp_path, version=EVIL) as (_, session):
        text = await page(session, "/versions")
        assert EVIL not in text
        assert "&lt;script&gt;" in text


async def test_nothing_to_compare_is_no_success(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session):
        text = await page(session, "/versions")
        assert "No unit is asked for any component." in text
        assert "3 are not known" in text


@pytest.mark.parametrize(
    ("states", "look"),
    [
        (["released", "released"], "ready"),
        (["waived", "released"], "conditional"),
        (["unknown", "waived"], "unknown"),
        (["unknown", "drift"], "not-ready"),
        ([], "unknown"),
    ],
)
async def test_the_page_is_green_only_where_something_was_found_right(
    tmp_path: Path, states: list[str], look: str
) -> None:
    async with served(tmp_path) as (view, session):
        view.cards = [CARDS[1]]
        now = time.time()
        judged = await asyncio.to_thread(judgement, tmp_path, now)
        cells = zip(judged["versions"]["cells"], states, strict=False)
        judged["versions"]["cells"] = [{**cell, "state": state} for cell, state in cells]
        await save(view, ("hall", now, judged))
        assert f'<section class="headline {look}">' in await page(session, "/versions")
