"""The daemon as a whole, in a process of its own: start, reload, requests, stop, kill."""

from __future__ import annotations

import asyncio
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.control.socket import ControlError, NoDaemon, ask
from tests.servers.daemon import Daemon, running, start, write_home
from tests.servers.ports import free_port


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Give the port of a server that accepts and closes."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def inventory(port: int, *checks: str, every: str = "1 s") -> str:
    lines = [
        f"          - {{id: {name}, probe: tcp, port: {port}, every: {every}, timeout: 800 ms}}"
        for name in checks
    ]
    head = "version: 1\nunits:\n  - id: u1\n    name: Unit\n    level: hall\n    assets:\n"
    asset = "      - id: a1\n        kind: host\n        address: 127.0.0.1\n"
    asset += "        depends_on: []\n        checks:\n"
    return head + asset + "\n".join(lines) + "\n"


async def answers(daemon: Daemon, request: dict[str, object]) -> list[dict[str, object]]:
    return [answer async for answer in ask(daemon.socket, request)]


async def test_it_probes_stores_judges_and_stops_cleanly(tmp_path: Path, port: int) -> None:
    async with running(tmp_path, inventory(port, "one", "two")) as daemon:
        await daemon.until('muster_readings_total{outcome="ok"}', 4)
        assert (await daemon.get("/healthz"))[0] == 200
        async with asyncio.timeout(20):
            while not any(unit.get("verdict") for unit in (await daemon.json("/api/v1/units"))["units"]):
                await asyncio.sleep(0.3)
        assert await daemon.stop() == 0
    assert not daemon.socket.exists()
    assert '"event": "running"' in daemon.log()


async def test_one_daemon_per_state_directory(tmp_path: Path, port: int) -> None:
    async with running(tmp_path, inventory(port, "one")) as daemon:
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor.cli", "run", "-c", str(tmp_path / "muster.toml"),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, error = await asyncio.wait_for(second.communicate(), 20)
        assert second.returncode == 1
        assert f"in use by process {daemon.process.pid}" in " ".join(error.decode().split())


async def test_a_changed_file_is_taken_up_and_a_bad_one_changes_nothing(tmp_path: Path, port: int) -> None:
    async with running(tmp_path, inventory(port, "one")) as daemon:
        assert await daemon.metric("muster_checks") == 1
        (tmp_path / "inventory.yaml").write_text(inventory(port, "one", "two"), "utf-8")
        assert await daemon.until("muster_checks", 2) == 2
        (tmp_path / "inventory.yaml").write_text(inventory(port, "one").replace("tcp", "tpc"), "utf-8")
        await daemon.until("muster_reload_failed", 1)
        status, text = await daemon.get("/readyz")
        assert status == 503
        assert "the old configuration stays" in text
        assert await daemon.metric("muster_checks") == 2
        assert "inventory.yaml:12:" in daemon.log()
        assert 'did you mean \\"tcp\\"' in daemon.log()
        (tmp_path / "new").write_text(inventory(port, "one"), "utf-8")
        (tmp_path / "new").rename(tmp_path / "inventory.yaml")
        async with asyncio.timeout(10):
            while await daemon.metric("muster_checks") != 1:
                await asyncio.sleep(0.1)
        assert (await daemon.get("/readyz"))[0] == 200


async def test_a_hangup_reloads_even_where_no_change_is_seen(tmp_path: Path, port: int) -> None:
    async with running(tmp_path, inventory(port, "one")) as daemon:
        daemon.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(10):
            while '"reloaded"' not in daemon.log():
                await asyncio.sleep(0.1)


async def test_bad_files_at_the_start_end_with_2_and_the_place(tmp_path: Path) -> None:
    settings = write_home(
        tmp_path, "version: 1\nunits:\n  - id: u1\n    nam: x\n    level: hall\n", free_port()
    )
    daemon = await start(settings, 0, ready=False)
    assert await asyncio.wait_for(daemon.process.wait(), 20) == 2
    assert "inventory.yaml:4:5" in daemon.log()
    assert "Traceback" not in daemon.log()


async def test_requests_over_the_socket(tmp_path: Path, port: int) -> None:
    async with running(tmp_path, inventory(port, "one", "two", every="1 h")) as daemon:
        assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o660
        (status,) = await answers(daemon, {"do": "status"})
        assert (status["checks"], status["pid"]) == (2, daemon.process.pid)
        found = await answers(daemon, {"do": "probe", "checks": ["u1/a1/one", "u1/a1/two", "u1/a1/unknown"]})
        readings = [answer["reading"] for answer in found]
        assert {(r["check"], r["outcome"], r["vantage"]) for r in readings} == {  # type: ignore[index]
            ("u1/a1/one", "ok", "check"), ("u1/a1/two", "ok", "check"),
        }  # fmt: skip
        with pytest.raises(ControlError, match="no such request"):
            await answers(daemon, {"do": "everything"})
        with pytest.raises(ControlError, match="list of check ids"):
            await answers(daemon, {"do": "probe", "checks": "all"})
        (changed,) = await answers(daemon, {"do": "reload"})
        assert changed == {"units_changed": 0}


async def test_the_socket_may_lie_deep(tmp_path: Path, port: int) -> None:
    async with running(tmp_path / ("x" * 120), inventory(port, "one")) as daemon:
        (status,) = await answers(daemon, {"do": "status"})
        assert status["checks"] == 1


async def test_no_daemon_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NoDaemon):
        [answer async for answer in ask(tmp_path / "muster.sock", {"do": "status"})]


async def test_killed_and_started_again_it_knows_what_it_knew(tmp_path: Path, port: int) -> None:
    async with running(tmp_path, inventory(port, "one")) as daemon:
        await daemon.until('muster_checks_in_state{state="OK"}', 1)
        await asyncio.sleep(1.0)
        await daemon.stop(signal.SIGKILL)
    async with running(tmp_path, inventory(port, "one", every="1 h")) as daemon:
        assert await daemon.metric('muster_checks_in_state{state="OK"}') == 1


async def test_a_target_that_goes_down_opens_one_incident(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(tmp_path, inventory(port, "one")) as daemon:
        await daemon.until('muster_checks_in_state{state="OK"}', 1)
        server.close()
        await server.wait_closed()
        await daemon.until("muster_incidents_opened_total", 1)
        assert await daemon.metric('muster_checks_in_state{state="DOWN"}') == 1
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
        await daemon.until("muster_incidents_closed_total", 1)
        server.close()
