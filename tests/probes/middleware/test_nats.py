"""`nats` against nats-server: logins, rights, JetStream, TLS, and what is left behind."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome
from probes.errors import Ending, ExpectationFailed, PermissionMissing, ProtocolViolated
from probes.middleware import nats as module
from probes.middleware._nats_keys import BadSeed, NatsKey, written
from probes.middleware._nats_wire import MAX_MESSAGE, Message, ending_of, sizes, status_of
from probes.middleware.nats import behind, judged
from tests.probes.middleware.watched import MARKER, run_watched
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import says, tcp_server
from tests.servers.nats import nats

USERS = f"""
authorization {{ users = [
  {{ user: monitor, password: "{MARKER}", permissions: {{
      publish: ["_INBOX.muster.>", "$JS.API.STREAM.INFO.ORDERS", "$JS.API.CONSUMER.INFO.ORDERS.billing"],
      subscribe: "_INBOX.muster.>" }} }}
  {{ user: nothing, password: "{MARKER}", permissions: {{ publish: "x", subscribe: "x" }} }}
  {{ user: own, password: "{MARKER}", permissions: {{
      publish: "_INBOX.muster.>", subscribe: "_INBOX.muster.>" }} }}
  {{ user: admin, password: admin }} ] }}
"""
LOGIN: dict[str, Any] = {"user": "monitor", "password": "secret:pw"}


def _jetstream(directory: Path) -> str:
    return f'jetstream {{ store_dir: "{directory}/js" }}\n'


async def _as_admin(port: int, *pieces: tuple[str, object]) -> list[dict[str, Any]]:
    """Send requests as the administrator, return the answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    login = json.dumps({"verbose": False, "user": "admin", "pass": "admin"})
    writer.write(f"CONNECT {login}\r\nSUB answers 1\r\n".encode())
    answers = []
    for subject, body in pieces:
        data = json.dumps(body).encode()
        writer.write(f"PUB {subject} answers {len(data)}\r\n".encode() + data + b"\r\n")
        line = b""
        while not line.startswith(b"MSG"):
            line = await reader.readline()
        answers.append(json.loads(await reader.readexactly(int(line.split()[-1]))))
    writer.close()
    await writer.wait_closed()
    return answers


async def _orders(port: int, messages: int = 3) -> None:
    answers = await _as_admin(
        port,
        ("$JS.API.STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders"]}),
        (
            "$JS.API.CONSUMER.CREATE.ORDERS.billing",
            {"stream_name": "ORDERS", "config": {"name": "billing", "durable_name": "billing",
                                                 "ack_policy": "explicit"}},
        ),
        *(("orders", n) for n in range(messages)),
    )  # fmt: skip
    assert not any("error" in answer for answer in answers)


async def _left(server: Any) -> tuple[int, int]:
    """Return how many connections and subscriptions of clients the server holds, once that is none."""
    for _ in range(50):
        told = await server.told("/connz?subs=1")
        if not told["num_connections"]:
            break
        await asyncio.sleep(0.02)
    return told["num_connections"], sum(
        len(each.get("subscriptions_list", [])) for each in told["connections"]
    )


async def test_with_just_its_rights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with nats(tmp_path, USERS + _jetstream(tmp_path)) as server:
        await _orders(server.port)
        reading = await run_watched(
            caplog, "nats", port=server.port, stream="ORDERS", consumer="billing",
            monitoring=server.monitoring, **LOGIN,
        )  # fmt: skip
        assert await _left(server) == (0, 0)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert {*reading.metrics} == {metric.name for metric in module.PROBE.metrics} - {"tls_ms"}
    wanted = {
        "queue_depth": 3,
        "consumers": 1,
        "unacknowledged": 0,
        "stream_messages": 3,
        "replicas_behind": 0,
    }
    assert wanted.items() <= reading.metrics.items()
    assert 0 < reading.metrics["round_trip_ms"] < 1000
    assert reading.facts["jetstream"] == "yes"
    assert reading.facts["version"].startswith("2.")
    assert "not_told" not in reading.facts


@pytest.mark.parametrize("params", [LOGIN, {}])
async def test_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture, params: dict[str, Any]) -> None:
    async with nats(tmp_path, USERS) as server:
        reading = await run_watched(caplog, "nats", port=server.port, secret="marker-wrong", **params)
        assert await _left(server) == (0, 0)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
    assert reading.detail.startswith("wrong_password: ")
    assert "connect_ms" in reading.metrics


