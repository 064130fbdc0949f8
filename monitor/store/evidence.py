"""The reading side: windows, latest values, facts and series, from any thread and any process."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from monitor.store import rollups
from monitor.store.api import Batch, Cursor, FactValue, Latest, NoStore, Point, StoreInfo, Window
from monitor.store.catalogue import Catalogue, read_facts
from monitor.store.cursors import CursorReader
from monitor.store.database import Database, Pool, check_version
from monitor.store.days import LAST_DAY, DayReader, Piece, name_of
from monitor.store.heads import PACKAGE as HEADS_PACKAGE
from monitor.store.heads import HeadsReader
from monitor.store.latest import Last, last_of
from monitor.store.paths import Paths
from monitor.store.pins import from_json
from monitor.store.records import DAY_MS, GROUP, Frame, check_and_code, unpack
from monitor.store.rollfiles import RollupReader
from monitor.store.rollups import WIDTHS
from monitor.store.texts import Texts
from probes.api import Reading

T = TypeVar("T")


class StoreReader:
    """`Evidence` of a state directory. Opened beside a running daemon it sees all that is committed."""

    def __init__(self, paths: Paths, state: Database, pool: Pool) -> None:
        self.state = state
        self.paths = paths
        self._pool = pool
        self._catalogue = Catalogue(state)
        self._heads = HeadsReader(paths.heads, pool)
        self._days = DayReader(paths.samples, pool)
        self._rollups = RollupReader(paths.rollups, pool)
        self._texts = Texts(paths.heads, pool)
        self._cursors = CursorReader(self._catalogue, self._heads, self._days, self._texts.get)

    @classmethod
    def open(cls, state_dir: Path) -> StoreReader:
        """Open for reading only. Raises `NoStore`, and `SchemaTooNew` where a newer Muster wrote it."""
        paths, pool = Paths(state_dir), Pool()
        if not (paths.state.exists() and paths.heads.exists()):
            msg = f"there is no store in {state_dir}: run the daemon once, or name its --state-dir"
            raise NoStore(msg)
        with pool.use(paths.heads) as heads:
            check_version(heads, HEADS_PACKAGE)
        return cls(paths, Database(paths.state, read_only=True), pool)

    def latest(self, check: str) -> Latest | None:
        """Return the last attempt and last measurement of a check, or None if it never ran."""
        last = self._last(check)
        if last is None or last.attempt is None:
            return None
        return self._latest(last.attempt, last.measured)

    def latest_beside(self, check: str) -> Mapping[str, Latest]:
        """Return `latest` of a check and of all stored in its group, those that never ran left out."""
        number = self._number(check)
        if number is None:
            return {}
        records, latest = self._heads.group(number // GROUP)
        found = last_of(self._frame(each) for each in (latest, records))
        return {
            self._catalogue.names[each]: self._latest(last.attempt, last.measured)
            for each, last in found.items()
            if last.attempt is not None
        }

    def window(self, check: str, metric: str, start: float, end: float) -> Window:
        """Return all readings of the check in the window with the values of one metric (raw samples)."""
        number = self._number(check)
        low, high = _ms(start), _ms(end)
        if number is None or low >= high:
            return _window([])
        heads = self._frame(self._heads.records(number))
        marks: dict[int, int] = {}
        pieces: list[Piece] = []
        for day in self._days.days():
            if low < (day + 1) * DAY_MS and high > day * DAY_MS:
                read = self._of_day(self._days.window, day, number, metric, low, high)
                if read is not None:
                    marks[day] = read[0]
                    pieces += read[1]
        piece = self._of_heads(heads, metric, marks)
        pieces.append(piece.chosen((piece.at >= low) & (piece.at < high)))
        return _window(pieces)

    def outcomes(self, check: str, start: float, end: float) -> Window:
        """Return all readings of the check in the window, values all NaN (for soak and coverage)."""
        return self.window(check, "", start, end)

    def facts(self, check: str) -> Mapping[str, FactValue]:
        """Return the current facts of a check."""
        number = self._number(check)
        if number is None:
            return {}
        found = {fact.name: fact for fact in self.state.read_now(read_facts(number))}
        last = self._last(check)
        if last is not None and last.facts is not None:
            reading = self._reading(last.facts)
            for name, value in reading.facts.items():
                found[name] = _seen(found.get(name), name, value, reading.at)
        return found

    def fact_history(self, check: str, name: str) -> Sequence[FactValue]:
        """Return the values a fact has had, oldest first."""
        number = self._number(check)
        if number is None:
            return []
        history = [fact for fact in self.state.read_now(read_facts(number)) if fact.name == name]
        current = self.facts(check).get(name)
        if current is None:
            return history
        return [*(fact for fact in history if fact.since < current.since), current]

    def series(
        self, check: str, metric: str, start: float, end: float, step: Literal["raw", "5m", "1h"]
    ) -> Sequence[Point]:
        """Return a series for display, from raw samples or the rollups.

        Buckets are aligned to UTC; one that the window cuts is shown if it begins within.
        """
        if step == "raw":
            window = self.window(check, metric, start, end)
            pairs = zip(window.times.tolist(), window.values.tolist(), strict=True)
            return [Point(at, 1, v, v, v, v, v) for at, v in pairs if not math.isnan(v)]
        number = self._number(check)
        first, last = max(0, _ms(start) // DAY_MS), min(LAST_DAY, (_ms(end) - 1) // DAY_MS)
        if number is None or first > last:
            return []
        rolled = self._rollups.days(step, number, metric, first, last)
        raw = [day for day in self._raw_days(number) if first <= day <= last and day not in rolled]
        found: list[Point] = []
        for day in sorted({*rolled, *raw}):
            buckets = rolled[day] if day in rolled else self._buckets(check, metric, day, WIDTHS[step])
            found += rollups.points(buckets, day, WIDTHS[step])
        return [point for point in found if start <= point.at < end]

    def read_since(self, cursor: Cursor, limit: int = 10_000, upto: int | None = None) -> Batch:
        """Return the readings after a cursor, about `limit` of them, and the cursor behind them.

        In the order of commits, unless the sink fell behind by more than ten minutes: see
        `monitor.store.cursors`. With `upto`, only those of commits up to that one. No readings and an equal
        cursor at the end; no readings and another cursor where it has to be asked again.
        """
        return self._cursors.read(cursor, limit, upto)

    def head(self) -> int:
        """Return the last commit: a cursor after it wants only what is yet to come."""
        return self._heads.committed()

    def checks(self) -> Iterable[str]:
        """Return the ids of all checks that have ever been stored."""
        self._refresh()
        names = zip(self._catalogue.names, self._catalogue.used, strict=False)
        return [name for name, used in names if used]

    def metrics(self, check: str) -> Sequence[str]:
        """Return the names of the metrics a check has reported."""
        self._refresh()
        number = self._catalogue.number(check)
        return [] if number is None else self._catalogue.metrics(number)

    def pinned(self, reference: str) -> Sequence[Reading]:
        """Return the readings pinned under a reference, oldest first."""
        query = "SELECT reading FROM evidence WHERE reference = ? ORDER BY at, id"
        rows = self.state.read_now(lambda db: db.execute(query, (reference,)).fetchall())
        return [from_json(row[0]) for row in rows]

    def info(self) -> StoreInfo:
        """Return sizes, spans and counters; of readings that are not rolled, about when they were taken."""
        self._refresh()
        days = self._days.days()
        totals = [t for day in days if (t := self._of_day(self._days.totals, day)) is not None]
        waiting = self._heads.totals()
        heads = (waiting[0], *_within(self._heads.days(), waiting[1], waiting[2]))
        spans = [t for t in (*totals, heads) if t[0]]
        files = [p for f in self.paths.files() for p in (f, f.with_name(f.name + "-wal")) if p.exists()]
        return StoreInfo(
            path=str(self.paths.root),
            schema_version=self.state.version,
            checks=sum(1 for used in self._catalogue.used if used),
            samples=sum(t[0] for t in spans),
            bytes=sum(path.stat().st_size for path in files),
            oldest=min((t[1] / 1000 for t in spans if t[1] is not None), default=None),
            newest=max((t[2] / 1000 for t in spans if t[2] is not None), default=None),
            last_commit=waiting[3],
            dropped=0,
            days=[name_of(day) for day in days],
        )

    def close(self) -> None:
        """Close the files."""
        self.state.close()
        self._pool.clear()

    def _number(self, check: str) -> int | None:
        number = self._catalogue.number(check)
        if number is None:
            self._refresh()
            number = self._catalogue.number(check)
        return number

    def _refresh(self) -> None:
        self._catalogue.refresh()

    def _latest(self, attempt: bytes, measured: bytes | None) -> Latest:
        reading = self._reading(attempt)
        if measured is None or measured is attempt:
            return Latest(reading, reading if measured else None)
        return Latest(reading, self._reading(measured))

    def _reading(self, record: bytes) -> Reading:
        number, code = check_and_code(record)
        name, layout = self._catalogue.names[number], self._catalogue.layouts[code >> 2]
        return unpack(record, name, layout, self._texts.get)

    def _last(self, check: str) -> Last | None:
        number = self._number(check)
        if number is None:
            return None
        records, latest = self._heads.last(number)
        frames = map(self._frame, (latest, records))
        return last_of(f.take(np.flatnonzero(f.numbers == number)) for f in frames).get(number)

    def _frame(self, data: bytes) -> Frame:
        """Return records as a frame, also where some have layouts that another process has just added."""
        try:
            return Frame.sized(data, self._catalogue.layouts)
        except IndexError:
            self._refresh()
            return Frame.sized(data, self._catalogue.layouts)

    def _raw_days(self, number: int) -> set[int]:
        heads = self._frame(self._heads.records(number))
        return {*self._days.days(), *np.unique(heads.ints(0) // DAY_MS).tolist()}

    def _buckets(self, check: str, metric: str, day: int, width: int) -> rollups.Buckets:
        window = self.window(check, metric, day * DAY_MS / 1000, (day + 1) * DAY_MS / 1000)
        at = np.rint(window.times * 1000).astype(np.int64)
        return rollups.build(rollups.slots(at, width), window.values)

    def _of_day(self, read: Callable[..., T], *args: object) -> T | None:
        """Return what `read` finds, None where the day's file has just been deleted."""
        try:
            return read(*args)
        except sqlite3.OperationalError:
            if self._days.path(int(str(args[0]))).exists():
                raise
            return None

    def _of_heads(self, frame: Frame, metric: str, marks: Mapping[int, int]) -> Piece:
        at, codes = frame.ints(0), frame.codes
        used = codes >> 2
        values = np.full(len(at), np.nan)
        for layout in set(used.tolist()):
            place = self._catalogue.layouts[layout].place(metric)
            if place is not None:
                rows = used == layout
                values[rows] = frame.words[frame.starts[rows] + place].view(np.float64)
        piece = Piece(at, codes & 3, values)
        if not len(at) or frame.words[1] > max(marks.values(), default=0):
            return piece
        days, seqs = at // DAY_MS, frame.ints(1)
        rolled = [(days == day) & (seqs <= seq) for day, seq in marks.items()]
        return piece.chosen(~np.any(rolled, axis=0))


