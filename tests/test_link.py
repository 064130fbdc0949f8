"""The emulator itself: what it says of rate, delay, loss and outages is so."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import statistics
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from scipy import stats

from probes._kernel_clock import SO_TIMESTAMPNS, stamp_ns
from tests.servers.link import DEVICE, Direction, Link, Shape, halls, ip_rate, link, needs_link
from tests.servers.netns import Namespace

pytestmark = needs_link
PORT = 9000
BACKLOG = Path(__file__).parent / "servers" / "_backlog.py"
HEADERS = 28
SIZE = 1500


@dataclass
class Sink:
    """What arrived: the kernel's time (ns) and the first four bytes of each datagram."""

    stamps: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    marks: set[int] = field(default_factory=set)


@contextmanager
def sink(namespace: Namespace, family: int = socket.AF_INET) -> Iterator[Sink]:
    """Take datagrams in a thread; on leaving, wait until none came for 0.2 s."""
    opened, found = namespace.socket(family, socket.SOCK_DGRAM), Sink()
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    opened.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    opened.bind(("", PORT))
    opened.settimeout(0.2)
    over = threading.Event()

    def take() -> None:
        while True:
            try:
                data, ancillary, _, _ = opened.recvmsg(2048, 256)
            except TimeoutError:
                if over.is_set():
                    return
                continue
            found.stamps.append(stamp_ns(ancillary))
            found.numbers.append(int.from_bytes(data[:4], "big"))
            for level, kind, value in ancillary:
                if (level, kind) in ((0, socket.IP_TOS), (41, socket.IPV6_TCLASS)):
                    found.marks.add(value[0])

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        opened.close()


def blast(namespace: Namespace, address: str, count: int, *, gap: float = 0.0, size: int = SIZE) -> None:
    """Send numbered datagrams of `size` bytes at the IP layer, `gap` seconds apart."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    filler = bytes(size - HEADERS - 4 - (20 if family == socket.AF_INET6 else 0))
    with namespace.socket(family, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, 32, 32 << 20)  # SO_SNDBUFFORCE: all of it waits in the shaper
        opened.connect((address, PORT))
        begin = time.perf_counter()
        for number in range(count):
            while (early := begin + number * gap - time.perf_counter()) > 0:
                time.sleep(early)
            opened.send(number.to_bytes(4, "big") + filler)


async def sent(line: Link, direction: Direction, count: int, *, gap: float = 0.0, size: int = SIZE) -> Sink:
    """Send a blast in one direction and return what arrived."""
    sender, receiver, address = (
        (line.near, line.far, line.far_address)
        if direction == "down"
        else (line.far, line.near, line.near_address)
    )

    def run() -> Sink:
        with sink(receiver) as found:
            blast(sender, address, count, gap=gap, size=size)
        return found

    return await asyncio.to_thread(run)


def rate(found: Sink, skip: int = 0) -> float:
    """Return bit/s at the IP layer by the kernel's stamps, the first `skip` packets left out."""
    stamps = found.stamps[skip:]
    return (len(stamps) - 1) * SIZE * 8 / (stamps[-1] - stamps[0]) * 1e9


async def pings(line: Link, count: int) -> list[float]:
    text = await line.run("near", "ping", "-n", f"-c{count}", "-i0.01", "-W1", line.far_address)
    return [float(found) for found in re.findall(r"time=([\d.]+)", text)]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("mbps", "rtt", "within"), [(2, 0, 0.005), (50, 0, 0.005), (2, 40, 0.01), (50, 40, 0.01)]
)
async def test_the_rate_is_the_one_asked_for(mbps: int, rtt: int, within: float) -> None:
    count = max(40, mbps * 25)
    async with link(up=mbps * 1e6, down=mbps * 2e6, rtt_ms=rtt, queue_ms=1000) as line:
        up, down = await sent(line, "up", count), await sent(line, "down", count)
    assert len(up.numbers) == len(down.numbers) == count
    skip = count // 5
    assert rate(up, skip) == pytest.approx(ip_rate(mbps * 1e6), rel=within)
    assert rate(down, skip) == pytest.approx(ip_rate(mbps * 2e6), rel=within)


@pytest.mark.alone
async def test_a_full_bucket_is_spent_at_once_and_a_policer_drops() -> None:
    async with link(down=2e6, burst_kb=256, policer=True) as line:
        found = await sent(line, "down", 400)
        seen = await line.traffic("down")
    burst = 256_000 // (SIZE + 14)
    assert burst <= len(found.numbers) <= burst + 10
    assert seen.dropped >= 400 - len(found.numbers) > 200


async def test_a_rate_is_changed_while_it_runs() -> None:
    async with link(up=2e6, down=50e6, queue_ms=1000) as line:
        await line.reshape("up", Shape(10e6))
        found = await sent(line, "up", 100)
    assert rate(found, 10) == pytest.approx(ip_rate(10e6), rel=0.05)


