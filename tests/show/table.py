"""Writes the table of faults of a Show's document from a real run: `python -m tests.show.table centre`."""

from __future__ import annotations

import asyncio
import importlib
import sys
import tempfile
from pathlib import Path

from tests.show.fault import Fault, S, said

HEAD = "| fault | item, asset | status | what it says |\n| --- | --- | --- | --- |\n"
LONGEST = 160


def line(fault: Fault[S], text: str) -> str:
    """Return a fault's row, with what its item said."""
    told = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    escaped = told.replace("|", "\\|")
    return f"{beginning(fault)} {escaped} |\n"


def beginning(fault: Fault[S]) -> str:
    """Return what is the same in every run."""
    return f"| {fault.what} | `{fault.item}`, `{fault.asset}` | {fault.status.value} ({fault.reason}) |"


async def row(show: S, fault: Fault[S]) -> str:
    """Plant a fault, and return its row."""
    async with fault.planted(show):
        unit = await show.check()
    [flagged] = [item for item in unit.items if (item.id, item.asset) == fault.row]
    return line(fault, said(flagged))


async def main(name: str) -> None:
    """Write the table of the Show `centre` or `hall` to standard output."""
    faults = importlib.import_module(f"tests.show.{name}.faults")
    with tempfile.TemporaryDirectory(prefix="show-") as home:
        async with faults.running(Path(home)) as show:
            sys.stdout.write(HEAD)
            for fault in faults.FAULTS:
                sys.stdout.write(await row(show, fault))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
