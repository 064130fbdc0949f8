"""The one thread that writes: commits every 250 ms, and between commits one short step of upkeep."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import structlog

from monitor.store.catalogue import Catalogue, FactChange, write_facts
from monitor.store.codec import TICK_MS
from monitor.store.database import Database
from monitor.store.days import day_at
from monitor.store.heads import HeadsWriter
from monitor.store.paths import Bounds, Paths, Retention
from monitor.store.rolling import Roller
from monitor.store.texts import Texts

_log = structlog.get_logger(__name__)

SETTLE_EVERY_S = 300.0
SETTLE_OVER = 50_000
ROLL_EVERY_S = 3600.0
LONGEST_PACE_S = 60.0
SEAL_AFTER_S = 4500.0
"""So long after midnight UTC everything of the day before has been rolled."""
SEAL_SPREAD_S = 3000.0
"""Over so long the groups are sealed, so that it takes little at any time."""
LOOK_AT_DISK_S = 2.0
RETAIN_EVERY_S = 3600.0
TEXTS_KEPT_DAYS = 3
"""Texts of heads and latest records; those of the days' files go with their file."""


@dataclass(slots=True)
class Inbox:
    """What the loop leaves for the writer; each deque has one end for each."""

    records: deque[bytes] = field(default_factory=deque)
    texts: deque[tuple[int, int, str]] = field(default_factory=deque)
    """Hash, day and text."""
    facts: deque[FactChange] = field(default_factory=deque)
    waiting: deque[Future[None]] = field(default_factory=deque)
    jobs: deque[tuple[Callable[[], Any], Future[Any]]] = field(default_factory=deque)
    dropped: int = 0
    since: float = 0.0
    """Since when something waits for its commit (monotonic), 0 when nothing does."""
    paused: bool = False
    """Whether samples are refused for want of disk."""


