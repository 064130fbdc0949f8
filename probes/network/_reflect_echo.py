"""The echoes of one session: what was sent, and what came back (pure)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from probes.errors import Ending
from probes.network._reflect_bodies import CLOCK_STEPPED, NO_ECHO, Echoed
from probes.network._reflect_socket import Arrived

UNSURE_NS = 200_000
"""Sending that took longer than this (we were preempted) times nothing."""
LONGEST_SEND_NS = 1_000_000_000
"""A kernel's time of sending this long after ours (a full queue of our own) belongs to something else."""
MILLION = 1e6
SLACK_NS = 1_000_000
"""By how much the reflector's account of its own time may exceed the round trip before it can't be true."""
MOST_ECHOES = 10_000


@dataclass(slots=True)
class EchoSent:
    """An echo, and its answer once it came. Times are `time.perf_counter_ns` unless they say `real`."""

    sequence: int
    number: int
    sent_ns: int
    sent_real_ns: int
    size: int
    sure: bool
    """Whether `sent_ns` is exact: by the kernel, or taken close around the sending."""
    given_ns: int = 0
    """When it was given to our kernel, 0 where that is not exact."""
    answer: Echoed | None = None
    arrived_ns: int = 0
    """When the answer came, 0 where that is not known."""
    arrived_real_ns: int = 0
    ttl: int = 0
    tos: int = 0
    order: int = -1
    """Place among the answers, in the order they came."""
    copies: int = 0
    """Further copies of the answer."""
    refused: Ending | None = None
    exit_ns: int = 0
    """When the answer left the reflector (its realtime clock), where its kernel told later."""
    waiter: asyncio.Future[None] | None = field(default=None, repr=False)

    @property
    def held_ns(self) -> int:
        """How long the reflector held the packet."""
        assert self.answer is not None
        return (self.exit_ns or self.answer.sent_ns) - self.answer.received_ns

    @property
    def rtt_ms(self) -> float | None:
        """Round trip without the reflector's own time (RFC 8762, 4.3); None where it can't be told."""
        if self.answer is None or not self.arrived_ns or not self.sure or self.answer.clock & CLOCK_STEPPED:
            return None
        return max(0, self.arrived_ns - self.sent_ns - max(0, self.held_ns)) / MILLION

    @property
    def queued_rtt_ms(self) -> float | None:
        """Round trip from kernel to kernel, with what it waited before a device; None where not known.

        `rtt_ms` leaves the queues of both ends' own devices out. Where the reflector runs on the very router
        whose queue is in question, the queue is there.
        """
        if self.answer is None or not (self.arrived_ns and self.given_ns):
            return None
        if self.answer.clock & CLOCK_STEPPED:
            return None
        held_ns = max(0, self.answer.sent_ns - self.answer.received_ns)
        return max(0, self.arrived_ns - self.given_ns - held_ns) / MILLION

    @property
    def impossible(self) -> str:
        """Why the answer can't be an honest one, or empty."""
        if self.answer is None or self.answer.clock & CLOCK_STEPPED:
            return ""
        if self.answer.sent_ns < self.answer.received_ns:
            return "the reflector says that it answered before it was asked"
        if self.arrived_ns and self.held_ns > self.arrived_ns - self.sent_ns + SLACK_NS:
            return "the reflector says that it held an echo for longer than the whole round trip"
        return ""


class Echoes:
    """All echoes of a session, by sequence."""

    def __init__(self) -> None:
        self._sent: dict[int, EchoSent] = {}
        self._numbers: dict[int, EchoSent] = {}
        self._timed: dict[int, EchoSent] = {}
        self._answers = 0
        self.next = 0

    def __len__(self) -> int:
        return self.next

    def sent(
        self, sequence: int, number: int, times: tuple[int, int, int], real_ns: int, size: int
    ) -> EchoSent:
        """Note an echo that was sent between two times; the oldest are forgotten beyond `MOST_ECHOES`.

        The third of `times` is the number under which the kernel tells when it left.
        """
        before_ns, after_ns, timed = times
        if sequence >= MOST_ECHOES:
            forgotten = self._sent.pop(sequence - MOST_ECHOES)
            self._numbers.pop(forgotten.number, None)
            self._timed.clear()
        sure = after_ns - before_ns <= UNSURE_NS
        real_ns -= max(0, after_ns - before_ns)
        echo = EchoSent(sequence, number, before_ns, real_ns, size, sure, before_ns if sure else 0)
        self._sent[sequence] = self._numbers[number] = self._timed[timed] = echo
        self.next = sequence + 1
        return echo

    def left(self, number: int, at_ns: int, real_ns: int) -> None:
        """Take the kernel's time of sending, where it lies within what the sending may have taken."""
        echo = self._timed.pop(number, None)
        if echo is not None and 0 <= at_ns - echo.sent_ns < LONGEST_SEND_NS:
            echo.sent_ns, echo.sent_real_ns, echo.sure = at_ns, real_ns, True

    def answered(self, answer: Echoed, arrived: Arrived, *, copy: bool) -> str:
        """Note an answer; return what is impossible about it, or an empty text."""
        echo = self._sent.get(answer.sequence)
        if echo is None:
            return "an answer to an echo that was never sent" if answer.sequence >= self.next else ""
        if copy or echo.answer is not None:
            echo.copies += 1
            return "" if copy else "a second answer to one echo"
        if answer.received > self.next:
            return "the reflector says that it received more echoes than were sent"
        echo.answer, echo.order = answer, self._answers
        echo.arrived_ns = arrived.at_ns if arrived.at_ns >= echo.sent_ns else 0
        echo.arrived_real_ns = arrived.told.stamp_ns
        echo.ttl, echo.tos = arrived.told.ttl, arrived.told.tos
        self._answers += 1
        self._correct(answer)
        _wake(echo)
        return echo.impossible

    def refused(self, number: int, ending: Ending) -> None:
        """Note that the reflector refused the request of that number, where it was an echo."""
        echo = self._numbers.get(number)
        if echo is not None and echo.answer is None:
            echo.refused = ending
            _wake(echo)

    def _correct(self, answer: Echoed) -> None:
        """Take the kernel's time of an earlier answer, where it is later than that taken before sending."""
        earlier = self._sent.get(answer.earlier) if answer.earlier != NO_ECHO else None
        if earlier is None or earlier.answer is None or answer.clock & CLOCK_STEPPED:
            return
        late = answer.earlier_sent_ns - earlier.answer.sent_ns
        room = earlier.arrived_ns - earlier.sent_ns
        if late >= 0 and answer.earlier_sent_ns - earlier.answer.received_ns <= room:
            earlier.exit_ns = answer.earlier_sent_ns


def _wake(echo: EchoSent) -> None:
    if echo.waiter is not None and not echo.waiter.done():
        echo.waiter.set_result(None)
