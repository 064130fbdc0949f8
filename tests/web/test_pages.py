"""The pages as a browser gets them: what they say, in both languages, and that nothing gets out of them."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from monitor.readiness.expectation import parse
from monitor.web.serving import HEADERS
from tests.web.serving import page, sample_client
from tests.web.views import CHECK, EVIL, GATE, card, item, judged, save


class _Page(HTMLParser):
    """Elements without an end, ids, links, and all text."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "path", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        assert "style" not in found, "the content security policy forbids inline styles"
        assert not [name for name in found if name.startswith("on")]
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _parsed(text: str) -> _Page:
    found = _Page(text)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids)), "ids are unique"
    return found


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


async def test_the_board_says_who_is_ready_and_what_stands_in_the_way(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session):
        text = _squeezed(_parsed(await page(session, "/")).text)
        assert "1 of 3 units are ready." in text
        assert "1 is not ready, 1 is unknown." in text
        assert "Tianhe service hall fails: The portal's certificate is valid for at least 30 days." in text
        assert "✖ Not ready Tianhe service hall gz-tianhe" in text
        assert "4.9 d (cert_days_left >= 30)" in text
        assert "2031-01-15" in text
        assert "no date" in text
        assert "not judged yet" in text
        assert "Security" in text
        assert "Peripheral" not in text, "no unit has items there"


async def test_the_board_speaks_chinese_to_those_who_want_it(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session):
        for text in (
            await page(session, "/", **{"Accept-Language": "zh-CN,zh;q=0.9"}),
            await page(session, "/?lang=zh"),
        ):
            assert '<html lang="zh-CN">' in text
            assert "3 个单位中 1 个已就绪。" in _parsed(text).text
            assert "天河营业厅" in text
            assert "Tianhe" not in text
        assert 'href="/units/gz-tianhe?lang=zh"' in await page(session, "/?lang=zh")


async def test_a_unit_shows_its_items_with_cause_remedy_and_evidence(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session):
        text = await page(session, "/units/gz-tianhe")
        parsed, said = _parsed(text), _squeezed(_parsed(text).text)
        assert "Tianhe service hall is not ready: 1 blocking item fails." in said
        assert "blocked by security.certificate" in said
        assert "What to do Ask the carrier." in said
        assert "connect_ms <= 40 ms" in said
        assert "1 fails" in said
        assert "it@gz.example" in said
        assert "+08:00" in said
        assert "/checks/gz-tianhe/uplink/tcp" in parsed.links
        assert "/units/gz" in parsed.links
        assert "svg" in parsed.tags
        assert {"network", "security", "security.certificate-portal"} <= set(parsed.ids)


async def test_a_unit_that_was_never_judged_is_not_called_ready(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session):
        said = _squeezed(_parsed(await page(session, "/units/gz-yuexiu")).text)
        assert "Yuexiu service hall has not been judged yet." in said
        assert "Unknown" in said


