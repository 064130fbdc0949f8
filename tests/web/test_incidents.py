"""The pages and the API of incidents: what they say, that only a POST of our own page acts, and by whom."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.people.maintenance import Maintenance, Mode
from monitor.settings import Web
from monitor.state import State
from monitor.store.incident_views import Whole, whole
from monitor.web.incidents import check_origin
from monitor.web.serving import Refusal
from tests.opened import CHECK, adopted, apply, opening, two
from tests.web.serving import client_of, page, refusal
from tests.web.views import CHECK as MEASURED
from tests.web.views import EVIL, Sample, sample


@asynccontextmanager
async def opened(directory: Path, settings: Web | None = None) -> AsyncIterator[tuple[Sample, Any]]:
    async with sample(directory) as view:
        await two(view.evidence, time.time())
        async with client_of(view, settings) as session:
            yield view, session


async def of(view: Sample, number: int = 1) -> Whole:
    return await view.people.database.read(lambda c: whole(c, number))


async def post(
    session: aiohttp.ClientSession, path: str, form: dict[str, str], headers: dict[str, str] | None = None
) -> tuple[int, str]:
    async with session.post(path, data=form, headers=headers, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", "") or await answer.text()


async def test_the_list_shows_open_and_recent_incidents_in_both_languages(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, session):
        text = await page(session, "/incidents")
        assert "1 incident is open." in text
        assert "Tianhe service hall" in text
        assert f"<code>{CHECK}</code>" in text
        assert "gz/core/icmp" in text.partition("Closed within the last 7 days")[2]
        assert "nobody yet" in text
        chinese = await page(session, "/incidents?lang=zh")
        assert "1 个事件未结束。" in chinese
        assert "天河营业厅" in chinese
        assert "gz-tianhe" not in await page(session, "/incidents?unit=gz")


async def test_an_incident_is_shown_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, session):
        text = await page(session, "/incidents/1")
        for said in (
            "Tianhe service hall: no answer in time", "no answer within 5 s", "gz-tianhe/uplink/tcp",
            "told: opened", "it@gz.example", "waiting", "Readings that opened it", "rtt_ms = 12.5",
            "recorded under the name you write, unchecked", "muster incident ack 1",
            'action="/incidents/1/ack"', "connect_ms", 'class="mark"',
        ):  # fmt: skip
            assert said in text, said
        chinese = await page(session, "/incidents/1?lang=zh")
        assert "确认并接手" in chinese
        assert 'action="/incidents/1/ack?lang=zh"' in chinese
        closed = await page(session, "/incidents/2")
        assert "(over)" in closed
        assert "<form" not in closed


async def test_what_became_usual_is_not_shown_as_recovered(tmp_path: Path) -> None:
    async with opened(tmp_path) as (view, session):
        await adopted(view.evidence, time.time())
        page_of = "/incidents/3"
        assert "now usual" in (await page(session, "/incidents")).partition("Closed within")[2]
        text = await page(session, page_of)
        assert "Tianhe service hall: worse than usual, which is usual now" in text
        assert "rtt_ms now usually 85 ms" in text and "; was 25 ms" in text  # noqa: PT018
        assert "the worse level became the usual one" in text
        assert "All OK since" not in text
        chinese = await page(session, f"{page_of}?lang=zh")
        assert "现为常态" in chinese
        assert "较平时变差，现为常态" in chinese


async def test_what_targets_and_people_wrote_is_escaped(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, session):
        assert (await post(session, "/incidents/1/note", {"text": EVIL, "who": EVIL}))[0] == 303
        text = await page(session, "/incidents/1")
        assert EVIL not in text
        assert "&lt;script&gt;" in text


async def test_the_board_links_to_incidents_and_marks_maintenance(tmp_path: Path) -> None:
    async with opened(tmp_path) as (view, session):
        now = time.time()
        work = Maintenance(3, "gz", Mode.MUTE, "new core", "li", now, now - 60, now + 3600)
        asset = Maintenance(4, "gz-yuexiu/till", Mode.SKIP, "tills", "li", now, now - 90, now + 3600)
        view.people.maintenances.put([work, asset])
        text = await page(session, "/")
        assert "1 open incident" in text
        assert 'href="/incidents?unit=gz-tianhe"' in text
        assert text.count('title="new core"') == 2, "the bureau and one hall; the other has its own, earlier"
        assert "<code>gz-yuexiu/till</code>" in text
        assert "维护中" in await page(session, "/?lang=zh")
        assert "new core" in await page(session, "/incidents")
        assert "new core" in await page(session, "/incidents/1"), "what it concerns is under maintenance"
        assert "new core" in await page(session, "/units/gz-tianhe")


@pytest.mark.parametrize(
    ("what", "form", "kept"),
    [
        ("ack", {"comment": "on it", "for": "4 h"}, "ack"),
        ("snooze", {"for": "1 h"}, "snooze"),
        ("close", {"reason": "a false alarm"}, "close:by_hand"),
        ("note", {"text": "ticket 12"}, "note"),
    ],
)
async def test_a_form_acts_and_leads_back(tmp_path: Path, what: str, form: dict[str, str], kept: str) -> None:
    async with opened(tmp_path) as (view, session):
        status, location = await post(session, f"/incidents/1/{what}?lang=zh", {"who": "li", **form})
        assert (status, location) == (303, "/incidents/1?lang=zh")
        found = await of(view)
        assert (found.history[-1].what, found.history[-1].actor) == (kept, "li (web, unauthenticated)")
        assert found.incident.next_at is not None
        assert abs(found.incident.next_at - time.time()) < 60, "the policy looks again"


async def test_nothing_acts_but_a_post(tmp_path: Path) -> None:
    async with opened(tmp_path) as (view, session):
        before = await of(view)
        for path in ("/incidents/1/ack", "/incidents/1/close?reason=x", "/incidents/1?ack=1"):
            async with session.get(path) as answer:
                assert answer.status in (200, 405)
        assert await of(view) == before


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://HOST"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://HOST"}, False),
        ({"Origin": "http://HOST"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({}, True),
    ],
)
async def test_another_site_can_not_make_a_browser_act(
    tmp_path: Path, headers: dict[str, str], allowed: bool
) -> None:
    async with opened(tmp_path) as (view, session):
        host = str(session._base_url).removeprefix("http://").rstrip("/")
        sent = {name: value.replace("HOST", host) for name, value in headers.items()}
        status, text = await post(session, "/incidents/1/ack", {}, sent)
        assert status == (303 if allowed else 403), text
        assert bool((await of(view)).incident.acked_by) is allowed


def test_the_port_is_part_of_the_origin() -> None:
    check_origin({"Origin": "http://localhost:8787", "Host": "localhost:8787"})
    with pytest.raises(Refusal, match="another site"):
        check_origin({"Origin": "http://localhost:9999", "Host": "localhost:8787"})


async def test_beyond_loopback_nobody_acts(tmp_path: Path) -> None:
    async with opened(tmp_path, Web(listen="0.0.0.0:0")) as (view, session):
        assert "<form" not in await page(session, "/incidents/1")
        status, text = await post(session, "/incidents/1/ack", {})
        assert (status, "without accounts" in text) == (403, True)
        assert not (await of(view)).incident.acked_by


async def test_what_can_not_be_done_says_why(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, session):
        for path, form, expected in (
            ("/incidents/2/ack", {}, (409, "was closed at")),
            ("/incidents/9/ack", {}, (409, "there is no incident 9; the last ones are 2, 1")),
            ("/incidents/1/close", {"reason": " "}, (409, "write why it is closed")),
            ("/incidents/1/unack", {}, (409, "is not acknowledged")),
            ("/incidents/1/snooze", {}, (409, "until when")),
            ("/incidents/1/snooze", {"for": "4 apples"}, (400, "for:")),
            ("/incidents/1/erase", {}, (404, "no such act")),
            ("/incidents/1/note", {"text": "x" * 20_000}, (413, "")),
        ):
            status, text = await post(session, path, form)
            assert (status, expected[1] in text) == (expected[0], True), (path, text)
        assert "there is no incident 9" in await refusal(session, "/api/v1/incidents/9", 404)
        assert "state: must be one of" in await refusal(session, "/api/v1/incidents?state=x", 400)


async def test_the_api_answers_with_the_same_documents(tmp_path: Path) -> None:
    async with opened(tmp_path) as (view, session):
        async with session.get("/api/v1/incidents") as answer:
            found = await answer.json()
        assert found["schema"] == "muster.incidents/1"
        assert [(each["id"], each["members"], each["name_zh"]) for each in found["incidents"]] == [
            (1, 2, "天河营业厅")
        ]
        async with session.get("/api/v1/incidents?state=all&limit=1") as answer:
            assert [each["id"] for each in (await answer.json())["incidents"]] == [2]
        async with session.get("/api/v1/incidents/1") as answer:
            one = await answer.json()
        assert one["schema"] == "muster.incident/1"
        assert one["replayed"] == {"root": CHECK, "how": "self"}
        assert [each["outcome"] for each in one["readings"]] == ["ok", "failed"]
        now = time.time()
        view.people.maintenances.put([Maintenance(3, "gz", Mode.MUTE, "x", "li", now, now - 60, now + 3600)])
        async with session.get("/api/v1/maintenance") as answer:
            work = await answer.json()
        assert work["schema"] == "muster.maintenance/1"
        assert [(each["scope"], each["active"]) for each in work["maintenance"]] == [("gz", True)]


async def test_an_incident_of_the_monitor_or_of_a_unit_that_is_gone_is_shown_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as (view, session):
        isolated = opening(time.time(), "isolated", "isolated")
        gone = opening(time.time(), "gone/core", "inferred", State.UNKNOWN)
        await apply(view.people.database, isolated, gone)
        assert "The monitor itself" in await page(session, "/incidents/3")
        assert "gone" in await page(session, "/incidents/4")
        assert "The monitor itself" in await page(session, "/incidents")


async def test_the_series_of_a_member_is_drawn_around_the_incident(tmp_path: Path) -> None:
    async with opened(tmp_path) as (view, session):
        await apply(view.people.database, opening(time.time() - 300, MEASURED, "refused"))
        text = await page(session, "/incidents/3")
        assert "connect_ms around the incident" in text
        assert text.count("<svg") == 2
