"""All echoes of the daemon over one ICMP socket per family, by callbacks: one future per burst.

- Sending is paced by a rate of packets for all bursts together, never by a window: targets that are dead
  hold nothing up. Memory is bounded by the packets outstanding.
- Times of arrival are the kernel's, placed on the monotonic clock; a packet whose time of sending or of
  arrival is not known well (we were preempted around the send, the realtime clock was stepped) counts as
  answered but gives no round trip time.
- Before anything is called lost the sockets are read until they are empty; where the kernel had to drop for
  want of room, losses of the bursts then under way are ours, not the target's.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections import deque

from probes._kernel_clock import KernelClock
from probes._resolve import Address
from probes._wheel import Wheel
from probes.api import Shared
from probes.errors import NotRun
from probes.network._icmp_burst import Burst, Control
from probes.network._icmp_channel import Channel, Complaint, Reply
from probes.network._icmp_packet import KEY_SIZE, request

WHEEL_S = 0.005
PUMP_S = 0.002
MOST_OUTSTANDING = 200_000
"""Packets of all bursts under way; beyond it a burst is not run (overload)."""
READ_AT_ONCE, READ_BEFORE_EXPIRY = 512, 4096
"""Datagrams read in one go: some 4 ms of the loop, and 30 ms when somebody is about to be called lost."""
UNSURE_NS = 200_000
"""A send that took longer was preempted: when the packet left is not known."""
FULL = (errno.EAGAIN, errno.ENOBUFS)


class Bucket:
    """A token bucket: `rate` a second on average, at most 50 ms worth at once."""

    __slots__ = ("_last", "_level", "_most", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._most = rate, max(1.0, rate * 0.05)
        self._level, self._last = self._most, now

    def take(self, now: float) -> bool:
        """Take one token where there is one."""
        self._level = min(self._most, self._level + (now - self._last) * self._rate)
        self._last = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class IcmpEngine:
    """Sends bursts and ends their futures. A client of `Shared.get`."""

    def __init__(self, shared: Shared) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = KernelClock()
        self._channels: dict[str, Channel] = {}
        self._bursts: dict[bytes, Burst] = {}
        self._by_ident: dict[tuple[str, int], Burst] = {}
        self._ident = int.from_bytes(os.urandom(2), "big")
        self._outstanding = 0
        self._wheel: Wheel[Burst] = Wheel(WHEEL_S, self._due)
        self._bucket = Bucket(shared.settings.icmp_rate, time.perf_counter())
        self._queue: deque[Burst] = deque()
        self._pump_timer: asyncio.TimerHandle | None = None
        self._overflowed_at = {"4": 0.0, "6": 0.0}

    def start(
        self,
        address: Address,
        *,
        count: int,
        interval: float,
        wait: float,
        size: int,
        until: float,
        control: Control,
    ) -> Burst:
        """Start a burst; its `future` is done when everything came back, or was waited for long enough.

        `until` (`time.perf_counter`) ends it whatever is outstanding. Call `drop` when it is given up.
        Raises `PermissionMissing`, `NotRun` (overload) and OSError (out of descriptors).
        """
        if self._outstanding + count > MOST_OUTSTANDING:
            raise NotRun("overload", f"{self._outstanding} echoes are outstanding already")
        self._channel(address.family)
        if not self._bursts:
            self._clock.look()
        self._ident = (self._ident + 1) & 0xFFFF
        burst = Burst(
            address, os.urandom(KEY_SIZE), self._ident, count=count, interval=interval, wait=wait, size=size,
            until=until, control=control, future=self._loop.create_future(),
        )  # fmt: skip
        self._bursts[burst.key] = self._by_ident[address.host, burst.ident] = burst
        self._outstanding += count
        self._launch(burst, time.perf_counter())
        return burst

    def drop(self, burst: Burst) -> None:
        """Forget a burst, whether it is over or not."""
        if self._bursts.pop(burst.key, None) is not None:
            self._outstanding -= burst.count
            if self._by_ident.get((burst.address.host, burst.ident)) is burst:
                del self._by_ident[burst.address.host, burst.ident]

    async def aclose(self) -> None:
        """Give up all bursts and close the sockets."""
        self._wheel.stop()
        if self._pump_timer is not None:
            self._pump_timer.cancel()
        for burst in list(self._bursts.values()):
            self.drop(burst)
            burst.future.cancel()
        for channel in self._channels.values():
            self._loop.remove_reader(channel.fileno())
            channel.close()

    def _channel(self, family: str) -> Channel:
        channel = self._channels.get(family)
        if channel is None:
            channel = self._channels[family] = Channel(family)
            self._loop.add_reader(channel.fileno(), self._read, channel, READ_AT_ONCE)
        return channel

    def _launch(self, burst: Burst, now: float) -> None:
        """Send the next packet of a burst, or let it wait for its turn."""
        if self._queue or not self._bucket.take(now):
            self._wait_for_turn(burst)
        elif self._send(burst):
            self._wheel.add(burst.next_at, burst)

    def _wait_for_turn(self, burst: Burst) -> None:
        burst.queued = True
        self._queue.append(burst)
        self._wheel.add(burst.until, burst)
        self._arm_pump()

    def _arm_pump(self) -> None:
        if self._pump_timer is None:
            self._pump_timer = self._loop.call_later(PUMP_S, self._pump)

    def _pump(self) -> None:
        self._pump_timer = None
        now = time.perf_counter()
        while (burst := self._next_in_queue()) is not None and self._bucket.take(now):
            self._queue.popleft()
            burst.queued = False
            if self._send(burst):
                self._wheel.add(burst.next_at, burst)
            elif burst.queued:
                break
        if self._queue:
            self._arm_pump()

    def _next_in_queue(self) -> Burst | None:
        while self._queue and self._queue[0].future.done():
            self._queue.popleft()
        return self._queue[0] if self._queue else None

    def _send(self, burst: Burst) -> bool:
        """Send the next packet; where that is impossible, see to the burst and return False."""
        channel = self._channels[burst.address.family]
        packet = request(channel.request_kind, burst.ident, len(burst.rtts), burst.data, burst.data_sum)
        try:
            before = channel.send(packet, burst.sockaddr, burst.control)
        except OSError as error:
            burst.fault = error
            if error.errno in FULL:
                self._wait_for_turn(burst)
            else:
                self._finish(burst)
            return False
        burst.sent(before, time.perf_counter_ns(), UNSURE_NS)
        burst.fault = None
        return True

    def _due(self, bursts: list[Burst]) -> None:
        emptied = [self._read(channel, READ_BEFORE_EXPIRY) for channel in self._channels.values()]
        now = time.perf_counter()
        if not all(emptied):
            for burst in bursts:
                self._wheel.add(now + WHEEL_S, burst)
            return
        for family, channel in self._channels.items():
            if channel.overflowed():
                self._overflowed_at[family] = now
        for burst in bursts:
            self._attend(burst, now)

    def _attend(self, burst: Burst, now: float) -> None:
        if now < burst.next_at or burst.future.done():
            return
        if burst.unsent and now < burst.until:
            if not burst.queued:
                self._launch(burst, now)
        else:
            burst.overflowed = bool(burst.sent_ns) and (
                self._overflowed_at[burst.address.family] >= burst.sent_ns[0] / 1e9
            )
            self._finish(burst)

    def _finish(self, burst: Burst) -> None:
        self.drop(burst)
        if not burst.future.done():
            burst.future.set_result(None)

    def _read(self, channel: Channel, limit: int) -> bool:
        """Read what has arrived; return whether that was all."""
        offset = self._clock.look()
        number = 0
        for item in channel.read(limit):
            number += 1
            if isinstance(item, Reply):
                self._replied(channel, item, offset)
            elif item is not None:
                self._complained(channel, item)
        return number < limit

    def _replied(self, channel: Channel, reply: Reply, offset: int | None) -> None:
        burst = self._bursts.get(reply.key)
        if burst is None or (channel.raw and reply.ident != burst.ident):
            return
        if reply.source != burst.address.host:
            burst.stranger = reply.source
            return
        arrived = reply.stamp - offset if offset is not None and reply.stamp else None
        burst.reply(reply.sequence, arrived, time.perf_counter_ns(), reply.ttl)
        if burst.complete:
            self._finish(burst)

    def _complained(self, channel: Channel, complaint: Complaint) -> None:
        error = complaint.error
        echo = error.echo
        if echo.key:
            burst = self._bursts.get(echo.key)
        else:
            burst = self._by_ident.get((error.destination, echo.ident))
        if burst is None or error.destination != burst.address.host:
            return
        if channel.raw and echo.ident != burst.ident:
            return
        burst.complain(echo.sequence, f"{error.text}, says {complaint.source}")
        if burst.complete:
            self._finish(burst)
