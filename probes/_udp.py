"""Questions and answers over UDP, timed by the kernel, shared by `dns`, `ntp` and `sip`.

The time of arrival is the kernel's (SO_TIMESTAMPNS), so that a busy loop does not lengthen a reading. It is
of the realtime clock; where that clock was stepped in between, the monotonic clock is used instead.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from probes._kernel_clock import SO_TIMESTAMPNS, stamp_ns
from probes._resolve import Address
from probes._sockets import CONTROL_ROOM, Poller
from probes.errors import ProtocolViolated, TimedOut

MAX_DATAGRAM = 4096
"""Longest datagram read; what is longer arrives cut off, and so as garbage."""
KINDS = (
    "unreachable", "refused", "timeout", "protocol", "expectation", "dns", "inconclusive", "permission",
    "prober_error",
)  # fmt: skip

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Datagram:
    """What arrived: `at_ns` since the epoch by the kernel's clock, `elapsed_ms` since the last send."""

    data: bytes
    at_ns: int
    elapsed_ms: float


class Udp:
    """A connected UDP socket of its own: the kernel drops what comes from elsewhere."""

    __slots__ = ("_fd", "_poller", "_sent_mono_ns", "_sent_ns", "_socket", "strays")

    def __init__(self, poller: Poller, address: Address, port: int) -> None:
        """Connect. Raises OSError (no route, out of descriptors)."""
        self._poller = poller
        self.strays = 0
        self._sent_ns = self._sent_mono_ns = 0
        self._socket = socket.socket(address.af, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._fd = self._socket.fileno()
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.connect(address.sockaddr(port))
            poller.watch(self._fd)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Udp:
        return self

    def __exit__(self, *_: object) -> None:
        self._poller.forget(self._fd)
        self._socket.close()

    @property
    def local(self) -> tuple[str, int]:
        """Our own address and port."""
        host, port, *_ = self._socket.getsockname()
        return str(host), int(port)

    def send(self, data: bytes) -> int:
        """Send `data` and return when, in nanoseconds since the epoch. Raises OSError."""
        self._sent_ns, self._sent_mono_ns = time.time_ns(), time.monotonic_ns()
        self._socket.send(data)
        return self._sent_ns

    async def answer(self, until: float, accept: Callable[[bytes], A | None]) -> tuple[A, Datagram]:
        """Wait for the first datagram that `accept` makes something of; others are strays, and counted.

        Raises OSError (an ICMP error for the port or host), and when `until` (`time.perf_counter`) has
        passed, `ProtocolViolated` where strays came and `TimedOut` where nothing did.
        """
        datagram = await self._receive(until)
        while (found := accept(datagram.data)) is None:
            self.strays += 1
            await asyncio.sleep(0)
            if time.perf_counter() >= until:
                raise self._nothing()
            datagram = await self._receive(until)
        return found, datagram

    async def _receive(self, until: float) -> Datagram:
        while True:
            late = time.perf_counter() >= until
            try:
                data, ancillary, _, _ = self._socket.recvmsg(MAX_DATAGRAM, CONTROL_ROOM)
            except BlockingIOError:
                if late:
                    raise self._nothing() from None
                await self._poller.wait(self._fd, until)
                continue
            return self._stamped(data, stamp_ns(ancillary))

    def _nothing(self) -> ProtocolViolated | TimedOut:
        if self.strays:
            return ProtocolViolated(f"{self.strays} datagrams came, none of them an answer")
        return TimedOut("query: no answer")

    def _stamped(self, data: bytes, at_ns: int) -> Datagram:
        passed_ns = time.monotonic_ns() - self._sent_mono_ns
        elapsed_ns = kernel_elapsed_ns(self._sent_ns, at_ns, passed_ns)
        return Datagram(data, self._sent_ns + elapsed_ns, elapsed_ns / 1e6)


def kernel_elapsed_ns(sent_ns: int, at_ns: int, passed_ns: int) -> int:
    """Return how long an answer took, by the kernel's stamp where that is possible.

    `passed_ns` is the monotonic time until the answer was read, an upper bound: a stamp beyond it, or before
    the question, is of a clock that was stepped.
    """
    elapsed_ns = at_ns - sent_ns
    return elapsed_ns if 0 <= elapsed_ns <= passed_ns else passed_ns
