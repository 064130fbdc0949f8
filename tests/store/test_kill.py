"""Killed twenty times while it writes, settles, rolls and merges: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from monitor.store.engine import Store
from tests.store.making import NOON
from tests.store.writing_child import CHECKS

KILLS = 20
COMMIT = 400
"""What the child appends between two acknowledgements, at most."""


async def write_until_killed(directory: Path, first: int, seconds: float) -> int:
    """Run the child, kill it some time after its first acknowledgement; return what it acknowledged."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.writing_child", str(directory), str(first),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    line = await child.stdout.readline()
    await asyncio.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
    rest, errors = await child.communicate()
    assert child.returncode == -signal.SIGKILL, errors.decode()
    lines = (line + rest).decode().split("\n")[:-1]
    return int(lines[-1].split()[1])


def stored_numbers(directory: Path) -> list[int]:
    """Return the numbers of all readings, each checked against its value."""
    store = Store.read_only(directory)
    numbers: list[int] = []
    for check in range(CHECKS):
        window = store.window(f"u/a/c{check}", "rtt_ms", 0, 1e12)
        found = np.rint((window.times - NOON) * 1000).astype(int).tolist()
        assert window.values.tolist() == found
        numbers += found
        latest = store.latest(f"u/a/c{check}")
        assert latest is not None
        assert latest.attempt.metrics["rtt_ms"] == found[-1]
    store.close()
    return sorted(numbers)


def lost(directory: Path, acknowledged: list[tuple[int, int]]) -> int:
    """Return how many acknowledged readings are missing; there are no others but of the last commit."""
    numbers = stored_numbers(directory)
    present = set(numbers)
    assert len(numbers) == len(present), "nothing is doubled"
    assert numbers[-1] < acknowledged[-1][1] + COMMIT
    return sum(1 for begin, end in acknowledged for n in range(begin, end) if n not in present)


def intact(directory: Path) -> None:
    for path in directory.rglob("*.db"):
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", path
        db.close()


@pytest.mark.timeout(300)
async def test_kill_nine_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    randomness = random.Random(4)
    acknowledged: list[tuple[int, int]] = []
    first = 0
    for _ in range(KILLS):
        upto = await write_until_killed(tmp_path, first, randomness.uniform(0, 0.25))
        acknowledged.append((first, upto))
        assert await asyncio.to_thread(lost, tmp_path, acknowledged) == 0
        first = upto + COMMIT
    await asyncio.to_thread(intact, tmp_path)
    assert sum(end - begin for begin, end in acknowledged) > KILLS * COMMIT
