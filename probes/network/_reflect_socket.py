"""A UDP socket that tells what the kernel knows of each datagram: when it came, its TTL and traffic class.

asyncio's DatagramProtocol hides ancillary data, so both sides of a reflector read with recvmsg.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from probes._kernel_clock import SO_TIMESTAMPNS, KernelClock, stamp_ns
from probes._resolve import Address
from probes._sockets import Poller
from probes.network import _tx_stamps
from probes.network._reflect_wire import MAX_SIZE

SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_RXQ_OVFL = 32, 33, 40
"""asm-generic/socket.h; SO_RXQ_OVFL comes as a control message: datagrams the full queue lost so far."""
IP_RECVTTL, IP_RECVTOS = 12, 13
"""linux/in.h."""
RECEIVE_BUFFER = 12 * 1024 * 1024
"""Room for a whole train, where the system allows it."""
SEND_BUFFER = 4 * 1024 * 1024
"""Room for what waits in our own device where that is the bottleneck, so that it does not slow the sender."""
CONTROL_ROOM = 160
INT, U32 = struct.Struct("@i"), struct.Struct("@I")
BATCH = 128
"""Datagrams read in one go before others have their turn."""
TTLS = {(socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)}
CLASSES = {(socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
UDP_IP4, UDP_IP6 = 28, 48
"""Bytes of the headers around a UDP payload, without options."""


class Told(NamedTuple):
    """What the kernel said of a datagram: ns since the epoch (0: nothing), TTL, class, datagrams lost."""

    stamp_ns: int
    ttl: int
    tos: int
    lost: int


def told(ancillary: Iterable[tuple[int, int, bytes]]) -> Told:
    """Return what the control messages of one datagram say."""
    ancillary = list(ancillary)
    ttl = tos = lost = 0
    for level, kind, data in ancillary:
        if (level, kind) in TTLS and len(data) >= INT.size:
            ttl = INT.unpack_from(data)[0]
        elif (level, kind) in CLASSES and data:
            tos = INT.unpack_from(data)[0] if len(data) >= INT.size else data[0]
        elif (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL) and len(data) >= U32.size:
            lost = U32.unpack_from(data)[0]
    return Told(stamp_ns(ancillary), ttl & 0xFF, tos & 0xFF, lost)


def make_socket(af: socket.AddressFamily, dscp: int = 0) -> socket.socket:
    """Return a non-blocking UDP socket that tells all of `Told`. Raises OSError."""
    made = socket.socket(af, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        _prepare(made, dscp, v4=af == socket.AF_INET)
    except OSError:
        made.close()
        raise
    return made


def _prepare(made: socket.socket, dscp: int, *, v4: bool) -> None:
    made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    made.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    try:
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        made.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER)
    except PermissionError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if v4:
        made.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        made.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
    else:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)


class Arrived(NamedTuple):
    """A datagram, with what the kernel said of it."""

    data: bytes
    at_ns: int
    """When it came by `time.perf_counter_ns`; 0 where the kernel's stamp could not be placed there."""
    told: Told


class Datagrams:
    """A connected UDP socket of its own: the kernel drops what comes from elsewhere."""

    def __init__(self, poller: Poller, address: Address, port: int, dscp: int = 0) -> None:
        """Connect. Raises OSError (no route, out of descriptors)."""
        self._poller = poller
        self._clock = KernelClock()
        self.overflowed = 0
        """Datagrams that our own full queue lost."""
        self.sent_bytes = self.received_bytes = 0
        """What was sent and came, at the IP layer."""
        self.left: Callable[[int, int, int], None] | None = None
        """Told when a datagram of `send_timed` left: its number, and when, by `time.perf_counter_ns` and
        in ns since the epoch."""
        self._timed = 0
        self.headers = UDP_IP4 if address.family == "4" else UDP_IP6
        self.socket = make_socket(address.af, dscp)
        self._fd = self.socket.fileno()
        try:
            self._stamped = _tx_stamps.enable(self.socket)
            self.socket.connect(address.sockaddr(port))
            poller.watch(self._fd)
        except OSError:
            self.socket.close()
            raise

    @property
    def steps(self) -> int:
        """How many steps of the realtime clock were noticed."""
        return self._clock.steps

    def close(self) -> None:
        """Close. Safe to call twice."""
        self._poller.forget(self._fd)
        self.socket.close()

    def send(self, data: bytes) -> tuple[int, int]:
        """Send, and return `time.perf_counter_ns` before and after. Raises OSError."""
        before = time.perf_counter_ns()
        self.socket.send(data)
        after = time.perf_counter_ns()
        self.sent_bytes += len(data) + self.headers
        return before, after

    def send_timed(self, data: bytes) -> tuple[int, int, int]:
        """Send as `send` does, and ask the kernel when it left; also returns its number for `left`."""
        before = time.perf_counter_ns()
        self.socket.sendmsg([data], _tx_stamps.ASK if self._stamped else [])
        after = time.perf_counter_ns()
        self.sent_bytes += len(data) + self.headers
        self._timed += 1
        return before, after, self._timed - 1

    async def receive(self, until: float | None = None) -> list[Arrived]:
        """Return what came, at least one datagram; nothing once `until` (`time.perf_counter`) has passed.

        Raises OSError (an ICMP error for the port or host).
        """
        while True:
            late = until is not None and time.perf_counter() >= until
            found = self._read()
            if found:
                return self._placed(found)
            if late:
                return []
            await self._poller.wait(self._fd, until)

    def _read(self) -> list[tuple[bytes, Told]]:
        found: list[tuple[bytes, Told]] = []
        try:
            while len(found) < BATCH:
                data, ancillary, _, _ = self.socket.recvmsg(MAX_SIZE + 1, CONTROL_ROOM)
                found.append((data, told(ancillary)))
        except BlockingIOError:
            pass
        except OSError:
            if not found:
                raise
        return found

    def _placed(self, found: list[tuple[bytes, Told]]) -> list[Arrived]:
        offset, now = self._clock.look(), time.perf_counter_ns()
        self._tell_left(offset)
        arrived = []
        for data, said in found:
            self.received_bytes += len(data) + self.headers
            self.overflowed = max(self.overflowed, said.lost)
            at_ns = said.stamp_ns - offset if offset is not None and said.stamp_ns else 0
            arrived.append(Arrived(data, at_ns if 0 < at_ns <= now else 0, said))
        return arrived

    def _tell_left(self, offset: int | None) -> None:
        """Pass on what the kernel tells of datagrams that left; where its clock was stepped, nothing."""
        for number, at_ns in _tx_stamps.departures(self.socket) if self._stamped else ():
            if self.left is not None and offset is not None:
                self.left(number, at_ns - offset, at_ns)
