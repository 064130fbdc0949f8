"""The path MTU by packets that must not be fragmented (RFC 1191, 8201; packetization as in RFC 4821).

A size fits where the target answers a packet of that size: nothing else counts. A router that says "too big"
names the next size to try; one that drops without a word (a black hole) is found by bisection, and a silent
size is tried several times, so that loss is not taken for it.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Literal

from probes.network._path_walk import Sent, Walk

FLOORS = {"4": 576, "6": 1280}
"""What every IPv4 host takes (RFC 791) and every IPv6 link carries (RFC 8200)."""
LEAST_SAID = {"4": 68, "6": 1280}
TRIES, LAST_TRIES = 3, 5
SPACING = 0.01
TTL = 64

Verdict = Literal["fits", "said", "ours", "silent"]


@dataclass(slots=True)
class Search:
    """A bisection between a size that fits and one that doesn't (pure).

    `how` says what `high` rests on: "said" (a router's message), "ours" (our own interface), "silent". A size
    that was thought too large and then fits begins the search above it anew.
    """

    largest: int
    low: int = 0
    high: int = 0
    how: Verdict = "fits"
    told: int = 0
    teller: str = ""

    def __post_init__(self) -> None:
        self.high = self.largest + 1

    @property
    def over(self) -> bool:
        """Whether the answer is known."""
        return self.high - self.low <= 1

    @property
    def doubtful(self) -> bool:
        """Whether the answer rests on silence alone."""
        return self.over and self.how == "silent"

    def next(self) -> int:
        """Return the size to try next: the largest first, then what a router named, then the middle."""
        if self.high == self.largest + 1:
            return self.largest
        if self.told > self.low:
            return self.told
        return (self.low + self.high) // 2

    def took(self, size: int, verdict: Verdict, told: int = 0, teller: str = "") -> None:
        """Take what became of packets of `size` bytes."""
        if verdict == "fits":
            self.low = max(self.low, size)
            if size >= self.high:
                self.high = self.largest + 1
            return
        self.high, self.how, self.told = size, verdict, 0
        if verdict == "said" and self.low < told < size:
            self.high, self.told, self.teller = told + 1, told, teller


@dataclass(frozen=True, slots=True)
class PathMtu:
    """What was found: the MTU, or None with the reason in `method`; bounds; who said that more is too big."""

    mtu: int | None
    method: str
    at_least: int = 0
    black_hole: bool = False
    teller: str = ""


async def path_mtu(walk: Walk, family: str, largest: int, rtt_ms: float) -> PathMtu:
    """Search for the path MTU of a target that answers. Raises OSError where nothing can be sent."""
    wait = min(1.0, max(0.15, rtt_ms * 3 / 1000 + 0.05))
    search = Search(largest)
    floor = FLOORS[family]
    if await _try(walk, search, floor, wait, TRIES) != "fits":
        return PathMtu(None, f"undecided: no answer to packets of {floor} bytes")
    while not (search.over or walk.late):
        await _try(walk, search, search.next(), wait, TRIES)
        if search.doubtful and not walk.late:
            await _try(walk, search, search.high, wait, LAST_TRIES)
    return conclusion(search)


def conclusion(search: Search) -> PathMtu:
    """Return what a search says, whether it is over or not."""
    if not search.over:
        return PathMtu(None, "undecided: the time was over", at_least=search.low)
    if search.low == search.largest:
        return PathMtu(search.low, "the largest size that was tried", at_least=search.low)
    method = {
        "said": f"{search.teller or 'a router'} said that more is too big",
        "ours": "our own interface takes no more",
        "silent": "larger packets vanish without a word",
    }[search.how]
    return PathMtu(search.low, method, search.low, search.how == "silent", search.teller)


async def _try(walk: Walk, search: Search, size: int, wait: float, tries: int) -> Verdict:
    packets: list[Sent] = []
    for _ in range(tries):
        try:
            packets.append(walk.send(TTL, size))
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            search.took(size, "ours")
            return "ours"
        await walk.settle(packets, SPACING, enough=1)
        if any(packet.answer for packet in packets):
            break
    await walk.settle(packets, wait, enough=1)
    return _judged(search, size, packets)


def _judged(search: Search, size: int, packets: list[Sent]) -> Verdict:
    if any(packet.replied for packet in packets):
        search.took(size, "fits")
        return "fits"
    for packet in packets:
        if packet.answer is not None and packet.answer.nature == "too_big":
            search.took(size, "said", packet.answer.mtu, packet.answer.source)
            return "said"
    search.took(size, "silent")
    return "silent"
