"""Where rollups lie: `rollups/5m-YYYY-MM.db` and `rollups/1h-YYYY.db`, so that retention deletes a file."""

from __future__ import annotations

import calendar
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.store import rollups
from monitor.store.codec import Table
from monitor.store.database import Pool, open_migrated, transaction
from monitor.store.days import day_of, name_of
from monitor.store.records import Ints
from monitor.store.rollups import WIDTHS, Buckets, Step
from monitor.store.tables import spans

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


def built(tables: Iterable[Table]) -> Iterator[tuple[int, dict[Step, bytes]]]:
    """Yield the blobs of each check of a day's tables."""
    for table in tables:
        for number, rows in spans(table):
            at = table.fixed["at"][rows]
            values = {name: column[rows] for (name, _), column in table.metrics.items()}
            yield number, {step: _blob(at, values, width) for step, width in WIDTHS.items()}


def _blob(at: Ints, values: dict[str, NDArray[np.float64]], width: int) -> bytes:
    return rollups.pack({name: rollups.build(at, column, width) for name, column in values.items()})


def write(folder: Path, day: int, rows: Sequence[tuple[int, dict[Step, bytes]]]) -> None:
    """Replace the rollups of a day for some checks."""
    for step in WIDTHS:
        db, _ = open_migrated(folder / file_of(step, day), PACKAGE)
        try:
            with transaction(db):
                blobs = [(number, day, found[step]) for number, found in rows]
                db.executemany("REPLACE INTO rollups VALUES (?, ?, ?)", blobs)
        finally:
            db.close()


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