async def test_expired_evidence_turns_ready_into_unknown_on_every_page(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        old = item("network.rtt", expires_at="2020-01-01T00:00:00Z")
        await save(view, ("gz", time.time(), judged("gz", "READY", old)))
        assert "0 of 3 units are ready." in await page(session, "/")
        said = _squeezed(_parsed(await page(session, "/units/gz")).text)
        assert "Whether Guangzhou bureau is ready is not known: 1 blocking item is unknown." in said
        assert "measured too long ago" in said


async def test_a_check_shows_its_series_failures_and_facts(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (_, session):
        text = await page(session, "/checks/gz-tianhe/uplink/tcp?minutes=60")
        parsed, said = _parsed(text), _squeezed(_parsed(text).text)
        assert "Down" in said
        assert "every 10 s, at most 5 s each" in said
        assert "220 <script>alert(1)</script>" in said
        assert "<script>alert" not in text
        assert "Failed1" in said.replace(" ", "")
        assert parsed.tags.count("svg") == 2
        assert 'class="failed"' in text
        assert {"connect_ms", "total_ms"} <= set(parsed.ids)
        one = _parsed(await page(session, "/checks/gz-tianhe/uplink/tcp?metric=connect_ms&lang=zh"))
        assert one.tags.count("svg") == 1
        empty = await page(session, "/checks/gz-tianhe/uplink/tcp?minutes=10080")
        assert _parsed(empty).tags.count("h2") == 3


async def test_a_degraded_check_says_what_is_not_as_expected(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        job, definition = view.jobs[CHECK], view.jobs[CHECK].spec.metric("connect_ms")
        expect = {name: parse("<= 5", metric=definition) for name in ("connect_ms", "first_byte_ms")}
        view.jobs[CHECK] = replace(job, expect={**expect, "total_ms": parse("<= 1 s", metric=definition)})
        said = _squeezed(_parsed(await page(session, "/checks/gz-tianhe/uplink/tcp")).text)
        assert re.search(r"✖ connect_ms = [0-9.]+ ms \(connect_ms <= 5 ms\)", said)
        assert "total_ms = " not in said, "that one is met"
        assert "first_byte_ms" not in said, "that one was not measured"


async def test_what_targets_and_files_say_is_escaped_everywhere(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        view.cards.append(
            card("evil", EVIL, EVIL, "gz", wave=EVIL, profile=EVIL, contacts={"tier1": (EVIL,)})
        )
        bad = item(
            "x", "fail", title=EVIL, title_zh=EVIL, asset=EVIL, expected=EVIL, actual=EVIL, reason=EVIL,
            detail=EVIL, remediation=EVIL, remediation_zh=EVIL, waiver={"reason": EVIL}, blocked_by=EVIL,
        )  # fmt: skip
        late = item("y", "unknown", title=EVIL, asset=None, reason=EVIL, detail=EVIL, actual="")
        await save(view, ("evil", time.time(), judged("evil", "NOT_READY", bad, late)))
        for path in ("/", "/units/evil", "/units/gz", f"/?q={EVIL}", "/?lang=zh", "/units/evil?lang=zh"):
            text = await page(session, path)
            _parsed(text)
            assert "<script>alert" not in text, path
            assert "alert(1)" in text, path


async def test_only_our_own_resources_are_asked_for_and_they_are_there(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        view.jobs["gz-tianhe/portal/tls"] = view.jobs[CHECK]
        for path in ("/", "/units/gz-tianhe", f"/checks/{CHECK}"):
            for link in _parsed(await page(session, path)).links:
                assert link.startswith(("/", "#")), link
                assert not link.startswith("//")
                if link.startswith("/"):
                    async with session.get(link, headers={"Accept": "text/html"}) as answer:
                        assert answer.status == 200, link


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/nope", 404, "nothing is here"),
        ("/units/nobody", 404, "there is no unit &#34;nobody&#34;"),
        ("/checks/gz/a/b", 404, "there is no check"),
        ("/checks/nobody/a/b", 404, "there is no unit"),
        ("/?verdict=FINE", 400, "must be one of"),
        ("/?page=0", 400, "whole number"),
        ("/?page=x", 400, "whole number"),
        ("/?under=nobody", 404, "there is no unit"),
        (f"/?q={'x' * 101}", 400, "at most 100 characters"),
        ("/?gate=../etc", 400, "must be the id of a gate"),
        ("/checks/gz-tianhe/uplink/tcp?minutes=11", 400, "must be one of"),
        ("/static/..%2Fapp.py", 404, "no such file"),
        ("/static/none.css", 404, "no such file"),
    ],
)
async def test_what_can_not_be_shown_is_explained(tmp_path: Path, path: str, status: int, says: str) -> None:
    async with sample_client(tmp_path) as (_, session):
        async with session.get(path, headers={"Accept": "text/html"}) as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (status, "text/html")
            assert says in text
            _parsed(text)
        async with session.get(path) as answer:
            assert answer.status == status
            assert (await answer.json())["error"]["status"] == status


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/metrics", "/api/v1/units", "/static/muster.css", "/healthz"]
)
async def test_every_answer_carries_the_security_headers(tmp_path: Path, path: str) -> None:
    async with sample_client(tmp_path) as (_, session), session.get(path) as answer:
        for name, value in HEADERS.items():
            if (name, path) != ("Cache-Control", "/static/muster.css"):
                assert answer.headers[name] == value
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_another_gate_has_a_board_of_its_own(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        view.cards[0] = card("gz", "Guangzhou bureau", gates={GATE: "2031-01-15", "rehearsal": "2030-12-01"})
        text = await page(session, "/?gate=rehearsal")
        assert "0 of 3 units are ready." in text
        assert "2030-12-01" in text
        assert "/units/gz?gate=rehearsal" in _parsed(text).links
