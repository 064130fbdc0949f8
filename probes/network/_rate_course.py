"""Follows the course of `_train_plan` with whatever sends trains, in one direction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

from probes.errors import Inconclusive, ProtocolViolated
from probes.network import _reflect_train as reflect
from probes.network._rate_leave import Leave
from probes.network._rate_params import Direction
from probes.network._tcp_rate import Settled
from probes.network._train import Answer, ImpossibleTrainError, Train, analyse
from probes.network._train_plan import Order, Verdict, decide, own_bytes

Send = Callable[[Order], Awaitable[reflect.Train]]
MOST_IMPOSSIBLE = 1
"""A receiver that was held up may squeeze one train; a second is no accident."""


@dataclass(slots=True)
class Lane:
    """What is known of one direction so far."""

    direction: Direction
    nominal: float | None
    verdict: Verdict = field(default_factory=lambda: Verdict("undecided", 0.0, "not measured"))
    answers: list[tuple[Order, Answer]] = field(default_factory=list)
    transfer: Settled | None = None


async def follow(lane: Lane, max_bytes: int | None, send: Send, leave: Leave, rtt_ms: float) -> None:
    """Send trains until the lane's verdict is found.

    Raises `Inconclusive` (`Stopped`, a clock was stepped, our own queue was full), `ProtocolViolated` (the
    other side's account of a train can't be true), and whatever `send` raises.
    """
    allowed = leave.bounded(own_bytes(lane.nominal) if max_bytes is None else max_bytes)
    course, answer, impossible = decide(lane.nominal, allowed), None, 0
    try:
        while True:
            order = next(course) if answer is None else course.send(answer)
            leave.check()
            sent = await send(order)
            leave.spent(lane.direction, order.size * len(sent.sent))
            if sent.stopped:
                leave.check()
                raise Inconclusive(f"a train was stopped: {sent.stopped}")
            try:
                answer = analyse(as_train(sent, order), int(rtt_ms * 1e6))
            except ImpossibleTrainError as error:
                impossible += 1
                if impossible > MOST_IMPOSSIBLE:
                    raise ProtocolViolated(f"train {lane.direction}: {error}") from None
                answer = Answer(len(sent.sent), order.size, cut=True)
            lane.answers.append((order, answer))
    except StopIteration as end:
        lane.verdict = end.value


def as_train(sent: reflect.Train, order: Order) -> Train:
    """Return a train as the analysis has it. Raises `ProtocolViolated` and `Inconclusive`."""
    if sent.stepped:
        raise Inconclusive("a clock was stepped during a train: its times mean nothing")
    if sent.overflowed:
        raise Inconclusive("the receiver's own queue overflowed: what is missing was lost there")
    left = sorted(sent.sent)
    if [sequence for sequence, _ in left] != list(range(len(left))):
        raise ProtocolViolated("the account of what was sent has gaps")
    times = [at for _, at in left]
    if any(later < earlier for earlier, later in pairwise(times)):
        raise ProtocolViolated("the account of what was sent goes back in time")
    return Train(order.size, times, sent.arrived, unpaced=not order.bps)
