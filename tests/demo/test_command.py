"""`muster demo` as people run it: a process of its own, which leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

UNIT = {
    "id", "name", "name_zh", "verdict", "reasons", "unit_digest", "checklists", "counts", "coverage",
    "rollup", "items",
}  # fmt: skip
ITEM = {
    "id", "asset", "category", "title", "title_zh", "severity", "status", "reason", "detail", "blocked_by",
    "expected", "actual", "value", "unit", "collected_at", "expires_at", "attempted_at", "check", "vantage",
    "remediation", "remediation_zh", "waiver", "declared_severity",
}  # fmt: skip
"""The least that the contract promises of a unit and an item."""


def _interruptible() -> None:
    """Let Ctrl-C count: what a shell runs in the background ignores it, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def _demo(directory: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command in a session of its own, with its temporary files in `directory`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor.cli", "demo", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(directory), "COLUMNS": "200"},
        start_new_session=True,
        preexec_fn=_interruptible,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _of_session(leader: int) -> list[str]:
    """Return the commands that still run in the session of a process."""
    found = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if os.getsid(process.pid) == leader:
                found.append(process.info["name"])
        except (ProcessLookupError, PermissionError):
            continue
    return found


async def _nothing_is_left(process: asyncio.subprocess.Process, directory: Path) -> None:
    assert await asyncio.to_thread(lambda: list(directory.iterdir())) == []
    assert await asyncio.to_thread(_of_session, process.pid) == []


async def test_one_run_ends_with_its_status_and_leaves_nothing(tmp_path: Path) -> None:
    async with _demo(tmp_path, "--once", "--format", "json") as process:
        out, err = await asyncio.wait_for(process.communicate(), 45)
        assert process.returncode == 3, err.decode()
        _by_the_contract(json.loads(out))
        await _nothing_is_left(process, tmp_path)


def _by_the_contract(run: Mapping[str, Any]) -> None:
    assert (run["schema"], run["gate"], run["mode"]) == ("muster.check/1", "go-live", "fresh")
    assert {unit["id"]: unit["verdict"] for unit in run["units"]} == {
        "lakeside": "UNKNOWN", "riverside": "READY", "hillside": "NOT_READY",
    }  # fmt: skip
    for unit in run["units"]:
        assert unit.keys() >= UNIT
        statuses = [item["status"] for item in unit["items"]]
        assert unit["counts"] == {status: statuses.count(status) for status in unit["counts"]}
        for item in unit["items"]:
            assert item.keys() >= ITEM
            assert item["title"]
            assert item["title_zh"]
    unheld = {item["id"]: item["status"] for unit in run["units"] for item in unit["items"] if _blocks(item)}
    assert unheld == {
        "operations.rollback": "unknown", "application.login": "fail", "application.query": "unknown",
        "security.certificate": "fail",
    }  # fmt: skip


def _blocks(item: Mapping[str, Any]) -> bool:
    return item["severity"] in ("blocker", "major") and item["status"] != "pass"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_board_runs_until_it_is_stopped_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    async with _demo(tmp_path, "--listen", "127.0.0.1:0") as process:
        url = await asyncio.wait_for(_printed_url(process), 45)
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
            assert "Hillside service hall" in await answer.text()
        process.send_signal(number)
        _, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0, err.decode()
        assert "Traceback" not in err.decode()
        await _nothing_is_left(process, tmp_path)


async def _printed_url(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        found = re.search(r"The board: (http://127\.0\.0\.1:[1-9][0-9]*/)", line.decode())
        if found:
            return found[1]
    raise AssertionError(f"no address was printed: {process.returncode}")


async def test_interrupted_at_once_it_ends_and_leaves_nothing(tmp_path: Path) -> None:
    async with _demo(tmp_path, "--listen", "127.0.0.1:0") as process:
        assert process.stderr is not None
        first = await asyncio.wait_for(process.stderr.readline(), 45)
        assert b"starting" in first
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode in (0, 130), err.decode()
        assert "Traceback" not in err.decode()
        await _nothing_is_left(process, tmp_path)


async def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with _demo(tmp_path, "--listen", f"127.0.0.1:{port}") as process:
        _, err = await asyncio.wait_for(process.communicate(), 45)
        assert process.returncode == 1
        assert f"muster: can't listen on 127.0.0.1:{port}: Address already in use; stop what" in err.decode()
        assert "bug" not in err.decode()
        await _nothing_is_left(process, tmp_path)
    server.close()
