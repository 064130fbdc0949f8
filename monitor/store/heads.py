"""Readings that are not rolled yet, in `heads.db`: the log of commits, and the same sorted by group.

A commit is one row of the log. Settling sorts what has gathered there into one row a group, so that reading
one check touches little. Rows of the log stay for a while after that, in order, for the sinks.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from monitor.store.codec import TICK_MS
from monitor.store.database import Pool, close, open_migrated, transaction
from monitor.store.records import DAY_MS, GROUP, Frame, Ints

PACKAGE = "monitor.store.migrations.heads"
PAGE_SIZE = 16_384
SETTLE_AT_ONCE = 50_000
"""Records that one settling sorts; more wait for the next."""
LAST_SEQ = 2**62
"""Beyond every commit."""
_CACHED_GROUPS = 16
_CHANGES = "SELECT value FROM meta WHERE name = 'changes'"
_CHANGED = "UPDATE meta SET value = value + 1 WHERE name = 'changes'"


class HeadsWriter:
    """What the writer thread does to `heads.db`; not for other threads."""

    def __init__(self, path: Path, log_kept: int) -> None:
        self._log_kept = log_kept
        self._connection, _ = open_migrated(path, PACKAGE, page_size=PAGE_SIZE)
        meta = dict(self._connection.execute("SELECT name, value FROM meta").fetchall())
        self.committed: int = meta["committed"]
        self.settled: int = meta["settled"]
        query = "SELECT coalesce(sum(count), 0) FROM log WHERE seq > ?"
        self.unsettled: int = self._connection.execute(query, (self.settled,)).fetchone()[0]

    def commit(self, seq: int, records: Sequence[bytes], texts: Sequence[tuple[int, int, str]]) -> None:
        """Write one commit; `seq` above all before it, texts as (hash, day, text)."""
        sizes = np.fromiter(map(len, records), np.uint32, len(records)) // 8
        with transaction(self._connection) as db:
            db.executemany(
                "INSERT INTO texts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET day = max(day, excluded.day)",
                texts,
            )
            row = (seq, len(records), sizes.astype("<u2").tobytes(), b"".join(records))
            db.execute("INSERT INTO log VALUES (?, ?, ?, ?)", row)
            db.execute("UPDATE meta SET value = ? WHERE name = 'committed'", (seq,))
            db.execute(_CHANGED)
        self.committed = seq
        self.unsettled += len(records)

    def go_beyond(self, seq: int) -> None:
        """Number later commits above `seq` (the days of a restored copy may be ahead of its heads)."""
        self.committed = max(self.committed, seq)

    def settle(self) -> int:
        """Sort the oldest commits into groups, at most `SETTLE_AT_ONCE` records; return how many."""
        rows: list[sqlite3.Row] = []
        count = 0
        query = "SELECT seq, count, sizes, data FROM log WHERE seq > ? ORDER BY seq"
        for row in self._connection.execute(query, (self.settled,)):
            if rows and count + row["count"] > SETTLE_AT_ONCE:
                break
            rows.append(row)
            count += row["count"]
        if rows:
            high = int(rows[-1]["seq"])
            heads = _by_group(_frame(rows), int(rows[0]["seq"]), high)
            self._settle(heads, high)
            self.unsettled -= count
        return count

    def _settle(self, heads: Iterable[tuple[object, ...]], high: int) -> None:
        with transaction(self._connection) as db:
            db.executemany(
                "INSERT INTO heads (grp, low, high, count, first_day, last_day, sizes, ends, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                heads,
            )
            db.execute("UPDATE meta SET value = ? WHERE name = 'settled'", (high,))
            db.execute(_CHANGED)
            _cut(db, min(high, self.committed - self._log_kept))
        self.settled = high

    def groups(self) -> list[int]:
        """Return the groups that have settled records."""
        return [r[0] for r in self._connection.execute("SELECT DISTINCT grp FROM heads ORDER BY grp")]

    def group(self, grp: int) -> tuple[Frame, int]:
        """Return all settled records of a group, and their last commit."""
        query = "SELECT sizes, data, high FROM heads WHERE grp = ? ORDER BY row"
        rows = self._connection.execute(query, (grp,)).fetchall()
        sizes = np.frombuffer(b"".join(r["sizes"] for r in rows), "<u2")
        frame = Frame.of(b"".join(r["data"] for r in rows), sizes)
        return frame, max((r["high"] for r in rows), default=0)

    def forget(self, grp: int, seq: int, latest: bytes) -> None:
        """Drop a group's settled records up to a commit, and keep its latest records."""
        with transaction(self._connection) as db:
            db.execute("DELETE FROM heads WHERE grp = ? AND high <= ?", (grp, seq))
            db.execute("REPLACE INTO latest VALUES (?, ?)", (grp, latest))
            db.execute(_CHANGED)

    def keep_latest(self, groups: Iterable[tuple[int, bytes]]) -> None:
        """Keep the latest records of groups as of the last commit (at a clean end)."""
        with transaction(self._connection) as db:
            db.executemany("REPLACE INTO latest VALUES (?, ?)", groups)
            db.execute("UPDATE meta SET value = ? WHERE name = 'kept'", (self.committed,))

    def texts(self, hashes: Iterable[int]) -> list[tuple[int, str]]:
        """Return the texts that are known of the hashes."""
        query = "SELECT hash, text FROM texts WHERE hash = ?"
        return [tuple(row) for h in hashes for row in self._connection.execute(query, (h,))]

    def prune_texts(self, before: int, live: Callable[[], set[int]]) -> None:
        """Drop texts last used before a day, but for the live ones (asked for only where some are old)."""
        with transaction(self._connection) as db:
            old = {row[0] for row in db.execute("SELECT hash FROM texts WHERE day < ?", (before,))}
            gone = old - live() if old else old
            db.executemany("DELETE FROM texts WHERE hash = ?", [(hashed,) for hashed in gone])

    def close(self) -> None:
        """Close the file."""
        close(self._connection)


