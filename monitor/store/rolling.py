"""From heads to chunks, from chunks to whole days and rollups, and out: the steps of the writer thread.

Each step is short (milliseconds), and a crash between any two leaves readings where they are found once:
a day's `rolled` mark says which commits of a group are in its chunks, and heads up to it no longer count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from monitor.store import rollfiles
from monitor.store.catalogue import Catalogue
from monitor.store.database import Pool
from monitor.store.days import DayWriter, days_in, name_of
from monitor.store.heads import HeadsWriter
from monitor.store.paths import Paths, Retention
from monitor.store.records import DAY_MS, Frame
from monitor.store.tables import from_records

_OPEN_DAYS = 3


class Roller:
    """Moves readings on; only for the writer thread."""

    def __init__(
        self,
        paths: Paths,
        heads: HeadsWriter,
        catalogue: Catalogue,
        pool: Pool,
        latest: Callable[[int], bytes],
    ) -> None:
        self._paths, self._heads, self._catalogue, self._pool = paths, heads, catalogue, pool
        self._latest = latest
        self._days: dict[int, DayWriter] = {}
        self._rollups = rollfiles.RollupWriter(paths.rollups)
        self.commit: Callable[[], None] = lambda: None
        """Called before the latest records are kept: they may be in the queue still."""
        self.breathe: Callable[[], None] = lambda: None
        """Called between the parts of what takes longer, so that commits are not late."""

    def roll(self, grp: int) -> None:
        """Move a group's settled records into the chunks of their days."""
        frame, high = self._heads.group(grp)
        if not len(frame.starts):
            return
        days = frame.ints(0) // DAY_MS
        for day in np.unique(days).tolist():
            self._add(day, grp, frame.take(np.flatnonzero(days == day)), high)
        latest = self._latest(grp)
        self.commit()
        self._heads.forget(grp, high, latest)

    def newest(self) -> int:
        """Return the last commit of which some reading is in a chunk."""
        return max((self._day(day).newest() for day in days_in(self._paths.samples)), default=0)

    def _add(self, day: int, grp: int, frame: Frame, high: int) -> None:
        writer = self._day(day)
        fresh = np.flatnonzero(frame.ints(1) > writer.rolled(grp))
        if not len(fresh):
            return
        frame = frame.take(fresh)
        hashes = set(np.unique(np.concatenate([frame.ints(4), frame.ints(5)])).tolist()) - {0}
        tables = from_records(frame, self._catalogue.layouts)
        writer.add(grp, high, tables, self._heads.texts(hashes))

    def unsealed(self, before: int) -> list[tuple[int, int]]:
        """Return (day, group) of the days before one that are not sealed."""
        days = [day for day in days_in(self._paths.samples) if day < before]
        return [(day, grp) for day in days for grp in self._day(day).unsealed()]

    def seal(self, day: int, grp: int) -> None:
        """Make whole-day chunks and rollups of a group's day that is over."""
        writer = self._day(day)
        rows = []
        for table in writer.seal(grp):
            for row in rollfiles.built(table):
                rows.append(row)
                self.breathe()
        if rows:
            self._rollups.write(day, rows)
        writer.sealed(grp)

    def retain(self, today: int, keep: Retention) -> list[str]:
        """Delete at most one file of each kind that is past its time; return their names.

        One at a time, so that a clock that is wrong for a while costs little.
        """
        raw = [(day, self._paths.samples / f"{name_of(day)}.db") for day in days_in(self._paths.samples)]
        old = [_first(raw, today - keep.raw_days)]
        for step, days in (("5m", keep.rollup_5m_days), ("1h", keep.rollup_1h_days)):
            files = [
                (rollfiles.last_day(p.name), p) for p in sorted(self._paths.rollups.glob(f"{step}-*.db"))
            ]
            old.append(_first([(d, p) for d, p in files if d is not None], today - days))
        return [self._delete(day, path) for found in old if found is not None for day, path in [found]]

    def _delete(self, day: int, path: Path) -> str:
        if path.parent == self._paths.samples:
            for grp in self._day(day).unsealed():
                self.seal(day, grp)
            self._days.pop(day).close()
        self._rollups.close()
        self._pool.clear()
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return path.name

    def _day(self, day: int) -> DayWriter:
        writer = self._days.pop(day, None)
        if writer is None:
            while len(self._days) >= _OPEN_DAYS:
                self._days.pop(next(iter(self._days))).close()
            writer = DayWriter(self._paths.samples / f"{name_of(day)}.db")
        self._days[day] = writer
        return writer

    def close(self) -> None:
        """Close the days' files."""
        for writer in self._days.values():
            writer.close()
        self._days.clear()
        self._rollups.close()


def _first(files: Sequence[tuple[int, Path]], before: int) -> tuple[int, Path] | None:
    return next(((day, path) for day, path in files if day < before), None)
