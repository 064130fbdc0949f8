"""The reflector's sessions: what each was granted, has moved, and recorded (pure; the clock is passed in)."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from monitor.reflector.budget import Bucket
from monitor.reflector.limits import Limits
from probes.network._reflect_bodies import LONGEST_NS, MAX_PACKETS, NO_ECHO
from probes.network._reflect_keys import SessionKeys
from probes.network._reflect_window import Window

Peer = tuple[str | int, ...]
"""The socket address of whoever asks; its first two fields are host and port."""


class Records:
    """Which packets came or left, and when: at most `packets`, each once, in order; 11 bytes each."""

    __slots__ = ("_packets", "_seen", "_sequences", "_times")

    def __init__(self, packets: int) -> None:
        self._packets = packets
        self._seen = bytearray()
        self._sequences, self._times = array("H"), array("Q")

    def __len__(self) -> int:
        return len(self._times)

    @property
    def start_ns(self) -> int:
        """What the records count from, ns since the epoch; 0 where there are none."""
        return self._times[0] if self._times else 0

    def add(self, sequence: int, at_ns: int) -> bool:
        """Note a packet (ns since the epoch); return whether it is one that was missing."""
        if sequence >= self._packets:
            return False
        self._seen = self._seen or bytearray(self._packets)
        if self._seen[sequence]:
            return False
        self._seen[sequence] = 1
        self._sequences.append(sequence)
        self._times.append(at_ns)
        return True

    def page(self, first: int, most: int) -> tuple[tuple[int, int], ...]:
        """Return up to `most` records from the one numbered `first`, counting from `start_ns`.

        A clock that was stepped could give a time before the start or far behind it: it is kept in range.
        """
        end, start = first + most, self.start_ns
        times = (min(LONGEST_NS, max(0, at_ns - start)) for at_ns in self._times[first:end])
        return tuple(zip(self._sequences[first:end], times, strict=True))


@dataclass(slots=True)
class TrainRecord:
    """The one train a session has at a time, in either direction."""

    number: int
    packets: int
    size: int
    up: bool
    records: Records
    overflowed_before: int
    running: bool = False
    stepped: bool = False
    stop: bool = False


@dataclass(slots=True)
class Reflected:
    """One session."""

    id: int
    peer: Peer
    keys: SessionKeys
    heard: float
    requests: Bucket
    budget: Bucket
    opened: bytes
    """The datagram that opened it, given again to whoever repeats the request."""
    window: Window = field(default_factory=Window)
    number: int = 0
    echoes: Records = field(default_factory=lambda: Records(MAX_PACKETS))
    echo_count: int = 0
    echoes_stepped: bool = False
    duplicates: int = 0
    train: TrainRecord | None = None
    exit: tuple[int, int] = (NO_ECHO, 0)
    """The last answered echo of which the kernel has told when the answer left (ns since the epoch)."""

    def next(self) -> int:
        """Return the number of the next datagram to the client."""
        self.number += 1
        return self.number


class Sessions:
    """All sessions, the one silent for longest first; bounded in number and in time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sessions: OrderedDict[int, Reflected] = OrderedDict()
        self._nonces: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Reflected]:
        return iter(self._sessions.values())

    def get(self, number: int, now: float) -> Reflected | None:
        """Return the session of that id, unless it has ended."""
        session = self._sessions.get(number)
        return session if session and now - session.heard <= self._limits.idle_s else None

    def known(self, number: int) -> Reflected | None:
        """Return the session of that id, where it was not removed yet."""
        return self._sessions.get(number)

    def opened_by(self, nonce: bytes, now: float) -> Reflected | None:
        """Return the session that was opened with this nonce."""
        number = self._nonces.get(nonce)
        return None if number is None else self.get(number, now)

    def add(self, session: Reflected, nonce: bytes) -> list[Reflected]:
        """Add a session; return those that had to end for it."""
        self._sessions[session.id] = session
        self._nonces[nonce] = session.id
        ended = []
        while len(self._sessions) > self._limits.sessions:
            ended.append(self.remove(next(iter(self._sessions))))
        return ended

    def touch(self, session: Reflected, now: float) -> None:
        """Note that something authentic came for the session."""
        session.heard = now
        self._sessions.move_to_end(session.id)

    def remove(self, number: int) -> Reflected:
        """End a session."""
        session = self._sessions.pop(number)
        self._nonces = {nonce: found for nonce, found in self._nonces.items() if found != number}
        if session.train is not None:
            session.train.stop = True
        return session

    def expire(self, now: float) -> int:
        """End what has been silent for too long; return how many."""
        over = [s.id for s in self._sessions.values() if now - s.heard > self._limits.idle_s]
        for number in over:
            self.remove(number)
        return len(over)
