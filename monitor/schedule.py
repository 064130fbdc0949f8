"""When each check is due. The only importer of APScheduler.

APScheduler owns a one-second tick and everything calendar-like. The tick drains a heap of due checks into
slots of 10 ms; each slot's batch goes to the runner by one `call_at`. A check's phase is a hash of its id on
the wall clock, so that neither a reload nor a restart bunches checks up. Checks that are better run together
(`ProbeSpec.together`) have the hash of their asset, so that they meet whenever their intervals do.
"""

from __future__ import annotations

import asyncio
import heapq
import time
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from monitor.job import Job
from monitor.process.turns import TURN_S, Turn

SLOT_S = 0.010
STEP = 4
"""Slots that are filled between two looks at the clock."""
FIRST = 25
"""Slots that are filled before the first tick."""
HORIZON_S = 2.5
"""How far ahead of now a tick fills slots: the tick may come a second and a half late and none is missed."""


SOON_S = 60.0
"""A check that was never measured, or too long ago, first runs within this time."""


class Planned:
    """A job with its phase: the remainder of its due slots (counted from the epoch) by its interval."""

    __slots__ = ("active", "job", "phase", "slots")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.slots = max(1, round(job.every / SLOT_S))
        shared = f"{job.unit}/{job.asset}" if job.spec.together else job.id
        self.phase = zlib.crc32(shared.encode()) % self.slots
        self.active = True

    def after(self, slot: int) -> int:
        """Return the first slot after `slot` that has the check's phase."""
        return slot + 1 + (self.phase - slot - 1) % self.slots

    def soon(self, slot: int) -> int:
        """Return a slot for a first run: its regular one where that is soon, else one within `SOON_S`."""
        within = int(SOON_S / SLOT_S)
        return (
            self.after(slot)
            if self.slots <= within
            else min(self.after(slot), slot + 1 + (self.phase - slot - 1) % within)
        )


@dataclass(slots=True)
class Batch:
    """The checks due in one slot; `due` is on the loop's clock."""

    due: float
    planned: list[Planned]


