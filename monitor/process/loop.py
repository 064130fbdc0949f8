"""The event loop every command runs on, and how it shares the interpreter with threads."""

from __future__ import annotations

import asyncio
import sys

import uvloop

SWITCH_S = 0.0005
"""How long a thread at work may keep the interpreter from another that wants it.

The loop gives it up at every system call. At the 5 ms of Python each packet sent beside a busy thread waits
so long, and ten in a row hold the loop for 50 ms.
"""


def runner() -> asyncio.Runner:
    """Return what runs the main coroutine, to be entered once."""
    sys.setswitchinterval(SWITCH_S)
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
