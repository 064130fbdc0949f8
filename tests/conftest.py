"""What every test gets: a guard that fails it when it blocks the loop, and hypothesis settings for CI."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

LIMIT_S = 0.050
STARVED_PCT = 25.0
LOCK_WAIT_S = 0.010
"""A thread that waits for the interpreter's lock wakes every 5 ms to ask for it; one that sleeps does not."""

os.environ.pop("COLUMNS", None)  # consoles that are made on import would keep the terminal's width

settings.register_profile(
    "muster",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("muster")


class LoopGuard:
    """Measures how long each callback holds the loop's thread.

    What counts is the thread's own processor time, or all the time that passed less what it waited to be
    scheduled (the kernel's schedstat), so that neighbours can't make a test fail; where processors are short
    (a quarter of the last ten seconds), only the thread's own time counts. Where there are other
    threads, time spent asking for the interpreter's lock is no block of the loop's own: it shows as many
    short waits, where a blocking call is one long one. A pass of the cycle collector, which goes over the
    objects of the whole test run, is taken off.
    """

    def __init__(self) -> None:
        self.blocks: list[tuple[float, str]] = []
        self.starved = _starved
        self._run = asyncio.Handle._run
        self._collecting, self._collected = 0.0, 0.0

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self._collected += time.perf_counter() - self._collecting

    def install(self) -> None:
        guard, run, thread = self, self._run, threading.get_ident()

        def timed(handle: asyncio.Handle) -> None:
            if threading.get_ident() != thread:
                return run(handle)
            waited, waits, collected = _waiting(), _waits(), guard._collected
            start, cpu = time.perf_counter(), time.thread_time()
            try:
                return run(handle)
            finally:
                collected = guard._collected - collected
                held, cpu = time.perf_counter() - start - collected, time.thread_time() - cpu - collected
                if held > LIMIT_S:
                    apart = held - (_waiting() - waited)
                    asking = threading.active_count() > 1 and (_waits() - waits) * LOCK_WAIT_S >= apart
                    if cpu > LIMIT_S or (apart > LIMIT_S and not asking and not guard.starved()):
                        guard.blocks.append((max(cpu, apart), repr(handle)))

        gc.callbacks.append(self._on_collection)
        asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]

    def remove(self) -> None:
        gc.callbacks.remove(self._on_collection)
        asyncio.Handle._run = self._run  # type: ignore[method-assign]


def _waiting() -> float:
    """Return for how many seconds this thread was runnable and did not run."""
    with open("/proc/thread-self/schedstat", "rb", buffering=0) as file:  # noqa: PTH123 - hot path
        return int(file.read(64).split()[1]) / 1e9


def _starved() -> bool:
    """Return whether other processes want more than the machine has, so that waiting tells nothing.

    For a quarter of the last ten seconds or more somebody had to wait for a processor: the kernel's pressure
    stalls.
    """
    try:
        with open("/proc/pressure/cpu", "rb", buffering=0) as file:  # noqa: PTH123 - as above
            return float(file.read(64).split()[1].removeprefix(b"avg10=")) > STARVED_PCT
    except (OSError, ValueError, IndexError):
        return False


def _waits() -> int:
    """Return how often this thread gave the processor up of itself."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


@pytest.fixture(autouse=True)
def loop_guard(request: pytest.FixtureRequest) -> Iterator[LoopGuard]:
    """Fail the test when anything held the loop for over 50 ms (unless marked `may_block`)."""
    guard = LoopGuard()
    guard.install()
    try:
        yield guard
    finally:
        guard.remove()
    if guard.blocks and "may_block" not in request.keywords:
        worst, what = max(guard.blocks)
        pytest.fail(f"blocked the loop for {worst * 1000:.0f} ms: {what}")
