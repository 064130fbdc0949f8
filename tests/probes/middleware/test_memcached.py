"""memcached against the real server: figures, its login, its limits, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Context, Outcome
from probes.middleware import memcached as module
from probes.middleware._memcached import Memcached
from probes.middleware.memcached import figures
from tests.probing import run_once, shared_here
from tests.servers.hostile import endless, garbage, says, silent, tcp_server
from tests.servers.memcached import memcached

MARKER = "marker-Pa55w0rd"


async def _say(port: int, *lines: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("".join(f"{line}\r\n" for line in (*lines, "quit")).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_good_server(tmp_path: Path) -> None:
    async with memcached(tmp_path, "-m", "64", "-c", "200") as port:
        reading = await run_once("memcached", "127.0.0.1", port=port, round_trip=True)
        left = await _say(port, "stats")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["connections_max"] == 200
    assert reading.metrics["connections_used_pct"] == reading.metrics["connections_used"] / 2
    assert reading.metrics["memory_max_bytes"] == 64 << 20
    assert reading.metrics["round_trip_ms"] > 0
    assert reading.facts["version"].startswith("1.")
    assert set(reading.phases) == {"resolve", "connect", "query", "round_trip"}
    assert b"STAT curr_items 0" in left
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}


async def test_hits_count_since_the_run_before(tmp_path: Path) -> None:
    async with memcached(tmp_path) as port, shared_here() as shared:
        await _say(port, "get a")
        first = await run_once("memcached", "127.0.0.1", shared=shared, port=port)
        await asyncio.sleep(0.9)
        await _say(port, "set a 0 0 1", "x", "get a", "get a", "get a", "get b")
        second = await run_once("memcached", "127.0.0.1", shared=shared, port=port)
    assert first.metrics["hit_ratio_total_pct"] == 0
    assert "hit_ratio_pct" not in first.metrics
    assert second.metrics["hit_ratio_pct"] == 75
    assert second.metrics["hit_ratio_total_pct"] == 60
    assert second.metrics["evictions_per_s"] == 0


async def test_a_server_with_a_login(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "auth").write_text(f"monitor:{MARKER}\n")
    caplog.set_level(logging.DEBUG)
    async with (
        memcached(tmp_path, "-Y", str(tmp_path / "auth")) as port,
        shared_here(secrets={"right": MARKER, "wrong": f"{MARKER}-not"}) as shared,
    ):
        context = Context(shared, 5.0, trace=[])
        ask: dict[str, Any] = {"shared": shared, "context": context, "port": port}
        good = await run_once("memcached", "127.0.0.1", **ask, user="monitor", password="secret:right")
        bad = await run_once("memcached", "127.0.0.1", **ask, user="monitor", password="secret:wrong")
        none = await run_once("memcached", "127.0.0.1", **ask)
    assert good.outcome is Outcome.OK
    assert good.metrics["login_ms"] > 0
    assert (bad.outcome, bad.kind) == (Outcome.ERROR, "auth")
    assert bad.detail.startswith("wrong_password: ")
    assert (none.outcome, none.kind) == (Outcome.ERROR, "auth")
    assert MARKER not in f"{good}{bad}{none}{context.trace}{caplog.text}"


async def test_a_login_that_the_server_does_not_ask_for_is_not_told(tmp_path: Path) -> None:
    async with memcached(tmp_path) as port, shared_here(secrets={"p": MARKER}) as shared:
        reading = await run_once(
            "memcached", "127.0.0.1", shared=shared, port=port, user="u", password="secret:p"
        )
        stored = await _say(port, "get muster")
    assert reading.outcome is Outcome.OK
    assert stored == b"END\r\n"


async def test_connections_are_used_up(tmp_path: Path) -> None:
    async with memcached(tmp_path, "-c", "40", "-t", "1") as port, contextlib.AsyncExitStack() as held:
        for _ in range(60):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            held.callback(writer.close)
        reading = await run_once("memcached", "127.0.0.1", port=port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("too_many_connections: ERROR Too many open connections")


async def test_memory_is_used_up(tmp_path: Path) -> None:
    small = [f"set filler:{number:016} 0 0 16 noreply\r\n{'x' * 16}" for number in range(60_000)]
    async with memcached(tmp_path, "-M", "-m", "4", "-I", "1m") as port:
        await _say(port, *small)
        reading = await run_once("memcached", "127.0.0.1", port=port, round_trip=True)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail == "out_of_memory: SERVER_ERROR out of memory storing object"
    assert reading.metrics["memory_used_pct"] > 50


async def test_a_run_that_is_cancelled_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: asyncio.Queue[str] = asyncio.Queue()
    store = Memcached.store

    async def slow(self: Memcached, key: str, value: bytes, seconds: int) -> None:
        await store(self, key, value, seconds)
        stored.put_nowait(key)
        await asyncio.sleep(60)

    monkeypatch.setattr(Memcached, "store", slow)
    monkeypatch.setattr(module, "EXPIRY_S", 1)
    async with memcached(tmp_path) as port:
        run = asyncio.create_task(run_once("memcached", "127.0.0.1", port=port, round_trip=True))
        key = await stored.get()
        assert (await _say(port, f"get {key}")).startswith(b"VALUE muster:")
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
        async with asyncio.timeout(10):
            while b"STAT curr_connections 1\r\n" not in await _say(port, "stats"):
                await asyncio.sleep(0.05)
            while await _say(port, f"get {key}") != b"END\r\n":
                await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (silent, "timeout"),
        (garbage, "protocol"),
        (endless, "protocol"),
        (says(b"VERSION 1.6.18\r\n"), "protocol"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol"),
    ],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("memcached", "127.0.0.1", port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


@given(
    st.dictionaries(st.sampled_from([*sorted(module.PLAIN), "get_hits", "get_misses"]), st.text(max_size=9))
)
def test_figures_are_of_numbers_only(stats: dict[str, str]) -> None:
    for name, value in figures(stats).items():
        assert value >= 0, name


def test_without_gets_there_is_no_ratio() -> None:
    assert "hit_ratio_total_pct" not in figures({"get_hits": "0", "get_misses": "0"})
