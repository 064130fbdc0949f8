"""The files of one UTC day each, `samples/YYYY-MM-DD.db`: written by one thread, read by any."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from monitor.store.codec import Chunk, Damaged, Table, encode
from monitor.store.database import Pool, close, open_migrated, transaction
from monitor.store.records import GROUP, Ints
from monitor.store.tables import Columns, Part, merged

_log = structlog.get_logger(__name__)

T = TypeVar("T")
Given = TypeVar("Given")
PACKAGE = "monitor.store.migrations.days"
PAGE_SIZE = 8192
SEALED = 9
"""The level of a chunk that holds a whole day that is over."""
FAN = 2
"""So many chunks of a check on one level are merged into one on the next."""
DAYS_LEVEL = 4
"""The level of the chunk of the day so far, which what reaches the second level is merged into."""
_EPOCH = date(1970, 1, 1)
LAST_DAY = (date.max - _EPOCH).days
_INSERT = (
    "INSERT INTO chunks (number, level, first, last, low, high, count, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_WINDOW = (
    "SELECT rolled.seq, chunks.data FROM (SELECT ? AS grp) AS one LEFT JOIN rolled ON rolled.grp = one.grp"
    " LEFT JOIN chunks ON chunks.number = ? AND chunks.first < ? AND chunks.last >= ? ORDER BY chunks.first"
)
"""The mark and the chunks as of one moment; a row with the mark alone where there are no chunks."""
_SETTLED_NS = 100_000_000


def name_of(day: int) -> str:
    """Return the name of a day, given in days since the epoch."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_of(name: str) -> int | None:
    """Return the day of a file's name, None where it is none of ours."""
    try:
        return (date.fromisoformat(name.removesuffix(".db")) - _EPOCH).days if name.endswith(".db") else None
    except ValueError:
        return None


def day_at(seconds: float) -> int:
    """Return the UTC day of a time."""
    return (datetime.fromtimestamp(seconds, UTC).date() - _EPOCH).days


def days_in(folder: Path) -> list[int]:
    """Return the days that have a file, ascending."""
    found = (day_of(path.name) for path in folder.glob("*.db"))
    return sorted(day for day in found if day is not None)


