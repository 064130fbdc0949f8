"""Calls of drivers that block, each in a thread of its own: a bounded number, and none is ever waited for.

A call that hangs is given up when its run ends: it keeps its place until it comes back. No thread keeps the
process from ending, and none is waited for to begin, as `threading.Thread.start` does: on a busy machine that
holds the loop.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from probes.api import Context
from probes.errors import NotRun

QUEUE_SHARE = 0.8
"""Share of a run's time that it waits for a place of ours; then it is `not_run(overload)`."""

T = TypeVar("T")


class Threads:
    """Places for calls of one kind."""

    def __init__(self, name: str, most: int) -> None:
        self._name, self._free = name, asyncio.Semaphore(most)

    async def do(
        self, work: Callable[[], T], context: Context, late: Callable[[T], None] = lambda _: None
    ) -> T:
        """Return what `work` returns, or raise what it raises; `late` gets what comes when the run is over.

        Raises `NotRun` where all places are taken.
        """
        context.phase = "queued"
        try:
            async with asyncio.timeout(context.remaining * QUEUE_SHARE):
                await self._free.acquire()
        except TimeoutError:
            raise NotRun("overload", f"all {self._name} threads are busy") from None
        return await begun(work, late, self._free.release)


def begun(
    work: Callable[[], T],
    late: Callable[[T], None] = lambda _: None,
    ended: Callable[[], None] = lambda: None,
) -> asyncio.Future[T]:
    """Begin `work` in a thread and return what becomes of it; `ended` is called in the loop in any case."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(value: Any, error: BaseException | None) -> None:
        ended()
        if not answer.done():
            answer.set_result(value) if error is None else answer.set_exception(error)
        elif error is None:
            begun(lambda: late(value)).add_done_callback(_looked_at)

    def run() -> None:
        value, error = _outcome(work)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(tell, value, error)

    _thread.start_new_thread(run, ())
    return answer


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - the loop's side raises it
        return None, error


def _looked_at(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()
