"""Whether a failure may be our own: it counts only once a witness has answered since (pure decisions).

A witness is an address outside of what is watched. A *round* asks all of them at one moment:

    one of them answers                             connected: what failed before the round began did fail
    none does, at least two were asked, and one     isolated: the monitor is cut off, until a witness answers
    of these is silent at a known address             a later round
    else (we may not send, all names unresolved)    unsure: nothing is held back for it

What becomes of a reading:

    ok; or of the monitor's own machine             passes
    failed (unreachable, timeout, dns), connected   waits for a round that begins after the reading's end
    a failure while isolated, or of a run that      not_run(isolated), without its metrics
    began before the isolation ended
    anything of a check that has a reading waiting  waits behind it, so that order holds

While isolated every failure is held to be ours, a refusal too: a router that lost its uplink may well refuse
in the name of what lies behind. What serves meanwhile passes (its time and values are true) but proves
nothing: a neighbour on the same floor answers an isolated monitor, too. Times are monotonic seconds.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from monitor.incidents.incident import ISOLATED
from monitor.job import Job
from probes.api import Outcome, Reading, clip

MOST_WAITING = 20_000
"""Readings that wait at most; some 20 MB."""
LEAST_WITNESSES = 2
SUSPECT_KINDS = frozenset({"unreachable", "timeout", "dns"})
"""Failures that a lost uplink of our own would look like."""
_OK, _FAILED, _ERROR, _NOT_RUN = Outcome.OK, Outcome.FAILED, Outcome.ERROR, Outcome.NOT_RUN
Out = tuple[Job, Reading]


class Answer(StrEnum):
    """What came of asking one witness."""

    ANSWERED = "answered"
    SILENT = "silent"
    UNRESOLVED = "unresolved"
    """Its name gave no address, and no earlier one is known: the name servers may lie behind the uplink."""
    UNASKED = "unasked"
    """An error of our own."""


class View(StrEnum):
    """What a round says."""

    CONNECTED = "connected"
    ISOLATED = "isolated"
    UNSURE = "unsure"


def view(answers: Iterable[Answer]) -> View:
    """Return what the answers of one round say together."""
    found = Counter(answers)
    if found[Answer.ANSWERED]:
        return View.CONNECTED
    asked = found[Answer.SILENT] + found[Answer.UNRESOLVED]
    return View.ISOLATED if found[Answer.SILENT] and asked >= LEAST_WITNESSES else View.UNSURE


def answer_of(reading: Reading) -> Answer:
    """Return what a reading of a witness says: any answer, a refusal too, came over the uplink."""
    if reading.outcome is _OK:
        return Answer.ANSWERED
    if reading.phase == "resolve":
        return Answer.UNRESOLVED
    if reading.outcome is _FAILED:
        return Answer.SILENT if reading.kind in SUSPECT_KINDS else Answer.ANSWERED
    return Answer.UNASKED


@lru_cache(maxsize=65_536)
def local(address: str) -> bool:
    """Tell whether an address is the monitor's own machine, by how it is written."""
    if address in ("", "local", "localhost"):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@dataclass(slots=True)
class Counters:
    """What became of readings that did not simply pass, for /metrics."""

    confirmed: int = 0
    """Failures that waited until a witness had answered."""
    isolated: int = 0
    """Failures that became not_run(isolated)."""
    unsure: int = 0
    """Failures that passed since the witnesses could not be asked."""
    overflowed: int = 0
    """Failures that became not_run(overload) since too many waited."""
    served: int = 0
    """Readings of others that were ok while isolated; many mean that the witnesses are badly chosen."""


@dataclass(slots=True)
class Held:
    """A reading that waits, and between when its run lay."""

    job: Job
    reading: Reading
    began: float
    ended: float


