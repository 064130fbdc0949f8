"""Where rollups lie: `rollups/5m-YYYY-MM.db` and `rollups/1h-YYYY.db`, so that retention deletes a file."""

from __future__ import annotations

import calendar
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from monitor.store import rollups
from monitor.store.codec import Table
from monitor.store.database import Pool, close, open_migrated, transaction
from monitor.store.days import day_of, name_of
from monitor.store.rollups import WIDTHS, Buckets, Step

PACKAGE = "monitor.store.migrations.rollups"


def file_of(step: Step, day: int) -> str:
    """Return the name of the file that holds a day."""
    name = name_of(day)
    return f"5m-{name[:7]}.db" if step == "5m" else f"1h-{name[:4]}.db"


def last_day(name: str) -> int | None:
    """Return the last day a file can hold, None where it is none of ours."""
    step, _, rest = name.removesuffix(".db").partition("-")
    try:
        if step == "1h":
            return day_of(f"{date(int(rest), 12, 31)}.db")
        year, month = (int(part) for part in rest.split("-"))
        return day_of(f"{date(year, month, calendar.monthrange(year, month)[1])}.db")
    except ValueError:
        return None


def built(table: Table) -> Iterator[tuple[int, dict[Step, bytes]]]:
    """Yield the blobs of each check of a day's table."""
    numbers, ranks = np.unique(table.numbers, return_inverse=True)
    whole: dict[Step, dict[str, Buckets]] = {}
    for step, width in WIDTHS.items():
        slots = rollups.slots(table.fixed["at"], width, ranks)
        whole[step] = {name: rollups.build(slots, values) for (name, _), values in table.metrics.items()}
    for rank, number in enumerate(numbers.tolist()):
        yield number, {step: _blob(found, rank, WIDTHS[step]) for step, found in whole.items()}


def _blob(metrics: Mapping[str, Buckets], rank: int, width: int) -> bytes:
    return rollups.pack({name: rollups.of_check(found, rank, width) for name, found in metrics.items()})


class RollupWriter:
    """Writes the rollups; the files of the day before stay open for the next group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, sqlite3.Connection] = {}

    def write(self, day: int, rows: Sequence[tuple[int, dict[Step, bytes]]]) -> None:
        """Replace the rollups of a day for some checks."""
        for step in WIDTHS:
            db = self._file(file_of(step, day))
            with transaction(db):
                blobs = [(number, day, found[step]) for number, found in rows]
                db.executemany("REPLACE INTO rollups VALUES (?, ?, ?)", blobs)

    def _file(self, name: str) -> sqlite3.Connection:
        found = self._open.get(name)
        if found is None:
            if len(self._open) >= 2 * len(WIDTHS):
                self.close()
            found = self._open[name] = open_migrated(self._folder / name, PACKAGE)[0]
        return found

    def close(self) -> None:
        """Close the files."""
        for db in self._open.values():
            close(db)
        self._open.clear()


class RollupReader:
    """Looks into the rollups from any thread and any process."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        self.folder, self._pool = folder, pool

    def days(self, step: Step, number: int, metric: str, first: int, last: int) -> dict[int, Buckets]:
        """Return one metric's buckets of each day from first to last that has them."""
        found: dict[int, Buckets] = {}
        query = "SELECT day, data FROM rollups WHERE number = ? AND day >= ? AND day <= ? ORDER BY day"
        for path in self._files(step, first, last):
            with self._pool.use(path) as db:
                rows: Sequence[sqlite3.Row] = db.execute(query, (number, first, last)).fetchall()
            for day, data in rows:
                buckets = rollups.unpack(data, metric)
                if buckets is not None:
                    found[day] = buckets
        return found

    def _files(self, step: Step, first: int, last: int) -> list[Path]:
        low, high = file_of(step, first), file_of(step, last)
        return sorted(p for p in self.folder.glob(f"{step}-*.db") if low <= p.name <= high)
