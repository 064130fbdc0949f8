"""`muster outbox`, and what `muster doctor` says of messages and channels, on a real store."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

from monitor.store.database import Database
from monitor.store.outbox import OutboxTable
from tests.alerts.messages import message
from tests.cli.running import muster
from tests.servers.daemon import running


async def filled(state: Path) -> list[int]:
    """Make a store with one dead letter and one message that waits after a failed attempt."""
    state.mkdir(parents=True)
    database = await asyncio.to_thread(Database, state / "state.db")
    table, now = OutboxTable(database), time.time()
    await table.enqueue([message("1", "no@example.org"), replace(message("2", "duty"), channel="duty")], now)
    one, two = await table.claim(now, 900, 5)
    await table.dead(one.id, now, "550 no such user")
    await table.retry(two.id, now + 3600, "no answer within 20 s")
    database.close()
    return [one.id, two.id]


async def test_list_and_retry(tmp_path: Path) -> None:
    state = tmp_path / "state"
    [dead, _] = await filled(state)
    where = ("--state-dir", str(state))
    code, out, _ = await muster("outbox", "list", *where)
    assert code == 0
    for text in ("1 queued", "1 dead", "no@example.org", "550 no such user", "duty", "no answer within 20 s"):
        assert text in out
    code, out, _ = await muster("outbox", "list", "--format", "json", *where)
    found = json.loads(out)
    assert found["counts"]["dead"] == 1
    assert [each["error"] for each in found["dead"]] == ["550 no such user"]
    assert [each["recipient"] for each in found["waiting"]] == ["duty"]
    code, out, _ = await muster("outbox", "retry", str(dead), *where)
    assert (code, out.strip()) == (0, "1 to be tried again")
    code, _, error = await muster("outbox", "retry", *where)
    assert code == 2
    assert "numbers or --all" in error


async def test_the_doctor_says_what_waits_and_why(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    settings = tmp_path / "muster.toml"
    settings.write_text(
        '[daemon]\nstate_dir = "state"\n[notify.channels.duty]\nurl = "secret:duty"\n', "utf-8"
    )
    _, out, _ = await muster("doctor", "-c", str(settings))
    text = " ".join(out.split())
    assert "1 messages wait, 1 dead letters" in text
    assert "1 to duty (duty) wait: no answer within 20 s" in text
    assert "given up: 550 no such user" in text
    assert "secrets missing: duty" in text


async def test_a_running_daemon_tries_again(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    inventory = "version: 1\nunits:\n  - {id: u1, name: Unit, level: hall}\n"
    async with running(tmp_path, inventory):
        code, out, error = await muster("outbox", "retry", "--all", "-c", str(tmp_path / "muster.toml"))
    assert (code, out.strip()) == (0, "1 to be tried again"), error
