"""docs/api.md is true: its addresses answer, its examples have the shapes that come, its metrics exist."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.people.maintenance import Maintenance, Mode
from monitor.web import unit_figures
from tests.opened import two
from tests.servers.daemon import running
from tests.web.serving import sample_client
from tests.web.views import CHECK, Sample

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
EXAMPLES = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
ADDRESSES = re.findall(r"^\| `(/[^`]*)` \| ", TEXT, re.MULTILINE)
PLACES = {"UNIT/ASSET/CHECK": CHECK, "UNIT": "gz-tianhe", "NUMBER": "1"}
INVENTORY = """\
version: 1
units:
  - id: u1
    name: Unit
    level: hall
    assets:
      - {id: a1, kind: host, address: 127.0.0.1, checks: [{probe: tcp, port: 9, every: 1 h, timeout: 1 s}]}
"""
LIVE = {
    "muster.units/1": "/api/v1/units",
    "muster.unit/1": "/api/v1/units/gz-tianhe",
    "muster.series/1": f"/api/v1/checks/{CHECK}/series?metric=connect_ms",
    "muster.incidents/1": "/api/v1/incidents",
    "muster.incident/1": "/api/v1/incidents/1",
    "muster.maintenance/1": "/api/v1/maintenance",
    "muster.versions/1": "/api/v1/versions",
    "": f"/api/v1/checks/{CHECK}/series?metric=connect_ms&step=2m",
}
"""Where the answer of each example's schema comes from; "" is an error."""


SOMETIMES = {
    "muster_readings_total", "muster_loop_late_ms", "muster_traps_received_total", "muster_traps_waiting",
    "muster_traps_total", "muster_traps_dropped_total", "muster_traps_checks_total",
}  # fmt: skip
"""Those that come with the first reading, with the first turns of the loop, or where traps are received."""


def _documented() -> set[str]:
    own = TEXT[TEXT.index("The daemon's own figures") :]
    return set(re.findall(r"`(muster_[a-z_]+)", own))


def _of_units() -> set[str]:
    end = TEXT.index("The daemon's own figures")
    return set(re.findall(r"`(muster_[a-z_]+)", TEXT[TEXT.index("Of units, and of what is around") : end]))


def test_what_is_told_of_units_is_what_the_table_says() -> None:
    web = Path(unit_figures.__file__).parent
    code = "".join((web / f"{name}_figures.py").read_text("utf-8") for name in ("unit", "asset"))
    assert set(re.findall(r'"(muster_\w+)"', code)) == _of_units()
    assert len(_of_units()) > 15


def _agree(example: Any, answer: Any, where: str) -> None:
    """Fail where the example has another shape; "..." stands for what is left out."""
    if isinstance(example, dict):
        assert isinstance(answer, dict), where
        if "..." not in example:
            assert example.keys() == answer.keys() or not _named(example), where
        for key in example.keys() & answer.keys():
            _agree(example[key], answer[key], f"{where}.{key}")
    elif isinstance(example, list):
        assert isinstance(answer, list), where
        if example and answer and example != ["..."]:
            _agree(example[0], answer[0], where)
    elif example is not None and answer is not None and example != "...":
        kinds = (int, float) if isinstance(example, int | float) else (type(example),)
        assert isinstance(answer, kinds), where


def _named(example: dict[str, Any]) -> bool:
    """Whether keys are fields (and not categories, gates, statuses or tiers)."""
    return not example.keys() & {"security", "go-live", "fail", "tier1"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.get("schema", "error"))
async def test_examples_have_the_shape_that_comes(tmp_path: Path, example: dict[str, Any]) -> None:
    async with sample_client(tmp_path) as (view, session):
        await _happen(view)
        answer = await _json(session, LIVE[example.get("schema", "")])
        if example.get("schema") == "muster.units/1":
            answer["units"] = [each for each in answer["units"] if each["id"] == "gz-tianhe"]
        if example.get("schema") == "muster.unit/1":
            assert answer["unit"].keys() >= example["unit"].keys()
            answer["unit"], example = example["unit"], {**example, "card": {"...": "..."}}
        _agree(example, answer, "answer")


async def _happen(view: Sample) -> None:
    """Let there be incidents, one of them acknowledged, and maintenance."""
    now = time.time()
    await two(view.evidence, now)
    await view.people.answer({"do": "incident.ack", "incident": 1, "until": now + 600})
    work = Maintenance(
        3, "gz", Mode.MUTE, "patches", "li", now, windows=("22:00-06:00",), zone="Asia/Shanghai"
    )
    view.people.maintenances.put([work])


async def _json(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        return await answer.json()


def test_every_example_is_looked_at() -> None:
    assert {each.get("schema", "") for each in EXAMPLES} == LIVE.keys()
    assert len(ADDRESSES) >= 9


@pytest.mark.parametrize("address", ADDRESSES)
async def test_every_address_of_the_table_answers(tmp_path: Path, address: str) -> None:
    for name, value in PLACES.items():
        address = address.replace(name, value)
    async with sample_client(tmp_path) as (view, session):
        await _happen(view)
        query = {"metric": "connect_ms"} if address.endswith("/series") else {}
        async with session.get(address, params=query) as answer:
            assert answer.status == 200, await answer.text()


async def test_the_daemons_own_metrics_are_those_of_the_table(tmp_path: Path) -> None:
    async with running(tmp_path, INVENTORY) as daemon:
        text = (await daemon.get("/metrics"))[1]
    families = {family.name: family for family in text_string_to_metric_families(text)}
    names = {f"{name}_total" if family.type == "counter" else name for name, family in families.items()}
    names -= {"muster_exposed_left_out", "muster_check_state"} | _of_units()
    assert names - SOMETIMES == _documented() - SOMETIMES
    buckets = [each for each in families["muster_lag_ms"].samples if each.name.endswith("_bucket")]
    assert buckets[-1].labels == {"le": "+Inf"}
