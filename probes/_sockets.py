"""A TCP connection on a socket of our own, so that times are the kernel's and not the event loop's.

Connect time is the round trip of the handshake as the kernel measured it (TCP_INFO), and a received chunk
carries the kernel's time of arrival (SO_TIMESTAMPNS): a loop that comes 15 ms late reads the same figures.
All connections share one epoll instance, of which the loop watches only the one descriptor; on asyncio and
on uvloop alike that costs two thirds of add_writer per connection.

An `until` is a time of `time.perf_counter`. When it has passed, the kernel is asked once more before
`TimedOut` is raised, so that our own lateness never becomes the target's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import socket
import struct
import time
from typing import NamedTuple, Protocol

from probes._kernel_clock import NANO, SO_TIMESTAMPNS, KernelClock, stamp_ns
from probes._resolve import Address
from probes._wheel import Wheel
from probes.api import Context, Shared
from probes.errors import TimedOut

EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
BATCH = 1024
WHEEL_S = 0.010
CONTROL_ROOM = socket.CMSG_SPACE(16)

TCP_INFO_SIZE = 104
"""The head of `struct tcp_info` (linux/tcp.h) up to tcpi_total_retrans; newer kernels only append."""
LAST_ACK_RECV_AT, RTT_AT, TOTAL_RETRANS_AT = 56, 68, 100
"""Offsets of tcpi_last_ack_recv (ms ago), tcpi_rtt (microseconds) and tcpi_total_retrans, each a __u32."""
TCP_NOTSENT_LOWAT = 25
"""linux/tcp.h; the socket module names it only from Python 3.12 on."""
SYN_SENT, CLOSED = 2, 7
"""States in tcpi_state, the first byte (include/net/tcp_states.h)."""
U32 = struct.Struct("@I")


def fill_queues(sock: socket.socket) -> None:
    """Have a TCP socket send by Reno (RFC 5681): it speeds up until packets are lost.

    So it fills the queue on the way within some round trips, which BBR avoids and CUBIC takes long for
    (HyStart). It is the one congestion control that every Linux lets every user choose. Raises OSError.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")


def own_deadline(context: Context) -> float:
    """Return the `until` of a run: shortly before the runner's deadline, so that the probe has the word."""
    return context.started + context.timeout - min(0.1, context.timeout * 0.1)


class Chunk(NamedTuple):
    """What arrived, and when the kernel had it (`time.perf_counter`); no data means the end."""

    data: bytes
    at: float


class Stream(Protocol):
    """What a `Connection` and a `TlsStream` have in common."""

    async def send(self, data: bytes, until: float | None = None) -> float:
        """Send all of `data`; return the `time.perf_counter` right before its first byte went out."""

    async def recv(self, limit: int = 65_536, until: float | None = None) -> Chunk:
        """Return what has arrived, at most `limit` bytes."""

    def close(self) -> None:
        """Close. Safe to call twice."""


class Poller:
    """The one epoll instance of all connections, and their timers. A client of `Shared.get`."""

    def __init__(self, _shared: Shared) -> None:
        self.clock = KernelClock()
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._wheel: Wheel[asyncio.Future[None]] = Wheel(WHEEL_S, _wake_all)
        self._loop.add_reader(self._epoll.fileno(), self._drain)
        # The kernel stamps packets only while some socket asks for it, and begins to a moment after the
        # first has asked: this one keeps the stamping on.
        self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._keeper.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def watch(self, fd: int) -> None:
        """Watch `fd` until it is closed."""
        self._epoll.register(fd, EVENTS)

    def wait(self, fd: int, until: float | None) -> asyncio.Future[None]:
        """Return a future done when something happened to `fd`, or `until` has passed."""
        waiter = self._waiters[fd] = self._loop.create_future()
        if until is not None:
            self._wheel.add(until, waiter)
        return waiter

    def forget(self, fd: int) -> None:
        """Forget `fd`, which is about to be closed (the kernel then takes it off the epoll instance)."""
        self._waiters.pop(fd, None)

    async def aclose(self) -> None:
        """Stop watching."""
        self._wheel.stop()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._keeper.close()

    def _drain(self) -> None:
        for fd, _ in self._epoll.poll(0, BATCH):
            waiter = self._waiters.pop(fd, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)


