"""`stomp` against ActiveMQ and RabbitMQ: rights, statistics, limits, what is left behind; and its codec."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome, Reading
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
)
from probes.middleware import stomp as module
from probes.middleware._stomp_frame import Frame, Malformed, escape, frame, headers_of, refusal, unescape
from probes.middleware.stomp import StompWire, entries, places
from tests.probes.middleware.watched import MARKER, run_watched
from tests.probing import run_once, shared_here
from tests.servers.activemq import ActiveMq, activemq
from tests.servers.certificates import Authority
from tests.servers.hostile import says, tcp_server
from tests.servers.rabbitmq import RabbitMq

ACCOUNTS = {
    "monitor": (MARKER, "monitors"), "admin": ("admin-password", "admins"), "nobody": (MARKER, "nobodies"),
}  # fmt: skip
LOGIN: dict[str, Any] = {"user": "monitor", "password": "secret:pw"}
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@asynccontextmanager
async def _broker(directory: Path, connections: int = 100) -> AsyncIterator[ActiveMq]:
    async with activemq(directory, ACCOUNTS, connections) as broker:
        yield broker


async def _as_admin(port: int, *frames: bytes) -> list[str]:
    """Send frames as the administrator, each asking for a receipt; return all that comes until the last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(frame("CONNECT", {"accept-version": "1.2", "login": "admin", "passcode": "admin-password"}))
    writer.write(b"".join(frames))
    came = [(await reader.readuntil(b"\0")).decode() for _ in range(1 + len(frames))]
    writer.close()
    await writer.wait_closed()
    return came


async def _told(port: int, what: str) -> dict[str, str | float]:
    """Return the statistics of ActiveMQ, as the administrator."""
    back = "/temp-queue/asked"
    wanted = {"id": "1", "destination": back, "transformation": "jms-map-json"}
    asked = {"destination": f"/queue/ActiveMQ.Statistics.{what}", "reply-to": back}
    _, answer = await _as_admin(port, frame("SUBSCRIBE", wanted) + frame("SEND", asked))
    return entries(answer[answer.index("\n\n") : -1].encode())


async def _until_alone(port: int) -> float:
    """Return how many consumers there are besides the one that asks, once that is none."""
    others = -1.0
    for _ in range(50):
        others = float((await _told(port, "Broker"))["consumerCount"]) - 1
        if not others:
            break
        await asyncio.sleep(0.05)
    return others


async def test_with_just_its_rights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with _broker(tmp_path) as broker:
        orders = {"destination": "/queue/orders", "receipt": "r"}
        await _as_admin(broker.port, frame("SEND", orders, b"a"), frame("SEND", orders, b"b"))
        reading = await run_watched(caplog, "stomp", port=broker.port, queue="orders", **LOGIN)
        assert await _until_alone(broker.port) == 0
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert {
        "queue_depth": 2,
        "consumers": 0,
        "unacknowledged": 0,
        "expired": 0,
    }.items() <= reading.metrics.items()
    assert {"memory_used_pct", "store_used_pct", "temp_used_pct"} <= {*reading.metrics}
    assert 0 < reading.metrics["round_trip_ms"] < 3000
    assert (reading.facts["server"], reading.facts["version"][:2]) == ("ActiveMQ", "5.")
    assert reading.facts["protocol"] == "1.2"
    assert "not_told" not in reading.facts
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}


async def test_refused_by_activemq(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with _broker(tmp_path) as broker:
        wrong = await run_watched(caplog, "stomp", port=broker.port, secret="marker-wrong", **LOGIN)
        right = await run_watched(caplog, "stomp", port=broker.port, user="nobody", password="secret:pw")
        left_out = await run_watched(
            caplog, "stomp", port=broker.port, user="nobody", password="secret:pw", queue="orders",
            round_trip=False,
        )  # fmt: skip
        away = await run_watched(caplog, "stomp", port=broker.port, queue="away", **LOGIN)
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "auth")
    assert wrong.detail.startswith("wrong_password: User name [monitor] or password is invalid")
    assert (right.outcome, right.kind, right.phase) == (Outcome.ERROR, "permission", "round_trip")
    assert right.detail.startswith("missing_right: User nobody is not authorized to")
    assert left_out.outcome is Outcome.OK
    assert left_out.facts["not_told"].startswith("queue: missing_right: ")
    assert "queue_depth" not in left_out.metrics
    assert (away.outcome, away.kind, away.detail) == (Outcome.FAILED, "expectation", "no queue 'away'")
    assert {"round_trip_ms", "memory_used_pct"} <= {*away.metrics}


