"""What a train of packets says of the link that carried it (pure).

The rate is the slope of arrival time over sequence number, not a count of packets: what is lost behind the
bottleneck took its time there. Where the bottleneck itself drops (a full queue, a policer) the slope is over
the packets that came. A token bucket lets the head through faster than the rest: only the part after the
knee counts (`_train_fit`). Times of both clocks are compared only as differences within one train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.network._loss import loss_events
from probes.network._train_fit import Line, local_slope, steady

SLOWED = 0.93
"""A train that arrives at less than this share of the pace it was sent at was slowed by the link."""
HEAVY = 0.03
"""Loss above this share is looked at: it may be the bottleneck's own."""
CUT_SHARE, CUT_PACKETS = 0.2, 6
"""So much lost in one piece at the end is no policer: the link (or the receiver) stopped."""
SQUEEZED = 0.5
"""A train that arrives in less than this share of the time it was sent in has impossible times."""
SQUEEZED_NS = 5_000_000
"""A pause of the receiver that long squeezes nothing."""
UNEVEN = 0.08
"""A policer forgets what a sender that pauses did not send: pauses may take this share of a policed train."""
PAUSE_NS = 1_500_000
"""Shorter pauses are within what any bucket holds."""
BACKWARD_NS = 1_000_000
"""The kernel stamps packets on several processors: times may go back by less than this."""

Arrivals = Sequence[tuple[int, int]]
Floats = NDArray[np.float64]


class ImpossibleTrainError(ValueError):
    """Arrivals that cannot be those of the train; the text says why."""


@dataclass(frozen=True, slots=True)
class Train:
    """A train as it was sent and as it arrived.

    `sent_ns[i]` is when packet i left, by the sender's clock; `arrivals` are (sequence, ns by the receiver's
    clock) in order of arrival. `size` is a packet's bytes at the IP layer. `unpaced` was sent back to back.
    """

    size: int
    sent_ns: Sequence[int]
    arrivals: Arrivals
    unpaced: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What one train says."""

    packets: int
    """Sent."""
    size: int
    received: int = 0
    """Different packets."""
    duplicates: int = 0
    reordered: int = 0
    """Packets that came after a later one."""
    loss_events: int = 0
    """Losses, those within one round trip as one."""
    rate_bps: float = 0.0
    """What the link carried in the steady part, bit/s at the IP layer; 0 where too little came."""
    sent_bps: float = 0.0
    """The pace it was really sent at."""
    spread: float = 1.0
    """Standard error of the rate, as a share of it."""
    slowed: bool = False
    """Whether the link, not the sender, set the rate."""
    policed: bool = False
    """Whether much was lost without the rest being slowed."""
    cut: bool = False
    """Whether everything from some packet on is missing."""
    span_s: float = 0.0
    """From the first arrival to the last."""
    steady_bytes: int = 0
    """Bytes that arrived in the part that `rate_bps` is of."""
    queue_ms: float = 0.0
    """By how much the longest delay exceeded the shortest."""
    alone_bps: float = 0.0
    """Of an unpaced train: the rate by the median of its parts, which other traffic in it hardly changes.
    0 where they came too unevenly; a link that serves in turns, with pauses, shows the pace of its turns."""

    @property
    def loss(self) -> float:
        """Share of packets that never came."""
        return 1 - self.received / self.packets if self.packets else 0.0

    @property
    def sent_bytes(self) -> int:
        """Bytes put on the link, at the IP layer."""
        return self.packets * self.size

    @property
    def received_bytes(self) -> int:
        """Bytes that came, at the IP layer."""
        return self.received * self.size


def analyse(train: Train, rtt_ns: int = 0) -> Answer:
    """Return what a train says. Raises `ImpossibleTrainError` for arrivals that can't be of it."""
    first = _first_arrivals(train)
    packets, received = len(train.sent_ns), len(first)
    duplicates = len(train.arrivals) - received
    order = [sequence for sequence, _ in _without_copies(train.arrivals)]
    reordered = int(np.sum(np.maximum.accumulate(order) > order)) if order else 0
    counted = Answer(
        packets, train.size, received, duplicates, reordered, loss_events(train.sent_ns, first, rtt_ns),
        cut=_cut(packets, first),
    )  # fmt: skip
    return _measured(train, counted, first) if received >= 3 else counted


