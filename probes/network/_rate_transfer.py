"""TCP transfers that stop once their rate has settled, and what they add to the verdict of the trains."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from probes.errors import ProtocolViolated
from probes.network._rate_course import Lane
from probes.network._rate_leave import Leave
from probes.network._rate_params import ThroughputParams
from probes.network._reflect_bodies import Count
from probes.network._reflect_stream import TcpStream
from probes.network._sockets import Chunk
from probes.network._tcp_rate import MSS, EarlyStop, Settled
from probes.network._train_plan import ABOVE, BELOW, Verdict, sustained_bps

PIECE, UNSENT = 16_384, 65_536
BREATH = 4
"""After so many pieces in a row the loop is given to others."""
USUAL_S, UNKNOWN_BYTES, MOST_BYTES = 2.0, 2_500_000, 64_000_000
STALL_S = 5.0
"""A transfer in which nothing moves for so long has failed."""
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
    usual = int(lane.nominal / 8 * USUAL_S) if lane.nominal else UNKNOWN_BYTES
    return leave.bounded(params.transfer_bytes or min(usual, MOST_BYTES))


async def download(receive: Callable[[float], Awaitable[Chunk]], stop: EarlyStop, leave: Leave) -> None:
    """Take what comes until its rate settles or it ends. Raises `Stopped`, `TimedOut` and OSError."""
    pieces = 0
    while True:
        leave.check()
        data, at = await receive(time.perf_counter() + STALL_S)
        leave.spent("up", int(len(data) / SEGMENT_SHARE))
        if not data or stop.feed(at, len(data)):
            return
        pieces += 1
        if pieces % BREATH == 0:
            await asyncio.sleep(0)


async def upload(stream: TcpStream, stop: EarlyStop, leave: Leave, most: int) -> None:
    """Send until the rate at which a reflector's SINK counts it settles, at most `most` bytes.

    Raises `Stopped`, `TimedOut`, OSError, and `ProtocolViolated` for counts that can't be.
    """
    stream.connection.limit_unsent(UNSENT)
    data, sent, counted = os.urandom(PIECE), 0, Count(0, 0)
    while sent < most:
        leave.check()
        gone, counts = await stream.push(data[: most - sent], time.perf_counter() + STALL_S)
        sent += gone
        leave.spent("down", int(gone / SEGMENT_SHARE))
        counted = _feed(stop, counted, counts, sent)
        if stop.done:
            return
        await asyncio.sleep(0)
    stream.finish()
    while not stop.done and (counts := await stream.counts(time.perf_counter() + STALL_S)):
        leave.check()
        counted = _feed(stop, counted, counts, sent)


def _feed(stop: EarlyStop, counted: Count, counts: list[Count], sent: int) -> Count:
    for count in counts:
        if not counted.bytes <= count.bytes <= sent:
            raise ProtocolViolated(f"the reflector counts {count.bytes} bytes of {sent}")
        if count.at_ns < counted.at_ns:
            raise ProtocolViolated("the reflector's counts go back in time")
        stop.feed(count.at_ns / 1e9, count.bytes - counted.bytes)
        counted = count
    return counted


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
