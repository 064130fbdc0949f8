"""exporter: the real node_exporter, the form of windows_exporter, logins, TLS, and bad servers."""

from __future__ import annotations

import asyncio
import gc
import gzip
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics
from pydantic import ValidationError

from probes.api import Outcome
from probes.host._presets import PRESETS
from probes.host.exporter import PROBE, ExporterParams
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.node_exporter import node_exporter

WINDOWS = Path(__file__).parents[2] / "fixtures" / "exporter" / "windows_exporter.prom"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def _serving(
    body: str | bytes, headers: Mapping[str, str] | None = None, status: int = 200, tls: Any = None
) -> AsyncIterator[tuple[int, list[web.BaseRequest]]]:
    asked: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        content = body.encode() if isinstance(body, str) else body
        return web.Response(
            body=content, status=status, headers={"Content-Type": PLAIN} | dict(headers or {})
        )

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1], asked
    finally:
        await runner.cleanup()


async def test_node_exporter_tells_what_host_tells(tmp_path: Path) -> None:
    async with node_exporter(tmp_path) as port, shared_here() as shared:
        reading = await run_once("exporter", "127.0.0.1", shared=shared, preset="node_exporter", port=port)
        host = await run_once("host", "local", shared=shared)
    assert reading.outcome is Outcome.OK, reading.detail
    for name in ("memory_total_bytes", "swap_total_bytes"):
        assert reading.metrics[name] == host.metrics[name]
    for name in ("memory_used_pct", "disk_used_pct", "inode_used_pct"):
        assert reading.metrics[name] == pytest.approx(host.metrics[name], abs=3), name
    assert reading.metrics["uptime_s"] == pytest.approx(host.metrics["uptime_s"], abs=60)
    assert 0 <= reading.metrics["cpu_pct"] <= 100
    assert reading.metrics["load_per_core"] == pytest.approx(
        reading.metrics["load5"] / (os.cpu_count() or 1), rel=0.01
    )
    for fact in ("kernel", "hostname", "architecture", "os_version"):
        assert reading.facts[fact] == host.facts[fact]


async def test_ipv6(tmp_path: Path) -> None:
    async with node_exporter(tmp_path, host="::1") as port:
        reading = await run_once("exporter", "::1", port=port, metrics={"load1": "node_load1"})
    assert reading.outcome is Outcome.OK, reading.detail


async def test_windows_exporter() -> None:
    date = {"Date": "Tue, 14 Nov 2023 23:13:20 GMT"}
    async with _serving(WINDOWS.read_text(), date) as (port, _), shared_here() as shared:
        reading = await run_once("exporter", "127.0.0.1", shared=shared, preset="windows_exporter", port=port)
    assert reading.outcome is Outcome.OK, reading.detail
    assert reading.metrics["memory_used_pct"] == pytest.approx(75)
    assert reading.metrics["disk_used_pct"] == pytest.approx(60)
    assert reading.metrics["disk_total_bytes"] == 2e11
    assert reading.metrics["swap_used_pct"] == pytest.approx(25)
    assert reading.metrics["uptime_s"] == 3600, "by the exporter's clock, not by ours"
    assert reading.metrics["processes"] == 180
    assert reading.facts["os"] == "Windows 10 Pro"
    assert reading.facts["hostname"] == "PC1"
    assert "cpu_pct" not in reading.metrics, "the counters stood still: no ratio can be told"
    assert "cpu_pct" in reading.facts["missing"]


async def test_rates_of_windows_exporter() -> None:
    text, later = WINDOWS.read_text(), WINDOWS.read_text()
    for old, new in (('mode="idle"} 7000', 'mode="idle"} 7030'), ('mode="user"} 1500', 'mode="user"} 1510')):
        later = later.replace(old, new)
    bodies = [text, later]

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(text=bodies.pop(0), headers={"Content-Type": PLAIN})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        reading = await run_once("exporter", "127.0.0.1", preset="windows_exporter", port=port)
    finally:
        await runner.cleanup()
    assert reading.metrics["cpu_pct"] == pytest.approx(25)


def test_presets_use_the_names_of_host() -> None:
    known, facts = {m.name for m in PROBE.metrics}, {f.name for f in PROBE.facts}
    for preset in PRESETS.values():
        assert preset.metrics.keys() <= known
        assert preset.facts.keys() <= facts


async def test_absent_series_are_not_reported_and_named() -> None:
    async with _serving("a 1\n") as (port, _):
        reading = await run_once("exporter", "127.0.0.1", port=port, metrics={"a": "a", "b": "b"})
        none = await run_once("exporter", "127.0.0.1", port=port, metrics={"b": "b"})
    assert reading.outcome is Outcome.OK
    assert reading.metrics.keys() == {"a", "scrape_ms"}
    assert reading.facts == {"missing": "b"}
    assert (none.outcome, none.kind) == (Outcome.FAILED, "expectation")


async def test_stale_series_are_absent() -> None:
    async with _serving("a 1 1000\nb 1\n") as (port, _):
        reading = await run_once("exporter", "127.0.0.1", port=port, metrics={"a": "a", "b": "b"})
    assert reading.metrics.keys() == {"b", "scrape_ms"}


