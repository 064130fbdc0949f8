"""A server program of the system, run for one test and ended by its own process id."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

SBIN = ("/usr/sbin", "/sbin", "/usr/local/sbin")


def program(name: str) -> str:
    """Return the program's path; skip the test, with the reason, where it is not installed."""
    found = shutil.which(name) or next((f"{d}/{name}" for d in SBIN if Path(d, name).exists()), None)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@asynccontextmanager
async def running(*command: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `command` with its output in `log`; on leaving, terminate it and wait for it."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)
    try:
        yield process
    except TimeoutError as error:
        raise AssertionError(
            f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}"
        ) from error
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()
