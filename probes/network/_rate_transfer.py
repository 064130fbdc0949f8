"""TCP transfers that stop once their rate has settled, and what they add to the verdict of the trains."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from probes._sockets import Chunk
from probes.errors import ProtocolViolated
from probes.network._rate_course import Lane
from probes.network._rate_leave import Leave
from probes.network._rate_params import ThroughputParams
from probes.network._reflect_bodies import Count
from probes.network._reflect_stream import TcpStream
from probes.network._tcp_rate import MSS, EarlyStop, Settled
from probes.network._train_plan import ABOVE, BELOW, Verdict, sustained_bps

PIECE, UNSENT = 16_384, 65_536
BREATH = 4
"""After so many pieces in a row the loop is given to others."""
USUAL_S, SSH_S, UNKNOWN_BYTES, MOST_BYTES = 2.0, 5.0, 2_500_000, 64_000_000
LOADED_MORE_S = 1.0
"""A transfer that is held for some time may put so much more on the link, for what is lost and repeated."""
STALL_S = 5.0
"""A transfer in which nothing moves for so long has stalled."""
SHORTEST, SHORTEST_S = 0.7, 0.1
"""A receiver's account of a transfer lasts at least this share of our own, less this."""
SEGMENT_SHARE = MSS / (MSS + 52)
"""Payload's share of a segment at the IP layer, with time stamps (RFC 7323)."""


def wants_transfer(lane: Lane, params: ThroughputParams) -> bool:
    """Return whether the lane is to have a transfer, too."""
    verdict = lane.verdict
    low = lane.nominal is not None and verdict.bps < BELOW * lane.nominal
    unclear = verdict.decided != "exact" or low
    return params.transfer == "always" or (params.transfer == "confirm" and unclear)


def transfer_bytes(lane: Lane, params: ThroughputParams, leave: Leave) -> int:
    """Return how many bytes a transfer may put on the link."""
    seconds = SSH_S if params.how == "ssh" else USUAL_S
    if params.loaded is not None:
        seconds = max(seconds, params.loaded + LOADED_MORE_S)
    rate = lane.nominal or (lane.verdict.bps if params.loaded else None)
    usual = int(rate / 8 * seconds) if rate else UNKNOWN_BYTES
    return leave.bounded(params.transfer_bytes or min(usual, MOST_BYTES))


def _patience(until: float) -> float:
    return min(until, time.perf_counter() + STALL_S)


async def download(
    receive: Callable[[float], Awaitable[Chunk]], stop: EarlyStop, leave: Leave, until: float
) -> None:
    """Take what comes until its rate settles or it ends.

    Raises `Stopped`, OSError, and `TimedOut` (nothing moved for `STALL_S`, or `until` has passed).
    """
    pieces = 0
    while True:
        leave.check()
        data, at = await receive(_patience(until))
        leave.spent("up", int(len(data) / SEGMENT_SHARE))
        if not data or stop.feed(at, len(data)):
            return
        pieces += 1
        if pieces % BREATH == 0:
            await asyncio.sleep(0)


async def upload(stream: TcpStream, stop: EarlyStop, leave: Leave, most: int, until: float) -> None:
    """Send until the rate at which a reflector's SINK counts it settles, at most `most` bytes.

    Raises what `download` does, and `ProtocolViolated` for counts that can't be.
    """
    stream.connection.limit_unsent(UNSENT)
    data, sent, counted = os.urandom(PIECE), 0, _Counted(stop)
    while sent < most and not stop.done:
        leave.check()
        gone, counts = await stream.push(data[: most - sent], _patience(until))
        sent += gone
        leave.spent("down", int(gone / SEGMENT_SHARE))
        counted.take(counts, sent)
        await asyncio.sleep(0)
    if not stop.done:
        stream.finish()
    while not stop.done and (counts := await stream.counts(_patience(until))):
        leave.check()
        counted.take(counts, sent)
    counted.check()


class _Counted:
    """What a reflector counts. Its times are its own, so that their span is held against ours.

    They go back where a lost segment is repeated: the kernel has the times of those that waited for it.
    """

    def __init__(self, stop: EarlyStop) -> None:
        self._stop = stop
        self._bytes = 0
        self._first = self._last = 0.0

    def take(self, counts: list[Count], sent: int) -> None:
        """Feed counts to the early stop. Raises `ProtocolViolated` for more than was sent."""
        for count in counts:
            if not self._bytes <= count.bytes <= sent:
                raise ProtocolViolated(f"the reflector counts {count.bytes} bytes of {sent}")
            self._last = time.perf_counter()
            self._first = self._first or self._last
            self._stop.feed(count.at_ns / 1e9, count.bytes - self._bytes)
            self._bytes = count.bytes

    def check(self) -> None:
        """Raise `ProtocolViolated` where all came in less time than it was sent in."""
        ours, theirs = self._last - self._first, self._stop.result().seconds
        if theirs < SHORTEST * ours - SHORTEST_S:
            raise ProtocolViolated(f"the reflector counts for {theirs:.2f} s what took {ours:.2f} s")


def weighed(verdict: Verdict, transfer: Settled, nominal: float | None) -> Verdict:
    """Return the verdict of the trains with what a transfer adds.

    A settled transfer proves that so much can be sustained, but not that no more can: its window or loss may
    hold it back. Only one that settles at the nominal rate, where trains came faster, shows a bucket's.
    """
    if not transfer.settled:
        return verdict
    line = transfer.bps / SEGMENT_SHARE
    if nominal is None or line > ABOVE * nominal:
        line = min(line, sustained_bps(int(transfer.bytes / SEGMENT_SHARE), transfer.seconds))
    if verdict.decided == "exact":
        return _doubted(verdict, line)
    if nominal is not None and BELOW * nominal <= line <= ABOVE * nominal:
        return replace(verdict, decided="exact", bps=line, why="a transfer settled at the nominal rate")
    if line <= verdict.bps:
        return verdict
    return replace(verdict, decided="at_least", bps=line, why=f"a transfer kept it up; {verdict.why}")


def _doubted(verdict: Verdict, line: float) -> Verdict:
    if line <= ABOVE * verdict.bps:
        return verdict
    why = f"a transfer was faster than what trains gave ({verdict.bps / 1e6:.2f} Mbit/s)"
    return replace(verdict, decided="at_least", bps=line, why=why)