@dataclass(slots=True)
class Gate:
    """Decides of each reading in turn. What it lets through comes out once, in the order of its check."""

    most: int = MOST_WAITING
    counters: Counters = field(default_factory=Counters)
    isolated_at: float | None = None
    """Since when the monitor is isolated: the beginning of the round in which no witness answered."""
    isolated_s: float = 0.0
    """How long it was, in all spans that have ended."""
    alert: bool = False
    """Whether readings that are ok need to be shown to `take` as well."""
    _queue: deque[Held] = field(default_factory=deque)
    _checks: Counter[str] = field(default_factory=Counter)
    _answered_at: float = float("-inf")
    """Beginning of the latest round that a witness answered; so for the others."""
    _unsure_at: float = float("-inf")
    _failed_at: float = float("-inf")
    _connected_at: float = float("-inf")
    """End of the last isolation."""

    @property
    def waiting(self) -> int:
        """How many readings wait."""
        return len(self._queue)

    @property
    def undecided(self) -> bool:
        """Whether the witnesses have to be asked for what waits."""
        return bool(self._queue) and self.isolated_at is None

    def take(self, job: Job, reading: Reading, now: float) -> list[Out]:
        """Take a reading that came at `now`; return what comes out, which may be nothing yet."""
        held = Held(job, reading, now - reading.duration_ms / 1000, now)
        if job.id not in self._checks:
            passing = self._verdict(held)
            if passing is not None:
                return [(job, passing)]
        self._queue.append(held)
        self._checks[job.id] += 1
        self._look()
        return self._overflow()

    def answered(self, asked_at: float) -> None:
        """Note that a witness answered in the round that began at `asked_at`."""
        self._answered_at = max(self._answered_at, asked_at)
        if self.isolated_at is not None and asked_at > self._failed_at:
            self.isolated_s += asked_at - self.isolated_at
            self.isolated_at, self._connected_at = None, asked_at
        self._look()

    def failed(self, asked_at: float) -> None:
        """Note that no witness answered in the round; a later one that was answered already counts more."""
        if asked_at < self._answered_at:
            return
        self._failed_at = max(self._failed_at, asked_at)
        if self.isolated_at is None:
            self.isolated_at = asked_at
        self._look()

    def unsure(self, asked_at: float) -> None:
        """Note that the round told nothing, for reasons of our own."""
        self._unsure_at = max(self._unsure_at, asked_at)

    def release(self, limit: int) -> list[Out]:
        """Return up to `limit` readings that need not wait any more, oldest first."""
        out: list[Out] = []
        while self._queue and len(out) < limit:
            passing = self._verdict(self._queue[0])
            if passing is None:
                break
            out.append((self._pop().job, passing))
        self._look()
        return out

    def close(self) -> list[Out]:
        """Return all that waits: what is not decided when the daemon stops is not counted."""
        out: list[Out] = []
        while self._queue:
            passing = self._verdict(self._queue[0])
            held = self._pop()
            out.append((held.job, passing or _instead(held.reading, "shutdown", "the monitor stopped")))
        self._look()
        return out

    def _verdict(self, held: Held) -> Reading | None:
        """Return the reading as it passes, or None where it has to wait."""
        reading = held.reading
        if local(held.job.target.address):
            return reading
        if reading.outcome is _OK:
            self.counters.served += self.isolated_at is not None
            return reading
        if self.isolated_at is not None or held.began < self._connected_at:
            return self._cut_off(reading)
        if reading.outcome is not _FAILED or reading.kind not in SUSPECT_KINDS:
            return reading
        if held.ended < self._answered_at:
            self.counters.confirmed += 1
        elif held.ended < self._unsure_at:
            self.counters.unsure += 1
        else:
            return None
        return reading

    def _cut_off(self, reading: Reading) -> Reading:
        if not _blames(reading):
            return reading
        self.counters.isolated += 1
        return _instead(reading, ISOLATED, "the monitor was cut off: no witness answered")

    def _overflow(self) -> list[Out]:
        out: list[Out] = []
        while len(self._queue) > self.most:
            passing = self._verdict(self._queue[0])
            held = self._pop()
            if passing is None:
                self.counters.overflowed += 1
                why = f"more than {self.most} readings waited for a witness"
                passing = _instead(held.reading, "overload", why)
            out.append((held.job, passing))
        self._look()
        return out

    def _pop(self) -> Held:
        held = self._queue.popleft()
        self._checks[held.job.id] -= 1
        if not self._checks[held.job.id]:
            del self._checks[held.job.id]
        return held

    def _look(self) -> None:
        self.alert = bool(self._queue) or self.isolated_at is not None


def _blames(reading: Reading) -> bool:
    """Tell whether a reading speaks of the target, or of us, what isolation explains."""
    if reading.outcome is _ERROR:
        return reading.kind == "inconclusive"
    return reading.outcome is _FAILED or (reading.outcome is _NOT_RUN and reading.kind == "circuit_open")


def _instead(reading: Reading, reason: str, why: str) -> Reading:
    """Return a reading of the same run that says nothing of the target."""
    return Reading(
        _NOT_RUN, reason, clip(f"{why} ({reading.kind}: {reading.detail})"),
        phase=reading.phase, check=reading.check, at=reading.at, lag_ms=reading.lag_ms,
        duration_ms=reading.duration_ms, vantage=reading.vantage,
    )  # fmt: skip
