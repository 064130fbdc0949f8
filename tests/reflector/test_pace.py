"""The pacing of a train: on time, without holding the loop, and never at the price of a burst."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from probes.network._train_pace import LATE_NS, Paced, send_paced


def _pair() -> tuple[socket.socket, socket.socket]:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    return sender, receiver


@pytest.mark.alone
@pytest.mark.parametrize("interval_us", [100, 500])
async def test_the_loop_goes_on_while_a_train_is_sent(interval_us: int) -> None:
    sender, receiver = _pair()
    one, other = socket.socketpair()
    packets = 300_000 // interval_us
    with sender, receiver, one, other:
        sending = asyncio.create_task(
            asyncio.to_thread(send_paced, sender, [bytes(1000)] * packets, interval_us * 1000)
        )
        worst = 0.0
        while not sending.done():
            before = time.perf_counter()
            for _ in range(20):
                one.send(b"x")
                other.recv(1)
            worst = max(worst, time.perf_counter() - before)
            await asyncio.sleep(0.002)
        paced = await sending
    assert worst < 0.020
    assert len(paced.sent_ns) == packets
    span = paced.sent_ns[-1] - paced.sent_ns[0]
    assert span == pytest.approx((packets - 1) * interval_us * 1000, rel=0.05)


def test_a_long_delay_is_not_made_up_for() -> None:
    sender, receiver = _pair()
    asked = 0

    def stalls() -> str:
        nonlocal asked
        asked += 1
        if asked == 5:
            time.sleep(LATE_NS / 1e9 + 0.02)
        return ""

    with sender, receiver:
        paced = send_paced(sender, [b"x"] * 10, 1_000_000, stalls)
    assert paced.late >= 1
    assert paced.sent_ns[-1] - paced.sent_ns[4] > 4.5e6


def test_a_reason_ends_it_and_so_does_a_closed_port() -> None:
    sender, receiver = _pair()
    with sender:
        with receiver:
            stopped = send_paced(sender, [b"x"] * 100, 0, lambda: "others suffer")
        refused = send_paced(sender, [b"x"] * 100, 100_000)
    assert stopped == Paced([], "others suffer", 0)
    assert refused.stopped.startswith("sending: ")
    assert len(refused.sent_ns) < 100
