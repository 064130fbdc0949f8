"""A mail server that is out for hours, on a clock that runs fast, and a daemon that tells by a webhook."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.alerts.mail import Mailer
from monitor.alerts.outbox import Outbox
from monitor.alerts.webhook import HEADER, verify
from tests.alerts.messages import message, secret, settings
from tests.alerts.messages import table as opened
from tests.run.test_daemon import inventory
from tests.servers.daemon import running
from tests.servers.receiver import receiver
from tests.servers.smtp import smtp_server

FASTER = 7200.0
"""Two hours a second."""
BEGIN = 1_800_000_000.0
MESSAGES = 12


async def test_out_for_hours_then_everything_once_and_no_hammering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.alerts.outbox._IDLE", 0.02)
    database, table = await asyncio.to_thread(opened, tmp_path)
    start = time.monotonic()
    chance = random.Random(3)
    outbox = Outbox(table, clock=lambda: BEGIN + (time.monotonic() - start) * FASTER, chance=chance.random)
    async with smtp_server() as server:
        await server.stop()
        batch = [message(str(n), f"p{n}@example.org", expires_at=BEGIN + 3 * 86400) for n in range(MESSAGES)]
        await outbox.enqueue([replace(each, date=BEGIN) for each in batch])
        running_ = asyncio.create_task(outbox.run(Mailer(settings(server), secret).deliver))
        await asyncio.sleep(2.0)
        tried = outbox.counters.failed
        waiting = await table.troubles()
        await server.start()
        async with asyncio.timeout(20):
            while outbox.counters.sent < MESSAGES:
                await asyncio.sleep(0.02)
        running_.cancel()
        await asyncio.gather(running_, return_exceptions=True)
        received = server.mailbox.received
    await asyncio.to_thread(database.close)
    assert sorted(each.recipients[0] for each in received) == sorted(
        f"p{n}@example.org" for n in range(MESSAGES)
    )
    assert len(waiting) == MESSAGES
    assert all("refused" in each.error.lower() or "connect" in each.error.lower() for each in waiting)
    assert MESSAGES <= tried <= MESSAGES * 4 * 12, (
        "at most one attempt in seven and a half minutes, and the first"
    )


async def test_the_daemon_posts_what_opens_and_closes(tmp_path: Path) -> None:
    target = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = target.sockets[0].getsockname()[1]
    (tmp_path / "secrets.yaml").write_text("version: 1\nsecrets: {desk: Zauberwort}\n", "utf-8")
    (tmp_path / "secrets.yaml").chmod(0o600)
    async with receiver() as taking:
        notify = (
            'secrets = "secrets.yaml"\n[[notify.routes]]\nkinds = ["host"]\nto = ["desk"]\n'
            f'[notify.channels.desk]\nwebhook = "http://127.0.0.1:{taking.port}/hook"\nkey = "secret:desk"\n'
        )
        async with running(tmp_path, inventory(port, "one"), notify) as daemon:
            await daemon.until('muster_checks_in_state{state="OK"}', 1)
            target.close()
            await target.wait_closed()
            sent = 'muster_channel_messages_total{channel="desk",result="sent"}'
            await daemon.until(sent, 1)
            target = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
            await daemon.until(sent, 2)
            target.close()
            assert "Zauberwort" not in daemon.log()
        [opening, end] = taking.posted
    told = [json.loads(each.body) for each in (opening, end)]
    assert [each["event"] for each in told] == ["opened", "closed"]
    assert told[0]["incident"]["thread"] == told[1]["incident"]["thread"]
    assert verify("Zauberwort", end.body, end.headers[HEADER], time.time())
