"""A whole daemon whose uplink is cut: one incident of its own, none of anybody else's, and a mail of it."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.daemon import Daemon, write_home
from tests.servers.link import DEVICE, Link, link, mac, needs_link
from tests.servers.smtp import Mailbox, SmtpServer

PORT = 8787
ADDRESSES = ("10.88.0.3", "10.88.0.4")
INVENTORY = """version: 1
units:
  - id: u1
    name: Unit
    level: hall
    assets:
"""
ASSET = """      - id: {id}
        kind: host
        address: {address}
        depends_on: []
        checks:
          - {{id: icmp, probe: icmp, count: 2, interval: 20 ms, wait: 300 ms, every: 1 s, timeout: 500 ms}}
"""
SETTINGS = """
[witnesses]
addresses = ["10.88.0.3", "10.88.0.4"]
hold = 0
[mail]
host = "127.0.0.1"
port = {port}
security = "none"
to = ["ops@a.example"]
"""


def prepare(line: Link) -> None:
    line.far.ip(*(f"addr add {address}/24 dev {DEVICE}" for address in ADDRESSES))
    line.near.ip(*(f"neigh replace {each} lladdr {mac(1)} dev {DEVICE} nud permanent" for each in ADDRESSES))


def metrics() -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value) for name, _, value in (each.rpartition(" ") for each in lines if each[0] != "#")
    }


async def until(line: Link, daemon: Daemon, found: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    seen: dict[str, float] = {}
    async with asyncio.timeout(20):
        while not (seen and found(seen)):
            assert daemon.process.returncode is None, daemon.log()
            await asyncio.sleep(0.2)
            try:
                seen = await line.near.call(metrics)
            except OSError:
                continue
    return seen


async def started(line: Link, home: Path, smtp: SmtpServer) -> Daemon:
    settings = write_home(
        home,
        INVENTORY + "".join(ASSET.format(id=f"a{n}", address="10.88.0.2") for n in range(3)),
        PORT,
        SETTINGS.format(port=smtp.port),
    )
    log = (home / "log").open("ab")
    command = line.near.command(sys.executable, "-m", "monitor.cli", "run", "-c", str(settings))
    process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    log.close()
    return Daemon(process, home, PORT)


@needs_link
@pytest.mark.alone
async def test_a_daemon_that_is_cut_off_says_so_and_blames_nobody(tmp_path: Path) -> None:
    async with link(relay=True) as line:
        await asyncio.to_thread(prepare, line)
        smtp = SmtpServer(Mailbox())
        await line.near.loop(smtp.start)
        daemon = await started(line, tmp_path, smtp)
        try:
            await until(line, daemon, lambda seen: seen.get('muster_checks_in_state{state="OK"}') == 3)
            await asyncio.to_thread(line.cut)
            await until(line, daemon, lambda seen: seen["muster_isolated"] == 1)
            seen = await until(line, daemon, lambda seen: seen["muster_incidents_opened_total"] >= 1)
            assert seen['muster_witness_up{witness="10.88.0.3"}'] == 0
            await asyncio.to_thread(line.heal)
            await until(line, daemon, lambda seen: seen["muster_isolated"] == 0)
            await until(line, daemon, lambda seen: seen['muster_checks_in_state{state="OK"}'] == 3)
            seen = await until(line, daemon, lambda seen: seen["muster_incidents_closed_total"] >= 1)
            await until(line, daemon, lambda _: len(smtp.mailbox.received) >= 2)
        finally:
            status = await daemon.stop()
            await smtp.stop()
    assert status == 0, daemon.log()
    assert seen["muster_incidents_opened_total"] == seen["muster_incidents_closed_total"] == 1
    assert 'muster_readings_total{outcome="failed"}' not in seen
    assert seen["muster_isolated_seconds_total"] > 1
    events = [json.loads(each)["event"] for each in daemon.log().splitlines() if each.startswith("{")]
    told = [each for each in events if each.startswith(("isolated", "connected"))]
    assert told == ["isolated: no witness answers", "connected again"]
    opened, closed = (each.mail for each in smtp.mailbox.received)
    assert closed["In-Reply-To"] == opened["Message-ID"]
