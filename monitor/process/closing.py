"""Ending several things, one after the other, where none may keep the next from ending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from monitor.process.log import fault

log = structlog.get_logger("muster")


async def close_all(steps: Mapping[str, Callable[[], Awaitable[object]]]) -> bool:
    """Take all steps in order, log by name those that fail, and return whether none did.

    Being cancelled meanwhile leaves out none: what is not closed may keep the process from ending.
    """
    clean, cancelled = True, False
    for name, step in steps.items():
        task = asyncio.ensure_future(_taken(step))
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                cancelled = True
            except Exception as error:  # noqa: BLE001 - logged
                clean = False
                log.error("could not be ended properly", what=name, **fault(error))
    if cancelled:
        raise asyncio.CancelledError
    return clean


async def _taken(step: Callable[[], Awaitable[object]]) -> None:
    await step()
