"""Loss against what the business functions require: Wald's sequential test over the recorded bursts.

Bursts are taken in order of time; the test starts again after each decision, and ends inconclusive after
10,000 packets. What counts is the latest decision, as long as it is young enough. Where the check counts
loss events (losses at least one round trip apart), an event is one loss, as in RFC 8337.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.job import Job
from monitor.readiness.calendars import DAY_S
from monitor.readiness.conditions import Truth
from monitor.readiness.finding import EXPECTATION, INCONCLUSIVE, NOT_MEASURED, Finding
from monitor.readiness.statistics import MAX_PACKETS, LossTest
from monitor.store.api import OUTCOME_CODES, Evidence

_OK, _FAILED = OUTCOME_CODES["ok"], OUTCOME_CODES["failed"]


@dataclass(frozen=True, slots=True)
class Burst:
    """One reading's packets: how many were sent and lost, and in how many events."""

    at: float
    packets: int
    lost: int
    events: int


@dataclass(slots=True)
class Tally:
    """A test under way, or the one that was decided last: `held` None is undecided or inconclusive."""

    packets: int = 0
    lost: int = 0
    events: int = 0
    at: float = math.nan
    held: bool | None = None

    def add(self, burst: Burst) -> None:
        """Count one more burst."""
        self.packets += burst.packets
        self.lost += burst.lost
        self.events += burst.events
        self.at = burst.at

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


def replayed(bursts: Iterator[Burst], test: LossTest) -> tuple[Tally | None, Tally]:
    """Return the last test that ended (None: none did) and the one under way."""
    ended, running = None, Tally()
    for burst in bursts:
        running.add(burst)
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


def bursts(evidence: Evidence, job: Job, name: str, start: float, end: float) -> Iterator[Burst]:
    """Yield the bursts of a check; `name` says which way: `loss_pct` there and back, `loss_up_pct`...

    A failed reading without counts is one packet that was lost; `error` and `not_run` sent nothing.
    """
    sent = evidence.window(job.id, "sent", start, end)
    columns = {"sent": sent.values}
    for other in ("received", "loss_events", "loss_down_pct", name):
        window = evidence.window(job.id, other, start, end)
        known = dict(zip(window.times.tolist(), window.values.tolist(), strict=True))
        columns[other] = np.array([known.get(at, math.nan) for at in sent.times.tolist()])
    for place in np.flatnonzero(sent.outcomes <= _FAILED).tolist():
        values = {key: float(column[place]) for key, column in columns.items()}
        burst = _burst(float(sent.times[place]), values, name, failed=sent.outcomes[place] == _FAILED)
        if burst is not None:
            yield burst


def _burst(at: float, values: dict[str, float], name: str, *, failed: bool) -> Burst | None:
    sent = values["sent"]
    if not sent > 0:
        return Burst(at, 1, 1, 1) if failed else None
    packets, lost = _counted(values, name)
    if math.isnan(lost):
        packets, lost = (sent, sent) if failed else (0.0, 0.0)
    if packets <= 0:
        return None
    events = values["loss_events"]
    counted = min(lost, events) if events > 0 else lost
    return Burst(at, round(packets), round(lost), max(round(counted), int(lost > 0)))


def _counted(values: dict[str, float], name: str) -> tuple[float, float]:
    """Return packets and how many of them were lost (NaN where that was not reported)."""
    sent, share = values["sent"], values[name] / 100
    if name == "loss_up_pct":
        gone = values["loss_down_pct"]
        sent -= 0.0 if math.isnan(gone) else round(sent * gone / 100)
        return sent, round(sent * share) if not math.isnan(share) else math.nan
    if name == "loss_down_pct" or math.isnan(values["received"]):
        return sent, round(sent * share) if not math.isnan(share) else math.nan
    return sent, max(0.0, sent - values["received"])


def judged(
    evidence: Evidence, job: Job, name: str, packets_per_loss: float, *, now: float, max_age: float
) -> Finding:
    """Return what the recorded bursts come to against at most one loss in so many packets."""
    per_loss = max(packets_per_loss, 12.0)
    test = LossTest.of(per_loss)
    expected = f"at most 1 loss in {per_loss:.0f} packets"
    ended, running = replayed(bursts(evidence, job, name, origin(now, max_age), now), test)
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
