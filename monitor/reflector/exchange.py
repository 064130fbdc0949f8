"""What passes between a reflector's sockets and its mind: a datagram, its answer, a train to send."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from monitor.reflector.session import Peer, Reflected, TrainRecord
from probes.network._reflect_socket import Told


class Departure(NamedTuple):
    """A train to send: the datagrams are made by whoever sends them."""

    session: Reflected
    train: TrainRecord
    rate_bps: int
    tos: int


Start = Callable[[Departure], bool]
"""Begins to send a train; False where another one is being sent."""


class Heard(NamedTuple):
    """A datagram that came."""

    data: bytes
    peer: Peer
    told: Told
    stepped: bool
    """Whether our realtime clock was stepped since it may have come."""
    now: float
    """`time.monotonic`."""
    start: Start
    """Sends a train from the socket on which it came."""


class Answer(NamedTuple):
    """A datagram to send back; `tos` is its traffic class, `echo` (session, sequence) what it answers."""

    data: bytes
    tos: int = 0
    echo: tuple[int, int] | None = None