def _cut(db: sqlite3.Connection, upto: int) -> None:
    """Delete the log up to a commit, and note the last one that is gone."""
    last = db.execute("SELECT max(seq) FROM log WHERE seq <= ?", (upto,)).fetchone()[0]
    if last is not None:
        db.execute("DELETE FROM log WHERE seq <= ?", (last,))
        db.execute("UPDATE meta SET value = ? WHERE name = 'cut'", (last,))


def _frame(rows: Sequence[sqlite3.Row]) -> Frame:
    """Return the records of some commits with their sequence filled in."""
    sizes = np.frombuffer(b"".join(r["sizes"] for r in rows), "<u2")
    frame = Frame.of(b"".join(r["data"] for r in rows), sizes)
    words = frame.words.copy()
    seqs = np.repeat([r["seq"] for r in rows], [r["count"] for r in rows])
    words[frame.starts + 1] = seqs.astype(np.uint64)
    return Frame(words, frame.starts, frame.sizes)


def _by_group(frame: Frame, low: int, high: int) -> list[tuple[object, ...]]:
    order = np.argsort(frame.numbers, kind="stable")
    ordered = frame.take(order)
    numbers = ordered.numbers
    groups = numbers // GROUP
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    stops = np.append(starts[1:], len(groups))
    days = ordered.ints(0) // DAY_MS
    edges = np.append(ordered.starts, len(ordered.words)) * 8
    data = ordered.words.tobytes()
    rows: list[tuple[object, ...]] = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        first, last = int(edges[start]), int(edges[stop])
        places = np.searchsorted(numbers[start:stop] % GROUP, np.arange(1, GROUP + 1))
        ends = (edges[start + places] - first).astype("<u4").tobytes()
        span = (int(days[start:stop].min()), int(days[start:stop].max()))
        sizes = ordered.sizes[start:stop].astype("<u2").tobytes()
        rows.append((int(groups[start]), low, high, stop - start, *span, sizes, ends, data[first:last]))
    return rows