async def test_as_prometheus_client_writes_it() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("queue_depth", "help", ["name"], registry=registry)
    gauge.labels('a "b" \\ \n').set(7.5)
    wanted = {"depth": 'queue_depth{name="a \\"b\\" \\\\ \\n"}'}
    for body, kind in (
        (generate_latest(registry), PLAIN),
        (generate_open_metrics(registry), CONTENT_TYPE_LATEST),  # type: ignore[no-untyped-call]
    ):
        async with _serving(body, {"Content-Type": kind}) as (port, _):
            reading = await run_once("exporter", "127.0.0.1", port=port, metrics=wanted)
        assert reading.metrics["depth"] == 7.5, reading.detail


async def test_open_metrics_cut_short_is_a_protocol_failure() -> None:
    async with _serving("a 1\n", {"Content-Type": "application/openmetrics-text; version=1.0.0"}) as (
        port,
        _,
    ):
        reading = await run_once("exporter", "127.0.0.1", port=port, metrics={"a": "a"})
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert "# EOF" in reading.detail


@pytest.mark.parametrize(
    ("status", "outcome", "kind"),
    [
        (401, Outcome.ERROR, "auth"),
        (403, Outcome.ERROR, "auth"),
        (404, Outcome.FAILED, "expectation"),
        (503, Outcome.FAILED, "expectation"),
        (302, Outcome.FAILED, "expectation"),
    ],
)
async def test_other_statuses(status: int, outcome: Outcome, kind: str) -> None:
    async with _serving("a 1\n", {"Location": "http://127.0.0.1:1/"}, status) as (port, asked):
        reading = await run_once("exporter", "127.0.0.1", port=port, metrics={"a": "a"})
    assert (reading.outcome, reading.kind) == (outcome, kind)
    assert len(asked) == 1, "no redirect is followed"


async def test_logins_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with _serving("a 1\n") as (port, asked), shared_here(secrets={"pw": "s3cret"}) as shared:
        common: dict[str, Any] = {"shared": shared, "port": port, "metrics": {"a": "a"}}
        await run_once("exporter", "127.0.0.1", user="me", password="secret:pw", **common)
        await run_once("exporter", "127.0.0.1", bearer="secret:pw", path="/m?x=%20y", **common)
    assert asked[0].headers["Authorization"] == "Basic bWU6czNjcmV0"
    assert asked[1].headers["Authorization"] == "Bearer s3cret"
    assert asked[1].raw_path == "/m?x=%20y"
    assert asked[0].headers["Host"] == f"127.0.0.1:{port}"


async def test_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    identity = authority.issue("exporter.example")
    async with _serving("a 1\n", tls=identity.server_context()) as (port, _), shared_here() as shared:
        common: dict[str, Any] = {"shared": shared, "port": port, "tls": True, "metrics": {"a": "a"}}
        ca = str(authority.file)
        good = await run_once("exporter", "127.0.0.1", ca=ca, server_name="exporter.example", **common)
        named = await run_once("exporter", "127.0.0.1", ca=ca, **common)
        unknown = await run_once("exporter", "127.0.0.1", server_name="exporter.example", **common)
        unverified = await run_once("exporter", "127.0.0.1", verify=False, **common)
        ours = await run_once("exporter", "127.0.0.1", ca=str(tmp_path / "none"), **common)
    assert good.outcome is Outcome.OK, good.detail
    assert unverified.outcome is Outcome.OK
    assert (named.kind, unknown.kind) == ("tls", "tls")
    assert (ours.outcome, ours.kind) == (Outcome.ERROR, "prober_error")


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """32 MiB of exposition in 32 KiB."""
    return gzip.compress(b"# HELP x\n" + b"y 1\n" * (8 * 2**20))


async def test_a_compressed_bomb_is_bounded(bomb: bytes) -> None:
    async with _serving(bomb, {"Content-Encoding": "gzip"}) as (port, _):
        reading = await run_once("exporter", "127.0.0.1", port=port, metrics={"a": "a"}, timeout=20)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert "16 MiB" in reading.detail


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "nothing is asked for"),
        ({"preset": "node"}, "node_exporter"),
        ({"metrics": {"a b": "x"}}, "no name of a metric"),
        ({"metrics": {"a": "x{"}}, "no selector"),
        ({"metrics": {"a": {"of": "x", "reduce": "median"}}}, "reduce"),
        ({"metrics": {"a": "x"}, "path": "metrics"}, "path"),
        ({"metrics": {"a": "x"}, "user": "u", "bearer": "secret:t"}, "give either bearer"),
        ({"metrics": {"a": "x"}, "bearer": "inline"}, "an inline password is refused"),
    ],
)
def test_bad_parameters(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ExporterParams.model_validate(params)


@pytest.fixture
def frozen() -> Iterator[None]:
    """Keep what earlier tests left from the garbage collector, as the daemon does after each load."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen")
async def test_a_big_exposition_does_not_hold_the_loop() -> None:
    lines = "".join(f'a{{n="{n}",text="some label that is long enough"}} {n}\n' for n in range(15_000))
    async with _serving(lines) as (port, _):
        wanted = {"count": {"of": "a", "reduce": "count"}}
        reading = await asyncio.create_task(
            run_once("exporter", "127.0.0.1", port=port, metrics=wanted, timeout=20)
        )
    assert reading.metrics["count"] == 15_000