class Writer:
    """Takes from the inbox and writes; `start` and `stop` it once."""

    def __init__(
        self,
        paths: Paths,
        keep: Retention,
        bounds: Bounds,
        state: Database,
        catalogue: Catalogue,
        heads: HeadsWriter,
        roller: Roller,
        inbox: Inbox,
        texts: Texts,
        live: Callable[[], set[int]],
    ) -> None:
        self._paths, self._bounds, self._state, self._catalogue = paths, bounds, state, catalogue
        self._heads, self._roller, self._inbox, self._texts = heads, roller, inbox, texts
        self._wake, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._upkeep = Upkeep(heads, roller, keep, live)
        roller.commit, roller.breathe = self._commit, self._commit_if_due
        self._looked = self._committed_at = 0.0
        self.last_commit: float | None = None
        self.commits = self.committed = 0
        self.commit_ms = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._look_at_disk()
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued, and end the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def wake(self) -> None:
        """Do not wait for the next commit to be due."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._bounds.commit_s)
            self._wake.clear()
            self._round()
        self._round()

    def _round(self) -> None:
        waiting = [self._inbox.waiting.popleft() for _ in range(len(self._inbox.waiting))]
        if time.monotonic() - self._looked >= LOOK_AT_DISK_S:
            self._look_at_disk()
        self._commit()
        for future in waiting:
            _settle(future, None)
        while self._inbox.jobs:
            job, done = self._inbox.jobs.popleft()
            try:
                _settle(done, job())
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                done.set_exception(error)
        if not self._stopping and not self._inbox.paused:
            self._maintain()

    def _look_at_disk(self) -> None:
        self._looked = time.monotonic()
        short = self._bounds.free(self._paths.root) < self._bounds.min_free_bytes
        if short != self._inbox.paused:
            _log.error("samples_stopped_disk_low") if short else _log.info("samples_resumed")
        self._inbox.paused = short

    def _commit_if_due(self) -> None:
        if time.monotonic() - self._committed_at >= self._bounds.commit_s:
            self._commit()

    def _commit(self) -> None:
        started, began = time.perf_counter(), time.monotonic()
        count = len(self._inbox.records)
        records = [self._inbox.records.popleft() for _ in range(count)]
        try:
            self._write_state()
            if records and not self._inbox.paused:
                self._write_samples(records)
                records = []
        except Exception as error:  # noqa: BLE001 - whatever it is, the next commit must be tried
            _log.error("commit_failed", error=repr(error), readings=len(records))
            if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
                self._inbox.paused = True
        self._inbox.dropped += len(records)
        self._committed_at = time.monotonic()
        self._inbox.since = began if self._inbox.records else 0.0
        self.commit_ms = (time.perf_counter() - started) * 1000

    def _write_state(self) -> None:
        """Write new checks, layouts and facts; what could not be written stays pending."""
        changes = list(self._inbox.facts.copy())
        news = self._catalogue.news()
        if not changes and not news:
            return

        def work(db: sqlite3.Connection) -> None:
            news.write(db)
            write_facts(db, changes)

        self._state.write_now(work)
        self._catalogue.written(news)
        for _ in changes:
            self._inbox.facts.popleft()

    def _write_samples(self, records: list[bytes]) -> None:
        texts = [self._inbox.texts.popleft() for _ in range(len(self._inbox.texts))]
        seq = max(self._heads.committed + 1, time.time_ns() // (TICK_MS * 1_000_000))
        try:
            self._heads.commit(seq, records, texts)
        except sqlite3.Error:
            self._inbox.texts.extendleft(reversed(texts))
            raise
        self._texts.written(hashed for hashed, _, _ in texts)
        self.last_commit = time.time()
        self.commits += 1
        self.committed += len(records)

    def _maintain(self) -> None:
        try:
            self._upkeep.step(time.monotonic(), time.time())
        except Exception as error:  # noqa: BLE001 - commits must go on
            _log.error("store_upkeep_failed", error=repr(error))


class Upkeep:
    """Which step is due: settling, rolling one group, sealing one group's day, deleting one file."""

    def __init__(
        self, heads: HeadsWriter, roller: Roller, keep: Retention, live: Callable[[], set[int]]
    ) -> None:
        self._heads, self._roller, self._keep, self._live = heads, roller, keep, live
        now = time.monotonic()
        self._settled, self._retained, self._listed = now, now - RETAIN_EVERY_S + 60, -1
        self._groups: deque[int] = deque()
        self._next_roll, self._pace = now, ROLL_EVERY_S
        self._to_seal: deque[tuple[int, int]] = deque()
        self._next_seal = self._seal_pace = 0.0

    def step(self, now: float, wall: float) -> None:
        """Do what is due; `now` is monotonic, `wall` the time of day."""
        if self._heads.unsettled >= SETTLE_OVER or now - self._settled >= SETTLE_EVERY_S:
            self._settled = now
            self._heads.settle()
        elif now >= self._next_roll:
            self._roll_next(now)
        elif self._to_seal and now >= self._next_seal:
            self._next_seal = now + self._seal_pace
            self._roller.seal(*self._to_seal.popleft())
        elif now - self._retained >= RETAIN_EVERY_S:
            self._retained = now
            self._age(wall)

    def _roll_next(self, now: float) -> None:
        if not self._groups:
            self._groups.extend(self._heads.groups())
            self._pace = ROLL_EVERY_S / max(len(self._groups), ROLL_EVERY_S / LONGEST_PACE_S)
        self._next_roll = max(self._next_roll + self._pace, now - ROLL_EVERY_S)
        if self._groups:
            self._roller.roll(self._groups.popleft())

    def _age(self, wall: float) -> None:
        for name in self._roller.retain(day_at(wall), self._keep):
            _log.info("file_past_its_time_deleted", file=name)
        self._heads.prune_texts(day_at(wall) - TEXTS_KEPT_DAYS, self._live)
        self._to_seal = deque(self._roller.unsealed(day_at(wall - SEAL_AFTER_S)))
        self._seal_pace = SEAL_SPREAD_S / max(1, len(self._to_seal))


def _settle(future: Future[Any], result: Any) -> None:
    with contextlib.suppress(asyncio.InvalidStateError, Exception):
        future.set_result(result)
