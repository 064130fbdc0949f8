"""The one ICMP socket of a family: raw where allowed, else an unprivileged ping socket; both non-blocking."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from probes._kernel_clock import SO_TIMESTAMPNS, stamp_ns
from probes.errors import PermissionMissing
from probes.network._icmp_burst import Control
from probes.network._icmp_packet import (
    ECHO,
    ECHO_REPLY,
    ECHO_REPLY6,
    ECHO_REQUEST,
    ECHO_REQUEST6,
    PASS4,
    PASS6,
    ErrorMessage,
    error_text,
    intact,
    parse_echo,
    parse_error,
)

RECEIVE_BUFFER = 8 * 1024 * 1024
SO_RCVBUFFORCE, SO_MEMINFO, MEMINFO_DROPS_AT, MEMINFO_SIZE = 33, 55, 32, 36
"""asm-generic/socket.h; SK_MEMINFO_DROPS is the ninth __u32 (linux/sock_diag.h)."""
SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1
"""linux/icmp.h, linux/icmpv6.h: a set bit keeps a type from us."""
IP_RECVERR, IP_RECVTTL, IPV6_RECVERR = 11, 12, 25
"""linux/in.h, linux/in6.h."""
EXTENDED_ERROR = struct.Struct("@IBBBBII")
"""struct sock_extended_err (linux/errqueue.h): errno, origin, type, code, pad, info, data."""
INT = struct.Struct("@i")
LARGEST = 65_536
CONTROL_ROOM = 256

NOT_ALLOWED = (
    "may not open an ICMP socket: give the daemon CAP_NET_RAW (in its systemd unit: "
    "AmbientCapabilities=CAP_NET_RAW), or let its group ping (sysctl net.ipv4.ping_group_range)"
)


class Reply(NamedTuple):
    """An echo reply: from whom, the kernel's time of arrival (ns since the epoch, or 0), TTL or hop limit."""

    ident: int
    sequence: int
    key: bytes
    source: str
    stamp: int
    ttl: int


class Complaint(NamedTuple):
    """An ICMP error about one of our echoes, and who sent it."""

    error: ErrorMessage
    source: str


class Channel:
    """Sends echo requests of one family and yields what comes back for them, well formed."""

    def __init__(self, family: str) -> None:
        """Open the socket. Raises `PermissionMissing`, and OSError when out of descriptors."""
        self.family = family
        self._v4 = family == "4"
        self.request_kind = ECHO_REQUEST if self._v4 else ECHO_REQUEST6
        self._reply_kind = ECHO_REPLY if self._v4 else ECHO_REPLY6
        self._socket, self.raw = _open(family)
        self._buffer = bytearray(LARGEST)
        self._view = memoryview(self._buffer)
        self._drops = 0
        self._epoll: select.epoll | None = None
        if not self.raw:
            # Errors waiting on a ping socket would make libuv stop watching it; behind an epoll they don't.
            self._epoll = select.epoll()
            self._epoll.register(self._socket.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._epoll.fileno() if self._epoll else self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        if self._epoll:
            self._epoll.close()
        self._socket.close()

    def send(self, packet: bytes, sockaddr: tuple[str | int, ...], control: Control) -> int:
        """Send one packet; return the `time.perf_counter_ns` right before.

        Raises OSError (BlockingIOError and ENOBUFS: our own queue is full).
        """
        try:
            return self._send(packet, sockaddr, control)
        except OSError as error:
            if self.raw or error.errno in (errno.EAGAIN, errno.ENOBUFS):
                raise
            # A ping socket reports the error of an earlier packet, perhaps to another target, once.
            return self._send(packet, sockaddr, control)

    def _send(self, packet: bytes, sockaddr: tuple[str | int, ...], control: Control) -> int:
        opened = self._socket
        if control:
            before = time.perf_counter_ns()
            opened.sendmsg((packet,), control, 0, sockaddr)
        else:
            before = time.perf_counter_ns()
            opened.sendto(packet, sockaddr)
        return before

    def overflowed(self) -> bool:
        """Tell whether the kernel dropped anything for want of room since the last call."""
        info = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO_SIZE)
        drops = int(INT.unpack_from(info, MEMINFO_DROPS_AT)[0])
        changed = drops != self._drops
        self._drops = drops
        return changed

    def read(self, limit: int) -> Iterator[Reply | Complaint | None]:
        """Yield what has arrived, at most `limit` datagrams; None for one that is nothing to us."""
        receive, view = self._socket.recvmsg_into, self._view
        buffers = (self._buffer,)
        for _ in range(limit):
            try:
                size, ancillary, _, source = receive(buffers, CONTROL_ROOM)
            except BlockingIOError:
                return
            except OSError:
                # On a ping socket: an ICMP error is pending, and reading it off the error queue tells more.
                yield from self._complaints()
                continue
            yield self._parse(view[:size], source[0].partition("%")[0], ancillary)

    def _parse(self, packet: memoryview, source: str, ancillary: Control) -> Reply | Complaint | None:
        if self._v4 and self.raw:
            if len(packet) < 28:
                return None
            ttl, message = packet[8], packet[(packet[0] & 0x0F) * 4 :]
            if not intact(message):
                return None
        else:
            ttl, message = _ttl(ancillary), packet
        if message and message[0] == self._reply_kind:
            if len(message) < ECHO.size:
                return None
            ident, sequence, key = ECHO.unpack_from(message)
            return Reply(ident, sequence, key, source, stamp_ns(ancillary), ttl)
        error = parse_error(self.family, message)
        return Complaint(error, source) if error else None

    def _complaints(self) -> Iterator[Complaint]:
        with contextlib.suppress(OSError):
            while True:
                quote, ancillary, _, destination = self._socket.recvmsg(
                    LARGEST, CONTROL_ROOM, socket.MSG_ERRQUEUE
                )
                complaint = self._complaint(quote, ancillary, destination[0].partition("%")[0])
                if complaint:
                    yield complaint

    def _complaint(self, quote: bytes, ancillary: Control, destination: str) -> Complaint | None:
        echo = parse_echo(quote)
        for level, kind, data in ancillary:
            recverr = (socket.IPPROTO_IP, IP_RECVERR) if self._v4 else (socket.IPPROTO_IPV6, IPV6_RECVERR)
            if echo and (level, kind) == recverr and len(data) >= EXTENDED_ERROR.size:
                _, _, error_kind, code, _, _, _ = EXTENDED_ERROR.unpack_from(data)
                text = error_text(self.family, error_kind, code)
                return Complaint(ErrorMessage(destination, echo, text), _offender(data, v4=self._v4))
        return None