def _measured(train: Train, counted: Answer, first: dict[int, int]) -> Answer:
    sequences = np.array(sorted(first), dtype=np.float64)
    times = np.array([first[int(sequence)] for sequence in sequences], dtype=np.float64)
    times -= times.min()
    sent = np.array(train.sent_ns, dtype=np.float64)[sequences.astype(np.int64)]
    sent -= sent[0]
    _check_span(float(times.max()), float(sent[-1]))
    bits = train.size * 8e9
    pace = float(sent[-1] / (sequences[-1] - sequences[0]))
    line, policed = _line(sequences, times, sent)
    local = train.unpaced and not policed
    alone = local_slope(sequences[line.start :], times[line.start :]) if local else 0.0
    sent_bps = bits / max(pace, 1.0)
    rate = min(bits / line.slope, sent_bps) if line.slope > 0 else 0.0
    delays = times - sent
    return Answer(
        counted.packets, counted.size, counted.received, counted.duplicates, counted.reordered,
        counted.loss_events, rate, sent_bps, 1.0 if policed and _uneven(train.sent_ns) else line.spread,
        slowed=rate < SLOWED * sent_bps and not policed,
        policed=policed,
        cut=counted.cut,
        span_s=float(times.max()) / 1e9,
        steady_bytes=line.points * train.size,
        queue_ms=float(delays.max() - delays.min()) / 1e6,
        alone_bps=min(bits / alone, sent_bps) if alone > 0 else 0.0,
    )  # fmt: skip


def _line(sequences: Floats, times: Floats, sent: Floats) -> tuple[Line, bool]:
    """Return the line through the steady part, and whether a policer dropped what is missing."""
    spanned = steady(sequences, times, sent)
    span = sequences[-1] - sequences[0] + 1
    if 1 - len(sequences) / span <= HEAVY:
        return spanned, False
    came = steady(np.arange(len(sequences), dtype=np.float64), np.sort(times))
    if spanned.slope * SLOWED <= sent[-1] / (span - 1):
        return came, True
    return (came if came.roughness < spanned.roughness else spanned), False


def _uneven(sent_ns: Sequence[int]) -> bool:
    """Return whether the sender made pauses that matter."""
    gaps = np.diff(np.array(sent_ns, dtype=np.float64))
    pauses = gaps[gaps > max(PAUSE_NS, 4 * gaps.mean())]
    return bool(pauses.sum() > UNEVEN * gaps.sum())


def _check_span(arrived: float, sent: float) -> None:
    if arrived < SQUEEZED * sent - SQUEEZED_NS:
        raise ImpossibleTrainError(
            f"the packets are said to have come within {arrived / 1e6:.1f} ms, "
            f"but were sent over {sent / 1e6:.1f} ms"
        )


def _first_arrivals(train: Train) -> dict[int, int]:
    """Return when each packet first came."""
    found: dict[int, int] = {}
    latest = 0
    for sequence, at in train.arrivals:
        if not 0 <= sequence < len(train.sent_ns):
            raise ImpossibleTrainError(f"packet {sequence} is said to have come, which was never sent")
        if at < latest - BACKWARD_NS:
            raise ImpossibleTrainError(f"times of arrival go back by {(latest - at) / 1e6:.1f} ms")
        latest = max(latest, at)
        found.setdefault(sequence, at)
    return found


def _without_copies(arrivals: Arrivals) -> list[tuple[int, int]]:
    seen: set[int] = set()
    return [a for a in arrivals if not (a[0] in seen or seen.add(a[0]))]  # type: ignore[func-returns-value]


def _cut(packets: int, first: dict[int, int]) -> bool:
    missing = packets - 1 - max(first, default=-1)
    return missing >= max(CUT_PACKETS, CUT_SHARE * packets)