@pytest.mark.alone
async def test_the_delay_is_the_one_asked_for_with_little_jitter() -> None:
    async with link(rtt_ms=40) as line:
        times = await pings(line, 100)
        line.set(rtt_ms=120)
        longer = await pings(line, 20)
    assert statistics.median(times) == pytest.approx(40, abs=1)
    assert sorted(times)[80] - min(times) < 1.5, "four of five on a machine that others use, too"
    assert statistics.median(longer) == pytest.approx(120, abs=1)


async def test_jitter_keeps_order() -> None:
    async with link(rtt_ms=10, jitter_ms=4) as line:
        times = await pings(line, 60)
        found = await sent(line, "up", 200, gap=0.0005)
    assert 10 <= min(times) < max(times)
    assert statistics.pstdev(times) > 0.8
    assert found.numbers == list(range(200))


@pytest.mark.parametrize("run", [1.0, 5.0])
async def test_loss_is_the_share_asked_for(run: float) -> None:
    count, share = 4000, 0.02
    async with link(loss=share, loss_run=run) as line:
        found = await sent(line, "up", count, gap=0.0001, size=100)
        counts = line.counts("up")
    missing = sorted(set(range(count)) - set(found.numbers))
    others = counts["taken"] - count
    assert counts["lost"] - others <= len(missing) <= counts["lost"]
    if run == 1.0:
        low, high = stats.binom.interval(0.9999, count, share)
        assert low <= len(missing) <= high
    else:
        runs = sum(1 for number in missing if number - 1 not in missing)
        assert 2.5 < len(missing) / runs < 10


async def test_loss_in_one_direction_only() -> None:
    async with link(relay=True) as line:
        line.set("up", loss=0.5)
        down = await sent(line, "down", 200, size=100)
        up = await sent(line, "up", 200, size=100)
    assert len(down.numbers) == 200
    assert 50 < len(up.numbers) < 150


async def test_what_is_cut_is_healed() -> None:
    async with link(rtt_ms=2) as line:
        before = await sent(line, "up", 20, size=100)
        line.cut("up")
        during = await sent(line, "up", 20, size=100), await sent(line, "down", 20, size=100)
        line.heal()
        after = await sent(line, "up", 20, size=100)
    assert [len(found.numbers) for found in (before, *during, after)] == [20, 0, 20, 20]


async def test_duplicates_and_reordering() -> None:
    async with link(duplicate=0.1, reorder=0.1, reorder_by=3) as line:
        found = await sent(line, "up", 1000, gap=0.0005, size=100)
        counts = line.counts("up")
    late = sum(1 for a, b in zip(found.numbers, found.numbers[1:], strict=False) if b < a)
    assert set(found.numbers) == set(range(1000))
    others = counts["taken"] - 1000
    assert counts["duplicated"] - others <= len(found.numbers) - 1000 <= counts["duplicated"]
    assert 50 < counts["duplicated"] < 160
    assert 30 < late <= counts["reordered"]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_a_mark_is_rewritten_and_the_checksum_holds(family: int) -> None:
    async with link(dscp=12) as line:
        address = line.far_address if family == socket.AF_INET else line.far_address6

        def run() -> Sink:
            with sink(line.far, family) as found:
                blast(line.near, address, 3, size=200)
            return found

        found = await asyncio.to_thread(run)
    assert (len(found.numbers), found.marks) == (3, {12 << 2})


async def test_large_packets_vanish_in_a_black_hole() -> None:
    async with link(largest=1400) as line:
        assert len((await sent(line, "up", 5, size=1400)).numbers) == 5
        assert not (await sent(line, "up", 5, size=1401)).numbers


async def test_the_longest_queue_is_seen_from_outside() -> None:
    async with link(up=2e6, queue_ms=1000) as line:
        command = line.far.command(sys.executable, "-I", "-S", str(BACKLOG), DEVICE)
        watching = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        await asyncio.sleep(0.3)
        await sent(line, "up", 40)
        printed, _ = await watching.communicate(b"")
    found = json.loads(printed)
    assert found["looks"] > 20
    assert 34 <= found["most"] / (SIZE + 14) <= 40


async def test_units_share_their_uplink() -> None:
    async with halls(3, up=10e6, down=10e6, shared=Shape(5e6, queue_ms=1000), rtt_ms=10) as made:
        *units, uplink = made

        def run() -> Sink:
            with sink(units[0].near) as found:
                threads = [
                    threading.Thread(target=blast, args=(unit.far, unit.near_address, 60)) for unit in units
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            return found

        found = await asyncio.to_thread(run)
        seen = await uplink.traffic("up")
    assert len(found.numbers) == 180
    assert seen.ip_bytes >= 180 * SIZE
    assert rate(found, 30) == pytest.approx(ip_rate(5e6), rel=0.1)


async def test_nothing_is_left_behind_by_a_test_that_fails() -> None:
    seen: list[tuple[int, str]] = []

    async def fails() -> None:
        async with link(rtt_ms=10) as line:
            assert line.relay is not None
            seen.append((line.relay.pid, str(line.near)))
            raise KeyError

    with pytest.raises(KeyError):
        await fails()
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0][0], 0)
    assert not Path(seen[0][1]).exists()