class Timetable:
    """The heap of what is due: pure of waiting, the slot number passed in."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Planned]] = []
        self._planned: dict[str, Planned] = {}
        self._count = 0
        self.missed = 0
        """Runs left out because a whole period had passed when the tick came."""

    def __len__(self) -> int:
        return len(self._planned)

    def put(self, job: Job, now: int, *, soon: bool = False) -> None:
        """Add a job, or replace it; with an unchanged interval it keeps its place."""
        known = self._planned.get(job.id)
        if known is not None and known.job.every == job.every:
            known.job = job
            return
        self.remove(job.id)
        planned = self._planned[job.id] = Planned(job)
        self._push(planned.soon(now) if soon else planned.after(now), planned)

    def remove(self, check: str) -> None:
        """Forget a check; what lies in slots already is skipped when its slot comes."""
        planned = self._planned.pop(check, None)
        if planned is not None:
            planned.active = False

    def due(self, now: int, until: int) -> list[tuple[int, list[Planned]]]:
        """Take what is due before slot `until` off the heap, by slot, each put back for its next time."""
        slots: dict[int, list[Planned]] = {}
        while self._heap and self._heap[0][0] < until:
            slot, _, planned = heapq.heappop(self._heap)
            if planned.active:
                slots.setdefault(slot, []).append(planned)
                regular, possible = planned.after(slot), planned.after(now)
                self.missed += max(0, possible - regular) // planned.slots
                self._push(max(regular, possible), planned)
        return sorted(slots.items())

    def first(self, end: int) -> int:
        """Return the first slot in which something is due, at most `end`."""
        return min(self._heap[0][0], end) if self._heap else end

    def begin(self, now: int) -> None:
        """Move what came due while nothing was released yet: nobody was late for it."""
        while self._heap and self._heap[0][0] <= now:
            planned = heapq.heappop(self._heap)[2]
            self._push(planned.soon(now), planned)

    def _push(self, slot: int, planned: Planned) -> None:
        self._count += 1
        heapq.heappush(self._heap, (slot, self._count, planned))


class Schedule:
    """Drives a timetable on the running loop, and runs calendar jobs."""

    def __init__(self, start: Callable[[Batch], None]) -> None:
        self._start = start
        self.timetable = Timetable()
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 2}
        )
        self._epoch = time.time() - asyncio.get_running_loop().time()
        self._ticking = False
        self._late: deque[Batch] = deque()
        self._starting = False

    def begin(self) -> None:
        """Start ticking; until then nothing is released."""
        self._ticking = True
        self.timetable.begin(self._now())
        self._fill(self._now() + FIRST)
        at_once = datetime.now(UTC)
        self._scheduler.add_job(self._tick, IntervalTrigger(seconds=1), id="tick", next_run_time=at_once)
        self._scheduler.start()

    def stop(self) -> None:
        """Release no more checks and calendar jobs."""
        self._ticking = False
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    @property
    def missed(self) -> int:
        """Runs left out because the tick came a whole period late."""
        return self.timetable.missed

    def every(self, seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` every so many seconds."""
        self._scheduler.add_job(work, IntervalTrigger(seconds=seconds), id=name, max_instances=1)

    def daily(self, hour: int, minute: int, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` every day at that time, UTC."""
        self._scheduler.add_job(work, CronTrigger(hour=hour, minute=minute), id=name, max_instances=1)

    def calendar(self, name: str, work: Callable[[], Awaitable[object]], **when: str | int) -> None:
        """Run `work` by the calendar; `when` are the fields of a `CronTrigger`, `timezone` among them."""
        self._scheduler.add_job(work, CronTrigger(**when), id=name, max_instances=1)

    def put(self, jobs: Iterable[Job], soon: Callable[[Job], bool] = lambda _: True) -> None:
        """Add or replace jobs; those for which `soon` holds first run within a minute."""
        now = self._now()
        for job in jobs:
            self.timetable.put(job, now, soon=soon(job))
        self._fill()

    def remove(self, checks: Sequence[str]) -> None:
        """Forget checks."""
        for check in checks:
            self.timetable.remove(check)

    def _now(self) -> int:
        return int((asyncio.get_running_loop().time() + self._epoch) / SLOT_S)

    async def _tick(self) -> None:
        end, turn = self._now() + int(HORIZON_S / SLOT_S), Turn()
        for until in range(self.timetable.first(end) + STEP, end + STEP, STEP):
            self._fill(until)
            await turn.end()

    def _fill(self, until: int | None = None) -> None:
        """Put what is due soon, or before slot `until`, into its slots."""
        if not self._ticking:
            return
        loop, now = asyncio.get_running_loop(), self._now()
        for slot, planned in self.timetable.due(now, until or now + int(HORIZON_S / SLOT_S)):
            batch = Batch(slot * SLOT_S - self._epoch, planned)
            loop.call_at(batch.due, self._release, batch)

    def _release(self, batch: Batch) -> None:
        """Have a batch started. After a stall many come at once: the loop gets its turn between them."""
        self._late.append(batch)
        if not self._starting:
            self._starting = True
            asyncio.get_running_loop().call_soon(self._start_late)

    def _start_late(self) -> None:
        """Start what is due for one turn: the newest, the oldest, and so on.

        Where more comes than can be run, the oldest are too late, and refusing them takes time as well: only
        oldest first, all of it would go into refusals.
        """
        end, newest = time.perf_counter() + TURN_S, True
        try:
            while self._late and self._ticking and time.perf_counter() < end:
                self._start(self._late.pop() if newest else self._late.popleft())
                newest = not newest
        finally:
            self._starting = bool(self._late) and self._ticking
            if self._starting:
                asyncio.get_running_loop().call_soon(self._start_late)
