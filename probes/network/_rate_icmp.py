"""A train of ICMP echoes: any host answers, but what comes back went both ways, so the slower one counts."""

from __future__ import annotations

import asyncio
import errno
import secrets
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from probes._kernel_clock import KernelClock
from probes._resolve import Address
from probes.network import _reflect_train as reflect
from probes.network._icmp_burst import Control
from probes.network._icmp_channel import Channel, Reply
from probes.network._icmp_packet import KEY_SIZE, ones_sum, padding, request
from probes.network._rate_leave import Leave
from probes.network._train_pace import Paced, send_paced
from probes.network._train_plan import Order

HEADERS = {"4": 28, "6": 48}
"""Bytes of the IP and ICMP headers around an echo's data."""
QUIET_S = 0.4
BATCH = 64
CLASS = {"4": (0, 1), "6": (41, 67)}
"""IPPROTO_IP and IP_TOS, IPPROTO_IPV6 and IPV6_TCLASS."""


class Echoes:
    """Sends trains of echoes to one address; made by `open_echoes`."""

    def __init__(self, channel: Channel, address: Address, dscp: int, leave: Leave) -> None:
        self._channel, self._address, self._leave = channel, address, leave
        level, kind = CLASS[address.family]
        self._control: Control = [(level, kind, struct.pack("@i", dscp << 2))] if dscp else []
        self._key = b""
        self._arrived: dict[int, int] = {}
        self._came = asyncio.Event()
        self.rtt_ms = 0.0
        """Shortest round trip seen, 0 before any."""

    async def send(self, order: Order) -> reflect.Train:
        """Send a train and return it as it came back. Raises OSError for what the socket says."""
        self._key, self._arrived = secrets.token_bytes(KEY_SIZE), {}
        clock = KernelClock()
        packets = self._packets(order)
        interval = int(order.size * 8e9 / order.bps) if order.bps else 0
        wall = time.time_ns() - time.perf_counter_ns()
        paced = await self._paced(packets, interval)
        self._leave.spent("down", order.size * len(paced.sent_ns))
        await self._quiet(len(paced.sent_ns), 20 * interval / 1e9)
        stepped = clock.look() is None
        self._note_rtt(paced, wall)
        return reflect.Train(
            order.packets, order.size, tuple(enumerate(paced.sent_ns)), tuple(self._arrived.items()),
            int(self._channel.overflowed()), stepped, paced.stopped,
        )  # fmt: skip

    def read(self) -> None:
        """Take what has arrived."""
        for reply in self._channel.read(BATCH):
            ours = isinstance(reply, Reply) and reply.key == self._key and reply.stamp
            if isinstance(reply, Reply) and ours and reply.sequence not in self._arrived:
                self._arrived[reply.sequence] = reply.stamp
                self._came.set()

    def _packets(self, order: Order) -> list[bytes]:
        data = self._key + padding(order.size - HEADERS[self._address.family])
        total, ident = ones_sum(data), secrets.randbits(16)
        kind = self._channel.request_kind
        return [request(kind, ident, sequence, data, total) for sequence in range(order.packets)]

    async def _paced(self, packets: list[bytes], interval: int) -> Paced:
        cancelled: list[str] = []

        def stop() -> str:
            return cancelled[0] if cancelled else self._leave.hurt()

        to = self._address.sockaddr(0)
        sending = asyncio.create_task(
            asyncio.to_thread(send_paced, _Wire(self._channel, self._control), packets, interval, stop, to)
        )
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            cancelled.append("cancelled")
            await sending
            raise

    async def _quiet(self, sent: int, packets_s: float) -> None:
        """Wait until all came back, or nothing does any more."""
        quiet_s = max(QUIET_S, packets_s, 3 * self.rtt_ms / 1000)
        while len(self._arrived) < sent:
            self._came.clear()
            try:
                async with asyncio.timeout(quiet_s):
                    await self._came.wait()
            except TimeoutError:
                return

    def _note_rtt(self, paced: Paced, wall: int) -> None:
        if 0 in self._arrived and paced.sent_ns:
            rtt_ms = max(0.0, (self._arrived[0] - wall - paced.sent_ns[0]) / 1e6)
            self.rtt_ms = min(self.rtt_ms or rtt_ms, rtt_ms)


class _Wire:
    """Stands for a socket in the pacing thread."""

    def __init__(self, channel: Channel, control: Control) -> None:
        self._channel, self._control = channel, control

    def send(self, _: bytes, /) -> int:
        raise OSError(errno.EDESTADDRREQ, "an echo needs an address")

    def sendto(self, data: bytes, address: tuple[str | int, ...], /) -> int:
        self._channel.send(data, address, self._control)
        return len(data)


@contextmanager
def open_echoes(address: Address, dscp: int, leave: Leave) -> Iterator[Echoes]:
    """Open a socket of its own for trains of echoes. Raises `PermissionMissing` and OSError."""
    channel = Channel(address.family)
    loop = asyncio.get_running_loop()
    echoes = Echoes(channel, address, dscp, leave)
    try:
        loop.add_reader(channel.fileno(), echoes.read)
        yield echoes
    finally:
        loop.remove_reader(channel.fileno())
        channel.close()
