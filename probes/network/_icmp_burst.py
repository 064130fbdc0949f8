"""One burst of echoes: what was sent, what came back, and the figures that make a reading (all pure)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from itertools import pairwise

from probes._resolve import Address
from probes.network._icmp_packet import ones_sum, padding

MILLION = 1e6
OUTSTANDING, UNTIMED, COMPLAINED = -1, -2, -3
"""In place of a round trip time: no answer yet; answered, but the time is not known; an error came back."""
Control = list[tuple[int, int, bytes]]


class Burst:
    """The state of one burst. Times are `time.perf_counter`, in s, or in ns where the name says so."""

    __slots__ = (
        "address", "answered", "complained", "complaint", "control", "count", "data", "data_sum",
        "duplicates", "fault", "future", "highest", "ident", "interval", "key", "next_at", "overflowed",
        "queued", "reordered", "reply_ttl", "rtts", "sent_ns", "sockaddr", "stranger", "unsure", "until",
        "wait",
    )  # fmt: skip

    def __init__(
        self,
        address: Address,
        key: bytes,
        ident: int,
        *,
        count: int,
        interval: float,
        wait: float,
        size: int,
        until: float,
        control: Control,
        future: asyncio.Future[None],
    ) -> None:
        self.address, self.key, self.ident = address, key, ident
        self.count, self.interval, self.wait, self.until = count, interval, wait, until
        self.sockaddr = address.sockaddr(0)
        self.next_at = until
        """When the burst needs attention next: to send, or to end."""
        self.control = control
        """Control messages of each send (time to live, traffic class)."""
        self.future = future
        self.data = key + padding(size)
        self.data_sum = ones_sum(self.data)
        self.sent_ns: list[int] = []
        self.rtts: list[int] = []
        """By sequence number, in ns, or one of the constants above."""
        self.unsure: set[int] | None = None
        """Sequence numbers of which the time of sending isn't known well."""
        self.answered = self.complained = self.duplicates = self.reordered = 0
        self.highest = -1
        self.reply_ttl = 0
        self.complaint = self.stranger = ""
        self.fault: OSError | None = None
        self.queued = self.overflowed = False

    @property
    def complete(self) -> bool:
        """Whether everything was sent and nothing is outstanding."""
        return self.answered + self.complained == self.count

    @property
    def unsent(self) -> bool:
        """Whether packets are still to be sent."""
        return len(self.rtts) < self.count

    def sent(self, before_ns: int, after_ns: int, most_ns: int) -> None:
        """Note that the next packet left between two times; a span beyond `most_ns` times nothing."""
        if after_ns - before_ns > most_ns:
            self.unsure = self.unsure or set()
            self.unsure.add(len(self.rtts))
        self.sent_ns.append(before_ns)
        self.rtts.append(OUTSTANDING)
        pause = self.interval if len(self.rtts) < self.count else self.wait
        self.next_at = min(self.until, before_ns / 1e9 + pause)

    def reply(self, sequence: int, arrived_ns: int | None, now_ns: int, ttl: int) -> None:
        """Note the reply to packet `sequence`; `arrived_ns` is None where the kernel's time is not known."""
        if sequence >= len(self.rtts):
            return
        if self.rtts[sequence] in (OUTSTANDING, COMPLAINED):
            self._first_reply(sequence, arrived_ns, now_ns, ttl)
        else:
            self.duplicates += 1

    def _first_reply(self, sequence: int, arrived_ns: int | None, now_ns: int, ttl: int) -> None:
        if self.rtts[sequence] == COMPLAINED:
            self.complained -= 1
        self.answered += 1
        self.reply_ttl = ttl
        if sequence < self.highest:
            self.reordered += 1
        else:
            self.highest = sequence
        self.rtts[sequence] = UNTIMED
        if arrived_ns is not None and not (self.unsure and sequence in self.unsure):
            sent_ns = self.sent_ns[sequence]
            if sent_ns <= arrived_ns <= now_ns:
                self.rtts[sequence] = arrived_ns - sent_ns

    def complain(self, sequence: int, text: str) -> None:
        """Note an ICMP error about packet `sequence`."""
        if sequence < len(self.rtts) and self.rtts[sequence] == OUTSTANDING:
            self.rtts[sequence] = COMPLAINED
            self.complained += 1
            self.complaint = self.complaint or text

    def metrics(self) -> dict[str, float]:
        """Return the metrics of `icmp`; one packet has no distribution, none sent has no loss."""
        sent = len(self.rtts)
        figures = {"sent": float(sent), "received": float(self.answered)}
        if sent:
            figures["loss_pct"] = 100.0 * (sent - self.answered) / sent
        figures |= distribution([rtt / MILLION for rtt in self.rtts if rtt >= 0], single=self.count == 1)
        if self.count > 1:
            figures["duplicates"], figures["reordered"] = float(self.duplicates), float(self.reordered)
        return figures


def distribution(rtts: Sequence[float], *, single: bool = False) -> dict[str, float]:
    """Return the figures of round trip times (ms, in the order of sending).

    The 95th percentile is the nearest rank (a time that was measured); jitter is the mean absolute
    difference of successive times (what RFC 3550, 6.4.1, smooths; RFC 5481 calls it IPDV).
    """
    if not rtts:
        return {}
    if single:
        return {"rtt_ms": rtts[0]}
    ordered = sorted(rtts)
    number = len(ordered)
    middle = number // 2
    figures = {
        "rtt_ms": ordered[middle] if number & 1 else (ordered[middle - 1] + ordered[middle]) / 2,
        "rtt_min_ms": ordered[0],
        "rtt_max_ms": ordered[-1],
        "rtt_p95_ms": ordered[math.ceil(0.95 * number) - 1],
    }
    if number > 1:
        steps = sum(abs(later - sooner) for sooner, later in pairwise(rtts))
        figures["jitter_ms"] = steps / (number - 1)
    return figures
