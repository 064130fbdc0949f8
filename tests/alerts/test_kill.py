"""kill -9 while incidents open and close and mail goes out: one distinct message an event all the same."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.servers.smtp import Received, smtp_server

COUNT = 40
KILLS = 6
AT_ONCE = 4


async def start(directory: Path, port: int, *how: str) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.alerts.sender", str(directory), str(port), str(COUNT), *how,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    return child


async def test_killed_again_and_again_no_event_is_lost_or_told_twice(tmp_path: Path) -> None:
    chance, killed = random.Random(11), 0
    async with smtp_server() as server:
        server.mailbox.slow = 0.02
        for _ in range(KILLS):
            child = await start(tmp_path, server.port)
            await asyncio.sleep(chance.uniform(0.02, 0.25))
            if child.returncode is None:
                child.kill()
                killed += 1
            await child.wait()
        last = await start(tmp_path, server.port)
        assert await asyncio.wait_for(last.wait(), 30) == 0
        received = list(server.mailbox.received)
    assert killed >= KILLS - 1, "the processes ended before they could be killed"
    await asyncio.to_thread(judge, tmp_path, received, killed)


def judge(directory: Path, received: list[Received], killed: int) -> None:
    copies = Counter(each.id for each in received)
    assert len(copies) == 2 * COUNT
    assert sum(copies.values()) - len(copies) <= killed * AT_ONCE
    contents = {(each.id, each.content) for each in received}
    assert len(contents) == len(copies), "a second copy is the same message"
    replies = {str(mail["Message-ID"]): str(mail["In-Reply-To"]) for mail in (each.mail for each in received)}
    openings = [own for own, to in replies.items() if to == "None"]
    assert sorted(replies.values()) == sorted(["None"] * COUNT + openings)
    with closing(sqlite3.connect(directory / "state.db")) as connection:
        rows = connection.execute(
            "SELECT root, count(*), count(closed_at) FROM incident GROUP BY 1"
        ).fetchall()
    assert len(rows) == COUNT
    assert all(row[1:] == (1, 1) for row in rows)


async def test_killed_in_a_storm_each_event_is_told_singly_or_in_one_summary(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with smtp_server() as server:
        server.mailbox.slow = 0.02
        for _ in range(KILLS):
            child = await start(tmp_path, server.port, "storm")
            await asyncio.sleep(chance.uniform(0.02, 0.25))
            if child.returncode is None:
                child.kill()
            await child.wait()
        last = await start(tmp_path, server.port, "storm")
        assert await asyncio.wait_for(last.wait(), 30) == 0
        received = list(server.mailbox.received)
    await asyncio.to_thread(judge_storm, received)


def judge_storm(received: list[Received]) -> None:
    letters = {each.id: each for each in received}
    assert len({(each.id, each.content) for each in received}) == len(letters), "a second copy is the same"
    told: Counter[str] = Counter()
    for each in letters.values():
        subject, part = str(each.mail["Subject"]), each.mail.get_body(("plain",))
        assert part is not None
        lines = part.get_content().splitlines()
        listed = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
        told.update(listed if subject.endswith("in one") else [subject])
    assert sum(told.values()) == 2 * COUNT
    assert set(told.values()) == {1}
    assert len(letters) < 2 * COUNT
