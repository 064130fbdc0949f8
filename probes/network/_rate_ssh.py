"""A transfer through an SSH pipe, watched at our own socket: goodput each way of any host that takes a login.

What is run there is fixed, and bounded in bytes at its source: `head -c N /dev/zero` sends, `cat` takes.
Nothing is compressed. The connection is shared with nobody, so that no other command waits behind the bytes,
and is reset at the end. What came is counted as it leaves our socket, with the kernel's time of arrival; what
we sent as the other kernel acknowledges it (TCP_INFO). SSH's own bytes are counted, too: 0.1 %.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
import time
from dataclasses import dataclass, field

from probes._kernel_clock import NANO, SO_TIMESTAMPNS, KernelClock, stamp_ns
from probes._sockets import CONTROL_ROOM, RTT_AT, TCP_NOTSENT_LOWAT, U32
from probes._ssh import Own, SshParams, SshPool
from probes._ssh_session import Flow, Output, Session
from probes.api import Context, Target, clip
from probes.errors import Ending, Inconclusive, ProtocolViolated, TimedOut
from probes.network._rate_leave import Leave
from probes.network._rate_params import Direction
from probes.network._rate_transfer import SEGMENT_SHARE, STALL_S, UNSENT
from probes.network._tcp_rate import EarlyStop, Settled

COMMANDS: dict[Direction, str] = {"up": "head -c {} /dev/zero", "down": "cat >/dev/null"}
INFO_SIZE = 208
RCV_SSTHRESH_AT, NOTSENT_AT, ACKED_AT, RECEIVED_AT, SENT_AT = 64, 144, 120, 128, 200
"""Offsets in `struct tcp_info` (linux/tcp.h, 4.19 and later), in bytes: what may be on its way to us at most,
what waits to be sent; then all that was acknowledged, received and sent."""
U64 = struct.Struct("@Q")
LOOK_S = 0.005
POLLED_SEGMENTS = 100
"""Least length of a window of what is looked at every `LOOK_S`: its edges are off by a segment or two."""
BROKEN_S = 1.0
"""How long paramiko may take to tell why a connection is no more."""
MOST_HELD = 0.3
"""Of the looks: more often than that our end, or the host's, held the transfer up, and not the line."""


@dataclass(slots=True)
class Pipe:
    """What came of a transfer."""

    settled: Settled
    rtt_ms: float
    ended: bool
    """Whether its bytes were used up first."""


@dataclass(slots=True)
class Looks:
    """How often we looked, and how often an end of the pipe was in the way."""

    count: int = 0
    held: int = 0

    def note(self, info: bytes, unread: int, way: Direction) -> None:
        """Take a look: unread bytes that fill half of our window, or nothing that waits to be sent."""
        window, notsent = (U32.unpack_from(info, at)[0] for at in (RCV_SSTHRESH_AT, NOTSENT_AT))
        self.count += 1
        self.held += 2 * unread > window if way == "up" else not notsent

    @property
    def slow(self) -> bool:
        """Whether the ends of the pipe set the pace."""
        return self.held > MOST_HELD * self.count


class Arrivals:
    """Receives in paramiko's thread, and tells the early stop when the kernel had what."""

    def __init__(self, stop: EarlyStop) -> None:
        self._stop, self._clock = stop, KernelClock()

    def receive(self, sock: socket.socket, size: int) -> bytes:
        """Receive as a socket does."""
        data, ancillary, _, _ = sock.recvmsg(size, CONTROL_ROOM)
        offset, now, stamp = self._clock.look(), time.perf_counter(), stamp_ns(ancillary)
        at = min(now, (stamp - offset) / NANO) if stamp and offset is not None else now
        if not self._stop.done:
            self._stop.feed(at, len(data))
        return data


