"""The guard that fails a test which blocks the loop does notice a block, and nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from tests.conftest import LoopGuard


@pytest.mark.may_block
async def test_a_sleeping_callback_is_noticed(loop_guard: LoopGuard) -> None:
    loop_guard.starved = lambda: False
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


@pytest.mark.may_block
async def test_a_sleeping_callback_is_noticed_beside_other_threads(loop_guard: LoopGuard) -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    loop_guard.starved = lambda: False
    await asyncio.sleep(0)
    time.sleep(0.08)
    await asyncio.sleep(0)
    over.set()
    thread.join()
    assert loop_guard.blocks


@pytest.mark.alone
async def test_asking_for_the_interpreters_lock_is_not_blocking(loop_guard: LoopGuard) -> None:
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(100))

    threads = [threading.Thread(target=spin) for _ in range(3)]
    for thread in threads:
        thread.start()
    await asyncio.sleep(0)
    start, cpu = time.perf_counter(), time.thread_time()
    while time.perf_counter() - start < 0.1:
        os.sched_yield()
    cpu = time.thread_time() - cpu
    await asyncio.sleep(0)
    over.set()
    for thread in threads:
        thread.join()
    assert cpu < 0.04, "the threads did not contend, so that nothing was shown"
    assert not loop_guard.blocks
