"""What every probe must stand: one row is one probe before one server, and how that has to end.

Add a probe's rows to a list of its own and to `test_hostile.ROWS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field, replace
from typing import Any

from probes.api import ProbeSettings, Reading
from tests.probing import run_once, shared_here

Server = Callable[[], AbstractAsyncContextManager[int]]
TIMEOUT_S = 0.5
LATE_S = 0.4
"""How much later than its deadline a run may end, on a busy machine."""
MEMORY = 24 * 2**20
"""Bytes that a run may have allocated at its peak, the server's share included."""
SECRETS = {"key": "no key at all"}
UNRESOLVABLE = "x" * 64 + ".invalid"
"""A label of 64 letters: refused before anybody is asked."""


@dataclass(frozen=True)
class Row:
    """A probe, a server, and the only endings there may be (`ok` or kinds)."""

    probe: str
    situation: str
    ends: frozenset[str]
    server: Server | None = None
    address: str = "127.0.0.1"
    params: Mapping[str, Any] = field(default_factory=dict)
    settings: ProbeSettings = field(default_factory=lambda: ProbeSettings(control_name="localhost"))
    block: str = ""
    """The block of parameters that holds the port, where it is not one of the probe's own."""

    def __str__(self) -> str:
        return f"{self.probe}-{self.situation}"


@dataclass(frozen=True)
class Ran:
    """What a row did."""

    reading: Reading
    seconds: float
    peak: int
    descriptors_left: int


async def run(row: Row) -> Ran:
    """Run a row's probe before its server. Nothing of either may be left open afterwards."""
    before = _descriptors()
    if row.server is None:
        ran = await _measured(row, row.params)
    else:
        async with row.server() as port:
            ran = await _measured(row, _with_port(row, port))
    for _ in range(20):
        if _descriptors() <= before:
            break
        await asyncio.sleep(0.01)
    return replace(ran, descriptors_left=_descriptors() - before)


def _with_port(row: Row, port: int) -> dict[str, Any]:
    if not row.block:
        return {**row.params, "port": port}
    return {**row.params, row.block: {**row.params[row.block], "port": port}}


async def _measured(row: Row, params: Mapping[str, Any]) -> Ran:
    with _traced() as peak:
        async with shared_here(row.settings, SECRETS) as shared:
            start = time.perf_counter()
            reading = await run_once(row.probe, row.address, timeout=TIMEOUT_S, shared=shared, **params)
            seconds = time.perf_counter() - start
        return Ran(reading, seconds, peak(), 0)


@contextmanager
def _traced() -> Iterator[Callable[[], int]]:
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _descriptors() -> int:
    """Count sockets and epoll instances; a loop opens files of its own as it goes."""
    found = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(FileNotFoundError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith(("socket:", "anon_inode:"))  # noqa: PTH115
    return found


def held(opened: Callable[[], AbstractContextManager[int]]) -> Server:
    """Make a server of a plain context manager."""

    @asynccontextmanager
    async def server() -> AsyncIterator[int]:
        with opened() as port:
            yield port

    return server
