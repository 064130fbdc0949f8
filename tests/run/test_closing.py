"""The end: what fails keeps nothing else from ending."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from monitor.process.closing import close_all


async def test_all_steps_are_taken_in_order_whatever_fails() -> None:
    taken: list[str] = []

    async def good() -> None:
        taken.append("good")

    async def bad() -> None:
        taken.append("bad")
        raise sqlite3.OperationalError("disk I/O error")

    assert not await close_all({"states": bad, "detectors": good, "clerk": bad, "store": good})
    assert taken == ["bad", "good", "bad", "good"]
    assert await close_all({"store": good})


async def test_being_cancelled_leaves_no_step_out() -> None:
    done: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(0.05)
        done.append("slow")

    async def last() -> None:
        done.append("last")

    closing = asyncio.create_task(close_all({"slow": slow, "store": last}))
    for _ in range(2):
        await asyncio.sleep(0.01)
        closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert done == ["slow", "last"]
