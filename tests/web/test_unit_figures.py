"""Units on /metrics: what the inventory, the judgements and the incidents say of them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.job import Required
from monitor.people.maintenance import Maintenance, Mode, Planned
from monitor.readiness.conditions import OneOf
from monitor.releases.pledges import Pledge
from monitor.store.api import Latest
from monitor.store.standing import alerting
from monitor.web import asset_figures
from monitor.web.exposition import expose
from probes.api import Reading
from tests.web.test_exposition import _parsed, _series
from tests.web.views import CHECK, GATE, card, item, judged, sample, save

PLACE: dict[str, Any] = {
    "location": (23.1, 113.3),
    "kinds": {"uplink": "channel"},
    "roles": {"uplink": "primary"},
}


async def test_a_unit_tells_its_names_its_place_and_who_is_above(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        view.cards = [
            replace(card("gd", "Guangdong", parent=None), level="province"),
            replace(card("gz", "Guangzhou bureau", "广州供电局", "gd"), level="municipal"),
            card("gz-tianhe", "Tianhe", "天河", "gz", timezone="Asia/Shanghai", **PLACE),
        ]
        found = _parsed((await expose(view, 100)).decode())
    info = {line.labels["unit"]: line.labels for line in found["muster_unit_info"]}
    assert {name: info["gz-tianhe"][name] for name in ("province", "municipal", "county", "name_zh")} == {
        "province": "gd", "municipal": "gz", "county": "", "name_zh": "天河",
    }  # fmt: skip
    assert info["gz"]["municipal"] == "gz"
    assert [line.value for line in found["muster_unit_latitude_degrees"]] == [23.1]
    due = {line.labels["unit"]: line.value for line in found["muster_unit_due_timestamp_seconds"]}
    assert due["gz-tianhe"] == 1_926_201_600 - 8 * 3600, "midnight there, not in UTC"
    assert [line.labels for line in found["muster_asset_info"]] == [
        {"unit": "gz-tianhe", "asset": "uplink", "kind": "channel", "role": "primary"}
    ]


async def test_verdicts_are_told_as_they_are_worth_now(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        stale = judged("gz", "READY", item("network.rtt", expires_at="2020-01-01T00:00:00Z"))
        await save(view, ("gz", time.time() + 1, stale), ("gone", time.time(), judged("gone", "READY")))
        found = _parsed((await expose(view, 100)).decode())
    verdicts = {line.labels["unit"]: line.value for line in found["muster_unit_verdict"]}
    assert verdicts == {"gz": 3, "gz-tianhe": 2}, "expired is unknown; what left the inventory is not told"
    items = {
        line.labels["status"]: line.value
        for line in found["muster_unit_items"]
        if line.labels["unit"] != "gz"
    }
    assert items == {"pass": 1, "fail": 2, "unknown": 1, "waived": 0, "not_applicable": 0}
    blocking = [line.labels for line in found["muster_unit_blocking_items"]]
    here = {"unit": "gz-tianhe", "gate": GATE}
    assert here | {"category": "security", "status": "fail", "reason": "expectation"} in blocking
    assert here | {"category": "application", "status": "unknown", "reason": "blocked"} in blocking
    assert len(blocking) == 2
    categories = {
        line.labels["category"]: line.value
        for line in found["muster_unit_category_verdict"]
        if line.labels["unit"] == "gz-tianhe"
    }
    assert categories == {"network": 1, "security": 2, "application": 3}


async def test_what_became_of_incidents_is_counted(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    rows = [
        # root, opened, closed, acknowledged: brief, repeated and in time, late, open, too long ago
        ("a/x/icmp", now - 9000, now - 8900, None),
        ("a/x/icmp", now - 8000, now - 100, now - 7900),
        ("b/x/icmp", now - 9000, now - 100, now - 100),
        ("b/y/icmp", now - 500, None, None),
        ("c", now - 40 * 86400, now - 39 * 86400, None),
    ]
    async with sample(tmp_path) as view:
        await view.evidence.state.write(
            lambda db: db.executemany(
                "INSERT INTO incident (version, root, kind, detail, state, worst, began_at, opened_at,"
                " closed_at, notified, acked_at)"
                " VALUES (1, ?1, 'timeout', '', 'DOWN', 'DOWN', ?2, ?2, ?3, 0, ?4)",
                rows,
            )
        )
        found = await view.evidence.state.read(lambda db: alerting(db, now))
    assert found.open_at == {"b": 1}
    assert found.severities == {"warning": 1}
    assert found.recent == {
        "opened": 4, "acknowledged": 2, "in_time": 1, "brief": 1, "repeated": 1, "absorbed": 0,
    }  # fmt: skip
    assert found.taken_s == (100.0, 8900.0)


def test_what_a_channel_must_deliver_is_told_unless_no_channel_would_do() -> None:
    told = list(asset_figures.required("u", Required(1e6, 2e6, 50.0, 0.01)))
    assert [(each.name, each.value) for each in told] == [
        ("muster_channel_required_bits_per_second", 1e6),
        ("muster_channel_required_bits_per_second", 2e6),
        ("muster_channel_required_rtt_seconds", 0.05),
        ("muster_channel_required_loss_ratio", 0.01),
    ]
    assert not list(asset_figures.required("u", Required(0.0, 0.0, 0.0, impossible=True)))


async def test_what_runs_is_held_against_its_release(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        pledge = Pledge("portal", "2027.1", "major", 0.0, (("banner", OneOf(("220 v2",))),))
        job = replace(view.jobs[CHECK], released=(pledge,))
    reading = Reading.ok({}, {"banner": "220 v1"})
    (told,) = asset_figures.released(job, Latest(reading, reading))
    assert (told.value, told.labels["component"], told.labels["found"]) == (0, "portal", "220 v1")
    silent = Reading.ok({}, {})
    assert not list(asset_figures.released(job, Latest(silent, silent))), "not known is neither"
    assert not list(asset_figures.released(job, None))


def test_only_work_that_goes_on_is_told() -> None:
    work = Maintenance(3, "gz/uplink", Mode.MUTE, "works", "li", 0.0, 0.0, 100.0)
    told = list(asset_figures.going_on([Planned(work, 10.0, 20.0)], 15.0))
    assert told[0].labels == {
        "unit": "gz", "asset": "uplink", "scope": "gz/uplink", "mode": "mute", "number": "3",
    }  # fmt: skip
    assert not list(asset_figures.going_on([Planned(work, 10.0, 20.0)], 25.0))


async def test_of_runs_the_slowest_are_told(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        job = view.jobs[CHECK]
        runs = [(n / 10, replace(job, id=f"u/a/{n}", check=str(n))) for n in range(100)]
    told = list(asset_figures.slow(asset_figures.slowest(runs)))
    assert len(told) == asset_figures.SLOWEST
    assert (told[0].value, told[0].labels["check"]) == (9.9, "99")


@pytest.mark.alone
async def test_a_thousand_units_beside_ten_thousand_series_are_quick(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        names = [f"unit-{n}" for n in range(1000)]
        view.cards = [card(name, name, "", "unit-0", **PLACE) for name in names]
        at = time.time()
        whole = [(name, at, judged(name, "NOT_READY", item("a", "fail"), item("b"))) for name in names]
        await save(view, *whole)
        view.latest = _series(10_000)
        await expose(view, 20_000)
        taken: list[float] = []
        for _ in range(5):
            start = time.process_time()
            body = await expose(view, 20_000)
            taken.append(time.process_time() - start)
            await asyncio.sleep(0)
        assert body.count(b"\n") > 20_000
        assert min(taken) < 0.100, taken