class DayWriter:
    """What the writer thread does to one day's file; `transaction` joins several steps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db, _ = open_migrated(path, PACKAGE, page_size=PAGE_SIZE)
        self._columns: dict[Columns, int] = {}
        self._texts: dict[int, int] = {}

    def rolled(self, grp: int) -> int:
        """Return the commit up to which the group's readings of the day are in chunks."""
        row = self._db.execute("SELECT seq FROM rolled WHERE grp = ?", (grp,)).fetchone()
        return row[0] if row else 0

    def newest(self) -> int:
        """Return the greatest of those commits over all groups."""
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM rolled").fetchone()[0])

    def unsealed(self) -> list[int]:
        """Return the groups of which not everything is in whole-day chunks."""
        return [row[0] for row in self._db.execute("SELECT grp FROM rolled WHERE NOT sealed ORDER BY grp")]

    def add(self, grp: int, seq: int, tables: Iterable[Table], texts: Iterable[tuple[int, str]]) -> None:
        """Store a group's readings up to a commit, in one transaction; merge what has become many.

        Notes and facts in the tables are hashes; texts as (hash, text).
        """
        with transaction(self._db) as db:
            db.executemany("INSERT OR IGNORE INTO texts (hash, text) VALUES (?, ?)", texts)
            for table in tables:
                for name in ("note", "facts"):
                    table.fixed[name][:] = self._translate(table.fixed[name])
                self._insert(table, 0)
            mark = "INSERT INTO rolled (grp, seq) VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = ?, sealed = 0"
            db.execute(mark, (grp, seq, seq))
            self._merge_up(grp)
        self._trim()

    def seal(self, grp: int) -> list[Table]:
        """Merge all chunks of a group into one a check, and return what they hold. `sealed` must follow."""
        rows, tables = self._parts(grp, SEALED)
        with transaction(self._db):
            self._replace(rows, tables, SEALED)
        return tables

    def sealed(self, grp: int) -> None:
        """Note that the group is sealed and its rollups are made."""
        with transaction(self._db) as db:
            db.execute("UPDATE rolled SET sealed = 1 WHERE grp = ?", (grp,))

    def close(self) -> None:
        """Close the file."""
        close(self._db)

    def _merge_up(self, grp: int) -> None:
        query = (
            "SELECT max(n) FROM (SELECT count(*) AS n FROM chunks"
            " WHERE number >= ? AND number < ? AND level = ? GROUP BY number)"
        )
        for level, upto, target in ((0, 0, 1), (1, DAYS_LEVEL, DAYS_LEVEL)):
            most = self._db.execute(query, (grp * GROUP, (grp + 1) * GROUP, level)).fetchone()[0] or 0
            if most < FAN:
                break
            self._replace(*self._parts(grp, upto), target)

    def _parts(self, grp: int, level: int) -> tuple[list[tuple[int]], list[Table]]:
        """Return the rows up to a level and what they hold; damaged ones are left where they are."""
        query = "SELECT row, number, data FROM chunks WHERE number >= ? AND number < ? AND level <= ?"
        specs = columns_of(self._db)
        rows, parts = [], []
        for row, number, data in self._db.execute(query, (grp * GROUP, (grp + 1) * GROUP, level)):
            try:
                chunk = Chunk(data)
                parts.append(Part.of(number, chunk, specs[chunk.columns_id]))
                rows.append((row,))
            except Damaged as error:
                _log.warning("chunk_damaged", file=self.path.name, row=row, error=str(error))
        return rows, merged(parts)

    def _replace(self, rows: Iterable[tuple[int]], tables: Iterable[Table], level: int) -> None:
        self._db.executemany("DELETE FROM chunks WHERE row = ?", rows)
        for table in tables:
            self._insert(table, level)

    def _insert(self, table: Table, level: int) -> None:
        chunks = encode(table, self._columns_id(tuple(table.metrics)))
        rows = [(c.number, level, c.first, c.last, c.low, c.high, c.count, c.data) for c in chunks]
        self._db.executemany(_INSERT, rows)

    def _columns_id(self, columns: Columns) -> int:
        found = self._columns.get(columns)
        if found is None:
            spec = json.dumps(columns, ensure_ascii=False)
            self._db.execute("INSERT OR IGNORE INTO columns (spec) VALUES (?)", (spec,))
            query = "SELECT id FROM columns WHERE spec = ?"
            found = self._columns[columns] = int(self._db.execute(query, (spec,)).fetchone()[0])
        return found

    def _translate(self, hashes: Ints) -> Ints:
        unique, places = np.unique(hashes, return_inverse=True)
        return np.array([self._text_id(h) for h in unique.tolist()], np.int64)[places]

    def _text_id(self, hashed: int) -> int:
        if not hashed:
            return 0
        found = self._texts.get(hashed)
        if found is None:
            row = self._db.execute("SELECT id FROM texts WHERE hash = ?", (hashed,)).fetchone()
            found = self._texts[hashed] = row[0] if row else 0
        return found

    def _trim(self) -> None:
        if len(self._texts) > 50_000:
            self._texts.clear()
        if len(self._columns) > 10_000:
            self._columns.clear()


def columns_of(db: sqlite3.Connection) -> dict[int, Columns]:
    """Return the sets of metrics of a day's file."""
    rows = db.execute("SELECT id, spec FROM columns")
    return {number: tuple((name, step) for name, step in json.loads(spec)) for number, spec in rows}


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a window: times in ms, outcome codes, one metric's values."""

    at: Ints
    outcomes: NDArray[np.int64]
    values: NDArray[np.float64]

    def within(self, start: int, end: int) -> Piece:
        """Return the readings of start <= t < end, ms; they ascend."""
        if len(self.at) and (self.at[0] >= start and self.at[-1] < end):
            return self
        rows = slice(*self.at.searchsorted((start, end)))
        return Piece(self.at[rows], self.outcomes[rows], self.values[rows])

    def chosen(self, keep: NDArray[np.bool_]) -> Piece:
        """Return some of the readings."""
        if keep.all():
            return self
        return Piece(self.at[keep], self.outcomes[keep], self.values[keep])


