"""Loss against what the business functions require: Wald's sequential test over the recorded bursts.

Bursts are taken in order of time; the test starts again after each decision, and ends inconclusive after
10,000 packets. What counts is the latest decision, as long as it is young enough. Where the check counts
loss events (losses at least one round trip apart), an event is one loss, as in RFC 8337.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from monitor.calendars.calendar import DAY_S
from monitor.job import Job
from monitor.readiness.conditions import Truth
from monitor.readiness.finding import EXPECTATION, INCONCLUSIVE, NOT_MEASURED, Finding
from monitor.readiness.sampling import Floats
from monitor.readiness.statistics import MAX_PACKETS, LossTest
from monitor.store.api import OUTCOME_CODES, Evidence, Window

_FAILED = OUTCOME_CODES["failed"]


@dataclass(frozen=True, slots=True)
class Bursts:
    """Readings as packets, in order of time: how many were sent and lost, and in how many events."""

    at: Floats
    packets: Floats
    lost: Floats
    events: Floats

    def rows(self) -> Iterator[tuple[float, int, int, int]]:
        """Yield (time, packets, lost, events) of each burst that has packets."""
        keep = self.packets > 0
        counts = (column[keep].astype(np.int64).tolist() for column in (self.packets, self.lost, self.events))
        return zip(self.at[keep].tolist(), *counts, strict=True)


@dataclass(slots=True)
class Tally:
    """A test under way, or the one that was decided last: `held` None is undecided or inconclusive."""

    packets: int = 0
    lost: int = 0
    events: int = 0
    at: float = math.nan
    held: bool | None = None

    def text(self, packets_per_loss: float, test: LossTest) -> str:
        """Return the figures for people, with the boundaries at this many packets."""
        inner = (
            f" in {self.events} event{'' if self.events == 1 else 's'}" if self.events != self.lost else ""
        )
        low = test.slope * self.packets - test.accept
        passes = f"<= {math.floor(low)}" if low >= 0 else "at none yet"
        fails = f">= {math.ceil(test.slope * self.packets + test.reject)}"
        return (
            f"{self.packets} packets, {self.lost} lost{inner}, L = {packets_per_loss:.0f}, "
            f"passes {passes}, fails {fails}"
        )


def replayed(bursts: Bursts, test: LossTest) -> tuple[Tally | None, Tally]:
    """Return the last test that ended (None: none did) and the one under way."""
    ended, running = None, Tally()
    for at, packets, lost, events in bursts.rows():
        running.at = at
        running.packets += packets
        running.lost += lost
        running.events += events
        held = test.passes(running.packets, running.events)
        if held is not None or test.truncated(running.packets):
            running.held = held
            ended, running = running, Tally()
    return ended, running


def origin(now: float, max_age: float) -> float:
    """Return when the replay starts: at a midnight (UTC) that leaves at least a day, so that it rarely moves.

    A start that moved with the clock would let the same packets be decided now so, now so.
    """
    back = max(DAY_S, max_age if math.isfinite(max_age) else DAY_S)
    return math.floor((now - back) / DAY_S) * DAY_S


def read(evidence: Evidence, job: Job, name: str, start: float, end: float) -> Bursts:
    """Return the bursts of a check; `name` says which way: `loss_pct` there and back, `loss_up_pct`...

    A failed reading without counts is one packet that was lost; in one with counts each lost packet stands
    for itself: a dead link is no single event. `error` and `not_run` sent nothing.
    """
    sent = evidence.window(job.id, "sent", start, end)
    failed = sent.outcomes == _FAILED

    def column(metric: str) -> Floats:
        if job.spec.metric(metric) is None:
            return np.full(len(sent.times), np.nan)
        window = evidence.window(job.id, metric, start, end)
        return window.values if np.array_equal(window.times, sent.times) else _matched(window, sent.times)

    packets = np.where(sent.outcomes <= _FAILED, sent.values, np.nan)
    packets, lost = _counted(packets, column, name)
    unknown = np.isnan(packets) | np.isnan(lost)
    whole = np.where(np.isnan(sent.values), 1.0, sent.values)
    packets = np.where(unknown, np.where(failed, whole, 0.0), packets)
    lost = np.where(unknown, packets, lost)
    events = column("loss_events")
    counted = np.where((events > 0) & ~failed, np.minimum(lost, events), lost)
    return Bursts(sent.times, np.rint(packets), np.rint(lost), np.maximum(np.rint(counted), lost > 0))


def _matched(window: Window, times: Floats) -> Floats:
    known = dict(zip(window.times.tolist(), window.values.tolist(), strict=True))
    return np.array([known.get(at, math.nan) for at in times.tolist()])


def _counted(sent: Floats, column: Callable[[str], Floats], name: str) -> tuple[Floats, Floats]:
    """Return packets and how many of them were lost (NaN where that was not reported)."""
    if name == "loss_pct":
        received = column("received")
        if not np.isnan(received).all():
            return sent, np.maximum(0.0, sent - received)
    if name == "loss_up_pct":
        sent = sent - np.nan_to_num(np.rint(sent * column("loss_down_pct") / 100))
    return sent, np.rint(sent * column(name) / 100)


def judged(
    evidence: Evidence, job: Job, name: str, packets_per_loss: float, *, now: float, max_age: float
) -> Finding:
    """Return what the recorded bursts come to against at most one loss in so many packets."""
    per_loss = max(packets_per_loss, 12.0)
    test = LossTest.of(per_loss)
    expected = f"at most 1 loss in {per_loss:.0f} packets"
    ended, running = replayed(read(evidence, job, name, origin(now, max_age), now), test)
    if ended is None and not running.packets:
        text = "the check reports no packet counts (sent) to test"
        return Finding(Truth.UNKNOWN, NOT_MEASURED, detail=text, expected=expected)
    if ended is None or now - ended.at >= max_age:
        return _undecided(running, ended, per_loss, test, expected, now)
    text, share = ended.text(per_loss, test), 100 * ended.lost / ended.packets
    if ended.held is None:
        return Finding(Truth.UNKNOWN, INCONCLUSIVE, text, share, "%", _truncated(test), expected=expected)
    if ended.held:
        return Finding(Truth.PASS, "", text, share, "%", expected=expected)
    return Finding(Truth.FAIL, EXPECTATION, text, share, "%", expected=expected)


def _undecided(
    running: Tally, ended: Tally | None, per_loss: float, test: LossTest, expected: str, now: float
) -> Finding:
    detail = f"not decided yet: without a loss it takes {test.least_packets} packets"
    if test.least_packets > MAX_PACKETS:
        detail = _truncated(test)
    if ended is not None:
        detail += f"; the last decision is {(now - ended.at) / 3600:.1f} h old"
    share = 100 * running.lost / running.packets if running.packets else None
    text = running.text(per_loss, test) if running.packets else ""
    return Finding(Truth.UNKNOWN, INCONCLUSIVE, text, share, "%", detail, expected=expected)


def _truncated(test: LossTest) -> str:
    if test.least_packets > MAX_PACKETS:
        return (
            f"{MAX_PACKETS} packets can't show so little loss: without a loss it takes {test.least_packets}"
        )
    return f"not decided after {MAX_PACKETS} packets: the loss lies close to what is allowed"
