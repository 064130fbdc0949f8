"""The guard that fails a test which blocks the loop does notice a block, and nothing else."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.conftest import LoopGuard


@pytest.mark.may_block
async def test_a_sleeping_callback_is_noticed(loop_guard: LoopGuard) -> None:
    await asyncio.sleep(0)
    time.sleep(0.08)
    await asyncio.sleep(0)
    assert loop_guard.blocks
    assert loop_guard.blocks[0][0] >= 0.05


@pytest.mark.may_block
async def test_a_computing_callback_is_noticed(loop_guard: LoopGuard) -> None:
    end = time.thread_time() + 0.08
    while time.thread_time() < end:
        pass
    await asyncio.sleep(0)
    assert loop_guard.blocks


async def test_waiting_is_not_blocking(loop_guard: LoopGuard) -> None:
    await asyncio.sleep(0.1)
    assert not loop_guard.blocks
