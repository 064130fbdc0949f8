"""What a run that was broken off could not take away itself is taken away after it, in the background."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from probes.api import Shared
from probes.errors import Ending

LONGEST_S = 5.0
"""For each removal."""
MOST = 64
"""Removals at a time; one more is not made, and the next run of its check finds what is left."""


class Leftovers:
    """Removals under way; a client for `Shared.get`."""

    def __init__(self, _: Shared) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def remove(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background, for 5 s at most; how it ends is nobody's business any more."""
        if len(self._tasks) >= MOST:
            work.close()
            return
        task = asyncio.create_task(_bounded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks)


async def _bounded(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(Ending, OSError):
        async with asyncio.timeout(LONGEST_S):
            await work
