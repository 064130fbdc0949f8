"""One condition of `benchmarks.channel` as an emulated link with what runs on both of its sides."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from probes.api import Context, Reading, Target
from probes.measure import measure_within
from probes.network._iperf3_report import Transfer, transfer_of
from probes.registry import get
from tests.probing import shared_here
from tests.servers.iperf3 import iperf3
from tests.servers.link import Direction, Link, ip_rate, link
from tests.servers.reflector import MASTER, UNIT, key_file

T = TypeVar("T")
WAYS: tuple[Direction, ...] = ("down", "up")
HERE = Path(__file__).parent
BACKLOG = HERE.parent / "tests" / "servers" / "_backlog.py"
SINK_PORT, REFLECTOR_PORT = 9, 8862
START_S, TIMEOUT_S = 20.0, 40.0
SEGMENT, SEGMENT_PAYLOAD = 1500, 1448
WARM_S = 0.3
QUEUE_MS = 300.0


@dataclass(frozen=True, slots=True)
class Condition:
    """A link: rates in Mbit/s at layer 2, RTT in ms, loss and cross-traffic as shares, the bucket in kB."""

    up: float
    down: float
    rtt_ms: float = 0.0
    loss: float = 0.0
    burst_kb: float | None = None
    policer: bool = False
    cross: float = 0.0

    @property
    def name(self) -> str:
        """What it is called in tables."""
        rate = f"{self.down:g}" if self.up == self.down else f"{self.down:g}/{self.up:g}"
        parts = [rate, f"{self.rtt_ms:g} ms"]
        parts += [f"{self.loss:.0%} loss"] if self.loss else []
        parts += ["policer"] if self.policer else ["bucket"] if self.burst_kb else []
        parts += [f"{self.cross:.0%} cross"] if self.cross else []
        return ", ".join(parts)

    @property
    def plain(self) -> bool:
        """Whether the marks for accuracy are of this condition."""
        return not (self.cross or self.policer or self.burst_kb)

    def true_bps(self, way: Direction) -> float:
        """Return the true rate at the IP layer, in packets of 1,500 bytes."""
        return ip_rate((self.up if way == "up" else self.down) * 1e6)

    def refill_s(self) -> float:
        """Return how long the fuller of the buckets takes to fill again."""
        return (self.burst_kb or 0.0) * 8000 / (min(self.up, self.down) * 1e6)


@dataclass(slots=True)
class Seen:
    """What a run did to the line: bytes at the IP layer and the longest queue (ms) by direction, seconds."""

    bytes: dict[Direction, int] = field(default_factory=dict)
    queue_ms: dict[Direction, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class Bench:
    """A running link with a reflector and an iperf3 server on its far side."""

    condition: Condition
    line: Link
    iperf3_port: int
    congestion: tuple[str, ...]

    async def muster(self) -> tuple[Reading, Seen]:
        """Run `throughput` once, both ways."""
        params = get("throughput").params.model_validate(
            {
                "method": "reflector", "secret": "secret:reflect", "key_of": UNIT, "port": REFLECTOR_PORT,
                "up": self.condition.up * 1e6, "down": self.condition.down * 1e6,
            }
        )  # fmt: skip

        async def work() -> Reading:
            async with shared_here(secrets={"reflect": MASTER}) as shared:
                target = Target(self.line.far_address, unit=UNIT)
                return await measure_within(get("throughput"), target, params, Context(shared, TIMEOUT_S))

        return await self._watched(lambda: self.line.near.loop(work))

    async def peer(self, way: Direction, seconds: float) -> tuple[Transfer, Seen]:
        """Run iperf3 once in one direction."""
        arguments = [
            "iperf3", "-c", self.line.far_address, "-p", str(self.iperf3_port), "-J", "-i", "0",
            "-t", f"{seconds:g}", *self.congestion, *(("-R",) if way == "up" else ()),
        ]  # fmt: skip

        async def work() -> Transfer:
            return transfer_of((await self.line.run("near", *arguments, timeout=TIMEOUT_S)).encode(), "4")

        return await self._watched(work)

    async def _watched(self, work: Callable[[], Awaitable[T]]) -> tuple[T, Seen]:
        before = {way: await self.line.traffic(way) for way in WAYS}
        watchers = {way: _watcher(self.line, way) for way in WAYS}
        await asyncio.sleep(WARM_S)
        seen, began = Seen(), time.perf_counter()
        try:
            found = await work()
            seen.seconds = time.perf_counter() - began
        finally:
            looks = {way: await asyncio.to_thread(watcher.communicate) for way, watcher in watchers.items()}
        for way in WAYS:
            rate = (self.condition.up if way == "up" else self.condition.down) * 1e6
            seen.queue_ms[way] = json.loads(looks[way][0])["most"] * 8000 / rate
            seen.bytes[way] = (await self.line.traffic(way)).ip_bytes - before[way].ip_bytes
        await asyncio.sleep(max(WARM_S, self.condition.refill_s()))
        return found, seen


def _watcher(line: Link, way: Direction) -> subprocess.Popen[bytes]:
    namespace, device = line.sender(way)
    command = namespace.command(sys.executable, "-I", "-S", str(BACKLOG), device)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@asynccontextmanager
async def bench(condition: Condition, directory: Path, seed: int) -> AsyncIterator[Bench]:
    """Make the link of a condition with its servers and cross-traffic."""
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(
            link(
                up=condition.up * 1e6, down=condition.down * 1e6,
                rtt_ms=condition.rtt_ms, loss=condition.loss,
                burst_kb=condition.burst_kb, policer=condition.policer, queue_ms=QUEUE_MS, seed=seed,
            )
        )  # fmt: skip
        port = await stack.enter_async_context(iperf3(directory, line.far, line.far_address))
        stack.enter_context(_reflector(line, directory))
        if condition.cross:
            for way in WAYS:
                stack.enter_context(_cross(line, way, condition.cross * condition.true_bps(way), seed))
            await asyncio.sleep(WARM_S)
        yield Bench(condition, line, port, _cubic())


@contextmanager
def _reflector(line: Link, directory: Path) -> Iterator[None]:
    """Run `muster reflect` on the far side."""
    log = directory / "reflector.log"
    command = line.far.command(
        sys.executable, "-m", "monitor.cli", "reflect", "--listen", f"{line.far_address}:{REFLECTOR_PORT}",
        "--key-file", str(key_file(directory)), "--per-day", "10000000", "--log", "json",
    )  # fmt: skip
    with log.open("wb") as out, _ended(subprocess.Popen(command, stdout=out, stderr=out)):
        end = time.monotonic() + START_S
        while '"answering"' not in log.read_text("utf-8"):
            if time.monotonic() > end:
                raise TimeoutError(log.read_text("utf-8"))
            time.sleep(0.05)
        yield


@contextmanager
def _cross(line: Link, way: Direction, rate_bps: float, seed: int) -> Iterator[None]:
    """Send other traffic in a direction, to a socket that nobody reads."""
    sender, receiver = (line.near, line.far) if way == "down" else (line.far, line.near)
    address = line.far_address if way == "down" else line.near_address
    with receiver.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread:
        unread.bind((address, SINK_PORT))
        script = str(HERE / "cross.py")
        command = sender.command(
            sys.executable, "-I", "-S", script, address, str(SINK_PORT), f"{rate_bps:.0f}", str(seed)
        )
        with _ended(subprocess.Popen(command)):
            yield


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _cubic() -> tuple[str, ...]:
    """Return iperf3's option for cubic, what most servers use, where this kernel has it."""
    known = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text("ascii").split()
    return ("-C", "cubic") if "cubic" in known else ()


def ip_goodput(goodput_bps: float) -> float:
    """Return a TCP goodput as the rate at the IP layer that it takes (full segments with time stamps)."""
    return goodput_bps * SEGMENT / SEGMENT_PAYLOAD
