"""A train of packets: what was sent and what came, by either side's account (pure)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from probes.network._reflect_bodies import LONGEST_NS, Data, Reported
from probes.network._reflect_socket import Arrived

Records = tuple[tuple[int, int], ...]
"""(sequence, ns), in the order of sending or of arrival."""


@dataclass(frozen=True, slots=True)
class Train:
    """One train. Sent and arrived times are of two clocks: only differences within one mean anything."""

    packets: int
    """How many were asked for."""
    size: int
    """Bytes of UDP payload of each."""
    sent: Records
    arrived: Records
    """In the order of arrival, each sequence once; times by the receiver's kernel."""
    overflowed: int
    """Datagrams that the receiver's own queue lost meanwhile: no loss of the link."""
    stepped: bool
    """A clock was stepped meanwhile: the times mean nothing."""
    stopped: str = ""
    """Why it was ended early, or empty."""


def checked(reported: Reported, most: int) -> str:
    """Return why the records of a train of `most` packets can't be true, or an empty text."""
    sequences = {sequence for sequence, _ in reported.records}
    if len(sequences) != len(reported.records):
        return "the reflector reports one packet twice"
    if reported.total > most or any(sequence >= most for sequence in sequences):
        return "the reflector reports packets that were never part of the train"
    if any(ns > LONGEST_NS for _, ns in reported.records):
        return "the reflector reports a time that can't be"
    return ""


class Arriving:
    """A train that is coming from the reflector."""

    def __init__(self, train: int, packets: int, size: int) -> None:
        self.train, self._packets, self._size = train, packets, size
        self._seen = bytearray(packets)
        self._records: list[tuple[int, int]] = []
        self.changed = time.perf_counter()
        """When something of it last came."""
        self.done = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether every packet came."""
        return len(self._records) == self._packets

    @property
    def records(self) -> Records:
        """What came, by the kernel's realtime stamps."""
        return tuple(self._records)

    def take(self, data: Data, arrived: Arrived) -> str:
        """Note a packet; return what is impossible about it, or an empty text."""
        if data.train != self.train:
            return "" if data.train < self.train else "a packet of a train that was not asked for"
        if data.sequence >= self._packets or len(arrived.data) != self._size:
            return "a packet that is not of the train that was asked for"
        if self._seen[data.sequence]:
            return "one packet of a train twice"
        self._seen[data.sequence] = 1
        self._records.append((data.sequence, arrived.told.stamp_ns))
        self.changed = time.perf_counter()
        if self.complete:
            self.done.set()
        return ""
