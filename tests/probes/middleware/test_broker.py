"""What the brokers' probes share: endings and what they take along, bounds, and true figures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from probes.api import Context, Outcome
from probes.errors import (
    Ending,
    ExpectationFailed,
    Inconclusive,
    PermissionMissing,
    ProtocolViolated,
    TargetFailed,
)
from probes.middleware import _broker
from probes.middleware._broker import BrokerParams, Found
from probes.middleware._broker_http import Api, number, numbers, rows, text
from tests.probing import run_once, shared_here
from tests.servers.hostile import tcp_server
from tests.servers.kafka import cluster
from tests.servers.nats import nats

SECRET = "marker-word"


@asynccontextmanager
async def _found() -> AsyncIterator[Found]:
    async with shared_here() as shared:
        yield Found(Context(shared, 5.0), hidden=(SECRET,))


def _end(ending: Ending) -> None:
    raise ending


async def test_parts_go_on_and_a_failure_has_the_word() -> None:
    async with _found() as found:
        found.context.phase = "one"
        with found.part():
            _end(PermissionMissing("missing_right: x"))
        found.context.phase = "two"
        with found.part():
            _end(ExpectationFailed("no queue"))
        found.context.phase = "three"
        with pytest.raises(ExpectationFailed, match="no queue"):
            found.settled()
        assert found.context.phase == "two"


async def test_a_broken_connection_ends_the_run_at_once() -> None:
    async with _found() as found:
        with pytest.raises(ProtocolViolated), found.part():
            _end(ProtocolViolated("closed"))


async def test_all_parts_went_well() -> None:
    async with _found() as found:
        found.metrics["a"] = 1.0
        with found.part():
            pass
        assert found.settled().outcome is Outcome.OK


@pytest.mark.parametrize("ending", [PermissionMissing, Inconclusive])
async def test_what_may_be_left_out_is_named(ending: type[Ending]) -> None:
    async with _found() as found:
        for what in ("nodes", "queue"):
            with found.optional(what):
                _end(ending(f"refused for {SECRET}"))
        assert found.reading().facts["not_told"] == "nodes: refused for ***; queue: refused for ***"


async def test_an_ending_takes_along_what_was_found_and_shows_no_secret() -> None:
    async with _found() as found:
        found.metrics["connect_ms"] = 1.0
        found.tell(version=f"9 {SECRET}", server=None, cluster="")
        with pytest.raises(TargetFailed) as raised, found.kept():
            _end(ProtocolViolated(f"it says {SECRET}"))
    reading = raised.value.reading()
    assert (reading.detail, reading.metrics) == ("it says ***", {"connect_ms": 1.0})
    assert reading.facts == {"version": "9 ***"}


async def test_a_run_takes_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_broker, "MAX_READ", 100_000)

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO {}\r\n")
        while True:
            writer.write(b"+OK\r\n" * 1000)
            await writer.drain()

    async with tcp_server(endless) as port:
        reading = await run_once("nats", "127.0.0.1", port=port)
    assert reading.kind == "protocol"
    assert "in one run" in reading.detail


def test_a_password_needs_a_user() -> None:
    with pytest.raises(ValueError, match="a password needs a user"):
        BrokerParams(password="secret:x")


async def _busy() -> None:
    while True:
        time.sleep(0.02)
        await asyncio.sleep(0)


@pytest.mark.alone
@pytest.mark.may_block
@pytest.mark.parametrize("probe", ["nats", "kafka"])
async def test_a_busy_loop_does_not_change_the_round_trip(tmp_path: Path, probe: str) -> None:
    """Each turn of the loop comes 20 ms late; a round trip has several."""
    if probe == "nats":
        async with nats(tmp_path) as server:
            took = await _round_trip(probe, port=server.port)
    else:
        async with cluster(1) as (port,):
            took = await _round_trip(probe, port=port, topic="orders", round_trip=True)
    assert took < 10


async def _round_trip(probe: str, **params: object) -> float:
    blocker = asyncio.create_task(_busy())
    try:
        reading = await run_once(probe, "127.0.0.1", **params)  # type: ignore[arg-type]
    finally:
        blocker.cancel()
    assert reading.outcome is Outcome.OK, reading.detail
    return reading.metrics["round_trip_ms"]


Answer = Callable[[web.Request], web.Response]


@asynccontextmanager
async def _serving(answer: Answer) -> AsyncIterator[int]:
    async def handle(request: web.BaseRequest) -> web.Response:
        return answer(request)  # type: ignore[arg-type]

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "ending", "detail"),
    [
        (web.Response(status=401), PermissionMissing, "missing_right: management: HTTP 401 for /x"),
        (web.Response(status=500), ExpectationFailed, "management: HTTP 500 for /x"),
        (web.Response(status=302), ExpectationFailed, "management: HTTP 302 for /x"),
        (web.Response(status=404), ExpectationFailed, "management: HTTP 404 for /x"),
        (web.Response(text="{"), ProtocolViolated, "management: what is at /x is no JSON"),
        (web.Response(text="[" * 100_000), ProtocolViolated, "management: what is at /x is no JSON"),
        (web.Response(body=b" " * 5_000_000), ProtocolViolated, "management: an answer of more than 4 MiB"),
    ],
    ids=["login", "error", "redirect", "none", "broken", "deep", "long"],
)  # fmt: skip
async def test_answers_by_http(answer: web.Response, ending: type[Ending], detail: str) -> None:
    async with _serving(lambda _: answer) as port, _found() as found:
        with pytest.raises(ending) as raised:
            await Api(found, "management", "127.0.0.1", port).get("/x")
    assert raised.value.detail == detail


async def test_what_http_tells_and_what_is_not_there() -> None:
    def answer(request: web.Request) -> web.Response:
        if request.path == "/none":
            return web.Response(status=404)
        return web.json_response({"login": request.headers.get("Authorization", "")})

    async with _serving(answer) as port, _found() as found:
        api = Api(found, "management", "127.0.0.1", port, "a", "b")
        assert await api.get("/none", may_lack=True) is None
        assert await api.get("/x") == {"login": "Basic YTpi"}


def test_documents_are_taken_as_they_come() -> None:
    document = {"a": {"b": 1}, "t": "x", "flag": True, "list": [{"n": 1}, 2, None]}
    assert number(document, "a", "b") == 1
    assert number(document, "flag") is None
    assert number(document, "t", "b") is None
    assert text(document, "t") == "x"
    assert text(document, "a") == ""
    assert numbers(document, {"x": ("a", "b"), "y": ("away",)}) == {"x": 1}
    assert rows(document["list"]) == [{"n": 1}]
    assert rows("text") == []