async def test_somebody_consumes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with _broker(tmp_path) as broker:
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        login = {"accept-version": "1.2", "login": "admin", "passcode": "admin-password"}
        orders = {"id": "1", "destination": "/queue/orders", "receipt": "r"}
        writer.write(frame("CONNECT", login) + frame("SUBSCRIBE", orders))
        for _ in range(2):
            await reader.readuntil(b"\0")
        reading = await run_watched(caplog, "stomp", port=broker.port, queue="orders", **LOGIN)
        writer.close()
        await writer.wait_closed()
    assert (reading.metrics["consumers"], reading.metrics["queue_depth"]) == (1, 0)


async def test_cancelled_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = asyncio.Event()

    async def stuck(*_: object) -> Frame:
        listening.set()
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(StompWire, "message", stuck)
    async with _broker(tmp_path) as broker, shared_here(secrets={"pw": MARKER}) as shared:
        run = asyncio.create_task(run_once("stomp", "127.0.0.1", port=broker.port, shared=shared, **LOGIN))
        await asyncio.wait_for(listening.wait(), 10)
        assert float((await _told(broker.port, "Broker"))["consumerCount"]) == 2
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert await _until_alone(broker.port) == 0


async def test_the_broker_dies_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with _broker(tmp_path) as broker:
        whole = module._round_trip

        async def killed(*args: Any) -> None:
            broker.process.kill()
            await broker.process.wait()
            await whole(*args)

        monkeypatch.setattr(module, "_round_trip", killed)
        reading = await run_watched(caplog, "stomp", port=broker.port, **LOGIN)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "protocol", "round_trip")
    assert "login_ms" in reading.metrics


async def test_rabbitmq(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    async def asked(**params: Any) -> Reading:
        return await run_watched(caplog, "stomp", port=rabbit.stomp, password="secret:pw", **params)

    good = await asked(user="stomp", queue="orders")
    right = await asked(user="nothing")
    wrong = await asked(user="away")
    vhost = await asked(user="stomp", host="other")
    left = await asyncio.to_thread(rabbit.ctl, "list_queues", "--no-table-headers", "name")
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert 0 < good.metrics["round_trip_ms"] < 1000
    assert (good.facts["server"], good.facts["version"][:2]) == ("RabbitMQ", "3.")
    assert good.facts["not_told"] == "queue: only ActiveMQ tells it by STOMP; of RabbitMQ ask by amqp"
    assert (right.outcome, right.kind, right.phase) == (Outcome.ERROR, "permission", "round_trip")
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "auth")
    assert (vhost.outcome, vhost.kind) == (Outcome.ERROR, "permission")
    assert "muster" not in left