@dataclass(slots=True)
class _Watch:
    """One direction of one pipe, looked at until it has settled."""

    session: Session
    way: Direction
    leave: Leave
    stop: EarlyStop
    looks: Looks = field(default_factory=Looks)
    moved: int = 0
    spent: dict[Direction, int] = field(default_factory=lambda: {"up": 0, "down": 0})

    def look(self) -> bool | None:
        """Account for what moved since the last look; return whether anything has (None: it broke)."""
        sock = self.session.sock
        try:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_SIZE)
            unread = U32.unpack(fcntl.ioctl(sock, termios.FIONREAD, bytes(U32.size)))[0]
        except (OSError, ValueError):
            return None
        acked, received, sent = (U64.unpack_from(info, at)[0] for at in (ACKED_AT, RECEIVED_AT, SENT_AT))
        self._spend("up", received)
        self._spend("down", sent)
        new = (received if self.way == "up" else acked) - self.moved
        self.moved += new
        self.looks.note(info, unread, self.way)
        if self.way == "down" and new and not self.stop.done:
            self.stop.feed(time.perf_counter(), new)
        return bool(new)

    def _spend(self, way: Direction, total: int) -> None:
        self.leave.spent(way, int((total - self.spent[way]) / SEGMENT_SHARE))
        self.spent[way] = total

    async def until_settled(self, moving: asyncio.Task[Output], until: float) -> None:
        """Look until the rate has settled or the flow has ended. Raises `TimedOut`, `Stopped`."""
        changed = time.perf_counter()
        while not self.stop.done and not moving.done():
            self.leave.check()
            now = time.perf_counter()
            if (moved := self.look()) is None:
                await asyncio.wait([moving], timeout=BROKEN_S)
                return
            changed = now if moved else changed
            if now - changed > STALL_S or now >= until:
                raise TimedOut(f"transfer: nothing moved for {now - changed:.1f} s")
            await asyncio.sleep(LOOK_S)
        self.look()


async def measure_ssh(
    target: Target, login: SshParams, way: Direction, most: int, context: Context, leave: Leave, until: float
) -> tuple[Pipe, dict[str, float]]:
    """Move at most `most` bytes (IP layer) until the rate settles; return that, and the login's phases.

    Raises what the login does, `Inconclusive` (the host runs no such command, or an end set the pace),
    `TimedOut`, `ProtocolViolated`, `Stopped`, OSError.
    """
    pool = context.shared.get(SshPool)
    async with pool.own(target, login, context) as own:
        pipe = await _piped(pool, own, way, int(most * SEGMENT_SHARE), context, leave, until)
    return pipe, own.phases


async def _piped(
    pool: SshPool, own: Own, way: Direction, most: int, context: Context, leave: Leave, until: float
) -> Pipe:
    session = own.session
    rtt_s = _prepared(session)
    stop = EarlyStop(rtt_s) if way == "up" else EarlyStop(rtt_s, segments=POLLED_SEGMENTS)
    watch = _Watch(session, way, leave, stop)
    if way == "up":
        session.receive_by(Arrivals(stop).receive)
    flow = Flow(COMMANDS[way].format(most), most, sends=way == "down")
    moving = asyncio.create_task(pool.move(session, flow, context))
    try:
        await watch.until_settled(moving, until)
        if not stop.done and not moving.done():
            raise ProtocolViolated("the connection broke in mid-transfer")
        if moving.done():
            _check(moving.result(), flow, most)
    finally:
        session.reset()
        session.abort()
        with contextlib.suppress(Ending):
            await moving
    if watch.looks.slow:
        raise Inconclusive("an end of the SSH pipe set the pace, and not the line")
    return Pipe(stop.result(), rtt_s * 1000, not stop.done)


def _prepared(session: Session) -> float:
    """Have arrivals stamped and little wait unsent; return the round trip time in seconds. Raises OSError."""
    session.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    session.sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)
    info = session.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_SIZE)
    return float(U32.unpack_from(info, RTT_AT)[0]) / 1e6


def _check(output: Output, flow: Flow, most: int) -> None:
    """Raise `Inconclusive` for a host that did not run the command, `ProtocolViolated` for too much."""
    if output.status != 0:
        said = clip(output.stderr.decode("utf-8", "replace"), 200)
        raise Inconclusive(f"the host did not run the command (exit status {output.status}): {said}")
    if flow.came > most:
        raise ProtocolViolated(f"the host sent {flow.came} bytes where {most} were asked for")