def _wake_all(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


class Connection:
    """One attempt at one connection: `connect`, then `send` and `recv`, and `close` whatever happens.

    Closing is the ordinary way (FIN): a reset would spare us the TIME_WAIT, but servers log it, and some
    count it as an attack. The kernel bounds TIME_WAIT sockets (tcp_max_tw_buckets), and one a minute per
    target never gets near the 28,000 ports each target has.
    """

    __slots__ = ("_closed", "_fd", "_pending", "_poller", "_socket", "connect_ms", "retransmits", "started")

    def __init__(self, poller: Poller, address: Address, *, talks: bool) -> None:
        """Make the socket. `talks`: the connection will carry data (arrival stamps, no Nagle).

        Raises OSError when we are out of descriptors.
        """
        self._poller = poller
        self._socket = socket.socket(address.af, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._fd = self._socket.fileno()
        self._closed = False
        self._pending = 0
        self.started = 0.0
        """When the first SYN was sent (`time.perf_counter`)."""
        self.connect_ms = 0.0
        """From the first SYN to the peer's acknowledgement, by the kernel."""
        self.retransmits = 0
        """How often the SYN had to be repeated."""
        if talks:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def connected_at(self) -> float:
        """When the handshake was done, as `time.perf_counter`."""
        return self.started + self.connect_ms / 1000

    async def establish(self, sockaddr: tuple[str | int, ...], until: float | None) -> None:
        """Connect. Raises OSError as the kernel has it, and `TimedOut` when `until` has passed."""
        self.started = time.perf_counter()
        error = self._socket.connect_ex(sockaddr)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, os.strerror(error))
        self._poller.watch(self._fd)
        info = b""
        while not info:
            late = _passed(until)
            info = self._established()
            if not info:
                await self._wait(until, "connect", late)
        self._take_times(info)

    async def send(self, data: bytes, until: float | None = None) -> float:
        """Send all of `data`; return the `time.perf_counter` right before its first byte went out."""
        self._raise_pending()
        left = memoryview(data)
        sent_at = time.perf_counter()
        while left:
            late = _passed(until)
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await self._wait(until, "send", late)
        return sent_at

    async def recv(self, limit: int = 65_536, until: float | None = None) -> Chunk:
        """Return what has arrived, at most `limit` bytes.

        The time is that of the last segment in the chunk: for the time of a first byte in a longer stream,
        ask for little (4 kB) in the first call.
        """
        while True:
            late = _passed(until)
            try:
                data, ancillary, _, _ = self._socket.recvmsg(limit, CONTROL_ROOM)
            except BlockingIOError:
                await self._wait(until, "receive", late)
                continue
            if not data:
                self._raise_pending()
            return Chunk(data, self._arrival(stamp_ns(ancillary)))

    def exchange(self, data: bytes, limit: int) -> tuple[int, Chunk | None]:
        """Send and receive what goes without waiting: bytes sent, and what came (None: nothing)."""
        self._raise_pending()
        sent, chunk = 0, None
        with contextlib.suppress(BlockingIOError):
            sent = self._socket.send(data)
        with contextlib.suppress(BlockingIOError):
            received, ancillary, _, _ = self._socket.recvmsg(limit, CONTROL_ROOM)
            chunk = Chunk(received, self._arrival(stamp_ns(ancillary)))
        return sent, chunk

    async def ready(self, until: float | None = None) -> None:
        """Wait until `exchange` may do more. Raises `TimedOut`."""
        await self._wait(until, "exchange", _passed(until))

    def shut(self) -> None:
        """Send no more (FIN); receiving goes on. Raises OSError."""
        self._socket.shutdown(socket.SHUT_WR)

    def limit_unsent(self, size: int) -> None:
        """Let at most so many bytes wait to be sent, so that little is under way when a transfer stops."""
        self._socket.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, size)

    def fill_queues(self) -> None:
        """Send so that the queue on the way fills (`fill_queues`)."""
        fill_queues(self._socket)

    def abort(self) -> None:
        """Close at once (RST): what waits to be sent is not sent any more."""
        if not self._closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            self.close()

    def close(self) -> None:
        """Close. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._poller.forget(self._fd)
            self._socket.close()

    async def _wait(self, until: float | None, doing: str, late: bool) -> None:
        if late:
            raise TimedOut(f"{doing}: no answer after {time.perf_counter() - self.started:.1f} s")
        await self._poller.wait(self._fd, until)

    def _established(self) -> bytes:
        """Return the kernel's account once the handshake is done, else nothing. Raises OSError.

        A peer that resets the connection after the handshake did accept it: that comes out when the
        connection is used, and so does not depend on when we look.
        """
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
        if info[0] == SYN_SENT:
            return b""
        if info[0] == CLOSED:
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error not in (0, errno.ECONNRESET, errno.EPIPE):
                raise OSError(error, os.strerror(error))
            self._pending = errno.ECONNRESET
        return info

    def _take_times(self, info: bytes) -> None:
        """Take the kernel's round trip; where the SYN was repeated, our own clock less the last ACK's age."""
        self.retransmits = U32.unpack_from(info, TOTAL_RETRANS_AT)[0]
        self.connect_ms = U32.unpack_from(info, RTT_AT)[0] / 1000
        if self.retransmits:
            passed_ms = (time.perf_counter() - self.started) * 1000
            self.connect_ms = max(self.connect_ms, passed_ms - U32.unpack_from(info, LAST_ACK_RECV_AT)[0])

    def _arrival(self, stamp: int) -> float:
        offset = self._poller.clock.look()
        now = time.perf_counter()
        if offset is None or not stamp:
            return now
        return min(now, max(self.started, (stamp - offset) / NANO))

    def _raise_pending(self) -> None:
        if self._pending:
            raise OSError(self._pending, os.strerror(self._pending))


def _passed(until: float | None) -> bool:
    return until is not None and time.perf_counter() >= until


async def connect(
    poller: Poller, address: Address, port: int, *, until: float | None = None, talks: bool = False
) -> Connection:
    """Return an established connection; whatever prevents it, nothing is left open.

    Raises OSError as the kernel has it (`probes.errors.from_oserror`), and `TimedOut` after `until`.
    """
    connection = Connection(poller, address, talks=talks)
    try:
        await connection.establish(address.sockaddr(port), until)
    except BaseException:
        connection.close()
        raise
    return connection
