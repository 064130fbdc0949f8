"""Trains and transfers against a reflector."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass

from probes._resolve import Address
from probes._sockets import Poller
from probes.errors import ProtocolViolated, TimedOut
from probes.network import _reflect_train as reflect
from probes.network._rate_course import Lane, Send, follow
from probes.network._rate_leave import Leave
from probes.network._rate_loaded import (
    RAMP_RTTS,
    RAMP_S,
    REST_S,
    Company,
    Load,
    UnderLoad,
    interval_s,
)
from probes.network._rate_params import ThroughputParams
from probes.network._rate_transfer import SEGMENT_SHARE, download, transfer_bytes, upload, wants_transfer
from probes.network._reflect_bodies import FILL, SEND, SINK
from probes.network._reflect_session import Session, open_session
from probes.network._reflect_stream import tcp_stream
from probes.network._tcp_rate import EarlyStop, Gauge, Settled
from probes.network._train_plan import Order

LONGEST_S = 15.0
SPARE_S = 3.0
"""So much later than we the reflector ends a transfer; and so long is left to ask after one that stalled."""
REST_INTERVAL_S = 0.050
UNSETTLED = Settled(0.0, False, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Where:
    """The reflector, and the run's bounds."""

    poller: Poller
    address: Address
    port: int
    key: bytes
    until: float


async def measure_lanes(
    where: Where, lanes: list[Lane], params: ThroughputParams, leave: Leave, under_load: UnderLoad
) -> float:
    """Fill the lanes; return the round trip time in ms. Raises what sessions and streams raise."""
    async with open_session(
        where.poller, where.address, where.port, where.key, where.until, params.dscp
    ) as session:
        try:
            for number, lane in enumerate(lanes):
                share = _share(leave, params.max_bytes, len(lanes) - number)
                await follow(lane, share, _sender(session, lane, leave, where.until), leave, session.rtt_ms)
                if lane.verdict.died:
                    raise TimedOut(lane.verdict.why)
                if session.violation:
                    raise ProtocolViolated(session.violation)
        finally:
            leave.total("down", session.sent_bytes)
            leave.total("up", session.received_bytes)
        rtt_ms = session.rtt_ms
    if params.loaded is not None:
        await _load(where, lanes, params, leave, under_load)
        return rtt_ms
    for number, lane in enumerate(lanes):
        if wants_transfer(lane, params):
            until = _until(where, len(lanes) - number)
            move = Move(lane, transfer_bytes(lane, params, leave), until, rtt_ms=rtt_ms)
            lane.transfer = await _transfer(where, move, leave)
    return rtt_ms


async def _load(
    where: Where, lanes: list[Lane], params: ThroughputParams, leave: Leave, found: UnderLoad
) -> None:
    """Look at the line at rest, then fill it by transfers, with echoes beside them."""
    leave.fill()
    found.wanted = tuple(lane.direction for lane in lanes)
    async with open_session(where.poller, where.address, where.port, where.key, where.until) as session:
        try:
            with Company(session, REST_INTERVAL_S) as company:
                await asyncio.sleep(REST_S)
            found.rest = await company.burst(where.until)
            for number, lane in enumerate(lanes):
                most = transfer_bytes(lane, params, leave)
                if leave.left is not None:
                    most = min(most, leave.left // (len(lanes) - number))
                line_bps, rtt_s = _carries(lane), session.rtt_ms / 1000
                ramp_s = max(RAMP_S, RAMP_RTTS * rtt_s)
                gauge = Gauge(rtt_s, params.loaded or 0.0, ramp_s)
                company = Company(session, interval_s(most, line_bps))
                move = Move(lane, most, _until(where, len(lanes) - number), gauge, company)
                lane.transfer = await _transfer(where, move, leave)
                burst = await company.burst(where.until, ramp_s)
                share = gauge.filled_bps / SEGMENT_SHARE / line_bps if line_bps else None
                found.loads[lane.direction] = Load(burst, share)
        finally:
            leave.spent("down", session.sent_bytes)
            leave.spent("up", session.received_bytes)


def _carries(lane: Lane) -> float | None:
    """Return what a lane is known to carry, or said to."""
    return lane.verdict.bps if lane.verdict.decided == "exact" else lane.nominal


def _until(where: Where, lanes: int) -> float:
    """Return when the next of so many transfers has to end: time to ask after it must be left."""
    now = time.perf_counter()
    return now + max(0.0, min(LONGEST_S, (where.until - now) / lanes - SPARE_S))


def _share(leave: Leave, max_bytes: int | None, lanes: int) -> int | None:
    """Divide what the monitor allows over the lanes still to be measured."""
    if leave.left is None:
        return max_bytes
    part = leave.left // lanes
    return part if max_bytes is None else min(part, max_bytes)


def _sender(session: Session, lane: Lane, leave: Leave, until: float) -> Send:
    headers = session.ip_bytes(0)

    async def send(order: Order) -> reflect.Train:
        size = order.size - headers
        rate = order.bps * size / order.size
        train = session.train_down if lane.direction == "down" else session.train_up
        return await train(order.packets, size, rate, until, leave.hurt)

    return send


@dataclass(frozen=True, slots=True)
class Move:
    """One transfer: at most so many bytes until then; one that has echoes beside it fills the queue."""

    lane: Lane
    most: int
    until: float
    stop: EarlyStop | None = None
    company: Company | None = None
    rtt_ms: float = math.inf
    """What is known of it otherwise: the handshake behind an empty bucket may be a repeated one."""


async def _transfer(where: Where, move: Move, leave: Leave) -> Settled:
    """Return what a transfer came to. Where it stalled on a link that still answers, it did not settle.

    Raises what streams and sessions raise: `TimedOut` is of a link that is dead.
    """
    try:
        return await _moved(where, move, leave)
    except TimedOut:
        async with open_session(where.poller, where.address, where.port, where.key, where.until):
            return UNSETTLED


async def _moved(where: Where, move: Move, leave: Leave) -> Settled:
    up, most, until = move.lane.direction == "up", move.most, move.until
    mode = SINK if not up else FILL if move.company else SEND
    seconds = max(0.1, until - time.perf_counter()) + SPARE_S
    async with tcp_stream(
        where.poller, where.address, where.port, where.key, mode, most, seconds, until
    ) as stream:
        stop = move.stop or EarlyStop(min(stream.rtt_ms, move.rtt_ms) / 1000)
        if move.company is not None:
            stream.connection.fill_queues()
        try:
            with move.company or contextlib.nullcontext():
                if up:
                    await download(stream.receive, stop, leave, until)
                else:
                    await upload(stream, stop, leave, most, until)
        finally:
            stream.connection.abort()
    return stop.result()
