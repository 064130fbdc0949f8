"""The plan and the blockers on the web: kept in a real store, served to a real client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from inventory.models import Unit
from monitor.readiness.schema import render
from monitor.roadmap.schema import MODELS, BlockersDocument, PlanDocument
from monitor.store import plans
from tests.json_schema import errors
from tests.roadmap.making import GATE, NOW, assigned, hall, planner, row, unit
from tests.web.serving import page, refusal, sample_client
from tests.web.views import Sample, card

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
EVIL = "<script>alert(1)</script>"


def kept(now: float) -> Iterator[plans.Planned]:
    """Yield a bureau and three halls as the daemon's child makes them, over the last five days."""
    units = (
        Unit(id="gz", name="Guangzhou bureau", name_zh="广州供电局", level="municipal"),
        hall("h1", parent="gz", go_live=date.today() + timedelta(days=30)),  # noqa: DTZ011
        hall("h2", parent="gz", go_live=date.today() + timedelta(days=2)),  # noqa: DTZ011
        hall("h3", "w2", parent="gz", go_live=date.today() + timedelta(days=30)),  # noqa: DTZ011
    )
    soon, late = ((date.today() + timedelta(days=n)).isoformat() for n in (3, 9))  # noqa: DTZ011
    standing = assigned(("h1", "mtu", "uplink", "li", soon), ("h2", "mtu", "uplink", EVIL, late))
    makes = planner(*units, standing=standing)
    for ago in range(5, -1, -1):
        at = now - ago * 86_400
        judged = {
            "gz": unit("gz", verdict="READY"),
            "h1": unit("h1", *[row(f"x{n}") for n in range(ago)], row("mtu", title="path MTU")),
            "h2": unit("h2", row("mtu", title="path MTU", detail=f"{EVIL} 1400")),
            "h3": unit("h3", row("drill", "unknown", reason="not_attested")),
        }
        for key, each in judged.items():
            yield plans.pack(GATE, at, makes.day(key, at), makes.unit(key, each, at))


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[tuple[Sample, aiohttp.ClientSession]]:
    async with sample_client(tmp_path / "state") as (view, session):
        view.cards = [
            card("gz", "Guangzhou bureau", "广州供电局", wave=""),
            *(card(key, f"Hall {key}", "", "gz", wave="w1") for key in ("h1", "h2")),
            card("h3", "Hall h3", "", "gz", wave="w2"),
            card("h4", "Hall h4", "", "gz", wave="w2"),
        ]
        rows = await asyncio.to_thread(lambda: [*kept(time.time())])
        await view.evidence.state.write(lambda connection: plans.save(connection, rows))
        yield view, session


