"""Runs the command line as people do: in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys


async def muster(*arguments: str, columns: int = 200) -> tuple[int, str, str]:
    """Return the exit status, standard output and standard error of `muster ...`."""
    environment = {**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor.cli", *arguments, env=environment,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 50)
    return process.returncode or 0, out.decode(), err.decode()
