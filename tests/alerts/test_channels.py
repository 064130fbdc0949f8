"""Channels through apprise.

`json://` and `form://` (what SMS gateways take) are posted for real. DingTalk, WeCom and Feishu have fixed
hosts: there the transport of `requests` is bent towards a local server, so that what apprise puts on the wire
arrives with its path, query and body, and a real server answers. Only the name and TLS are not theirs.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts._answers import refusal
from monitor.alerts.channels import AppriseChannel, Threads, fit
from monitor.alerts.delivery import Delivery, limits
from monitor.alerts.notify_settings import NotifySettings
from monitor.messages.message import Message, TransportError
from probes.api import SecretRef
from tests.alerts.messages import message
from tests.servers.receiver import Receiver, receiver

requests = pytest.importorskip("requests", reason="apprise is not installed")
pytest.importorskip("apprise", reason="apprise is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""apprise imports it where Python still has it."""
TOKEN = "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6"
OK = b'{"errcode": 0, "errmsg": "ok"}'


def channel(url: str, limit: float = 10.0) -> AppriseChannel:
    return AppriseChannel("duty", SecretRef("duty"), lambda ref: {"duty": url}[ref], limit)


async def fails(way: AppriseChannel) -> str:
    with pytest.raises(TransportError) as caught:
        await way.deliver(message())
    assert not caught.value.permanent
    assert TOKEN not in caught.value.message
    return caught.value.message


class Bent:
    """Sends every request of `requests` to one local server, and notes where it was meant to go."""

    def __init__(self, taking: Receiver, patch: pytest.MonkeyPatch) -> None:
        self.meant: list[str] = []
        send = requests.adapters.HTTPAdapter.send

        def bent(adapter: object, request: Any, **given: object) -> object:
            parts = urlsplit(str(request.url))
            self.meant.append(f"{parts.scheme}://{parts.netloc}")
            request.url = urlunsplit(("http", f"127.0.0.1:{taking.port}", *parts[2:]))
            return send(adapter, request, **given)

        patch.setattr("requests.adapters.HTTPAdapter.send", bent)


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


async def test_json_for_real() -> None:
    async with receiver() as taking:
        await channel(f"json://127.0.0.1:{taking.port}/sms?+X-Gateway=7").deliver(message())
    [posted] = taking.posted
    body = json.loads(posted.body)
    assert (posted.path, posted.headers["X-Gateway"]) == ("/sms", "7")
    assert (body["title"], body["message"].strip()) == ("subject 1", "body")


async def test_a_form_for_real() -> None:
    async with receiver() as taking:
        await channel(
            f"form://127.0.0.1:{taking.port}/sms?:message=text&-to=13800000000&method=POST"
        ).deliver(message())
    [posted] = taking.posted
    fields = parse_qs(posted.body.decode()) | {key: [value] for key, value in posted.query.items()}
    assert fields["text"][0].strip() == "body"


async def test_dingtalk(patch: pytest.MonkeyPatch) -> None:
    async with receiver() as taking:
        taking.body, bent = OK, Bent(taking, patch)
        await channel(f"dingtalk://SECsecret@{TOKEN}/13800000000").deliver(message())
    [posted] = taking.posted
    assert bent.meant == ["https://oapi.dingtalk.com"]
    assert (posted.path, posted.query["access_token"]) == ("/robot/send", TOKEN)
    signed = f"{posted.query['timestamp']}\nSECsecret".encode()
    wanted = base64.b64encode(hmac.new(b"SECsecret", signed, hashlib.sha256).digest()).decode()
    assert posted.query["sign"] in (
        wanted,
        wanted.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    )
    body = json.loads(posted.body)
    assert body["msgtype"] == "text"
    assert body["text"]["content"].split() == ["subject", "1", "body"]
    assert body["at"]["atMobiles"] == ["13800000000"]


async def test_a_short_channel_sends_the_subject_alone() -> None:
    async with receiver() as taking:
        way = channel(f"json://127.0.0.1:{taking.port}/")
        way.short = True
        await way.deliver(message())
    body = json.loads(taking.posted[0].body)
    assert (body["title"], body["message"]) == ("", "subject 1")


@pytest.mark.parametrize(("service", "most"), [("wecombot", 2048), ("dingtalk", 20_000), ("feishu", 20_000)])
async def test_a_long_text_is_cut_to_what_a_robot_takes(
    service: str, most: int, patch: pytest.MonkeyPatch
) -> None:
    async with receiver() as taking:
        taking.body, _ = OK, Bent(taking, patch)
        long = replace(message(), subject="事件" * 40, body="通道中断，" * 9000, language="zh")
        await channel(f"{service}://{TOKEN}").deliver(long)
    data = json.loads(taking.posted[0].body)
    text = (data.get("text") or data["content"]).get("content") or data["content"]["text"]
    assert text.startswith("事件")
    assert "通道中断" in text
    size = len(text.encode()) if service == "wecombot" else len(taking.posted[0].body)
    assert most / 4 < size <= most


@given(st.text(max_size=300), st.text(max_size=50), st.none() | st.integers(0, 500))
def test_what_is_cut_fits(body: str, title: str, most: int | None) -> None:
    found = fit(body, title, most)
    if most is None:
        assert found == body
    elif found != body:
        assert len(found.encode()) <= max(4, most - len(title.encode()))
        assert body.startswith(found.removesuffix(" …"))


