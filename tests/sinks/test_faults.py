"""Everything a server may do wrong, against a stand-in for InfluxDB 2 and 3; the store keeps what waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from monitor.sinks import feeder as module
from monitor.sinks.feeder import Feeder
from monitor.sinks.influx import MOST_ANSWER, Influx
from monitor.sinks.settings import InfluxSettings
from monitor.sinks.trouble import Cause, Trouble
from monitor.store.engine import Store
from tests.servers.certificates import Authority
from tests.servers.hostile import HTTP, closes, garbage, resets, tcp_server
from tests.servers.influxdb import TOKEN, InfluxDB, influxdb, said
from tests.servers.victoriametrics import OPTIONS, victoria_metrics
from tests.sinks.feeding import fed, feeding, fill, level, until
from tests.store.making import opened


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.2)


def talking(store: Store, server: InfluxDB, **more: Any) -> Feeder:
    given: dict[str, Any] = {"server": "influxdb2", "org": "grid", "token": "secret:influx", "timeout": 1.0}
    feeder = fed(store, server.url, **(given | more))
    feeder.writer.secret = lambda _: TOKEN
    return feeder


@asynccontextmanager
async def running(tmp_path: Path, server: InfluxDB, **more: Any) -> AsyncIterator[tuple[Store, Feeder]]:
    async with opened(tmp_path / "state") as store:
        fill(store, 0, 20)
        await store.flush()
        async with feeding(talking(store, server, **more)) as feeder:
            yield store, feeder


REFUSALS = {
    Cause.AUTH: said(401, "unauthorized access"),
    Cause.MISSING: said(404, 'bucket "muster" not found'),
    Cause.THROTTLED: said(429, "slow down", headers={"Retry-After": "0"}),
    Cause.SERVER: said(500, "internal error"),
    Cause.DISK_FULL: said(500, "write wal: no space left on device"),
    Cause.REFUSED: said(400, "no such thing"),
}


@pytest.mark.parametrize("cause", REFUSALS, ids=str)
async def test_what_is_refused_is_kept_and_written_later(tmp_path: Path, cause: Cause) -> None:
    async with influxdb() as server:
        server.refuse = lambda _: web.Response(
            status=REFUSALS[cause].status, text=REFUSALS[cause].text, headers={"Retry-After": "0"}
        )
        async with running(tmp_path, server) as (_, feeder):
            await until(lambda: feeder.sender.sent.troubles[cause] > 1)
            assert not server.lines
            assert feeder.link.since > 0
            server.refuse = lambda _: None
            await until(lambda: level(feeder))
        assert len(server.lines) == 20
        assert feeder.sender.sent.rejected == 0


async def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    async with influxdb() as server:
        server.refuse = lambda _: said(503, "busy", headers={"Retry-After": "1"})
        async with running(tmp_path, server) as (_, feeder):
            await until(lambda: feeder.sender.sent.troubles[Cause.THROTTLED] > 0)
            asked = server.requests
            server.refuse = lambda _: None
            start = feeder.clock()
            await until(lambda: level(feeder))
            assert feeder.clock() - start > 0.8
            assert server.requests - asked < 10


async def test_a_server_that_hangs_costs_its_timeout_and_nothing_else(tmp_path: Path) -> None:
    async with influxdb() as server:
        server.hang = True
        async with running(tmp_path, server) as (_, feeder):
            await until(lambda: feeder.sender.sent.troubles[Cause.TIMEOUT] > 0)
            server.hang = False
            await until(lambda: level(feeder))
        assert len(server.lines) == 20


@pytest.mark.parametrize("version", [2, 3])
async def test_bad_lines_are_isolated_and_the_others_kept(tmp_path: Path, version: int) -> None:
    async with influxdb() as server:
        server.version = version
        server.bad = lambda line: "field type conflict" if "value=7.0" in line or "value=13.0" in line else ""
        async with running(tmp_path, server) as (_, feeder):
            await until(lambda: level(feeder))
            assert feeder.sender.sent.rejected == 2
        assert len(server.lines) == 18


async def test_requests_that_are_too_large_are_cut(tmp_path: Path) -> None:
    async with influxdb() as server:
        server.most_bytes = 500
        async with running(tmp_path, server) as (_, feeder):
            await until(lambda: level(feeder))
            assert feeder.sender.sent.troubles[Cause.TOO_LARGE] > 0
        assert len(server.lines) == 20


async def test_requests_are_compressed_where_that_is_wanted(tmp_path: Path) -> None:
    async with influxdb() as server:
        async with running(tmp_path, server, gzip=True) as (_, feeder):
            await until(lambda: level(feeder))
        assert len(server.lines) == 20
        assert server.compressed == server.requests > 0


async def test_a_token_that_was_changed_is_read_again(tmp_path: Path) -> None:
    async with influxdb() as server:
        server.token = "another"
        async with running(tmp_path, server) as (_, feeder):
            await until(lambda: feeder.sender.sent.troubles[Cause.AUTH] > 0)
            feeder.writer.secret = lambda _: "another"
            await until(lambda: level(feeder))
        assert len(server.lines) == 20


async def test_the_token_is_in_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with influxdb() as server:
        server.refuse = lambda request: said(400, f"I got {request.headers['Authorization']}")
        async with running(tmp_path, server) as (_, feeder):
            await until(lambda: feeder.sender.sent.troubles[Cause.REFUSED] > 0)
            assert feeder.link.trouble is not None
            assert TOKEN not in feeder.link.trouble.text
            assert TOKEN not in repr(feeder.settings)
    assert TOKEN not in capsys.readouterr().out
    assert f"Token {TOKEN}" in server.seen


def client(url: str, **more: Any) -> Influx:
    return Influx(InfluxSettings(url=url, server="victoriametrics", timeout=1, **more), lambda _: TOKEN)


async def cause_of(writer: Influx) -> Cause:
    try:
        with pytest.raises(Trouble) as raised:
            await writer.write(b"m v=1 1")
        return raised.value.cause
    finally:
        await writer.close()


@pytest.mark.parametrize("name", [*HTTP, "resets", "closes", "garbage"])
async def test_no_server_of_any_kind_is_more_than_a_trouble(name: str) -> None:
    handler = {"resets": resets, "closes": closes, "garbage": garbage}.get(name) or HTTP[name]
    async with tcp_server(handler) as port:
        writer = client(f"http://127.0.0.1:{port}")
        try:
            await writer.write(b"m v=1 1")
        except Trouble:
            pass
        finally:
            await writer.close()


async def test_no_more_of_an_answer_is_read_than_that() -> None:
    async with influxdb() as server:
        server.refuse = lambda _: web.Response(status=400, text="x" * 5_000_000)
        writer = client(server.url)
        with pytest.raises(Trouble) as raised:
            await writer.write(b"m v=1 1")
        await writer.close()
        assert len(raised.value.text) <= MOST_ANSWER


async def test_a_redirect_is_not_followed() -> None:
    async with influxdb() as server:
        server.refuse = lambda _: web.Response(status=307, headers={"Location": "/elsewhere"})
        assert await cause_of(client(server.url)) is Cause.REFUSED


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_certificate_is_verified(authority: Authority) -> None:
    async with influxdb(authority.issue("localhost").server_context()) as server:
        assert await cause_of(client(server.url)) is Cause.TLS
        writer = client(server.url, ca_file=authority.file, token="secret:influx")
        await writer.write(b"m v=1 1")
        await writer.close()
        assert server.lines == {"m v=1 1": 1}
    async with influxdb(authority.issue("elsewhere.example").server_context()) as server:
        assert await cause_of(client(server.url, ca_file=authority.file)) is Cause.TLS


async def test_it_goes_by_a_proxy_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is asked as a proxy is: by the whole address. Proxies of the environment count nothing."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with influxdb() as proxy:
        writer = client("http://influx.invalid:8086", proxy=proxy.url, token="secret:influx")
        await writer.write(b"m v=1 1")
        await writer.close()
        assert proxy.lines == {"m v=1 1": 1}
        writer = client(proxy.url, token="secret:influx")
        await writer.write(b"m v=2 2")
        await writer.close()


async def test_a_victoria_metrics_that_has_no_room_says_so(tmp_path: Path) -> None:
    """The real one: below its least free space it takes nothing, and answers 503."""
    async with victoria_metrics(tmp_path, (*OPTIONS, "-storage.minFreeDiskSpaceBytes=1000GB")) as server:
        assert await cause_of(client(server.url)) is Cause.DISK_FULL