async def test_without_the_right_to_a_subject(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with nats(tmp_path, USERS) as server:
        reading = await run_watched(caplog, "nats", port=server.port, user="nothing", password="secret:pw")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert reading.detail.startswith("missing_right: Permissions Violation for Subscription")


async def test_without_the_right_to_the_stream(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with nats(tmp_path, USERS + _jetstream(tmp_path)) as server:
        await _orders(server.port)
        reading = await run_watched(
            caplog, "nats", port=server.port, stream="ORDERS", user="own", password="secret:pw"
        )
    assert reading.outcome is Outcome.OK
    assert reading.facts["not_told"].startswith("stream: missing_right: Permissions Violation for Publish")
    assert not {"consumers", "stream_messages"} & {*reading.metrics}


@pytest.mark.parametrize(
    ("wanted", "detail"),
    [
        ({"stream": "AWAY"}, "STREAM.INFO.AWAY: stream not found"),
        ({"stream": "ORDERS", "consumer": "away"}, "CONSUMER.INFO.ORDERS.away: consumer not found"),
    ],
)
async def test_what_is_not_there(tmp_path: Path, wanted: dict[str, Any], detail: str) -> None:
    config = "authorization { user: admin, password: admin }\n" + _jetstream(tmp_path)
    async with nats(tmp_path, config) as server, shared_here(secrets={"pw": "admin"}) as shared:
        await _orders(server.port)
        reading = await run_once(
            "nats", "127.0.0.1", port=server.port, shared=shared, user="admin", password="secret:pw", **wanted
        )
    assert (reading.kind, reading.detail) == ("expectation", detail)
    assert "round_trip_ms" in reading.metrics


async def test_no_jetstream(tmp_path: Path) -> None:
    async with nats(tmp_path) as server:
        reading = await run_once("nats", "127.0.0.1", port=server.port, stream="ORDERS")
    assert (reading.kind, reading.detail) == ("expectation", "JetStream is not enabled for this account")


async def test_a_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with nats(tmp_path, f'authorization {{ token: "{MARKER}" }}') as server:
        good = await run_watched(caplog, "nats", port=server.port, token="secret:pw")
        bad = await run_watched(caplog, "nats", port=server.port, token="secret:pw", secret="marker-wrong")
    assert (good.outcome, bad.kind) == (Outcome.OK, "auth")


async def test_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seed, other = written(secrets.token_bytes(32)), written(secrets.token_bytes(32))
    async with nats(tmp_path, f"authorization {{ users = [{{ nkey: {NatsKey(seed).public} }}] }}") as server:
        good = await run_watched(caplog, "nats", port=server.port, nkey="secret:pw", secret=seed)
        bad = await run_watched(caplog, "nats", port=server.port, nkey="secret:pw", secret=other)
    assert (good.outcome, bad.kind) == (Outcome.OK, "auth")


async def test_a_secret_that_is_no_seed(caplog: pytest.LogCaptureFixture) -> None:
    reading = await run_watched(caplog, "nats", port=9, nkey="secret:pw")
    assert reading.kind == "prober_error"
    assert reading.detail.startswith("the secret pw is no seed")


async def test_too_many_connections(tmp_path: Path) -> None:
    async with nats(tmp_path, "max_connections: 1") as server:
        assert await _left(server) == (0, 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"CONNECT {}\r\nPING\r\n")
        await reader.readuntil(b"PONG\r\n")
        reading = await run_once("nats", "127.0.0.1", port=server.port)
        writer.close()
        await writer.wait_closed()
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("too_many_connections: ")


@asynccontextmanager
async def _with_tls(directory: Path, more: str = "") -> AsyncIterator[tuple[int, Authority]]:
    authority = Authority(directory)
    pair = authority.issue("localhost", "127.0.0.1").file
    tls = f'tls {{ cert_file: "{pair}", key_file: "{pair}" {more} }}'
    async with nats(directory, tls) as server:
        yield server.port, authority


@pytest.mark.parametrize("first", [False, True])
async def test_tls(tmp_path: Path, first: bool) -> None:
    async with _with_tls(tmp_path, ", handshake_first: true" if first else "") as (port, authority):
        known: dict[str, Any] = {"port": port, "tls": "on", "tls_first": first}
        good = await run_once("nats", "127.0.0.1", ca=str(authority.file), **known)
        stranger = await run_once("nats", "127.0.0.1", **known)
        named = await run_once(
            "nats", "127.0.0.1", ca=str(authority.file), server_name="other.example", **known
        )
    assert good.outcome is Outcome.OK
    assert good.metrics["tls_ms"] > 0
    assert [(r.outcome, r.kind) for r in (stranger, named)] == [(Outcome.FAILED, "tls")] * 2


async def test_tls_is_demanded(tmp_path: Path) -> None:
    async with _with_tls(tmp_path) as (port, _):
        reading = await run_once("nats", "127.0.0.1", port=port)
    assert (reading.kind, reading.detail[:12]) == ("expectation", "tls_required")


async def test_no_password_goes_where_no_tls_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with nats(tmp_path, USERS) as server:
        reading = await run_watched(caplog, "nats", port=server.port, tls="on", **LOGIN)
    assert (reading.kind, reading.detail) == ("expectation", "the server offers no TLS; nothing was sent")


async def test_killed_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stuck(*_: object) -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr("probes.middleware._nats_wire.NatsWire.message", stuck)
    async with nats(tmp_path) as server, shared_here() as shared:
        run = asyncio.create_task(run_once("nats", "127.0.0.1", port=server.port, shared=shared))
        for _ in range(100):
            if (await server.told("/connz"))["num_connections"]:
                break
            await asyncio.sleep(0.01)
        assert (await server.told("/connz"))["num_connections"] == 1
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert await _left(server) == (0, 0)


async def test_the_server_dies_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with nats(tmp_path) as server:
        whole = module._round_trip

        async def killed(*args: Any) -> None:
            server.process.kill()
            await server.process.wait()
            await whole(*args)

        monkeypatch.setattr(module, "_round_trip", killed)
        reading = await run_once("nats", "127.0.0.1", port=server.port)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "protocol", "round_trip")
    assert "login_ms" in reading.metrics


@pytest.mark.parametrize("words", [b"SSH-2.0-x\r\n", b"INFO nothing\r\n", b"INFO []\r\n", b"\r\n"])
async def test_another_protocol(words: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await asyncio.sleep(60)

    async with tcp_server(handle) as port:
        reading = await run_once("nats", "127.0.0.1", port=port)
    assert (reading.kind, reading.detail) == ("protocol", "it does not begin as NATS does (INFO)")


async def test_a_server_that_says_the_password_back(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO {}\r\n")
        line = await reader.readline()
        writer.write(b"-ERR 'what do you mean by " + line.strip() + b"'\r\n")
        await asyncio.sleep(60)

    async with tcp_server(handle) as port:
        reading = await run_watched(caplog, "nats", port=port, **LOGIN)
    assert reading.kind == "protocol"
    assert "***" in reading.detail


async def test_a_closed_monitoring_port(tmp_path: Path) -> None:
    async with nats(tmp_path) as server:
        reading = await run_once("nats", "127.0.0.1", port=server.port, monitoring=server.port)
    assert (reading.kind, reading.phase) == ("protocol", "monitoring")


async def test_a_login_is_one() -> None:
    with pytest.raises(ValueError, match="give one way to log in"):
        await run_once("nats", "127.0.0.1", user="a", token="secret:b")
    with pytest.raises(ValueError, match="a consumer needs its stream"):
        await run_once("nats", "127.0.0.1", consumer="a")


async def test_garbage_after_the_login() -> None:
    async with tcp_server(says(b"INFO {}\r\nPONG\r\n" + b"\xff" * 100 + b"\r\n")) as port:
        reading = await run_once("nats", "127.0.0.1", port=port, timeout=1)
    assert reading.kind in ("protocol", "timeout")


@given(st.binary(max_size=80))
def test_any_line_announces_at_most_what_is_taken(line: bytes) -> None:
    announced = sizes(line)
    assert announced is None or 0 <= announced[1] <= announced[2] <= MAX_MESSAGE


@given(
    st.sampled_from(["a.b", "_INBOX.x"]), st.integers(0, 99), st.integers(0, 99), st.booleans(), st.booleans()
)
def test_announced_sizes(subject: str, head: int, body: int, headers: bool, reply: bool) -> None:
    words = ["HMSG" if headers else "MSG", subject, "7", *(["back"] if reply else [])]
    counts = [str(head), str(head + body)] if headers else [str(body)]
    expected = ("7", head, head + body) if headers else ("7", 0, body)
    assert sizes(" ".join(words + counts).encode() + b"\r\n") == expected


@given(st.text(max_size=60))
def test_any_error_is_an_ending(text: str) -> None:
    assert isinstance(ending_of(text), Ending)


@given(st.binary(min_size=32, max_size=32))
def test_a_written_seed_is_read_back(seed: bytes) -> None:
    key = NatsKey(written(seed))
    assert key.public.startswith("U")
    assert len(key.public) == 56


@given(st.text(max_size=60))
def test_other_texts_are_no_seed(text: str) -> None:
    with pytest.raises(BadSeed):
        NatsKey(text)


def test_status_line() -> None:
    assert status_of(b"NATS/1.0 503\r\n\r\n") == "503"
    assert status_of(b"NATS/1.0\r\nA: b\r\n\r\n") == ""


def test_replicas() -> None:
    replicas = [{"current": True}, {"current": False}, {"current": True, "offline": True}, {}]
    assert behind({"cluster": {"replicas": replicas}}) == 3
    assert behind({"cluster": {"replicas": None}}) == 0
    assert behind({}) == 0


@pytest.mark.parametrize(
    ("payload", "status", "ending"),
    [
        (b"", "503", ExpectationFailed),
        (b"{", "", ProtocolViolated),
        (b"[]", "", ProtocolViolated),
        (b'{"error": {"code": 404, "description": "away"}}', "", ExpectationFailed),
        (b'{"error": {"code": 403}}', "", PermissionMissing),
        (b'{"error": {"code": 400}}', "", ProtocolViolated),
    ],
)
def test_what_jetstream_answers(payload: bytes, status: str, ending: type[Ending]) -> None:
    with pytest.raises(ending):
        judged(Message("2", status, payload), "STREAM.INFO.X")
