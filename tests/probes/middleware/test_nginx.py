"""nginx by its status page, of the real server and as others write it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Context, Outcome
from probes.errors import ProtocolViolated
from probes.middleware.nginx import PROBE, page, server
from tests.probing import run_once, shared_here
from tests.servers.hostile import HTTP, OK, closes, endless, garbage, says, silent, tcp_server
from tests.servers.nginx import nginx

MARKER = "marker-Pa55w0rd"
TENGINE = (
    "Active connections: 1 \nserver accepts handled requests request_time\n 1140 1139 1141 75806\n"
    "Reading: 0 Writing: 1 Waiting: 0 \n"
)


async def test_the_page_of_nginx(tmp_path: Path) -> None:
    async with nginx(tmp_path) as site, shared_here() as shared:
        first = await run_once("nginx", "127.0.0.1", shared=shared, port=site.plain)
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", site.plain)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            writer.close()
        await asyncio.sleep(0.9)
        second = await run_once(
            "nginx", "127.0.0.1", shared=shared, port=site.secure, tls="on", ca=str(site.authority.file)
        )
        third = await run_once("nginx", "127.0.0.1", shared=shared, port=site.plain)
    assert (first.outcome, first.detail) == (Outcome.OK, "")
    assert first.facts["server"].startswith("nginx/")
    assert first.facts["version"] == first.facts["server"].removeprefix("nginx/")
    assert first.metrics["dropped"] == 0
    assert first.metrics["requests_per_s"] == pytest.approx(1, abs=0.2)  # the second look, at itself
    assert second.metrics["tls_ms"] > 0
    assert third.metrics["requests_per_s"] > 5
    assert third.metrics["requests"] >= first.metrics["requests"] + 20
    assert third.metrics["dropped_per_s"] == 0
    assert {*third.metrics, *second.metrics} <= {metric.name for metric in PROBE.metrics}


async def test_without_time_for_a_second_look(tmp_path: Path) -> None:
    async with nginx(tmp_path) as site:
        reading = await run_once("nginx", "127.0.0.1", port=site.plain, timeout=1.5)
    assert reading.outcome is Outcome.OK
    assert "requests_per_s" not in reading.metrics
    assert reading.facts["not_told"].startswith("requests_per_s")


async def test_who_is_not_let_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with nginx(tmp_path) as site, shared_here(secrets={"right": "sesam", "wrong": MARKER}) as shared:
        context = Context(shared, 5.0, trace=[])
        ask: dict[str, Any] = {"shared": shared, "context": context, "port": site.plain}
        closed = await run_once("nginx", "127.0.0.1", **ask, path="/closed_status")
        login: dict[str, Any] = ask | {"path": "/login_status", "user": "ops"}
        good = await run_once("nginx", "127.0.0.1", **login, password="secret:right")
        bad = await run_once("nginx", "127.0.0.1", **login, password="secret:wrong")
        missing = await run_once("nginx", "127.0.0.1", **ask, path="/none")
        other = await run_once("nginx", "127.0.0.1", **ask, path="/json")
    assert (closed.outcome, closed.kind) == (Outcome.ERROR, "permission")
    assert closed.detail == "missing_right: HTTP 403 for /closed_status"
    assert good.outcome is Outcome.OK, good.detail
    assert (bad.outcome, bad.kind) == (Outcome.ERROR, "auth")
    assert bad.detail.startswith("wrong_password: HTTP 401")
    assert (missing.outcome, missing.kind) == (Outcome.FAILED, "expectation")
    assert (other.outcome, other.kind) == (Outcome.FAILED, "protocol")
    assert MARKER not in f"{good}{bad}{context.trace}{caplog.text}"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (silent, "timeout"),
        (garbage, "protocol"),
        (closes, "protocol"),
        (endless, "protocol"),
        (HTTP["endless_body"], "protocol"),
        (HTTP["slow_body"], "timeout"),
        (says(OK + b"Content-Length: 5\r\n\r\nhello"), "protocol"),
    ],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("nginx", "127.0.0.1", port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


def test_tengine_has_a_column_more() -> None:
    """The page as Tengine's documentation shows it."""
    assert page(TENGINE) == {
        "connections_active": 1, "accepted": 1140, "handled": 1139, "requests": 1141,
        "reading": 0, "writing": 1, "waiting": 0,
    }  # fmt: skip


@given(st.text(max_size=200))
def test_pages_of_anybody_end_well(text: str) -> None:
    with pytest.raises(ProtocolViolated):
        page(f"Active connections: 1\n{text}")


def test_a_server_field_without_a_version() -> None:
    assert server("nginx") == {"server": "nginx"}
    assert server("Tengine/2.3.3") == {"server": "Tengine/2.3.3", "version": "2.3.3"}
    assert server("") == {}
