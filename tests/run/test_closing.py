"""The end: what fails keeps nothing else from ending."""

from __future__ import annotations

import sqlite3

from monitor.closing import close_all


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