class DayReader:
    """Looks into the days' files from any thread and any process."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        self.folder, self._pool = folder, pool
        self._specs: dict[tuple[int, int], Columns] = {}
        self._paths: dict[int, Path] = {}
        self._listed: tuple[int, list[int]] = (-1, [])
        self.damaged = 0
        """Chunks met that could not be read."""

    def days(self) -> list[int]:
        """Return the days that have a file, ascending; the directory is read when it has changed."""
        changed = self.folder.stat().st_mtime_ns
        if changed != self._listed[0]:
            days = days_in(self.folder)
            self._listed = (changed if time.time_ns() - changed > _SETTLED_NS else -1, days)
        return self._listed[1]

    def path(self, day: int) -> Path:
        """Return the file of a day."""
        found = self._paths.get(day)
        if found is None:
            if len(self._paths) > 1000:
                self._paths.clear()
            found = self._paths[day] = self.folder / f"{name_of(day)}.db"
        return found

    def window(self, day: int, number: int, metric: str, start: int, end: int) -> tuple[int, list[Piece]]:
        """Return the commit up to which the day's readings are rolled, and those of the window in ms.

        Raises `sqlite3.OperationalError` where the file is gone.
        """
        with self._pool.use(self.path(day)) as db:
            rows = db.execute(_WINDOW, (number // GROUP, number, end, start)).fetchall()

            def piece(data: bytes) -> Piece:
                chunk = Chunk(data)
                return _piece(chunk, self._columns(db, day, chunk.columns_id), metric, start, end)

            pieces = self._whole(piece, [row[1] for row in rows if row[1] is not None])
        return rows[0][0] or 0, pieces

    def parts(self, day: int, grp: int, above: int) -> tuple[int, list[Part], dict[int, str]]:
        """Return the same mark, chunks of a group with commits above one, and the texts they use."""
        query = "SELECT number, data FROM chunks WHERE number >= ? AND number < ? AND high > ?"
        with self._pool.use(self.path(day)) as db, transaction(db, "DEFERRED"):
            mark = db.execute("SELECT seq FROM rolled WHERE grp = ?", (grp,)).fetchone()

            def part(row: tuple[int, bytes]) -> Part:
                chunk = Chunk(row[1])
                return Part.of(row[0], chunk, self._columns(db, day, chunk.columns_id))

            rows = db.execute(query, (grp * GROUP, (grp + 1) * GROUP, above)).fetchall()
            parts = self._whole(part, map(tuple, rows))
            texts = _texts(db, parts)
        return (mark[0] if mark else 0), parts, texts

    def totals(self, day: int) -> tuple[int, int | None, int | None]:
        """Return how many readings a day's chunks hold, and the first and last time, ms."""
        query = "SELECT coalesce(sum(count), 0), min(first), max(last) FROM chunks"
        with self._pool.use(self.path(day)) as db:
            count, first, last = db.execute(query).fetchone()
        return count, first, last

    def _whole(self, decode: Callable[[Given], T], given: Iterable[Given]) -> list[T]:
        """Return what can be decoded; damage is counted, and what it held counts as not measured."""
        found = []
        for each in given:
            try:
                found.append(decode(each))
            except Damaged as error:
                self.damaged += 1
                _log.warning("chunk_damaged", error=str(error))
        return found

    def _columns(self, db: sqlite3.Connection, day: int, columns_id: int) -> Columns:
        found = self._specs.get((day, columns_id))
        if found is None:
            if len(self._specs) > 10_000:
                self._specs.clear()
            for number, columns in columns_of(db).items():
                self._specs[day, number] = columns
            found = self._specs[day, columns_id]
        return found


def _piece(chunk: Chunk, columns: Columns, metric: str, start: int, end: int) -> Piece:
    place = next((i for i, (name, _) in enumerate(columns) if name == metric), None)
    values = np.full(chunk.count, np.nan) if place is None else chunk.metric(place, columns[place][1])
    return Piece(chunk.fixed("at"), chunk.fixed("outcome"), values).within(start, end)


def _texts(db: sqlite3.Connection, parts: Sequence[Part]) -> dict[int, str]:
    used = {int(n) for part in parts for name in ("note", "facts") for n in np.unique(part.fixed[name])}
    found = {}
    for number in used:
        row = db.execute("SELECT text FROM texts WHERE id = ?", (number,)).fetchone()
        if row:
            found[number] = row[0]
    return found
