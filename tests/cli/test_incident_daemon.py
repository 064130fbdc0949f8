"""Incidents and maintenance beside a running daemon, which does what the commands ask for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.cli.running import muster
from tests.servers.daemon import Daemon, running, start
from tests.servers.ports import closed_port, free_port

INVENTORY = """\
version: 1
units:
  - id: gz
    name: Guangzhou bureau
    level: municipal
    timezone: Asia/Shanghai
    assets:
      - {id: web, kind: application, address: 127.0.0.1,
         checks: [{probe: tcp, port: PORT, every: 1 s, timeout: 0.5 s}]}
  - id: hall
    name: Hall
    parent: gz
    level: hall
    assets:
      - {id: web, kind: application, address: 127.0.0.1,
         checks: [{probe: tcp, port: PORT, every: 1 s, timeout: 0.5 s}]}
"""
ROOTS = {"gz/web", "hall/web"}


@pytest_asyncio.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    with closed_port() as port:
        async with running(tmp_path, INVENTORY.replace("PORT", str(port))) as daemon:
            yield daemon


async def ask(daemon: Daemon, *arguments: str) -> str:
    status, out, err = await muster(*arguments, "-c", str(daemon.home / "muster.toml"))
    assert status == 0, err
    return out


async def data(daemon: Daemon, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await ask(daemon, *arguments, "--format", "json"))
    return found


async def until(daemon: Daemon, path: str, holds: Callable[[Any], bool]) -> Any:
    """Wait for an answer of the API."""
    async with asyncio.timeout(30):
        while not holds(found := await daemon.json(path)):
            await asyncio.sleep(0.3)
        return found


def both(found: Any) -> bool:
    return {each["root"] for each in found["incidents"]} == ROOTS


async def test_people_act_and_a_closed_one_opens_anew(daemon: Daemon) -> None:
    found = await until(daemon, "/api/v1/incidents", both)
    number = next(each["id"] for each in found["incidents"] if each["root"] == "hall/web")
    assert "is acknowledged until" in await ask(daemon, "incident", "ack", str(number), "--for", "4h")
    shown = await data(daemon, "incident", "show", str(number))
    assert shown["history"][-1]["what"] == "ack"
    assert shown["acknowledged"]["by"].endswith("(unauthenticated)")
    assert shown["replayed"]["root"] == "hall/web"
    assert shown["readings"], "what opened it is kept"
    await ask(daemon, "incident", "close", str(number), "--reason", "try again")
    again = await until(
        daemon, "/api/v1/incidents",
        lambda found: both(found) and number not in [each["id"] for each in found["incidents"]],
    )  # fmt: skip
    [new] = [each for each in again["incidents"] if each["root"] == "hall/web"]
    assert new["previous"] == number, "it still fails"


async def test_skipped_work_survives_a_restart_and_a_fresh_result_decides(daemon: Daemon) -> None:
    await until(daemon, "/api/v1/incidents", both)
    said = await ask(daemon, "maintenance", "add", "gz", "--to", "1h", "--skip", "--reason", "new switch")
    assert "maintenance 1: gz is not probed and nobody is told" in said
    page = await until_page(daemon, "maintenance was going on")
    assert "maintenance 1: new switch" in page
    assert 'title="new switch"' in (await daemon.get("/"))[1]
    assert await daemon.stop() == 0
    port = free_port()
    settings = daemon.home / "muster.toml"
    settings.write_text(
        settings.read_text("utf-8").replace(daemon.url.rpartition(":")[2], str(port)), "utf-8"
    )
    daemon = await start(settings, port)
    try:
        assert "new switch" in await until_page(daemon, "maintenance was going on")
        assert both(await daemon.json("/api/v1/incidents")), "what was down is not taken for repaired"
        [work] = (await data(daemon, "maintenance", "list"))["maintenance"]
        assert work["active"]
        await ask(daemon, "maintenance", "end", "1")
        await until_page(daemon, "connection refused")
        assert both(await daemon.json("/api/v1/incidents"))
    finally:
        assert await daemon.stop() == 0


async def until_page(daemon: Daemon, text: str) -> str:
    """Wait until the last attempt of the hall's check says something."""
    async with asyncio.timeout(30):
        while True:
            page = (await daemon.get("/checks/hall/web/tcp"))[1]
            attempt = page.partition("Last attempt")[2].partition("</dd>")[0]
            if text in attempt:
                return attempt
            await asyncio.sleep(0.3)


async def test_the_daemon_refuses_what_is_not_there(daemon: Daemon) -> None:
    for line, said in (
        ("maintenance add hal --to 1h --reason x", "did you mean hall?"),
        ("maintenance add hall/wbe --to 1h --reason x", "did you mean hall/web"),
        ("maintenance end 3", "there is no maintenance 3"),
        ("incident ack 99", "there is no incident 99; "),
    ):
        status, out, err = await muster(*line.split(), "-c", str(daemon.home / "muster.toml"))
        assert (status, out) == (2, ""), line
        assert said in err
