"""What the packets of one run say of the way: hops, route, loss, marks (all pure)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from probes.network._icmp_packet import error_text
from probes.network._path_walk import Sent

SILENT = "*"


@dataclass(slots=True)
class Hop:
    """One distance from here. `mark` is the traffic class with which packets got there, None: not known."""

    ttl: int
    sent: int = 0
    answered: int = 0
    addresses: set[str] = field(default_factory=set)
    rtts: list[float] = field(default_factory=list)
    marks: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Its address; several, where packets of one flow went several ways; `*` where it said nothing."""
        return "|".join(sorted(self.addresses)) or SILENT

    @property
    def loss_pct(self) -> float:
        """Share of packets without an answer: for a router its unwillingness to answer counts, too."""
        return 100 * (self.sent - self.answered) / self.sent

    @property
    def rtt_ms(self) -> float | None:
        """Median, None where no answer was timed."""
        return statistics.median(self.rtts) if self.rtts else None

    def text(self) -> str:
        """Return it as one line of a listing."""
        if not self.answered:
            return f"{self.ttl} {SILENT}"
        rtt = f" {self.rtt_ms:.2f} ms" if self.rtt_ms is not None else ""
        lost = f", {self.sent - self.answered} of {self.sent} unanswered" if self.answered < self.sent else ""
        return f"{self.ttl} {self.name}{rtt}{lost}"


@dataclass(frozen=True, slots=True)
class Way:
    """The hops up to the target, or as far as anything answered; `reached` is the target's distance."""

    hops: tuple[Hop, ...]
    reached: int | None
    refusal: str = ""

    @property
    def route(self) -> str:
        """The addresses on the way, the target's own included."""
        return " ".join(hop.name for hop in self.hops)

    @property
    def first_silent(self) -> int | None:
        """The first hop that never answered while a later one did."""
        return next((hop.ttl for hop in self.hops if not hop.answered), None)

    @property
    def last_quoting(self) -> int | None:
        """The last hop that quoted a packet of ours."""
        return max((hop.ttl for hop in self.hops if hop.marks), default=None)

    @property
    def loop(self) -> tuple[str, ...]:
        """Addresses that were seen at three distances or more: packets go round in a circle."""
        seen: dict[str, int] = {}
        for hop in self.hops[: (self.reached or len(self.hops) + 1) - 1]:
            for address in hop.addresses:
                seen[address] = seen.get(address, 0) + 1
        return tuple(sorted(address for address, times in seen.items() if times > 2))

    def listing(self) -> str:
        """Return all hops as one line."""
        return "; ".join(hop.text() for hop in self.hops)


def way_of(packets: Sequence[Sent], family: str) -> Way:
    """Return the way that the packets of a trace went; packets beyond the target count as the target's."""
    replies = [packet.ttl for packet in packets if packet.replied]
    reached = min(replies, default=None)
    refused = [p for p in packets if p.answer is not None and p.answer.nature == "refused"]
    hops: dict[int, Hop] = {}
    for packet in packets:
        ttl = packet.ttl if reached is None else min(packet.ttl, reached)
        hop = hops.setdefault(ttl, Hop(ttl))
        hop.sent += 1
        if packet.answer is not None:
            _note(hop, packet)
    last = reached or max((ttl for ttl, hop in hops.items() if hop.answered), default=0)
    ordered = tuple(hops.get(ttl) or Hop(ttl, 1) for ttl in range(1, last + 1))
    return Way(ordered, reached, _refusal(refused, family))


def _note(hop: Hop, packet: Sent) -> None:
    assert packet.answer is not None
    hop.answered += 1
    hop.addresses.add(packet.answer.source)
    if packet.rtt_ms is not None:
        hop.rtts.append(packet.rtt_ms)
    if packet.answer.mark is not None:
        hop.marks.add(packet.answer.mark)


def _refusal(refused: Sequence[Sent], family: str) -> str:
    if not refused or refused[0].answer is None:
        return ""
    answer = refused[0].answer
    return f"{error_text(family, answer.kind, answer.code)}, says {answer.source}"


def mark_changed_at(way: Way, dscp: int) -> str | None:
    """Return where packets first arrived with another mark than the one they were sent with.

    "none" where every hop that quoted them had the mark, None where no hop quoted any. The change was made
    there or by the hop before.
    """
    quoted = [hop for hop in way.hops if hop.marks]
    for hop in quoted:
        others = {mark >> 2 for mark in hop.marks} - {dscp}
        if others:
            return f"hop {hop.ttl} ({hop.name}): {dscp} became {'|'.join(map(str, sorted(others)))}"
    return "none" if quoted else None


def steepest(way: Way) -> tuple[int, float] | None:
    """Return at which hop the round trip grows most, and by how much (ms) against the hop before it.

    One that is merely slow to answer is no step: what counts is the least round trip from it onwards.
    """
    timed = [(hop.ttl, min(hop.rtts)) for hop in way.hops if hop.rtts]
    floors, least = [], float("inf")
    for ttl, rtt in reversed(timed):
        least = min(least, rtt)
        floors.append((ttl, least))
    floors.reverse()
    steps = [(now[0], now[1] - before[1]) for before, now in zip([(0, 0.0), *floors], floors, strict=False)]
    return max(steps, key=lambda step: step[1], default=None)
