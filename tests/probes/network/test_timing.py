"""The kernel's clock on ours, and the wheel: pure decisions, for any times."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

from hypothesis import given
from hypothesis import strategies as st

from probes._kernel_clock import NANO, SO_TIMESTAMPNS, STEP_NS, KernelClock, stamp_ns
from probes._wheel import Wheel


class Clocks:
    """A realtime and a monotonic clock that a test moves."""

    def __init__(self, realtime: int) -> None:
        self.monotonic_ns, self.realtime_ns = 1000 * NANO, realtime

    def clock(self) -> KernelClock:
        return KernelClock(lambda: self.realtime_ns, lambda: self.monotonic_ns)

    def pass_(self, ns: int) -> None:
        self.monotonic_ns += ns
        self.realtime_ns += ns


@given(st.lists(st.integers(0, 10 * NANO), max_size=20))
def test_without_a_step_a_stamp_is_placed_exactly(passes: list[int]) -> None:
    clocks = Clocks(1_700_000_000 * NANO)
    clock = clocks.clock()
    for ns in passes:
        clocks.pass_(ns)
        stamp, at = clocks.realtime_ns, clocks.monotonic_ns
        clocks.pass_(ns // 2)
        offset = clock.look()
        assert offset is not None
        assert stamp - offset == at
    assert clock.steps == 0


@given(st.integers(-(10**12), 10**12).filter(lambda ns: abs(ns) > STEP_NS), st.integers(0, NANO))
def test_a_step_is_noticed_once(step: int, passed: int) -> None:
    clocks = Clocks(1_700_000_000 * NANO)
    clock = clocks.clock()
    clocks.pass_(passed)
    clocks.realtime_ns += step
    assert clock.look() is None
    assert clock.steps == 1
    clocks.pass_(passed)
    assert clock.look() == clocks.realtime_ns - clocks.monotonic_ns


def test_a_reader_that_is_interrupted_between_the_clocks_looks_again() -> None:
    clocks = Clocks(1_700_000_000 * NANO)
    clock = clocks.clock()
    interruptions = [5_000_000, 0, 0, 0]

    def interrupted() -> int:
        if interruptions:
            clocks.pass_(interruptions.pop(0))
        return clocks.realtime_ns

    clock._realtime = interrupted
    assert clock.look() == clocks.realtime_ns - clocks.monotonic_ns
    assert clock.steps == 0


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100), st.binary(max_size=40))))
def test_control_messages_of_any_shape_are_read_or_ignored(
    messages: list[tuple[int, int, bytes]],
) -> None:
    mine = (socket.SOL_SOCKET, SO_TIMESTAMPNS, struct.pack("@ll", 12, 34))
    assert stamp_ns([mine, *messages]) == 12 * NANO + 34
    assert isinstance(stamp_ns(messages), int)


@given(st.lists(st.floats(0, 0.02), max_size=30))
def test_the_wheel_hands_everything_out_once_and_never_early(delays: list[float]) -> None:
    asyncio.run(_turn(delays))


async def _turn(delays: list[float]) -> None:
    early: list[float] = []
    seen: list[float] = []

    def due(entries: list[float]) -> None:
        early.extend(when for when in entries if when > time.perf_counter())
        seen.extend(entries)

    wheel: Wheel[float] = Wheel(0.002, due)
    added = [time.perf_counter() + delay for delay in delays]
    for when in added:
        wheel.add(when, when)
    while len(seen) < len(added):
        await asyncio.sleep(0.002)
    wheel.stop()
    assert (sorted(seen), early) == (sorted(added), [])