async def test_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Before a server of our own that has TLS: what follows is the same as without."""
    authority = Authority(tmp_path)
    connected = frame("CONNECTED", {"version": "1.2", "server": "Own/1.0"})
    receipt = frame("RECEIPT", {"receipt-id": "bye"})
    pair = authority.issue("localhost", "127.0.0.1").server_context()
    async with tcp_server(says(connected + receipt, hold=True), tls=pair) as port:
        known: dict[str, Any] = {"port": port, "tls": "on"} | LOGIN
        good = await run_watched(caplog, "stomp", ca=str(authority.file), **known)
        stranger = await run_watched(caplog, "stomp", **known)
    assert good.outcome is Outcome.OK
    assert good.metrics["tls_ms"] > 0
    assert good.facts["not_told"].startswith("round_trip: the broker is neither ActiveMQ nor RabbitMQ")
    assert (stranger.outcome, stranger.kind) == (Outcome.FAILED, "tls")


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 400 Bad\r\n\r\n",
        b"MESSAGE\n\n\0",
        b"CONNECTED\nno colon\n\n\0",
        b"CONNECTED\ncontent-length:99999999999\n\n\0",
        b"CONNECTED\ncontent-length:1\n\nab",
        b"CONNECTED\n" + b"a:b\n" * 200 + b"\n\0",
        b"x" * 20_000,
    ],
)
async def test_another_protocol(caplog: pytest.LogCaptureFixture, words: bytes) -> None:
    async with tcp_server(says(words)) as port:
        reading = await run_watched(caplog, "stomp", port=port, **LOGIN)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")


async def test_a_password_that_stomp_can_not_send(caplog: pytest.LogCaptureFixture) -> None:
    async with tcp_server(says(b"")) as port:
        reading = await run_watched(caplog, "stomp", port=port, secret="marker-\nword", **LOGIN)
    assert reading.kind == "prober_error"
    assert reading.detail.startswith("the password can't be sent by STOMP")


@given(TEXTS)
def test_what_is_escaped_is_meant(text: str) -> None:
    sent = escape(text)
    assert not {"\n", "\r", ":"} & {*sent}
    assert unescape(sent) == text


@given(TEXTS)
def test_any_text_is_unescaped_or_refused(text: str) -> None:
    try:
        unescape(text)
    except Malformed:
        assert "\\" in text


@given(st.dictionaries(TEXTS, TEXTS, max_size=5), st.binary(max_size=50))
def test_a_frame_is_read_as_it_was_made(headers: dict[str, str], body: bytes) -> None:
    headers.pop("content-length", None)
    made = frame("MESSAGE", headers, body)
    command, _, rest = made.partition(b"\n")
    lines, _, left = rest.partition(b"\n\n") if headers or body else (b"", b"", rest[1:])
    found = headers_of("MESSAGE", lines.decode().split("\n") if lines else [])
    assert (command, left) == (b"MESSAGE", body + b"\0")
    assert found == headers | ({"content-length": str(len(body))} if body else {})


@pytest.mark.parametrize(
    ("message", "body", "logging_in", "ending"),
    [
        ("Bad CONNECT", "Access refused for user 'x'", True, OwnLoginFailed),
        ("Bad CONNECT", "Virtual host 'x' access denied", True, PermissionMissing),
        ("access_refused", "ACCESS_REFUSED - access to queue", False, PermissionMissing),
        ("not_found", "NOT_FOUND - no queue 'x'", False, ExpectationFailed),
        ("Exceeded the maximum number of allowed client connections", "", True, ExpectationFailed),
        ("Unknown command", "", False, ProtocolViolated),
    ],
)
def test_errors(message: str, body: str, logging_in: bool, ending: type[Ending]) -> None:
    error = Frame("ERROR", {"message": message}, body.encode())
    assert type(refusal(error, logging_in=logging_in)) is ending


def test_where_a_message_goes() -> None:
    assert places("ActiveMQ", "t", None) == ("/temp-queue/muster.probe.t",) * 2 + ({},)
    assert places("Other", "t", "/queue/muster.probe") == ("/queue/muster.probe",) * 2 + ({},)
    assert places("Other", "t", None) is None


STATISTICS = {"map": {"entry": [
    {"string": "size", "long": 3}, {"string": ["destinationName", "queue://orders"]},
    {"string": "rate", "double": 0.5}, {"string": "odd"}, {"string": "flag", "boolean": True},
    {"long": 1}, "text",
]}}  # fmt: skip


def test_statistics() -> None:
    told = entries(json.dumps(STATISTICS).encode())
    assert told == {"size": 3, "destinationName": "queue://orders", "rate": 0.5}


@given(st.one_of(st.binary(max_size=40), st.recursive(st.none() | st.integers() | st.text(), lambda inner:
       st.lists(inner) | st.dictionaries(st.sampled_from(["map", "entry", "string", "long"]), inner)).map(
           lambda document: json.dumps(document).encode())))  # fmt: skip
def test_any_answer_is_read_or_refused(body: bytes) -> None:
    try:
        entries(body)
    except ProtocolViolated:
        return
    assert "entry" in json.loads(body)["map"]