async def found(session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with session.get(f"/api/v1/{path}") as answer:
        assert answer.status == 200, await answer.text()
        document: dict[str, Any] = await answer.json()
    name = path.partition("?")[0]
    schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    assert await asyncio.to_thread(lambda: list(errors(document, schema))) == []
    model = PlanDocument if name == "plan" else BlockersDocument
    await asyncio.to_thread(model.model_validate, document)
    return document


async def test_the_plan(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, session):
        plan = await found(session, "plan")
        assert {each["id"]: each["forecast"]["status"] for each in plan["units"]} == {
            "gz": None, "h1": "on_track", "h2": "late", "h3": "at_risk",
        }  # fmt: skip
        assert (plan["total"], plan["unjudged"], plan["open"]["open"], plan["open"]["unassigned"]) == (
            4,
            1,
            3,
            1,
        )
        assert [(each["id"], each["status"]) for each in plan["waves"]] == [("w1", "late"), ("w2", "at_risk")]
        assert [each["open"] for each in plan["burndown"]] == [8, 7, 6, 5, 4, 3]
        assert {each["judged"] for each in plan["burndown"]} == {4}
        assert [each["open"] for each in plan["planned"]] == [3, 2, 1]


async def test_a_part_of_it_and_a_page_at_a_time(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, session):
        part = await found(session, "plan?wave=w1&limit=1")
        assert ([each["id"] for each in part["units"]], part["total"], len(part["waves"])) == (["h1"], 2, 1)
        rest = await found(session, part["next"].removeprefix("/api/v1/"))
        assert ([each["id"] for each in rest["units"]], rest["next"]) == (["h2"], None)
        assert (await found(session, "plan?under=h3"))["counts"]["at_risk"] == 1
        late = await found(session, "plan?status=late")
        assert ([each["id"] for each in late["units"]], late["total"]) == (["h2"], 4)


async def test_the_blockers(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, session):
        whole = await found(session, "blockers")
        assert [each["text"] for each in whole["causes"]] == [
            "1 hall: drill", "1 hall: path MTU", "1 hall: path MTU"
        ]  # fmt: skip
        assert (whole["units"], whole["units_open"], whole["rows"]) == (4, 3, 3)
        mine = await found(session, "blockers?owner=li")
        assert [each["unit_ids"] for each in mine["causes"]] == [["h1"]]
        assert [each["item"] for each in (await found(session, "blockers?owner=-"))["causes"]] == ["drill"]


async def test_bad_questions(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, session):
        assert 'no unit "x"' in await refusal(session, "/api/v1/plan?under=x", 404)
        assert "late, undated" in await refusal(session, "/api/v1/plan?status=x", 400)
        assert "limit" in await refusal(session, "/api/v1/plan?limit=1001", 400)
        assert "100 characters" in await refusal(session, f"/api/v1/blockers?owner={'x' * 101}", 400)


async def test_the_page_in_both_languages(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, session):
        english = await page(session, "/plan")
        assert "1 late, 1 at risk, 1 on track" in english
        assert "one unit not judged yet" in english
        assert 'class="failing"' in english
        assert EVIL not in english and "&lt;script&gt;" in english  # noqa: PT018
        chinese = await page(session, "/plan?lang=zh&status=late")
        assert "延误 1，有风险 1，按期 1" in chinese
        assert "1 个营业厅：检查项 mtu" in chinese
        assert "每日未决否决项与重要项" in chinese
        assert "Hall h3" not in chinese
        assert "/plan" in await page(session, "/")


async def test_nothing_was_judged_yet(tmp_path: Path) -> None:
    async with sample_client(tmp_path / "state") as (view, session):
        plan = await found(session, "plan")
        assert (plan["total"], plan["unjudged"], plan["burndown"]) == (0, 3, [])
        assert "3 units not judged yet" in await page(session, "/plan")
        view.cards = []
        assert (await found(session, "plan"))["unjudged"] == 0


async def test_what_lost_its_evidence_is_not_on_track(tmp_path: Path) -> None:
    """The sample's bureau was judged READY by evidence that has expired since."""
    async with sample_client(tmp_path / "state") as (view, session):
        makes = planner(Unit(id="gz", name="gz", level="municipal", go_live=date(2031, 1, 15)))
        row_ = plans.pack(GATE, NOW, "2026-11-24", makes.unit("gz", unit("gz", verdict="READY"), NOW))
        await view.evidence.state.write(lambda connection: plans.save(connection, [row_]))
        statement = "UPDATE verdicts SET verdict = 'READY', good_until = 1 WHERE unit = 'gz'"
        await view.evidence.state.write(lambda connection: connection.execute(statement).rowcount)
        [made] = (await found(session, "plan?under=gz"))["units"]
        assert (made["verdict"], made["forecast"]["status"]) == ("UNKNOWN", "at_risk")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_schemas_are_current(name: str) -> None:
    assert (SCHEMAS / name).read_text("utf-8") == render(MODELS[name])


async def test_old_days_are_forgotten_and_an_older_judgement_changes_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as (view, _):
        state = view.evidence.state
        before = await state.read(lambda connection: plans.units(connection, GATE, ["h1"]))
        old = plans.pack(GATE, NOW - 1e6, "2020-01-01", {**before["h1"], "name": "old"})
        await state.write(lambda connection: plans.save(connection, [old]))
        assert await state.read(lambda connection: plans.units(connection, GATE, ["h1"])) == before
        assert len(await state.read(lambda connection: plans.tallies(connection, GATE, ["h1"]))) == 7
        await state.write(lambda connection: plans.forget(connection, "2020-01-02"))
        assert len(await state.read(lambda connection: plans.tallies(connection, GATE, ["h1"]))) == 6
