"""Deadlines expire in served time: never before it, and not because the loop was held up."""

from __future__ import annotations

import asyncio
import time

import pytest

from monitor.wheel import WIDTH_S, Wheel


@pytest.fixture
async def wheel() -> Wheel:
    wheel = Wheel()
    wheel.start()
    return wheel


async def test_a_deadline_expires_once_and_not_early(wheel: Wheel) -> None:
    expired: list[float] = []
    start = time.perf_counter()
    wheel.add(0.2, lambda: expired.append(time.perf_counter() - start))
    await asyncio.sleep(0.6)
    wheel.stop()
    assert len(expired) == 1
    assert 0.2 - WIDTH_S <= expired[0] < 0.5


async def test_what_is_done_does_not_expire(wheel: Wheel) -> None:
    expired: list[int] = []
    wheel.add(0.05, lambda: expired.append(1)).done = True
    await asyncio.sleep(0.3)
    wheel.stop()
    assert not expired


@pytest.mark.may_block
async def test_a_held_loop_extends_deadlines(wheel: Wheel) -> None:
    expired: list[float] = []
    await asyncio.sleep(0.05)
    start = time.perf_counter()
    wheel.add(0.3, lambda: expired.append(time.perf_counter() - start))
    time.sleep(0.5)
    await asyncio.sleep(0.1)
    assert not expired, (
        "the loop was held for longer than the deadline, and the deadline must not have passed"
    )
    await asyncio.sleep(0.5)
    wheel.stop()
    assert len(expired) == 1
    assert wheel.forgiven_s > 0.3


async def test_a_deadline_beyond_one_turn_of_the_wheel() -> None:
    wheel = Wheel()
    entry = wheel.add(WIDTH_S * 5000, lambda: None)
    assert entry.rounds == 1