def _within(days: Iterable[int], first: int | None, last: int | None) -> tuple[int | None, int | None]:
    """Return a span of commits, or the bounds of the first and the last day where these are other ones."""
    held = sorted(days)
    if not held or first is None or last is None:
        return first, last
    return (
        first if first // DAY_MS == held[0] else held[0] * DAY_MS,
        last if last // DAY_MS == held[-1] else (held[-1] + 1) * DAY_MS - 1,
    )


def _ms(seconds: float) -> int:
    """Return the first whole ms that is not before a time, any infinity as a time beyond all readings."""
    return math.ceil(min(max(seconds, -1e12), 1e12) * 1000 - 1e-3)


def _window(pieces: Sequence[Piece]) -> Window:
    pieces = [piece for piece in pieces if len(piece.at)]
    if not pieces:
        return Window(np.zeros(0), np.zeros(0), np.zeros(0, np.uint8))
    at = np.concatenate([p.at for p in pieces])
    values = np.concatenate([p.values for p in pieces])
    outcomes = np.concatenate([p.outcomes for p in pieces]).astype(np.uint8)
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")
        at, values, outcomes = at[order], values[order], outcomes[order]
    return Window(at / 1000, values, outcomes)


def _seen(known: FactValue | None, name: str, value: str, at: float) -> FactValue:
    if known is None or (known.value != value and at > known.last_seen):
        return FactValue(name, value, at, at)
    return (
        FactValue(name, known.value, known.since, max(at, known.last_seen)) if known.value == value else known
    )