async def test_wecom(patch: pytest.MonkeyPatch) -> None:
    async with receiver() as taking:
        taking.body, bent = OK, Bent(taking, patch)
        await channel(f"wecombot://{TOKEN}").deliver(message())
    [posted] = taking.posted
    assert bent.meant == ["https://qyapi.weixin.qq.com"]
    assert (posted.path, posted.query["key"]) == ("/cgi-bin/webhook/send", TOKEN)
    assert json.loads(posted.body)["text"]["content"].split() == ["subject", "1", "body"]


async def test_feishu(patch: pytest.MonkeyPatch) -> None:
    async with receiver() as taking:
        taking.body, bent = b'{"code": 0, "msg": "success"}', Bent(taking, patch)
        await channel(f"feishu://{TOKEN}").deliver(message())
    [posted] = taking.posted
    assert bent.meant == ["https://open.feishu.cn"]
    assert posted.path.rstrip("/") == f"/open-apis/bot/v2/hook/{TOKEN}"
    body = json.loads(posted.body)
    assert (body["msg_type"], body["content"]["text"].split()) == ("text", ["subject", "1", "body"])


@pytest.mark.parametrize(
    "url",
    [f"dingtalk://{TOKEN}", f"wecombot://{TOKEN}", f"feishu://{TOKEN}"],
    ids=["dingtalk", "wecom", "feishu"],
)
async def test_200_with_a_code_is_a_refusal(url: str, patch: pytest.MonkeyPatch) -> None:
    async with receiver() as taking:
        Bent(taking, patch)
        taking.body = b'{"errcode": 310000, "errmsg": "keywords not in content"}'
        assert await fails(channel(url)) == "refused, code 310000: keywords not in content"
        taking.body = b"<html>login</html>"
        assert await fails(channel(url)) == "an answer that is no JSON"
        taking.status = 403
        assert await fails(channel(url)) == "HTTP 403"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b'{"StatusCode": 0, "StatusMessage": "success", "code": 0}', ""),
        (b'{"code": 19001, "msg": "param invalid"}', "refused, code 19001: param invalid"),
        (b'{"errcode": "0"}', "refused, code 0: "),
        (b"{}", "an answer without a code"),
        (b"[]", "an answer without a code"),
        (b"\xff", "an answer that is no JSON"),
    ],
)
def test_coded_answers(answer: bytes, why: str) -> None:
    assert refusal(answer) == why


async def test_redirects_are_not_followed() -> None:
    async with receiver() as taking, receiver() as elsewhere:
        taking.status, taking.location = 302, f"http://127.0.0.1:{elsewhere.port}/"
        assert await fails(channel(f"json://127.0.0.1:{taking.port}/")) == "HTTP 302"
    assert elsewhere.posted == []


async def test_an_answer_without_end_is_read_to_a_bound() -> None:
    async with receiver() as taking:
        taking.body = b"x" * 5_000_000
        await channel(f"json://127.0.0.1:{taking.port}/").deliver(message())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nothing://", "the secret duty is no address that apprise knows"),
        ("json://127.0.0.1:1/", "not handed over"),
    ],
)
async def test_addresses_that_do_not_work(url: str, why: str) -> None:
    assert (await fails(channel(url))).startswith(why)


async def test_nothing_is_logged(caplog: pytest.LogCaptureFixture, patch: pytest.MonkeyPatch) -> None:
    async with receiver() as taking:
        taking.status = 500
        Bent(taking, patch)
        with caplog.at_level(logging.DEBUG):
            for url in (f"dingtalk://{TOKEN}", f"wecombot://{TOKEN}", f"unknown-{TOKEN}://{TOKEN}"):
                await fails(channel(url))
    assert TOKEN not in caplog.text


async def test_what_hangs_costs_its_time_and_its_place() -> None:
    ends = threading.Event()
    threads = Threads(most=2)

    def hang() -> None:
        ends.wait(20)

    for _ in range(2):
        with pytest.raises(TransportError, match=r"no answer within 0\.05 s"):
            await threads.run(hang, 0.05)
    with pytest.raises(TransportError, match="2 deliveries hang"):
        await threads.run(lambda: None, 1.0)
    ends.set()
    async with asyncio.timeout(5):
        while threads.busy:
            await asyncio.sleep(0.01)
    await threads.run(lambda: None, 1.0)


async def test_a_slow_service_does_not_hold_the_loop() -> None:
    async with receiver() as taking:
        taking.slow = 0.5
        assert await fails(channel(f"json://127.0.0.1:{taking.port}/", 0.2)) == "no answer within 0.2 s"


async def test_messages_go_the_way_they_name() -> None:
    class Mail:
        def __init__(self) -> None:
            self.came: list[str] = []

        async def deliver(self, message: Message) -> None:
            self.came.append(message.key)

    async with receiver() as taking:
        address = f"http://127.0.0.1:{taking.port}/"
        channels = {
            "desk": {"webhook": address, "key": "secret:key", "per_hour": 7},
            "duty": {"url": "secret:duty"},
        }
        settings = NotifySettings.model_validate({"channels": channels})
        known = {"key": "k", "duty": f"json://127.0.0.1:{taking.port}/duty"}
        mail = Mail()
        delivery = Delivery.of(mail, settings, lambda ref: known[ref])
        for name in ("mail", "desk", "duty"):
            await delivery.deliver(replace(message(name, name), channel=name))
        gone = replace(message(), channel="gone")
        with pytest.raises(TransportError, match="not in the settings"):
            await delivery.deliver(gone)
        with pytest.raises(TransportError, match="no mail server"):
            await Delivery.of(None, settings, lambda ref: known[ref]).deliver(message())
    assert mail.came == ["mail:mail"]
    assert [each.path for each in taking.posted] == ["/", "/duty"]
    assert (limits(settings).hourly("desk"), limits(settings).hourly("duty")) == (7, 60)
