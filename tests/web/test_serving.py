"""Who is served: this host's own names only on loopback, reads only, and failures that stay inside."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.settings import Web
from monitor.web import CannotListen, serving
from monitor.web.serving import host_of, is_loopback
from tests.web.serving import client_of, sample_client
from tests.web.views import Sample, sample


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("127.0.0.1:8787", True), ("localhost", True), ("LOCALHOST:1", True), ("[::1]:8787", True),
        ("127.9.9.9", True), ("muster.localhost", True),
        ("evil.example", False), ("127.0.0.1.evil.example", False), ("localhost.evil.example:80", False),
        ("10.0.0.1", False), ("", False), ("[::2]:1", False), ("localhost:1:2", False),
    ],
)  # fmt: skip
async def test_on_loopback_only_its_own_names_are_answered(tmp_path: Path, host: str, good: bool) -> None:
    async with sample_client(tmp_path) as (_, session):
        for path in ("/", "/metrics", "/api/v1/units"):
            async with session.get(path, headers={"Host": host}) as answer:
                assert answer.status == (200 if good else 421), path
                assert good or "loopback only" in (await answer.json())["error"]["explanation"]


def test_hosts_are_told_from_headers() -> None:
    assert [host_of(each) for each in ("A.b:80", "[::1]:80", "::1", " x ")] == ["a.b", "::1", "::1", "x"]
    assert [is_loopback(each) for each in ("::1", "127.1.2.3", "::ffff:1.2.3.4", "0.0.0.0")] == [
        True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_but_reading_is_allowed(tmp_path: Path, method: str) -> None:
    async with sample_client(tmp_path) as (_, session):
        for path in ("/", "/api/v1/units", "/healthz"):
            async with session.request(method, path) as answer:
                assert answer.status == 405
                assert method in (await answer.json())["error"]["explanation"]


async def test_health_and_readiness_say_why_not(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        for path in ("/healthz", "/readyz"):
            async with session.get(path) as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
        view.well = (False, "the loop stands still")
        for path in ("/healthz", "/readyz"):
            async with session.get(path) as answer:
                assert (answer.status, await answer.text()) == (503, "the loop stands still\n")


async def test_a_failure_inside_stays_inside(tmp_path: Path) -> None:
    class Broken(Sample):
        def units(self) -> list[object]:  # type: ignore[override]
            raise RuntimeError("secret inside")

    async with sample(tmp_path) as view, client_of(Broken(view.evidence, view.verdicts)) as session:
        with capture_logs() as logs:
            for accept in ("text/html", "application/json"):
                async with session.get("/", headers={"Accept": accept}) as answer:
                    text = await answer.text()
                    assert answer.status == 500
                    assert "secret inside" not in text
                    assert "its log says why" in text
    assert [(entry["event"], entry["path"]) for entry in logs] == [("a request failed", "/")] * 2


async def test_a_request_without_end_is_cut_off(tmp_path: Path) -> None:
    async with sample(tmp_path) as view, serving(view, Web(listen="127.0.0.1:0")) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.0 400")
        writer.close()


async def test_two_daemons_do_not_share_a_port(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            listen = f"127.0.0.1:{held.getsockname()[1]}"
            with pytest.raises(CannotListen, match=f"can't listen on {listen}: Address already in use; stop"):
                async with serving(view, Web(listen=listen)):
                    pass


async def test_an_address_of_another_machine_is_said(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        with pytest.raises(CannotListen, match=r"can't listen on 203\.0\.113\.1:0: Cannot assign"):
            async with serving(view, Web(listen="203.0.113.1:0")):
                pass


async def test_ipv6_loopback_is_served_too(tmp_path: Path) -> None:
    async with (
        sample(tmp_path) as view,
        client_of(view, Web(listen="[::1]:0")) as session,
        session.get("/") as answer,
    ):
        assert answer.status == 200
