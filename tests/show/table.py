"""Writes the table of docs/data-centre.md from a real run: `python -m tests.show.table`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.show.data_centre import DataCentre, data_centre
from tests.show.fault import Fault, said
from tests.show.faults import FAULTS

HEAD = "| fault | item, asset | status | what it says |\n| --- | --- | --- | --- |\n"
LONGEST = 160


def line(fault: Fault, text: str) -> str:
    """Return a fault's row, with what its item said."""
    told = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    escaped = told.replace("|", "\\|")
    return f"{beginning(fault)} {escaped} |\n"


def beginning(fault: Fault) -> str:
    """Return what is the same in every run."""
    return f"| {fault.what} | `{fault.item}`, `{fault.asset}` | {fault.status.value} ({fault.reason}) |"


async def row(centre: DataCentre, fault: Fault) -> str:
    """Plant a fault, and return its row."""
    async with fault.planted(centre):
        unit = await centre.check()
    [flagged] = [item for item in unit.items if (item.id, item.asset) == fault.row]
    return line(fault, said(flagged))


async def main() -> None:
    """Write the table to standard output."""
    with tempfile.TemporaryDirectory(prefix="show-") as home:
        async with data_centre(Path(home)) as centre:
            sys.stdout.write(HEAD)
            for fault in FAULTS:
                sys.stdout.write(await row(centre, fault))


if __name__ == "__main__":
    asyncio.run(main())
