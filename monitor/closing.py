"""Ending several things, one after the other, where none may keep the next from ending."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from monitor.log import fault

log = structlog.get_logger("muster")


async def close_all(steps: Mapping[str, Callable[[], Awaitable[object]]]) -> bool:
    """Take all steps in order, log by name those that fail, and return whether none did."""
    clean = True
    for name, step in steps.items():
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - logged
            clean = False
            log.error("could not be ended properly", what=name, **fault(error))
    return clean
