"""The discipline in a real daemon: its checks, runs asked for, runs by hand, a restart, its metrics."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from monitor.control.socket import ControlError, ask
from tests.discipline.plugin import install
from tests.servers.daemon import Daemon, running

RULES = '[tests]\nmax_bytes_per_day = "1 MB"\nmax_share_per_day = 0\nmax_bytes_per_run = "400 kB"'
HALL = """
  - {{id: h{n}, name: H, level: hall, parent: gz, assets: [
      {{id: up, kind: channel, address: 127.0.3.{n}, depends_on: [gz/core],
        checks: [{{probe: claim, every: 1 h, timeout: 5 s, bytes: {size}, seconds: 0.1, note: "{note}"}}]}}]}}
"""
HEAD = """
version: 1
units:
  - {id: gz, name: G, level: municipal, assets: [{id: core, kind: channel, address: 127.0.3.100, checks: [{probe: icmp, every: 1 h}]}]}
"""  # noqa: E501


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(install(tmp_path / "site")))
    monkeypatch.chdir(tmp_path)


def inventory(home: Path, halls: int, size: int = 100_000) -> str:
    return HEAD + "".join(HALL.format(n=n, size=size, note=home / "notes") for n in range(1, halls + 1))


def notes(home: Path) -> list[tuple[str, float, float, int, int | None]]:
    return [tuple(json.loads(line)) for line in (home / "notes").read_text().splitlines()]


async def probed(daemon: Daemon, *checks: str) -> list[dict[str, Any]]:
    request = {"do": "probe", "checks": list(checks)}
    return [answer["reading"] async for answer in ask(daemon.socket, request)]


async def muster(*words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor.cli", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, out.decode(), error.decode()


async def by_hand(home: Path, address: str, *words: str) -> tuple[int, dict[str, Any]]:
    command = ("probe", "claim", address, *words, "-c", str(home / "muster.toml"), "--format", "json")
    status, out, error = await muster(*command)
    assert out, error
    return status, json.loads(out)


async def test_checks_take_turns_and_a_restart_gives_nothing_back(tmp_path: Path) -> None:
    text = inventory(tmp_path, 7, 200_000)
    checks = [f"h{n}/up/claim" for n in range(1, 8)]
    async with running(tmp_path, text, RULES) as daemon:
        readings = await probed(daemon, *checks[:3])
        assert {reading["outcome"] for reading in readings} == {"ok"}
        assert await daemon.metric("muster_tests_total") == 3
        assert await daemon.metric('muster_tests_bytes_total{direction="down"}') == 600_000
        await daemon.stop(signal.SIGKILL)
    async with running(tmp_path, text, RULES) as daemon:
        readings = await probed(daemon, *checks[3:])
        assert sorted(reading["kind"] for reading in readings) == ["", "", "budget", "budget"]
        refused = [reading for reading in readings if reading["kind"]]
        assert all(reading["outcome"] == "not_run" for reading in refused)
        assert all("gz/core has used 1.0 of 1.0 MB" in reading["detail"] for reading in refused)
        assert await daemon.metric('muster_tests_refused_total{reason="budget"}') == 2
        assert await daemon.metric("muster_tests_waiting") == 0
        assert await daemon.stop() == 0
    runs = sorted(notes(tmp_path), key=lambda each: each[1])
    assert len(runs) == 5
    assert all(one[2] <= two[1] for one, two in pairwise(runs)), "they overlap on the core"


async def test_a_run_by_hand_is_under_the_same_discipline(tmp_path: Path) -> None:
    async with running(tmp_path, inventory(tmp_path, 2, 300_000), RULES) as daemon:
        readings = await probed(daemon, "h1/up/claim", "h2/up/claim")
        assert {reading["outcome"] for reading in readings} == {"ok"}
        status, document = await by_hand(tmp_path, "127.0.3.100", "bytes=900000", "--debug")
        assert (status, document["outcome"]) == (0, "ok")
        assert document["metrics"]["sent_bytes"]["value"] == 400_000
        assert document["log"][0]["text"] == "claimed 400000"
        status, document = await by_hand(tmp_path, "127.0.3.2", "bytes=300000")
        assert (status, document["outcome"], document["kind"]) == (5, "not_run", "budget")
        (reading,) = await probed(daemon, "h1/up/claim")
        assert reading["kind"] == "budget", "what was run by hand counts"
        note = tmp_path / "elsewhere"
        status, document = await by_hand(tmp_path, "127.0.4.1", "bytes=900000", f"note={note}")
        assert (status, document["metrics"]["sent_bytes"]["value"]) == (0, 900_000)
        assert json.loads(note.read_text())[4] is None, "nothing of ours lies at that address"
        assert await daemon.metric('muster_readings_total{outcome="ok"}') <= 3, "no part of any series"


async def test_what_is_no_run_of_such_a_probe_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, inventory(tmp_path, 1)) as daemon:
        good = {
            "do": "test", "probe": "claim", "address": "127.0.3.1", "family": "any", "parameters": {},
            "timeout": 5,
        }  # fmt: skip
        for wrong in (
            {"probe": "tcp", "parameters": {"port": 1}}, {"probe": "none"}, {"parameters": {"x": 1}},
            {"timeout": 1e9}, {"timeout": "x"}, {"family": "5"}, {"parameters": None},
        ):  # fmt: skip
            with pytest.raises(ControlError, match=r"run of a probe|only probes that load a link"):
                [answer async for answer in ask(daemon.socket, {**good, **wrong})]
        (answer,) = [answer async for answer in ask(daemon.socket, good)]
        assert (answer["known"], answer["reading"]["outcome"], answer["trace"]) == (True, "ok", None)


async def test_without_a_daemon_a_fresh_check_keeps_the_budget_too(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text(inventory(tmp_path, 4, 300_000))
    (tmp_path / "muster.toml").write_text(
        f'[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\n{RULES}\n'
    )
    command = ("check", "h1", "h2", "h3", "h4", "-c", str(tmp_path / "muster.toml"), "--format", "json")
    for _ in range(2):
        _, out, error = await muster(*command)
        assert out, error
    runs = sorted(notes(tmp_path), key=lambda each: each[1])
    assert [run[3] for run in runs] == [300_000, 300_000, 300_000, 100_000]
    assert all(one[2] <= two[1] for one, two in pairwise(runs))
