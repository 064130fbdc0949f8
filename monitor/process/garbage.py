"""When Python's cycle collector runs: never for long while checks are due.

A pass over 50,000 young objects holds the loop for 45 ms and, since the paths every reading takes make no
cycles, finds nothing. So the young generation is passed over often and in small pieces; what survived is
looked at every second, before it is much; everything, once a night. What a load leaves is frozen: it is
never looked at.
"""

from __future__ import annotations

import gc

YOUNG = 10_000
NEVER = 1_000_000


def collect_little() -> None:
    """Let only the young generation be collected by itself."""
    gc.set_threshold(YOUNG, NEVER, NEVER)


def freeze() -> None:
    """Take what lives now for long-lived."""
    gc.freeze()


def settle() -> None:
    """Collect what an earlier load left, and freeze what lives now: for a process without a loop."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def every_second() -> None:
    """Collect what survived its youth: some 5,000 objects at 100,000 checks a minute."""
    gc.collect(1)


async def every_night() -> None:
    """Collect everything that is not frozen; holds the loop for some 100 ms at 100,000 checks."""
    gc.collect()
