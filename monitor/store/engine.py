"""The store as a whole: what the daemon opens to write and read, and what a command opens to read."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from monitor.process.lock import StateLock
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
COMMON_WORDS = 10_000
"""Words whose hashes are kept in memory; of less common ones each check keeps its last."""


class Shape:
    """The resolutions a probe declares, and the layouts its readings have had; shared by its checks."""

    __slots__ = ("layouts", "steps")

    def __init__(self, steps: dict[str, float | None]) -> None:
        self.steps = steps
        self.layouts: dict[object, Layout] = {}


class Entry(Last):
    """What is kept in memory of one check; there are 100,000 of them."""

    __slots__ = ("facts_key", "note_key", "shape", "used")

    def __init__(self, shape: Shape, used: tuple[int, ...]) -> None:
        super().__init__()
        self.shape, self.used = shape, used
        self.note_key: int | None = None
        """The key of the words of `attempt`, where these are not common words."""
        self.facts_key: int | None = None
        """The key of the facts of `facts`."""


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
        self._numbers = self._catalogue.numbers
        self._entries: list[Entry] = []
        """By the check's number."""
        self._common: dict[int, int] = {}
        """The hashes of the words that were met first today, by their key."""
        self._text_day, self._text_count = 0, 0
        heads.go_beyond(self._roller.newest())
        self._load_latest()
        self._writer = Writer(
            paths, keep, bounds, state, self._catalogue, heads, self._roller, self._inbox, self._texts,
            self._live_texts,
        )  # fmt: skip

    @classmethod
    def open(cls, state_dir: Path, keep: Retention | None = None, bounds: Bounds | None = None) -> Self:
        """Open for writing, making what is missing; blocks for up to seconds, so not in the loop.

        Raises `Locked` where another process writes, `SchemaTooNew` where a newer Muster did.
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
        number = self._numbers.get(check)
        entry = self._entries[self._enter(check) if number is None else number]
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
            self._look_at_the_day()
        try:
            self._append(reading)
        except (TypeError, ValueError, OverflowError, struct.error):
            inbox.dropped += 1

    def _append(self, reading: Reading) -> None:
        check, metrics, phases = reading.check, reading.metrics, reading.phases
        number = self._numbers.get(check)
        if number is None:
            number = self._enter(check)
        entry = self._entries[number]
        names = (*metrics, None, *phases) if phases else (*metrics,)
        layout = entry.shape.layouts.get(names) or self._layout(entry.shape, names, reading)
        if layout.number not in entry.used:
            self._use(number, entry, layout)
        at, outcome = round(reading.at * 1000), OUTCOME_CODES[reading.outcome]
        if not EARLIEST_MS <= at < LATEST_MS:
            msg = f"no such time: {reading.at}"
            raise ValueError(msg)
        note_key = hash((reading.kind, reading.vantage, reading.phase, reading.detail)) ^ self._text_day
        note, kept_key = self._common.get(note_key), None
        if note is None:
            note, kept_key = self._note(entry, note_key, reading), note_key
        facts = facts_key = 0
        if reading.facts:
            facts_key = hash(tuple(reading.facts.items())) ^ self._text_day
            facts = self._facts_of(entry, facts_key, reading)
        record = layout.pack(
            at, 0, number, layout.code | outcome, reading.lag_ms, reading.duration_ms, note, facts,
            *metrics.values(), *phases.values(),
        )  # fmt: skip
        self._inbox.records.append(record)
        if at >= entry.attempt_at:
            entry.note_key = kept_key
        if facts and facts_key != entry.facts_key and at >= entry.facts_at:
            self._facts_changed(number, entry, reading, facts)
            entry.facts_key = facts_key
        entry.see(record, at, outcome, facts)

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
        last = self._last(check)
        if last is None or last.attempt is None:
            return None
        return self._latest(last.attempt, last.measured)

    def latest_beside(self, check: str) -> dict[str, Latest]:
        """Return `latest` of a check alone: in memory one costs no more than several."""
        found = self.latest(check)
        return {check: found} if found else {}

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

    def _refresh(self) -> None:
        """Nobody else adds to the catalogue."""

    def _last(self, check: str) -> Last | None:
        number = self._number(check)
        return None if number is None else self._entries[number]

    def _enter(self, check: str) -> int:
        if not check:
            msg = "a reading of no check"
            raise ValueError(msg)
        number = self._catalogue.add_check(check)
        self._entries.append(Entry(self._shapes[()], ()))
        return number

    def _layout(self, shape: Shape, names: tuple[str | None, ...], reading: Reading) -> Layout:
        columns = tuple((name, shape.steps.get(name)) for name in reading.metrics)
        layout = self._catalogue.add_layout(columns, tuple(reading.phases))
        if len(shape.layouts) < 1000:
            shape.layouts[names] = layout
        return layout

    def _use(self, number: int, entry: Entry, layout: Layout) -> None:
        self._catalogue.use(number, layout.number)
        entry.used = self._catalogue.used[number]

    def _note(self, entry: Entry, key: int, reading: Reading) -> int:
        """Return the hash of words that are not common: the check's last ones, or new ones."""
        if key == entry.note_key and entry.attempt is not None:
            return hashes(entry.attempt)[0]
        words = (reading.kind, reading.vantage, reading.phase)
        instead = note_text(*words, "…") if reading.detail else ""
        hashed = self._text(note_text(*words, reading.detail), instead)
        if len(self._common) < COMMON_WORDS:
            self._common[key] = hashed
        return hashed

    def _facts_of(self, entry: Entry, key: int, reading: Reading) -> int:
        if key == entry.facts_key and entry.facts is not None:
            return hashes(entry.facts)[1]
        return self._text(facts_text(reading.facts), "")

    def _facts_changed(self, number: int, entry: Entry, reading: Reading, facts: int) -> None:
        """Queue the end of the facts until now, and the new ones, for the history."""
        if entry.facts is not None:
            if hashes(entry.facts)[1] == facts:
                return
            before = self._reading(entry.facts)
            self._inbox.facts.append((number, before.at, before.facts))
        known = json.loads(self._texts.get(facts))
        self._inbox.facts.append((number, reading.at, known))

    def _look_at_the_day(self) -> None:
        """Begin a new day's texts: those of the heads are dropped when they were not used for days."""
        day = int(time.time()) * 1000 // DAY_MS
        if day != self._text_day:
            self._text_day, self._text_count = day, 0
            self._common.clear()

    def _text(self, text: str, instead: str) -> int:
        """Return the hash of a text, which is queued to be written; over the day's bound, of another.

        Raises ValueError where too many wait.
        """
        if len(self._inbox.texts) >= self._bounds.queue_limit:
            msg = "too many texts wait to be written"
            raise ValueError(msg)
        self._text_count += 1
        if self._text_count > self._bounds.text_limit and instead:
            text = instead
        text = text.encode("utf-8", "replace").decode()
        hashed = digest(text)
        self._texts.put(hashed, text)
        self._inbox.texts.append((hashed, self._text_day, text))
        return hashed

    def _load_latest(self) -> None:
        self._entries += [Entry(self._shapes[()], used) for used in self._catalogue.used]
        for grp in range(self._groups()):
            records, latest = self._heads.unrolled(grp)
            for number, last in last_of(map(self._frame, (latest, records))).items():
                self._entries[number].take(last)

    def _latest_of(self, grp: int) -> bytes:
        entries = self._entries[grp * GROUP : (grp + 1) * GROUP]
        return b"".join(record for entry in entries for record in entry.records())

    def _live_texts(self) -> set[int]:
        return {h for entry in self._entries.copy() for record in entry.records() for h in hashes(record)}
