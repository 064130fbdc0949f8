"""Feeds a sink: what is new at once, what it missed behind that at a bounded rate, events, and figures.

Two cursors go over the store's commits. The live one stays within a minute of the head: where it falls
behind (the server was away, or is slow) it jumps to the head, and what lies between becomes a gap. Gaps are
filled in order, the oldest first, whenever the live cursor has nothing to do. Nothing is held in memory but
one batch of each: the store is the queue. A batch counts when the server has taken it; positions are kept in
the state database when it has had time to write it down. So after a crash of either side some points are
sent again, never left out; and a point sent again has the same measurement, tags and time: it is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import structlog

from monitor.process.log import fault
from monitor.sinks.events import EVERY_S, Events, begun
from monitor.sinks.figures import Figures
from monitor.sinks.influx import Influx
from monitor.sinks.lines import ReadingLines
from monitor.sinks.position import Gap, Position, Track
from monitor.sinks.sending import Sender, bodies
from monitor.sinks.settings import InfluxSettings
from monitor.sinks.trouble import BROKEN, Trouble
from monitor.store import sinks
from monitor.store.api import Batch, Cursor
from monitor.store.database import Database

log = structlog.get_logger("influx")
T = TypeVar("T")
NAME = "influx"
BEHIND = 240
"""Commits (of 250 ms) by which the live cursor may be behind the head: a minute."""
AT_ONCE = 5000
"""Readings that are read at once."""
FILLED_AT_ONCE, FILLED_BYTES = 500, 200_000
"""Of a gap less is read and sent at once: it is in no hurry, and the loop is to have its turn."""
PIECE, REST_S = 200, 0.0005
"""Readings that are made into lines before the thread lets the loop run."""
EVENTS_EVERY_S = 5.0
SAVE_EVERY_S = 2.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
LOG_EVERY_S = 600.0


class Source(Protocol):
    """The store, as far as a sink needs it."""

    @property
    def state(self) -> Database:
        """The state database."""

    def read_since(self, cursor: Cursor, limit: int = 10_000, upto: int | None = None) -> Batch:
        """Return readings after a cursor."""

    def head(self) -> int:
        """Return the last commit."""


@dataclass(slots=True)
class Link:
    """How it goes with the server."""

    trouble: Trouble | None = None
    """Why the last request was not taken; None when it was."""
    failures: int = 0
    """Requests not taken, in a row."""
    until: float = 0.0
    """Until when nothing is tried (monotonic)."""
    since: float = 0.0
    """Since when nothing is taken (epoch seconds), 0 while it is."""
    logged: float = -LOG_EVERY_S


@dataclass(frozen=True, slots=True)
class _Ready:
    """A batch as it goes out."""

    bodies: tuple[bytes, ...]
    points: int
    cursor: Cursor
    turn: int


@dataclass(slots=True)
class Feeder:
    """Runs the two cursors, the events and the figures."""

    settings: InfluxSettings
    source: Source
    writer: Influx
    lines: ReadingLines
    events: Events
    figures: Figures = field(default_factory=Figures)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sender: Sender = field(init=False)
    link: Link = field(default_factory=Link)
    track: Track = field(init=False)
    head: int = 0
    """The last commit of the store, as it was last seen."""
    idle: bool = False
    """Whether the live cursor has nothing to write now."""
    _threads: ThreadPoolExecutor = field(init=False)
    _broken: bool = False
    _saved: str = ""
    _minute: float = -1.0

    def __post_init__(self) -> None:
        self.sender = Sender(self.writer, max_lines=self.settings.max_lines)
        self.track = Track(Position(), self.clock)
        self.writer.met = self._met
        self._threads = ThreadPoolExecutor(3, thread_name_prefix="influx")

    async def run(self) -> None:
        """Work until cancelled. What the server does is counted and outlived, faults of the store, too."""
        try:
            await self._begin()
            async with asyncio.TaskGroup() as group:
                for work in (self._live, self._backfill, self._happenings, self._own, self._keep):
                    group.create_task(self._again(work))
        finally:
            await self._end()

    async def _again(self, work: Callable[[], Awaitable[float]]) -> None:
        """Do one thing again and again; a fault of ours is logged, and ends nothing else."""
        while True:
            try:
                pause = await work()
            except Exception as error:  # noqa: BLE001 - logged: the sink ends nothing of the daemon
                log.error("the sink stumbled", **fault(error))
                pause = FIRST_WAIT_S
            await asyncio.sleep(pause)

    async def _begin(self) -> None:
        head = await self._in_thread(self.source.head)
        text = await self.source.state.read(lambda db: sinks.load(db, NAME))
        try:
            found = None if text is None else Position.parse(text)
        except ValueError as error:
            log.error("the position is not readable; all that is kept is written again", reason=str(error))
            found = None
        if found is None:
            anew = self.settings.backfill
            told = await self.source.state.read(lambda db: begun(db, self.wall(), anew=anew))
            gaps = (Gap(Cursor(), head),) if anew and head else ()
            found = Position(Cursor(head), gaps, told)
        if found.live.after > head:
            found = replace(found, live=Cursor(head))
        self.head = head
        self.track.move(found)
        self.track.all_settled()

    async def _end(self) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):
            await self._save()
        await self.writer.close()
        await asyncio.to_thread(self._threads.shutdown, wait=True)

    async def _live(self) -> float:
        """Write what is new; return how long to rest."""
        self.head = await self._in_thread(self.source.head)
        if self.head - self.track.now.live.after > BEHIND:
            self._jump()
        cursor = self.track.now.live
        ready = await self._in_thread(self._read, cursor, None, self.track.turn)
        if not ready.points and ready.cursor == cursor:
            self.idle = True
            return self.settings.every
        self.idle = False
        if not await self._deliver(ready, "live"):
            return self._wait()
        self._advance(ready, lambda now: replace(now, live=ready.cursor))
        self.idle = ready.points < AT_ONCE
        return self.settings.every if self.idle else 0.0

    def _jump(self) -> None:
        now = self.track.now
        jumped = now.jumped(self.head)
        self.track.move(jumped if self.settings.backfill else replace(jumped, gaps=()))

    async def _backfill(self) -> float:
        """Write the next piece of the first gap; return how long to rest."""
        gaps = self.track.now.gaps
        if not gaps or not self.idle or self._wait() > 0:
            return min(self.settings.every, FIRST_WAIT_S)
        started, gap = self.clock(), gaps[0]
        ready = await self._in_thread(self._read, gap.cursor, gap.upto, self.track.turn)
        if gap.cursor == ready.cursor and not ready.points:
            ready = replace(ready, cursor=Cursor(gap.upto))
        if not await self._deliver(ready, "backfill"):
            return self._wait()
        self._advance(ready, lambda now: now.filled(ready.cursor))
        return max(0.0, ready.points / self.settings.backfill_rate - (self.clock() - started))

    async def _happenings(self) -> float:
        """Write events, and now and then the names of things; return how long to rest."""
        if self._wait() > 0:
            return FIRST_WAIT_S
        now, turn = self.wall(), self.track.turn
        told = self.track.now.told
        state = self.source.state
        found = await self._in_thread(state.read_now, lambda db: self.events.after(db, told, now))
        ready = self._packed(found.lines, Cursor(), turn)
        if not await self._deliver(ready, "events"):
            return self._wait()
        self._advance(ready, lambda position: replace(position, told=found.told))
        if found.more:
            return 0.0
        await self._names(now)
        return EVENTS_EVERY_S

    async def _names(self, now: float) -> None:
        """Write what holds now, not what has happened: nothing of it is made up for later."""
        lines = await self._in_thread(self.source.state.read_now, self.events.judgements)
        minute = now // EVERY_S
        if minute != self._minute:
            lines += await self._in_thread(self.events.names, now)
            self._minute = minute
        await self._deliver(self._packed(lines, Cursor(), self.track.turn), "events")

    async def _own(self) -> float:
        """Write Muster's own figures as they are now; return how long to rest."""
        if self._wait() > 0:
            return FIRST_WAIT_S
        started, at, lines = self.clock(), round(self.wall() * 1000), list[str]()
        async for part in self.figures.parts():
            lines += await self._in_thread(self.figures.lines, part, at)
            if len(lines) >= AT_ONCE:
                if not await self._tell(lines):
                    return self._wait()
                lines = []
        if not await self._tell(lines):
            return self._wait()
        return max(0.0, self.settings.figures_every - (self.clock() - started))

    async def _tell(self, lines: Sequence[str]) -> bool:
        return await self._deliver(self._packed(lines, Cursor(), self.track.turn), "figures")

    async def _keep(self) -> float:
        self.track.move(self.track.now)
        await self._save()
        return SAVE_EVERY_S

    async def _save(self) -> None:
        text = self.track.certain().dump()
        if text != self._saved:
            await self.source.state.write(lambda db: sinks.save(db, NAME, text))
            self._saved = text

    def _read(self, cursor: Cursor, upto: int | None, turn: int) -> _Ready:
        """Read a batch and make bodies of it, in a thread; the loop's turn comes every few milliseconds."""
        batch = self.source.read_since(cursor, AT_ONCE if upto is None else FILLED_AT_ONCE, upto)
        lines: list[str] = []
        for start in range(0, len(batch.readings), PIECE):
            lines += self.lines.of(batch.readings[start : start + PIECE])
            time.sleep(REST_S)
        return self._packed(
            lines, batch.cursor, turn, self.settings.max_bytes if upto is None else FILLED_BYTES
        )

    def _packed(self, lines: Sequence[str], cursor: Cursor, turn: int, most: int = FILLED_BYTES) -> _Ready:
        found = tuple(bodies(lines, self.settings.max_lines, min(most, self.settings.max_bytes)))
        return _Ready(found, sum(body.count(b"\n") + 1 for body in found), cursor, turn)

    async def _deliver(self, ready: _Ready, what: str) -> bool:
        """Hand a batch over; return whether all of it was taken (or dropped for good)."""
        for body in ready.bodies:
            if (rest := self.link.until - self.clock()) > 0:
                await asyncio.sleep(rest)
            try:
                await self.sender.send(body, what)
            except Trouble as trouble:
                self._failed(trouble)
                return False
            self._taken()
        return True

    def _advance(self, ready: _Ready, move: Callable[[Position], Position]) -> None:
        """Move on, unless what was written meanwhile has to be written again."""
        if ready.turn == self.track.turn:
            self.track.move(move(self.track.now))

    def _failed(self, trouble: Trouble) -> None:
        link = self.link
        link.failures += 1
        self._broken = self._broken or trouble.cause in BROKEN
        spread = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        wait = min(FIRST_WAIT_S * 2 ** min(link.failures - 1, 10), LONGEST_WAIT_S) * spread
        link.until = self.clock() + max(wait, trouble.wait_s or 0.0)
        link.since = link.since or self.wall()
        new = link.trouble is None or link.trouble.cause != trouble.cause
        if new or self.clock() - link.logged >= LOG_EVERY_S:
            log.warning(
                "nothing is taken; it is kept and written later", reason=trouble.text, cause=trouble.cause
            )
            link.logged = self.clock()
        link.trouble = trouble

    def _taken(self) -> None:
        link = self.link
        if link.trouble is not None:
            log.info("it is taken again", after_s=round(self.wall() - link.since))
            self.link = Link(logged=link.logged)
        if self._broken:
            self._broken = False
            self.track.go_back()
        self.track.answered()

    def _met(self) -> None:
        """A connection was made that nobody had announced: the server may have been restarted."""
        self._broken = True

    def _wait(self) -> float:
        return max(0.0, self.link.until - self.clock())

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
