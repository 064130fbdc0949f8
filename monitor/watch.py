"""Holds what is believed of every check, tells of each change, and gets it recorded.

`on_reading` only moves the state in memory and tells the listener, which gathers troubles to incidents
(`incidents.duty`); a worker (`run`) commits changed states in batches. A failed commit is tried again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from monitor.incidents.incident import REMOVED, Change
from monitor.job import Job
from monitor.readiness.expectation import Condition, Truth
from monitor.state import (
    DEGRADATION,
    CheckState,
    Phase,
    Policy,
    State,
    Transition,
    advance,
    fall_silent,
    shade,
    silent,
    to_row,
)
from probes.api import Outcome, Reading, clip

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_S = 0.25
"""How long changes are gathered before they are committed."""
CHUNK = 500
"""Checks a commit takes, so that none holds the writer for long."""
ROUND = 10
"""Sweeps that it takes to look at every check once."""
_SLICE = 500
_READINGS, _READ_CHECKS = 8, 10_000
"""The last readings of a check that is not simply OK are kept, as evidence; of so many checks at most."""
_STOPPED = 15.0
"""Seconds between two sweeps after which the monitor itself had stopped, or the clock was set."""
_PAUSE = 5.0


class Ledger(Protocol):
    """Where it is recorded; `monitor.store.incidents.IncidentStore`."""

    async def load(self) -> list[CheckState]:
        """Return the states as last saved."""

    async def commit(self, changes: Sequence[Change]) -> None:
        """Save states, all of them or none."""


@dataclass(slots=True)
class Counters:
    """What happened since the start, for `/metrics`."""

    transitions: int = 0
    """Changes of state, not of phase alone."""
    strays: int = 0
    """Readings of checks that are not watched (any more)."""
    commit_errors: int = 0


@dataclass(slots=True)
class _Entry:
    job: Job
    state: CheckState
    conditions: tuple[tuple[str, Condition], ...]
    watched_from: float


@dataclass(slots=True)
class Watch:
    """What the pipeline gives readings to. Used from one loop.

    `heard(state, transition, now)` is told of every change of a state or a phase; `notice(job, reading)` says
    what a detector has noticed of a series; `drift` gives kind and text of what is no longer as released.
    """

    ledger: Ledger
    policy: Policy = field(default_factory=Policy)
    heard: Callable[[CheckState, Transition, float], None] = lambda _state, _transition, _now: None
    notice: Callable[[Job, Reading], str] = lambda _job, _reading: ""
    drift: Callable[[Job, Reading], tuple[str, str]] = lambda _job, _reading: ("", "")
    slack: float = 0.0
    """How long a reading may wait elsewhere before it comes here, in seconds: that is no silence."""
    clock: Callable[[], float] = time.time
    counters: Counters = field(default_factory=Counters)
    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    """How many checks are in each state."""
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _ring: list[_Entry] = field(default_factory=list)
    _recent: dict[str, deque[Reading]] = field(default_factory=dict)
    _cursor: int = 0
    _loaded: dict[str, CheckState] = field(default_factory=dict)
    _floor: float = 0.0
    _swept_at: float = 0.0
    _dirty: dict[str, None] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> None:
        """Read what was believed before; the first `adopt` says which checks still are."""
        self._loaded = {state.check: state for state in await self.ledger.load()}
        self._floor = self._swept_at = self.clock()

    async def adopt(self, jobs: Iterable[Job]) -> None:
        """Watch exactly these checks: known ids keep their states, what is gone is closed and forgotten."""
        now, entries = self.clock(), {}
        async for job in _yielding(jobs):
            entries[job.id] = self._entry(job, now)
        before: dict[str, CheckState] = self._loaded
        async for entry in _yielding(self._ring):
            before[entry.job.id] = entry.state
        self._loaded = {}
        self._entries, self._ring, self._cursor = entries, list(entries.values()), 0
        self._count()
        async for check in _yielding(before):
            if check not in entries:
                self._gone(before[check], now)

    def _entry(self, job: Job, now: float) -> _Entry:
        old = self._entries.get(job.id)
        if old is not None and old.job is job:
            return old
        state = old.state if old else self._loaded.get(job.id) or CheckState(job.id)
        conditions = tuple((name, each) for name, each in job.expect.items() if each.instant)
        return _Entry(job, state, conditions, now)

    def _count(self) -> None:
        self.counts = dict.fromkeys(State, 0)
        for entry in self._ring:
            self.counts[entry.state.state] += 1

    def _gone(self, state: CheckState, now: float) -> None:
        """Tell the last of a check that is no longer in the inventory."""
        end = Transition(
            state.check, state.state, State.UNKNOWN, Phase.STEADY, now,
            now, now, None, REMOVED, "no longer in the inventory",
        )  # fmt: skip
        self._recent.pop(state.check, None)
        self._changed(state.check)
        self.heard(state, end, now)

    def state(self, check: str) -> CheckState | None:
        """Return what is believed of a check (not to be changed), or None where it is not watched."""
        entry = self._entries.get(check)
        return entry.state if entry else None

    def beliefs(self) -> Iterator[CheckState]:
        """Yield what is believed of every check."""
        for entry in self._ring:
            yield entry.state

    def on_reading(self, job: Job, reading: Reading) -> None:
        """Take a reading into account. A fraction of a microsecond where nothing changes; never waits."""
        entry = self._entries.get(job.id)
        if entry is None:
            self.counters.strays += 1
            return
        judged = Truth.PASS
        if entry.conditions and reading.outcome is Outcome.OK:
            judged = _judge(entry.conditions, reading)
        kind, noticed = DEGRADATION, self.notice(job, reading)
        if not noticed and job.released:
            kind, noticed = self.drift(job, reading)
        state = entry.state
        if not state.calm or reading.outcome is not Outcome.OK or judged is not Truth.PASS or noticed:
            self._keep(job.id, reading)
        elif self._recent:
            self._recent.pop(job.id, None)
        transition = advance(state, reading, judged, self.policy, self.clock(), noticed, kind)
        if transition is None:
            if not state.calm and state.phase is not Phase.STEADY:
                self._changed(job.id)
            return
        if transition.kind == "expectation" and judged is Truth.FAIL:
            transition.detail = _explain(entry.conditions, reading)
            if transition.hard:
                state.detail = transition.detail
        self._moved(state, transition)

    def _keep(self, check: str, reading: Reading) -> None:
        kept = self._recent.get(check)
        if kept is None:
            if len(self._recent) >= _READ_CHECKS:
                return
            kept = self._recent[check] = deque(maxlen=_READINGS)
        kept.append(reading)

    def recent(self, check: str) -> list[Reading]:
        """Return the last readings of a check that is not simply OK, oldest first."""
        return list(self._recent.get(check, ()))

    def _moved(self, state: CheckState, transition: Transition) -> None:
        """Note a transition, and tell of it."""
        self._changed(state.check)
        if transition.hard:
            self.counters.transitions += 1
            self.counts[transition.before] -= 1
            self.counts[transition.after] += 1
        self.heard(state, transition, self.clock())

    def shade(self, check: str, why: str) -> None:
        """Call a check that is DOWN SHADOWED, since the cause is `why`; an empty text ends that."""
        entry = self._entries.get(check)
        transition = shade(entry.state, why, self.clock()) if entry else None
        if entry is not None and transition is not None:
            self._moved(entry.state, transition)

    def _changed(self, check: str) -> None:
        if check not in self._dirty:
            self._dirty[check] = None
            self._wake.set()

    async def sweep(self, now: float) -> None:
        """Look at a tenth of the checks for silence; once a second. Never holds the loop for long."""
        if not -1.0 <= now - self._swept_at <= _STOPPED:
            self._floor = now
        self._swept_at = now
        for _ in range(0, -(-len(self._ring) // ROUND), _SLICE):
            ring, start = self._ring, self._cursor
            piece = ring[start : start + min(_SLICE, -(-len(ring) // ROUND))]
            self._cursor = (start + len(piece)) % max(1, len(ring))
            for entry in piece:
                self._listen(entry, now)
            await asyncio.sleep(0)

    def _listen(self, entry: _Entry, now: float) -> None:
        job, floor = entry.job, max(entry.watched_from, self._floor)
        if silent(entry.state, job.every, job.timeout + self.slack, now, floor):
            transition = fall_silent(entry.state, now)
            if transition is not None:
                self._moved(entry.state, transition)

    async def run(self) -> None:
        """Commit what changes until cancelled. Faults of the store are logged, counted and outlived."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(BATCH_S)
            try:
                await self.flush()
            except Exception:
                log.exception("states can't be recorded; trying again in %.0f s", _PAUSE)
                await asyncio.sleep(_PAUSE)

    async def flush(self) -> None:
        """Return when everything noted until now is committed. Raises what the store raises."""
        async with self._writing:
            self._wake.clear()
            for _ in range(-(-len(self._dirty) // CHUNK)):
                await self._commit(self._take())

    async def close(self) -> None:
        """Commit what is left; to be called when no more readings come and `run` has ended."""
        await self.flush()

    def _take(self) -> list[str]:
        checks = [check for check, _ in zip(self._dirty, range(CHUNK), strict=False)]
        for check in checks:
            del self._dirty[check]
        return checks

    async def _commit(self, taken: list[str]) -> None:
        try:
            await self.ledger.commit([self._change(check) for check in taken])
        except BaseException:
            self.counters.commit_errors += 1
            self._dirty = dict.fromkeys(taken) | self._dirty
            self._wake.set()
            raise

    def _change(self, check: str) -> Change:
        entry = self._entries.get(check)
        return Change(check, to_row(entry.state) if entry else None)


async def _yielding(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items, letting others have the loop every few hundred."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _SLICE == 0:
            await asyncio.sleep(0)


def _judge(conditions: Sequence[tuple[str, Condition]], reading: Reading) -> Truth:
    """Return whether all conditions hold (Kleene): one FAIL decides, then one UNKNOWN."""
    whole = Truth.PASS
    for name, condition in conditions:
        truth = condition.judge(_value(reading, name))
        if truth is Truth.FAIL:
            return truth
        if truth is Truth.UNKNOWN:
            whole = truth
    return whole


def _value(reading: Reading, name: str) -> float | str | None:
    value = reading.metrics.get(name)
    return reading.facts.get(name) if value is None else value


def _explain(conditions: Sequence[tuple[str, Condition]], reading: Reading) -> str:
    """Return what was expected and what came, for each condition that does not hold."""
    wrong = [
        f"{name} = {_shown(_value(reading, name))}, expected {condition}"
        for name, condition in conditions
        if condition.judge(_value(reading, name)) is Truth.FAIL
    ]
    return clip("; ".join(wrong), 500)


def _shown(value: float | str | None) -> str:
    return f"{value:.6g}" if isinstance(value, float) else clip(str(value), 80)