def _ttl(ancillary: Control) -> int:
    for level, kind, data in ancillary:
        is_ttl = level == socket.IPPROTO_IP and kind == socket.IP_TTL
        is_hops = level == socket.IPPROTO_IPV6 and kind == socket.IPV6_HOPLIMIT
        if (is_ttl or is_hops) and len(data) == INT.size:
            return int(INT.unpack(data)[0])
    return 0


def _offender(data: bytes, *, v4: bool) -> str:
    """The sockaddr behind the extended error: of the node that complained."""
    address = data[EXTENDED_ERROR.size :]
    start, end, family = (4, 8, socket.AF_INET) if v4 else (8, 24, socket.AF_INET6)
    return socket.inet_ntop(family, address[start:end]) if len(address) >= end else "somebody"


def _open(family: str) -> tuple[socket.socket, bool]:
    for kind, raw in ((socket.SOCK_RAW, True), (socket.SOCK_DGRAM, False)):
        try:
            opened = _socket(family, kind | socket.SOCK_NONBLOCK)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES):
                raise
            continue
        try:
            _prepare(opened, v4=family == "4", raw=raw)
        except OSError:
            opened.close()
            raise
        return opened, raw
    raise PermissionMissing(NOT_ALLOWED)


def _socket(family: str, kind: int) -> socket.socket:
    if family == "4":
        return socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
    return socket.socket(socket.AF_INET6, kind, socket.IPPROTO_ICMPV6)


def _prepare(opened: socket.socket, *, v4: bool, raw: bool) -> None:
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    settings: Callable[[socket.socket, bool], None] = _prepare4 if v4 else _prepare6
    settings(opened, raw)


def _prepare4(opened: socket.socket, raw: bool) -> None:
    if raw:
        mask = 0xFFFF_FFFF & ~sum(1 << kind for kind in PASS4)
        opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("@I", mask))
    else:
        opened.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        opened.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def _prepare6(opened: socket.socket, raw: bool) -> None:
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    if raw:
        blocked = [0xFFFF_FFFF] * 8
        for kind in PASS6:
            blocked[kind >> 5] &= ~(1 << (kind & 31))
        opened.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("@8I", *blocked))
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
