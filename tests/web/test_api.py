"""The API: its shapes, its pages, and errors that say what to ask instead."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from monitor.web.api import MAX_POINTS
from probes.api import Reading
from tests.web.serving import refusal, sample_client
from tests.web.views import CHECK, card, item, judged, save

SERIES = f"/api/v1/checks/{CHECK}/series"


async def test_units_come_with_card_and_judgement(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session), session.get("/api/v1/units") as answer:
        assert answer.content_type == "application/json"
        found = await answer.json()
        assert (found["schema"], found["gate"], found["total"]) == ("muster.units/1", "go-live", 3)
        assert found["next"] is None
        units: dict[str, dict[str, Any]] = {unit["id"]: unit for unit in found["units"]}
        hall = units["gz-tianhe"]
        assert (hall["name_zh"], hall["parent"], hall["verdict"]) == ("天河营业厅", "gz", "NOT_READY")
        assert hall["categories"]["security"] == {
            "verdict": "NOT_READY",
            "worst": "fail",
            "counts": {"fail": 1},
        }
        assert hall["blocking"][0]["id"] == "security.certificate"
        assert hall["judged_at"].endswith("Z")
        assert (units["gz-yuexiu"]["verdict"], units["gz-yuexiu"]["judged_at"]) == ("UNKNOWN", None)


async def test_units_come_in_pages_that_leave_nobody_out(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        view.cards = [card(f"u{number}", f"Unit {number}") for number in range(25)]
        seen, link = [], "/api/v1/units?limit=10"
        while link:
            async with session.get(link) as answer:
                found = await answer.json()
            seen += [unit["id"] for unit in found["units"]]
            link = found["next"]
        assert seen == [f"u{number}" for number in range(25)]


async def test_a_unit_comes_as_the_contract_has_it(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session):
        async with session.get("/api/v1/units/gz-tianhe") as answer:
            found = await answer.json()
        assert found["schema"] == "muster.unit/1"
        assert found["card"]["contacts"] == {"tier1": ["it@gz.example"]}
        unit = found["unit"]
        assert (unit["verdict"], len(unit["items"])) == ("NOT_READY", 4)
        assert unit["items"][1]["expected"] == "cert_days_left >= 30"
        assert "judged_at" not in unit
        async with session.get("/api/v1/units/gz-yuexiu") as answer:
            found = await answer.json()
        assert (found["unit"], found["judged_at"]) == (None, None)


async def test_expired_evidence_is_not_called_ready_by_the_api(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        old = item("network.rtt", expires_at="2020-01-01T00:00:00Z")
        await save(view, ("gz", time.time(), judged("gz", "READY", old)))
        async with session.get("/api/v1/units/gz") as answer:
            unit = (await answer.json())["unit"]
        assert (unit["verdict"], unit["items"][0]["reason"]) == ("UNKNOWN", "stale")
        async with session.get("/api/v1/units") as answer:
            assert (await answer.json())["units"][0]["verdict"] == "UNKNOWN"


async def test_a_series_comes_with_its_unit(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session), session.get(f"{SERIES}?metric=connect_ms") as answer:
        found = await answer.json()
        assert (found["schema"], found["check"], found["unit"]) == ("muster.series/1", CHECK, "ms")
        assert (found["step"], found["next_from"], len(found["points"])) == ("raw", None, 179)
        point = found["points"][0]
        assert set(point) == {"at", "count", "min", "max", "mean", "p50", "p95"}
        assert point["mean"] == pytest.approx(12.0, abs=0.001)


async def test_a_long_series_comes_in_parts_that_join(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        start = time.time() - 20_000
        count = 2 * MAX_POINTS + 7
        for number in range(count):
            reading = Reading.ok({"connect_ms": float(number)})
            reading.check, reading.at = CHECK, round(start) + number
            view.evidence.append(reading)
        await view.evidence.flush()
        seen: list[float] = []
        since: str | None = str(round(start))
        while since:
            query = {"metric": "connect_ms", "step": "raw", "from": since, "to": str(round(start) + count)}
            async with session.get(SERIES, params=query) as answer:
                found = await answer.json()
            assert len(found["points"]) <= MAX_POINTS
            seen += [point["mean"] for point in found["points"]]
            since = found["next_from"]
        assert seen == [float(number) for number in range(count)]


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("", 400, "metric: must be the name of a metric"),
        ("?metric=rtt", 404, "reports no rtt; it reports connect_ms, total_ms"),
        ("?metric=connect_ms&step=2m", 400, "step: must be raw, 5m or 1h"),
        ("?metric=connect_ms&from=yesterday", 400, "from: must be seconds since 1970"),
        (
            "?metric=connect_ms&to=2027-01-15T08:00:00",
            400,
            "to: must be seconds since 1970 or a time with its",
        ),
        ("?metric=connect_ms&from=20&to=10", 400, "from: must be before to"),
        ("?metric=connect_ms&from=1e300", 400, "from: must be"),
        ("?metric=connect_ms&from=...&to=1", 400, "from: must be"),
        ("?metric=connect_ms&from=0&to=2000000&step=raw", 400, "at most 1 days at once"),
        (f"?metric={'x' * 201}", 400, "metric: must be"),
    ],
)
async def test_what_is_asked_wrongly_is_explained(tmp_path: Path, query: str, status: int, says: str) -> None:
    async with sample_client(tmp_path) as (_, session):
        assert says in await refusal(session, SERIES + query, status)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/v1/units/nobody", 404, "/api/v1/units lists them"),
        ("/api/v1/units?limit=0", 400, "limit: must be a whole number from 1 to 1000"),
        ("/api/v1/units?limit=1001", 400, "limit: must be"),
        ("/api/v1/units?gate=a%20b", 400, "gate: must be the id of a gate"),
        ("/api/v1/checks/a/b/c/series?metric=x", 404, "there is no check a/b/c"),
        ("/api/v2/units", 404, "nothing is here"),
    ],
)
async def test_what_is_not_there_is_explained(tmp_path: Path, path: str, status: int, says: str) -> None:
    async with sample_client(tmp_path) as (_, session):
        assert says in await refusal(session, path, status)


@pytest.mark.parametrize("at", ["2027-01-15T08:00:00Z", "2027-01-15T16:00:00+08:00", "1800000000"])
async def test_times_are_taken_in_every_usual_form(tmp_path: Path, at: str) -> None:
    async with sample_client(tmp_path) as (_, session):
        query = {"metric": "connect_ms", "from": "1799990000", "to": at}
        async with session.get(SERIES, params=query) as answer:
            assert answer.status == 200
            assert (await answer.json())["to"] == "2027-01-15T08:00:00.000Z"
