"""The store as a whole: what the daemon opens to write and read, and what a command opens to read."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from monitor.lock import StateLock
from monitor.store.api import OUTCOME_CODES, Latest, StoreInfo
from monitor.store.database import Database, Pool
from monitor.store.days import day_at
from monitor.store.evidence import StoreReader
from monitor.store.heads import HeadsWriter
from monitor.store.latest import Last, last_of
from monitor.store.paths import Bounds, Keep, Paths, Retention
from monitor.store.pins import write_pins
from monitor.store.records import DAY_MS, GROUP, Layout, digest, facts_text, hashes, note_text
from monitor.store.rolling import Roller
from monitor.store.writer import Inbox, Writer
from probes.api import MetricDef, Reading

T = TypeVar("T")
EARLIEST_MS = 0
LATEST_MS = 253_402_300_800_000
"""The end of the year 9999."""
_REMEMBERED = 50_000


class Shape:
    """The resolutions a probe declares, and the layouts its readings have had; shared by its checks."""

    __slots__ = ("layouts", "steps")

    def __init__(self, steps: dict[str, float | None]) -> None:
        self.steps = steps
        self.layouts: dict[object, Layout] = {}


class Entry:
    """What is kept in memory of one check."""

    __slots__ = ("facts", "last", "number", "shape", "used")

    def __init__(self, number: int, shape: Shape, used: tuple[int, ...], last: Last) -> None:
        self.number, self.shape, self.used, self.last = number, shape, used, last
        self.facts = 0


class Store(StoreReader):
    """`Evidence` and `Sink`: the one writer of a state directory.

    `append` and `declare` are for one thread (the loop); reading is for any.
    """

    def __init__(
        self, paths: Paths, keep: Retention, bounds: Bounds, state: Database, lock: StateLock
    ) -> None:
        heads = HeadsWriter(paths.heads, bounds.log_kept)
        super().__init__(paths, state, Pool())
        self._keep, self._bounds, self._lock = keep, bounds, lock
        self._heads_writer, self._inbox = heads, Inbox()
        self._roller = Roller(paths, heads, self._catalogue, self._pool, self._latest_of)
        self._shapes: dict[tuple[tuple[str, float | None], ...], Shape] = {(): Shape({})}
        self._entries: dict[str, Entry] = {}
        self._notes: dict[tuple[str, str, str, str], int] = {}
        self._facts_known: dict[tuple[tuple[str, str], ...], int] = {}
        self._text_day, self._text_count = 0, 0
        heads.go_beyond(self._roller.newest())
        self._load_latest()
        self._writer = Writer(
            paths, keep, bounds, state, self._catalogue, heads, self._roller, self._inbox, self._live_texts
        )

    @classmethod
    def open(cls, state_dir: Path, keep: Retention | None = None, bounds: Bounds | None = None) -> Self:
        """Open for writing, making what is missing; blocks for up to seconds, so not in the loop.

        Raises `monitor.lock.Locked` where another process writes, `SchemaTooNew` where a newer Muster did.
        """
        paths = Paths(state_dir)
        lock = StateLock(state_dir, "store.lock")
        lock.take()
        try:
            paths.make()
            store = cls(paths, keep or Keep(), bounds or Bounds(), Database(paths.state), lock)
        except BaseException:
            lock.release()
            raise
        store._writer.start()
        return store

    @staticmethod
    def read_only(state_dir: Path) -> StoreReader:
        """Open for reading only, also beside a running daemon. Raises `NoStore` and `SchemaTooNew`."""
        return StoreReader.open(state_dir)

    def declare(self, check: str, metrics: Sequence[MetricDef]) -> None:
        """Tell a check's metrics with their resolutions, before its first reading."""
        entry = self._entries.get(check) or self._enter(check)
        steps = tuple((m.name, m.resolution) for m in metrics)
        shape = self._shapes.get(steps)
        if shape is None:
            shape = self._shapes[steps] = Shape(dict(steps))
        entry.shape = shape

    def append(self, reading: Reading) -> None:
        """Queue a reading for the next commit; what can't be taken is dropped and counted."""
        inbox = self._inbox
        if inbox.paused or len(inbox.records) >= self._bounds.queue_limit:
            inbox.dropped += 1
            return
        if not inbox.since:
            inbox.since = time.monotonic()
        try:
            self._append(reading)
        except (TypeError, ValueError, OverflowError, struct.error):
            inbox.dropped += 1

    def _append(self, reading: Reading) -> None:
        check, metrics, phases = reading.check, reading.metrics, reading.phases
        entry = self._entries.get(check) or self._enter(check)
        names = (*metrics, None, *phases) if phases else (*metrics,)
        layout = entry.shape.layouts.get(names) or self._layout(entry.shape, names, reading)
        if layout.number not in entry.used:
            self._use(entry, layout)
        words = (reading.kind, reading.vantage, reading.phase, reading.detail)
        note = self._notes.get(words) or self._note(words)
        facts = self._facts_of(entry, reading) if reading.facts else 0
        at, outcome = round(reading.at * 1000), OUTCOME_CODES[reading.outcome]
        if not EARLIEST_MS <= at < LATEST_MS:
            msg = f"no such time: {reading.at}"
            raise ValueError(msg)
        record = layout.pack(
            at, 0, entry.number, layout.code | outcome, reading.lag_ms, reading.duration_ms, note, facts,
            *metrics.values(), *phases.values(),
        )  # fmt: skip
        self._inbox.records.append(record)
        entry.last.see(record, at, outcome, facts)

    async def flush(self) -> None:
        """Return when everything appended until now is committed (or dropped)."""
        done: Future[None] = Future()
        self._inbox.waiting.append(done)
        self._writer.wake()
        await asyncio.wrap_future(done)

    async def pin(self, reference: str, readings: Iterable[Reading]) -> None:
        """Keep readings under a reference (a sign-off, an incident) for as long as the state is kept."""
        kept = list(readings)
        await self.state.write(lambda db: write_pins(db, reference, kept))

    async def compact(self, *, today: int | None = None) -> None:
        """Do now what is otherwise spread over the hour: roll everything, seal the days before `today`."""
        day = day_at(time.time()) if today is None else today
        await self._in_writer(lambda: self._compact(day))

    async def retain(self, today: int) -> list[str]:
        """Delete now one file of each kind that is past its time on a day; return their names."""
        return await self._in_writer(lambda: self._roller.retain(today, self._keep))

    async def _in_writer(self, job: Callable[[], T]) -> T:
        done: Future[T] = Future()
        self._inbox.jobs.append((job, done))
        self._writer.wake()
        return await asyncio.wrap_future(done)

    def latest(self, check: str) -> Latest | None:
        """Return the last attempt and last measurement of a check, from memory."""
        entry = self._entries.get(check)
        last = entry.last if entry else None
        if last is None or last.attempt is None:
            return None
        return self._latest(last.attempt, last.measured)

    def info(self) -> StoreInfo:
        """Return sizes, spans and counters; `dropped` since the store was opened."""
        return replace(super().info(), dropped=self._inbox.dropped)

    @property
    def dropped(self) -> int:
        """Readings that could not be taken or written since the store was opened."""
        return self._inbox.dropped

    @property
    def queued(self) -> int:
        """Readings waiting for their commit."""
        return len(self._inbox.records)

    @property
    def commits(self) -> int:
        """Commits since the store was opened."""
        return self._writer.commits

    @property
    def committed(self) -> int:
        """Readings committed since the store was opened."""
        return self._writer.committed

    def commit_age(self) -> float:
        """Return the seconds for which something has waited to be committed; 0 when nothing waits."""
        since = self._inbox.since
        return time.monotonic() - since if since else 0.0

    @property
    def commit_ms(self) -> float:
        """How long the last commit took."""
        return self._writer.commit_ms

    @property
    def paused(self) -> bool:
        """Whether samples are refused for want of disk."""
        return self._inbox.paused

    def close(self) -> None:
        """Commit what is queued, keep the latest records, and close; blocks for up to seconds."""
        self._writer.stop()
        self._heads_writer.keep_latest([(g, self._latest_of(g)) for g in range(self._groups())])
        self._roller.close()
        self._heads_writer.close()
        super().close()
        self._lock.release()

    async def aclose(self) -> None:
        """Close in a thread."""
        await asyncio.to_thread(self.close)

    def _compact(self, today: int) -> None:
        self._roller.commit()
        while self._heads_writer.settle():
            pass
        for grp in self._heads_writer.groups():
            self._roller.roll(grp)
            self._roller.breathe()
        for day, grp in self._roller.unsealed(today):
            self._roller.seal(day, grp)

    def _groups(self) -> int:
        return -(-len(self._catalogue.names) // GROUP)

    def _enter(self, check: str) -> Entry:
        if not check:
            msg = "a reading of no check"
            raise ValueError(msg)
        number = self._catalogue.add_check(check)
        entry = Entry(number, self._shapes[()], self._catalogue.used[number], Last())
        self._entries[check] = entry
        return entry

    def _layout(self, shape: Shape, names: tuple[str | None, ...], reading: Reading) -> Layout:
        columns = tuple((name, shape.steps.get(name)) for name in reading.metrics)
        layout = self._catalogue.add_layout(columns, tuple(reading.phases))
        if len(shape.layouts) < 1000:
            shape.layouts[names] = layout
        return layout

    def _use(self, entry: Entry, layout: Layout) -> None:
        self._catalogue.use(entry.number, layout.number)
        entry.used = self._catalogue.used[entry.number]

    def _note(self, words: tuple[str, str, str, str]) -> int:
        hashed = self._text(note_text(*words), note_text(*words[:3], "…") if words[3] else "")
        if len(self._notes) >= _REMEMBERED:
            self._notes.clear()
        self._notes[words] = hashed
        return hashed

    def _facts_of(self, entry: Entry, reading: Reading) -> int:
        content = tuple(reading.facts.items())
        hashed = self._facts_known.get(content) or self._fact_text(content)
        if hashed != entry.facts and reading.at * 1000 >= entry.last.facts_at:
            if entry.last.facts is not None:
                before = self._reading(entry.last.facts)
                self._inbox.facts.append((entry.number, before.at, before.facts))
            self._inbox.facts.append((entry.number, reading.at, dict(reading.facts)))
            entry.facts = hashed
        return hashed

    def _fact_text(self, content: tuple[tuple[str, str], ...]) -> int:
        hashed = self._text(facts_text(dict(content)), "")
        if len(self._facts_known) >= _REMEMBERED:
            self._facts_known.clear()
        self._facts_known[content] = hashed
        return hashed

    def _text(self, text: str, instead: str) -> int:
        """Return the hash of a text, which is queued to be written; over the day's bound, of another."""
        day = int(time.time()) * 1000 // DAY_MS
        if day != self._text_day:
            self._text_day, self._text_count = day, 0
            self._notes.clear()
            self._facts_known.clear()
        self._text_count += 1
        if self._text_count > self._bounds.text_limit and instead:
            text = instead
        hashed = digest(text)
        self._texts.put(hashed, text)
        self._inbox.texts.append((hashed, day, text))
        return hashed

    def _load_latest(self) -> None:
        for number, name in enumerate(self._catalogue.names):
            self._entries[name] = Entry(number, self._shapes[()], self._catalogue.used[number], Last())
        for grp in range(self._groups()):
            records, latest = self._heads.unrolled(grp)
            for number, last in last_of(map(self._frame, (latest, records))).items():
                entry = self._entries[self._catalogue.names[number]]
                entry.last = last
                entry.facts = hashes(last.facts)[1] if last.facts else 0

    def _latest_of(self, grp: int) -> bytes:
        names = self._catalogue.names[grp * GROUP : (grp + 1) * GROUP]
        entries = (self._entries.get(name) for name in names)
        return b"".join(r for entry in entries if entry is not None for r in entry.last.records())

    def _live_texts(self) -> set[int]:
        found: set[int] = set()
        for entry in list(self._entries.values()):
            for record in entry.last.records():
                found.update(hashes(record))
        return found
