"""Sends prepared datagrams at given times from a thread: sleeps while there is time, then spins.

Runs of the same process keep the interpreter's lock from each other for 5 ms at a time, so a packet may leave
late; when it really left is returned, and only a short delay is made up for by a burst.
"""

from __future__ import annotations

import ctypes
import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

SPIN_NS = 40_000
"""Sleeping may overshoot by some tens of microseconds (`SLACK_NS`): the rest is spun. Whoever spins keeps the
interpreter's lock, and then the loop waits up to 5 ms at each system call: it must be short."""
PR_SET_TIMERSLACK, SLACK_NS = 29, 1
"""prctl(2): by how much the kernel may wake a sleeping thread late to save wake-ups; 50 us by default."""
LATE_NS = 5_000_000
"""What is late by less is made up for at once; a packet that is later shifts the rest of the schedule."""
CHECK_EVERY = 16
"""Back to back packets between two looks at whether to stop."""
FULL_WAIT_S = 0.0002
FULL_LONGEST_S = 0.5


class Sends(Protocol):
    """What a train is sent on: a socket, or what stands for one. A full queue raises OSError."""

    def send(self, data: bytes, /) -> int:
        """Send to the peer it is connected with."""

    def sendto(self, data: bytes, address: tuple[str | int, ...], /) -> int:
        """Send to an address."""


@dataclass(slots=True)
class Paced:
    """What was sent: `sent_ns[i]` is when datagram i was given to the kernel (`time.perf_counter_ns`)."""

    sent_ns: list[int] = field(default_factory=list)
    stopped: str = ""
    """Why it ended early, or empty."""
    late: int = 0
    """How often the schedule had to shift."""


def send_paced(
    sock: Sends,
    datagrams: Sequence[bytes],
    interval_ns: int,
    hurt: Callable[[], str] | None = None,
    to: tuple[str | int, ...] | None = None,
) -> Paced:
    """Send `datagrams` `interval_ns` apart (0: back to back); blocks, so call it in a thread.

    `hurt` is asked between packets and ends the train when it gives a reason. `to` is the address for a
    socket that is not connected. A full queue of our own is waited for; any other error of sending ends it.
    """
    _set_slack(SLACK_NS)
    try:
        return _sent(sock, datagrams, interval_ns, hurt, to)
    finally:
        _set_slack(0)


def _sent(
    sock: Sends,
    datagrams: Sequence[bytes],
    interval_ns: int,
    hurt: Callable[[], str] | None,
    to: tuple[str | int, ...] | None,
) -> Paced:
    paced = Paced()
    due = time.perf_counter_ns()
    for index, datagram in enumerate(datagrams):
        if hurt is not None and (interval_ns or index % CHECK_EVERY == 0) and (why := hurt()):
            paced.stopped = why
            break
        if interval_ns:
            due = _wait(due, paced)
        paced.sent_ns.append(time.perf_counter_ns())
        if error := _send(sock, datagram, to):
            paced.sent_ns.pop()
            paced.stopped = error
            break
        due += interval_ns
    return paced


def _wait(due: int, paced: Paced) -> int:
    """Wait until `due` and return it, or a later time where it was missed."""
    now = time.perf_counter_ns()
    if due - now > SPIN_NS:
        time.sleep((due - now - SPIN_NS) / 1e9)
        now = time.perf_counter_ns()
    while now < due:
        now = time.perf_counter_ns()
    if now - due > LATE_NS:
        paced.late += 1
        return now
    return due


def _send(sock: Sends, datagram: bytes, to: tuple[str | int, ...] | None) -> str:
    until = time.perf_counter() + FULL_LONGEST_S
    while True:
        try:
            if to is None:
                sock.send(datagram)
            else:
                sock.sendto(datagram, to)
        except OSError as error:
            full = error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)
            if not full or time.perf_counter() >= until:
                return f"sending: {error.strerror or error}"
            time.sleep(FULL_WAIT_S)
        else:
            return ""


def _set_slack(slack_ns: int) -> None:
    """Set this thread's timer slack; 0 is the default again. Without such a call sleeps are coarser."""
    if _prctl is not None:
        _prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(slack_ns), 0, 0, 0)


_prctl = getattr(ctypes.CDLL(None), "prctl", None)
