"""How the lines are that tests load, as other checks see it: round trip times and loss of the last hour.

A bounded account of each icmp or echo check on a channel that lies on such a line; a reading costs one look
into a table, and only those of such checks more. What was measured while a test loaded the check's own way
tells of the test, so it is left out of the account, and may end the test.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from monitor.discipline.grant import Grant
from monitor.job import Job
from monitor.process.turns import Turn
from probes.api import Outcome, Reading
from probes.errors import Inconclusive

LISTENERS = ("icmp", "echo")
HOUR_S = 3600.0
KEPT = 60
"""Readings of a check that are kept."""
LEAST_USUAL = 5
"""Readings without which nothing is called usual."""
RECENT_S = 180.0
"""A reading speaks of now for this time, or three intervals."""
FACTOR, ADDED_MS = 2.0, 50.0
USE_METRICS = ("use_up_pct", "use_down_pct")


def risen(rtt_ms: float, usual_ms: float) -> bool:
    """Tell whether a round trip time is well above the usual one."""
    return rtt_ms > max(FACTOR * usual_ms, usual_ms + ADDED_MS)


class Pulse:
    """The last readings of one check: a ring of (when, rtt_ms, sent, lost); `when` is monotonic seconds."""

    __slots__ = ("_next", "_ring", "job", "lines", "near", "silent")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.lines = frozenset(line.id for line in job.route.lines) if job.route else frozenset()
        self.near = job.route.lines[0].id if job.route else ""
        """The line of the channel itself."""
        self.silent = True
        """Whether the last measurement was that nobody answers (or there was none)."""
        self._ring = array("d")
        self._next = 0

    def add(self, when: float, rtt_ms: float, sent: float, lost: float) -> None:
        """Keep a reading; `rtt_ms` NaN where nothing came back."""
        entry = array("d", (when, rtt_ms, sent, lost))
        at = 4 * self._next
        self._ring[at : at + 4] = entry
        self._next = (self._next + 1) % KEPT

    def _recent(self, now: float) -> list[tuple[float, float, float, float]]:
        """Return the entries of the last hour, oldest first."""
        at = 4 * self._next
        flat = iter(self._ring[at:] + self._ring[:at])
        return [each for each in zip(flat, flat, flat, flat, strict=True) if each[0] > now - HOUR_S]

    def rtts(self, now: float) -> list[float]:
        """Return the round trip times of the last hour, oldest first."""
        return [rtt for _, rtt, _, _ in self._recent(now) if not math.isnan(rtt)]

    def usual(self, now: float) -> float | None:
        """Return the median round trip time of the last hour, None where too few were measured."""
        rtts = self.rtts(now)
        return median(rtts) if len(rtts) >= LEAST_USUAL else None

    def packets(self, now: float) -> tuple[float, float]:
        """Return how many packets were sent and lost in the last hour."""
        recent = self._recent(now)
        return sum(each[2] for each in recent), sum(each[3] for each in recent)

    def latest(self, now: float) -> float | None:
        """Return the last round trip time, None where there is none that speaks of now."""
        recent, within = self._recent(now), max(RECENT_S, 3 * self.job.every)
        if not recent or recent[-1][0] < now - within or math.isnan(recent[-1][1]):
            return None
        return recent[-1][1]


def loss(pulses: Iterable[Pulse], now: float) -> float | None:
    """Return the share of packets lost in the last hour, each packet counting alike; None without any."""
    counts = [pulse.packets(now) for pulse in pulses]
    sent = sum(each[0] for each in counts)
    return sum(each[1] for each in counts) / sent if sent else None


@dataclass(slots=True)
class Vitals:
    """All pulses, and the tests under way. Used from one loop."""

    clock: Callable[[], float] = time.monotonic
    _pulses: dict[str, Pulse] = field(default_factory=dict)
    _near: dict[str, list[Pulse]] = field(default_factory=dict)
    """By line: the pulses of channels that are on it themselves."""
    _meters: dict[str, list[Job]] = field(default_factory=dict)
    """By line: the checks that may say how much of it is in use."""
    _tests: dict[str, Grant] = field(default_factory=dict)
    """By line."""
    _ended: dict[str, float] = field(default_factory=dict)
    """By line: when the last test on it ended."""
    _filled: dict[str, float] = field(default_factory=dict)
    """By line: when the last test ended that filled its queue on purpose."""

    async def adopt(self, jobs: Iterable[Job]) -> None:
        """Listen to the checks on the lines that some of these jobs load; accounts of known ones go on."""
        channels, loaded, turn = [], set[str](), Turn()
        for job in jobs:
            if job.spec.loads_link and job.route:
                loaded.update(line.id for line in job.route.lines)
            elif job.route:
                channels.append(job)
            await turn.end()
        old, self._pulses, self._near, self._meters = self._pulses, {}, {}, {}
        self._ended = {line: at for line, at in self._ended.items() if line in loaded}
        self._filled = {line: at for line, at in self._filled.items() if line in loaded}
        for job in channels:
            self._listen(job, loaded, old)
            await turn.end()

    def _listen(self, job: Job, loaded: set[str], old: dict[str, Pulse]) -> None:
        assert job.route is not None
        near = job.route.lines[0].id
        if job.spec.name in LISTENERS and any(line.id in loaded for line in job.route.lines):
            pulse, known = Pulse(job), old.get(job.id)
            if known is not None and known.job.target == job.target:
                known.job, known.lines, known.near = job, pulse.lines, pulse.near
                pulse = known
            self._pulses[job.id] = pulse
            self._near.setdefault(near, []).append(pulse)
        if near in loaded and (job.spec.dynamic or any(job.spec.metric(name) for name in USE_METRICS)):
            self._meters.setdefault(near, []).append(job)

    def near(self, line: str) -> Sequence[Pulse]:
        """Return the pulses of the channels that are on a line."""
        return self._near.get(line, ())

    def meters(self, line: str) -> Sequence[Job]:
        """Return the checks that may say how much of a line is in use."""
        return self._meters.get(line, ())

    def risen(self, pulse: Pulse) -> str:
        """Return how a check's last round trip time is above its usual one, or an empty text."""
        now = self.clock()
        rtt, usual = pulse.latest(now), pulse.usual(now)
        if rtt is None or usual is None or not risen(rtt, usual):
            return ""
        return _said(pulse, rtt, usual)

    def lately(self, job: Job) -> tuple[float | None, float | None]:
        """Return the share of packets lost and the median round trip time (ms) on a job's own line."""
        if job.route is None:
            return None, None
        now, near = self.clock(), self.near(job.route.lines[0].id)
        own = [each for each in near if (each.job.unit, each.job.asset) == (job.unit, job.asset)] or near
        rtts = [rtt for pulse in own for rtt in pulse.rtts(now)]
        return loss(own, now), median(rtts) if rtts else None

    def begin(self, grant: Grant) -> None:
        """A test begins on its lines."""
        self._tests.update(dict.fromkeys(grant.lines, grant))

    def end(self, grant: Grant) -> None:
        """The test has ended."""
        if grant.fills:
            self._filled[grant.lines[0]] = self.clock()
        for line in grant.lines:
            if self._tests.pop(line, None) is not None:
                self._ended[line] = self.clock()

    def under_test(self, line: str) -> bool:
        """Tell whether a test loads a line now."""
        return line in self._tests

    def screened(self, job: Job, reading: Reading) -> Reading:
        """Return a reading just made as it counts: with its line filled on purpose it measured nothing.

        A target that is lost meanwhile is lost: queues delay and drop, but not all of a burst.
        """
        pulse = self._pulses.get(job.id)
        if pulse is None or reading.outcome is not Outcome.OK:
            return reading
        if not (line := self._filled_since(pulse, self.clock() - reading.duration_ms / 1000)):
            return reading
        said = Inconclusive(f"a test filled the queue of {line} meanwhile").reading()
        return replace(
            reading, outcome=said.outcome, kind=said.kind, detail=said.detail, metrics={}, facts={}
        )

    def _filled_since(self, pulse: Pulse, began: float) -> str:
        """Return a line of the pulse that a test has filled on purpose since then, or an empty text."""
        for line in pulse.lines:
            test = self._tests.get(line)
            if self._filled.get(line, -math.inf) > began or (test and test.fills and test.lines[0] == line):
                return line
        return ""

    def on_reading(self, job: Job, reading: Reading) -> None:
        """Take a reading into account; never waits."""
        pulse = self._pulses.get(job.id)
        if pulse is None or not reading.outcome.measured:
            return
        now = self.clock()
        began = now - reading.duration_ms / 1000
        tests = {id(test): test for line in pulse.lines if (test := self._tests.get(line))}
        disturbed = bool(tests) or any(self._ended.get(line, 0.0) > began for line in pulse.lines)
        for test in tests.values():
            if began >= test.began and (trouble := _trouble(pulse, reading, now, test)):
                test.stop(trouble)
        if not disturbed:
            pulse.silent = reading.outcome is Outcome.FAILED
            sent, received = (reading.metrics.get(name, 0.0) for name in ("sent", "received"))
            pulse.add(now, reading.metrics.get("rtt_ms", math.nan), sent, max(0.0, sent - received))


def _trouble(pulse: Pulse, reading: Reading, now: float, test: Grant) -> str:
    """Return how a reading shows that others suffer by a test, or an empty text."""
    if reading.outcome is Outcome.FAILED:
        return "" if pulse.silent else f"{pulse.job.id} has lost its target ({reading.kind})"
    if test.fills and pulse.near == test.lines[0]:
        return ""
    rtt, usual = reading.metrics.get("rtt_ms"), pulse.usual(now)
    if rtt is None or usual is None or not risen(rtt, usual):
        return ""
    return _said(pulse, rtt, usual)


def _said(pulse: Pulse, rtt: float, usual: float) -> str:
    return f"{pulse.job.id}: rtt {rtt:.1f} ms, usually {usual:.1f} ms"
