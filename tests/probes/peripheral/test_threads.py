"""Threads for calls that block: bounded, given up when their run is over, and never waited for."""

from __future__ import annotations

import asyncio
import threading

import pytest

from probes.api import Context
from probes.errors import NotRun, Refused
from probes.peripheral._threads import Threads
from tests.probing import SharedHere


def _context(timeout: float = 5.0) -> Context:
    return Context(SharedHere(), timeout)


async def test_what_a_call_returns_and_raises() -> None:
    threads = Threads("x", 1)

    def refuses() -> int:
        raise Refused("no")

    assert await threads.do(lambda: 7, _context()) == 7
    with pytest.raises(Refused):
        await threads.do(refuses, _context())
    assert await threads.do(lambda: threading.current_thread().daemon, _context())


async def test_a_call_that_hangs_keeps_its_place_until_it_is_back_and_its_result_is_not_lost() -> None:
    threads, may_end, late = Threads("x", 1), threading.Event(), asyncio.Event()
    loop, got = asyncio.get_running_loop(), list[int]()

    def hangs() -> int:
        may_end.wait(10)
        return 7

    def comes_late(value: int) -> None:
        got.append(value)
        loop.call_soon_threadsafe(late.set)

    run = asyncio.create_task(threads.do(hangs, _context(), comes_late))
    await asyncio.sleep(0.05)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    context = _context(0.1)
    with pytest.raises(NotRun) as refused:
        await threads.do(lambda: 8, context)
    assert (refused.value.kind, refused.value.detail) == ("overload", "all x threads are busy")
    assert context.phase == "queued"
    may_end.set()
    await asyncio.wait_for(late.wait(), 5)
    assert got == [7]
    assert await threads.do(lambda: 8, _context()) == 8


async def test_a_late_result_that_can_not_be_taken_harms_nobody() -> None:
    threads, may_end = Threads("x", 1), threading.Event()

    def breaks(_: bool) -> None:
        raise OSError

    run = asyncio.create_task(threads.do(lambda: may_end.wait(10), _context(), breaks))
    await asyncio.sleep(0.05)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    may_end.set()
    assert await threads.do(lambda: 8, _context()) == 8
