"""A link as a few lines of arithmetic, for fast tests of what trains say: no sockets, no waiting.

Packets and other people's traffic go through one queue and a token bucket; time is seconds of its own.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from probes.network._train import Train

LINE_BPS = 1e9
START_NS = 10**18
"""The receiver's clock has nothing to do with the sender's."""


@dataclass
class SimulatedLink:
    """One direction. Rates are bit/s, sizes bytes, at the IP layer."""

    rate: float
    bucket: int = 3000
    limit: int = 10_000_000
    """Room in the queue, in bytes; a policer has none."""
    policer: bool = False
    peak: float = LINE_BPS
    loss: float = 0.0
    cross: float = 0.0
    """Rate of other traffic (Poisson, 1400 bytes)."""
    jitter_ns: int = 0
    batch_ns: int = 0
    """The receiver stamps what came in so many ns at once."""
    late_ns: int = 0
    """The sender is late by up to so much, packet by packet."""
    dies_at: float = float("inf")
    rtt: float = 0.02
    seed: int = 0
    now: float = 1.0
    sent_bytes: int = 0
    worst_queue_s: float = 0.0
    _tokens: float = field(default=0.0, init=False)
    _tokens_at: float = field(default=0.0, init=False)
    _free_at: float = field(default=0.0, init=False)
    _cross_at: float = field(default=0.0, init=False)
    _queue: deque[tuple[float, int]] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._tokens = float(self.bucket)

    def send(self, packets: int, size: int, bps: float) -> Train:
        """Send a train at `bps` (0: at the line's speed) and return it as it arrived."""
        gap = size * 8 / (bps or LINE_BPS)
        sent = [self.now + index * gap for index in range(packets)]
        if bps and self.late_ns:
            sent = sorted(at + self._random.random() * self.late_ns / 1e9 for at in sent)
        came = [(index, out) for index, at in enumerate(sent) if (out := self._through(at, size)) is not None]
        self.sent_bytes += packets * size
        self.now = max([sent[-1], *(out for _, out in came)]) + self.rtt
        return Train(size, [round(at * 1e9) for at in sent], self._stamped(came), unpaced=not bps)

    def _stamped(self, came: list[tuple[int, float]]) -> list[tuple[int, int]]:
        stamped = []
        latest = 0
        for index, out in came:
            if self._random.random() < self.loss or out > self.dies_at:
                continue
            at = round((out + self.rtt / 2) * 1e9) + round(abs(self._random.gauss(0, 1)) * self.jitter_ns)
            if self.batch_ns:
                at += -at % self.batch_ns
            latest = max(latest, at)
            stamped.append((index, START_NS + latest))
        return stamped

    def _through(self, at: float, size: int) -> float | None:
        """Return when a packet is through, or None where it was dropped."""
        while self.cross and self._cross_at <= at:
            self._serve(self._cross_at, 1400)
            self._cross_at = max(self._cross_at, at - 2.0) + self._random.expovariate(self.cross / 8 / 1400)
        out = self._serve(at, size)
        if out is not None:
            self.worst_queue_s = max(self.worst_queue_s, out - at)
        return out

    def _serve(self, at: float, size: int) -> float | None:
        while self._queue and self._queue[0][0] <= at:
            self._queue.popleft()
        if self.policer:
            self._refill(at)
            if self._tokens < size:
                return None
            self._tokens -= size
            return at
        if sum(waiting for _, waiting in self._queue) + size > self.limit:
            return None
        out = max(at, self._free_at)
        self._refill(out)
        if self._tokens < size:
            out += (size - self._tokens) * 8 / self.rate
            self._refill(out)
        self._tokens -= size
        self._free_at = out + size * 8 / self.peak
        self._queue.append((out, size))
        return out

    def _refill(self, at: float) -> None:
        if at > self._tokens_at:
            self._tokens = min(self.bucket, self._tokens + (at - self._tokens_at) * self.rate / 8)
            self._tokens_at = at
