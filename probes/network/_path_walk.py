"""Sending the packets of one run of `path` and waiting for what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from probes._kernel_clock import KernelClock
from probes._resolve import Address
from probes.network._path_packet import Answer
from probes.network._path_socket import PathChannel

MOST_PACKETS = 2000
READ_AT_ONCE = 256
UNSURE_NS = 200_000
"""A send that took longer was preempted: when the packet left is not known."""


@dataclass(slots=True)
class Sent:
    """One packet, and what came back for it. `rtt_ms` is None where that is not known exactly."""

    ttl: int
    size: int
    at_ns: int
    """`time.perf_counter_ns` right before it was sent."""
    sure: bool = True
    answer: Answer | None = None
    rtt_ms: float | None = None

    @property
    def replied(self) -> bool:
        """Whether the target itself answered."""
        return self.answer is not None and self.answer.nature == "reply"


class Walk:
    """The packets of one run; `close` it whatever happens."""

    def __init__(self, address: Address, dscp: int, until: float) -> None:
        """Open the socket. `until` (`time.perf_counter`) ends all waiting. Raises as `PathChannel` does."""
        self._channel = PathChannel(address)
        self._clock = KernelClock()
        self._dscp, self._until = dscp, until
        self._sent: list[Sent] = []
        self._came = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._channel.fileno(), self._read)

    @property
    def sees_marks(self) -> bool:
        """Whether quotes tell with which mark packets got somewhere."""
        return self._channel.raw

    @property
    def sent(self) -> Sequence[Sent]:
        """Every packet so far."""
        return self._sent

    @property
    def late(self) -> bool:
        """Whether the run's time is over."""
        return time.perf_counter() >= self._until

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()

    def send(self, ttl: int, size: int) -> Sent:
        """Send one packet of `size` bytes. Raises OSError, such as EMSGSIZE where we can't send as much."""
        number = len(self._sent)
        before = self._channel.request(number, size, ttl, self._dscp)
        sent = Sent(ttl, size, before, sure=time.perf_counter_ns() - before < UNSURE_NS)
        self._sent.append(sent)
        return sent

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the run's time."""
        await asyncio.sleep(max(0.0, min(seconds, self._until - time.perf_counter())))

    async def settle(self, packets: Sequence[Sent], wait: float, enough: int | None = None) -> None:
        """Wait until `enough` of the packets (all, where not given) were answered, for `wait` s at most."""
        wanted = len(packets) if enough is None else enough
        end = min(self._until, time.perf_counter() + wait)
        while sum(packet.answer is not None for packet in packets) < wanted:
            self._came.clear()
            left = end - time.perf_counter()
            try:
                await asyncio.wait_for(self._came.wait(), max(0.0, left))
            except TimeoutError:
                self._read()
                return

    def overflowed(self) -> bool:
        """Tell whether the kernel had to drop answers for want of room."""
        return self._channel.overflowed()

    def _read(self) -> None:
        offset = self._clock.look()
        for answer in self._channel.answers(READ_AT_ONCE):
            if answer.sequence < len(self._sent):
                self._take(self._sent[answer.sequence], answer, offset)
        self._came.set()

    @staticmethod
    def _take(sent: Sent, answer: Answer, offset: int | None) -> None:
        if sent.answer is not None:
            return
        sent.answer = answer
        if sent.sure and answer.stamp and offset is not None:
            rtt_ns = answer.stamp - offset - sent.at_ns
            sent.rtt_ms = rtt_ns / 1e6 if rtt_ns >= 0 else None
