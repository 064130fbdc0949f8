"""Threads for ODBC drivers, which block: one for each session, a bounded number, none ever waited for.

A thread that hangs in a driver is given up: it keeps its place until the driver comes back, closes its
connection then, and is counted meanwhile. Threads are daemons, so that none keeps the process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from probes.api import Context, Shared
from probes.errors import NotRun

THREADS = 16
QUEUE_SHARE = 0.8
"""Share of a run's time that it waits for a place of ours; then it is `not_run(overload)`."""

T = TypeVar("T")
Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class OdbcThreads:
    """The places of all sessions; a client for `Shared.get`."""

    def __init__(self, _: Shared) -> None:
        self._free = asyncio.Semaphore(THREADS)
        self._loop = asyncio.get_running_loop()
        self.abandoned = 0
        """Threads whose run was given up and that have not come back; they keep their places."""

    async def take(self, context: Context) -> Worker:
        """Return a worker of one's own. Raises `NotRun` where all places are taken."""
        context.phase = "queued"
        try:
            async with asyncio.timeout(context.remaining * QUEUE_SHARE):
                await self._free.acquire()
        except TimeoutError:
            raise NotRun("overload", "all ODBC threads are busy") from None
        return Worker(self._loop, self._given_back)

    def give_up(self, worker: Worker) -> None:
        """Wait for a worker no more, and count it until it comes back."""
        self.abandoned += 1
        worker.abandoned = True

    def _given_back(self, worker: Worker) -> None:
        self._free.release()
        if worker.abandoned:
            self.abandoned -= 1


class Worker:
    """A thread that does one job after the other; its owner ends it with `finish`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[Worker], None]) -> None:
        self._loop, self._ended = loop, ended
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.busy = False
        self.abandoned = False
        threading.Thread(target=self._run, name="odbc", daemon=True).start()

    async def do(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, done in the thread, or raise what it raises."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self.busy = True
        self._jobs.put((work, answer))
        return await answer

    def finish(self, last: Callable[[], None]) -> asyncio.Future[None]:
        """Have the thread do a last job when it comes to it, and end; return what is done then."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put((last, done))
        self._jobs.put(None)
        return done

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, answer = job
            value, error = _outcome(work)
            self.busy = False
            self._tell(_answered, answer, value, error)
        self._tell(self._ended, self)

    def _tell(self, call: Callable[..., object], *given: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(call, *given)


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - the loop's side raises it
        return None, error


def _answered(answer: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)