_Row = tuple[int, list[int], bytes]
"""Last commit, where each check's records end, the records."""


class HeadsReader:
    """Looks into `heads.db` from any thread and any process; keeps what it has parsed."""

    def __init__(self, path: Path, pool: Pool) -> None:
        self._path, self._pool = path, pool
        self._lock = threading.Lock()
        self._groups: dict[int, list[_Row]] = {}
        self._tail: dict[int, Frame] = {}
        self._numbers: Ints = np.zeros(0, np.int64)
        self._tail_change, self._group_changes = -1, dict[int, int]()

    def records(self, number: int) -> bytes:
        """Return the records of a check that were not rolled when this was called, end to end.

        Some may have been rolled before: those whose commit the day's `rolled` mark covers.
        """
        with self._lock, self._pool.use(self._path) as db:
            change = db.execute(_CHANGES).fetchone()[0]
            if change == self._tail_change == self._group_changes.get(number // GROUP):
                return self._known(number)
            with transaction(db, "DEFERRED"):
                return self._records(db, number)

    def _records(self, db: sqlite3.Connection, number: int) -> bytes:
        self._refresh_tail(db)
        self._refreshed(db, number // GROUP)
        return self._known(number)

    def _known(self, number: int) -> bytes:
        rows, place = self._groups[number // GROUP], number % GROUP
        parts = [data[ends[place - 1] if place else 0 : ends[place]] for _, ends, data in rows]
        return b"".join(parts) + self._of_tail(number)

    def group(self, grp: int) -> tuple[bytes, bytes]:
        """Return a group's records that were not rolled, and its latest records at its last rolling."""
        with self._lock, self._pool.use(self._path) as db, transaction(db, "DEFERRED"):
            self._refresh_tail(db)
            tail = [_of_group(frame, grp) for frame in self._tail.values()]
            latest = db.execute("SELECT data FROM latest WHERE grp = ?", (grp,)).fetchone()
            parts = [data for _, _, data in self._refreshed(db, grp)]
            return b"".join(parts + tail), latest[0] if latest else b""

    def last(self, number: int) -> tuple[bytes, bytes]:
        """Return `records`, and the latest records that were kept when the group was last rolled."""
        with self._lock, self._pool.use(self._path) as db, transaction(db, "DEFERRED"):
            records = self._records(db, number)
            latest = db.execute("SELECT data FROM latest WHERE grp = ?", (number // GROUP,)).fetchone()
        return records, latest[0] if latest else b""

    def unrolled(self, grp: int) -> tuple[bytes, bytes]:
        """Return `group`, but no records where the latest ones were kept at a clean end."""
        with self._pool.use(self._path) as db, transaction(db, "DEFERRED"):
            meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
            latest = db.execute("SELECT data FROM latest WHERE grp = ?", (grp,)).fetchone()
        if meta["kept"] == meta["committed"]:
            return b"", latest[0] if latest else b""
        return self.group(grp)

    def totals(self) -> tuple[int, int | None, int | None, float | None]:
        """Return how many readings are not rolled, their first and last commit in ms, the last in s."""
        heads = "SELECT coalesce(sum(count), 0), min(low) FROM heads"
        log = (
            "SELECT coalesce(sum(count), 0), min(seq) FROM log"
            " WHERE seq > (SELECT value FROM meta WHERE name = ?)"
        )
        last = "SELECT value FROM meta WHERE name = 'committed'"
        with self._pool.use(self._path) as db, transaction(db, "DEFERRED"):
            rows = [db.execute(heads).fetchone(), db.execute(log, ("settled",)).fetchone()]
            committed = db.execute(last).fetchone()[0]
        first = min((row[1] * TICK_MS for row in rows if row[1] is not None), default=None)
        last_ms = committed * TICK_MS if committed else None
        return sum(row[0] for row in rows), first, last_ms, committed * TICK_MS / 1000 if committed else None

    def committed(self) -> int:
        """Return the last commit."""
        with self._pool.use(self._path) as db:
            return int(db.execute("SELECT value FROM meta WHERE name = 'committed'").fetchone()[0])

    def days(self) -> set[int]:
        """Return the days, since the epoch, of all readings that are not rolled."""
        found: set[int] = set()
        with self._lock, self._pool.use(self._path) as db, transaction(db, "DEFERRED"):
            self._refresh_tail(db)
            for row in db.execute("SELECT first_day, last_day FROM heads GROUP BY 1, 2"):
                found.update(range(row[0], row[1] + 1))
            for frame in self._tail.values():
                found.update(np.unique(frame.ints(0) // DAY_MS).tolist())
        return found

    def commits(self, after: int, limit: int, upto: int = LAST_SEQ) -> tuple[Frame, int] | None:
        """Return whole commits after one, at least one if there is any `upto` another, and the last of them.

        None where the log no longer reaches back that far.
        """
        query = "SELECT seq, count, sizes, data FROM log WHERE seq > ? AND seq <= ? ORDER BY seq"
        with self._pool.use(self._path) as db, transaction(db, "DEFERRED"):
            if not self._reaches(db, after):
                return None
            rows: list[sqlite3.Row] = []
            count = 0
            for row in db.execute(query, (after, upto)):
                if rows and count + row["count"] > limit:
                    break
                rows.append(row)
                count += row["count"]
        return _frame(rows), int(rows[-1]["seq"]) if rows else after

    @staticmethod
    def _reaches(db: sqlite3.Connection, after: int) -> bool:
        meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
        return bool(after >= meta["cut"])

    def _refreshed(self, db: sqlite3.Connection, grp: int) -> list[_Row]:
        low = db.execute("SELECT min(high) FROM heads WHERE grp = ?", (grp,)).fetchone()[0]
        rows = [row for row in self._groups.pop(grp, []) if low is not None and row[0] >= low]
        query = "SELECT high, ends, data FROM heads WHERE grp = ? AND high > ? ORDER BY high"
        for high, ends, data in db.execute(query, (grp, rows[-1][0] if rows else 0)):
            rows.append((high, np.frombuffer(ends, "<u4").tolist(), data))
        self._groups[grp] = rows
        self._group_changes[grp] = db.execute(_CHANGES).fetchone()[0]
        while len(self._groups) > _CACHED_GROUPS:
            oldest = next(iter(self._groups))
            del self._groups[oldest], self._group_changes[oldest]
        return rows

    def _refresh_tail(self, db: sqlite3.Connection) -> None:
        settled = db.execute("SELECT value FROM meta WHERE name = 'settled'").fetchone()[0]
        self._tail_change = db.execute(_CHANGES).fetchone()[0]
        kept = {seq: frame for seq, frame in self._tail.items() if seq > settled}
        query = "SELECT seq, count, sizes, data FROM log WHERE seq > ? ORDER BY seq"
        new = {row["seq"]: _frame([row]) for row in db.execute(query, (max(kept, default=settled),))}
        if new or len(kept) < len(self._tail):
            self._tail = kept | new
            self._numbers = np.concatenate([self._numbers[:0], *(f.numbers for f in self._tail.values())])

    def _of_tail(self, number: int) -> bytes:
        found = np.flatnonzero(self._numbers == number).tolist()
        if not found:
            return b""
        frames = list(self._tail.values())
        edges = np.cumsum([len(f.starts) for f in frames])
        parts = []
        for place in found:
            which = int(np.searchsorted(edges, place, side="right"))
            frame = frames[which]
            parts.append(frame.record(place - int(edges[which]) + len(frame.starts)))
        return b"".join(parts)


def _of_group(frame: Frame, grp: int) -> bytes:
    return frame.take(np.flatnonzero(frame.numbers // GROUP == grp)).words.tobytes()
