"""Drivers that are extras of the distribution: imported when their probe runs, and named where missing."""

from __future__ import annotations

import asyncio
import importlib
import sys
from types import ModuleType

from probes.errors import MissingDriver


def driver(module: str, extra: str) -> ModuleType:
    """Return the driver's module. Raises `MissingDriver`, which says what to install.

    The first import of a large driver holds its thread for tens of milliseconds: on the loop use `loaded`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDriver(f"{error.name or module} is missing: install muster-monitor[{extra}]") from None


async def loaded(module: str, extra: str) -> ModuleType:
    """Return what `driver` returns; the first import is made in a thread, and waited for there, too."""
    if module in sys.modules and not _begun(sys.modules[module]):
        return driver(module, extra)
    return await asyncio.to_thread(driver, module, extra)


def _begun(found: ModuleType | None) -> bool:
    """Whether a thread is amid importing it: who imports it as well is held until that has ended."""
    return bool(getattr(getattr(found, "__spec__", None), "_initializing", False))
