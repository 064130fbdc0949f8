"""The page in a mail: whatever a target sends stays text, and the whole stays bounded."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.alerts.account import Known, Step
from monitor.alerts.mail_settings import Language
from monitor.alerts.mime import render
from monitor.alerts.notices import Context
from monitor.alerts.page import MARKS, without_picture
from monitor.incidents.incident import Member, Notice
from monitor.messages.message import Message, content_id
from monitor.state import State
from tests.alerts import samples
from tests.alerts.samples import EVENTS
from tests.alerts.test_forms import of, written

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
HOSTILE = (
    "</td><script>alert(1)</script><img src=x onerror=y>\r\nBcc: x@example.org\r\n\r\n\0&amp;'\"" + MARKS[0]
)
VOID = {"meta", "img", "br"}
ALLOWED = {"class", "style", "role", "width", "cellpadding", "cellspacing", "align", "lang", "charset",
           "name", "content", "src", "alt", "href"}  # fmt: skip


class Checker(HTMLParser):
    """Takes a page apart: its elements must be ours and nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert {name for name, _ in attrs} <= ALLOWED, attrs
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def hostile(text: str, language: Language) -> Message:
    incident = replace(
        samples.DOWN, root=f"gz-tianhe/{text}", kind=text, detail=text, acked_by=text, ack_comment=text
    )
    members = (Member(text, State.DOWN, text, samples.AT, samples.AT),) * 15
    steps = (Step(text, text, text, text),) * 9
    known = Known(text, text, steps, samples.URL)
    event = samples.event(Notice.OPENED, incident, members=members, left=(text,) * 15)
    return of(event, Context(known, replace(samples.SKETCH, check=text, metric=text)), language)


PLAIN = {language: elements(hostile("x", language).html) for language in ("en", "zh")}


@given(st.text(min_size=1, max_size=700), st.sampled_from(["en", "zh"]))
@example(HOSTILE, "en")
@example(HOSTILE, "zh")
@example(MARKS[1] + MARKS[0], "en")
def test_whatever_a_target_sends_stays_text(text: str, language: Language) -> None:
    mail = hostile(text, language)
    found = elements(mail.html)
    assert set(found.seen) == set(PLAIN[language].seen)
    assert found.seen.count("tr") == PLAIN[language].seen.count("tr") or not text.strip()
    assert set(found.sources) == set(PLAIN[language].sources)
    assert mail.html.count(MARKS[0]) == mail.html.count(MARKS[1]) == 1
    assert "<img" not in without_picture(mail.html)
    assert len(mail.html) < 120_000
    assert len(mail.body) < 40_000
    assert all(line.isprintable() for line in mail.body.split("\n"))
    parsed = parse(render(mail, "muster@gd.example", PNG))
    assert parsed["Bcc"] is None
    assert parsed["To"] == "it@gz.example"


def parse(mail: bytes) -> EmailMessage:
    parsed = message_from_bytes(mail, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_form_is_a_page_that_nests(name: str, language: Language) -> None:
    found = elements(written(name, language).html)
    assert "script" not in found.seen
    assert all(
        source.startswith(("cid:", "https://muster.gd.example/incidents/")) for source in found.sources
    )


def test_the_parts_of_a_mail_with_a_picture() -> None:
    message = written("outage", "zh")
    mail = parse(render(message, "muster@gd.example", PNG))
    assert mail.get_content_type() == "multipart/alternative"
    text, related = mail.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert text.get_content().replace("\r\n", "\n") == message.body
    assert related.get_content_type() == "multipart/related"
    page, picture = related.iter_parts()
    assert page.get_content_type() == "text/html"
    assert page.get_content().replace("\r\n", "\n").rstrip() == message.html
    assert f'src="cid:{content_id(message.message_id)}"' in page.get_content()
    assert picture["Content-ID"] == f"<{content_id(message.message_id)}>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_content() == PNG
    assert "gz-tianhe/uplink/icmp 的 rtt_ms" in page.get_content()


def test_without_a_picture_nothing_is_missing_from_the_page() -> None:
    message = written("outage", "en")
    mail = parse(render(message, "muster@gd.example", None))
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"]
    page = mail.get_body(("html",))
    assert page is not None
    assert "<img" not in page.get_content()
    assert "Affected (14)" in page.get_content()


def test_every_attempt_sends_the_same_bytes() -> None:
    message = written("outage", "en")
    assert render(message, "m@x.example", PNG) == render(message, "m@x.example", PNG)


def test_the_text_alone_where_there_is_no_page() -> None:
    mail = parse(render(replace(written("outage", "en"), html="", picture=""), "m@x.example", PNG))
    assert mail.get_content_type() == "text/plain"


def test_nobody_away_answers() -> None:
    mail = parse(render(written("outage", "en"), "m@x.example"))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "OOF, AutoReply"
