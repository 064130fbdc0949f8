"""Emulated links between network namespaces, for tests and benchmarks.

    async with link(up=2e6, down=10e6, rtt_ms=40, loss=0.01) as line:
        line.near             # the monitor's side, a Namespace; line.far is the unit's; line.far_address
        line.set(loss=0.1)    # from any thread, while it runs; also line.cut() and line.heal()
        await line.near.loop(work)                    # a coroutine in there
        await line.run("far", "iperf3", "-s", "-1")   # or a program, until it ends
        line.far.command("iperf3", "-s")              # the command line of one, for `process.running`
        line.near.socket(AF_INET, SOCK_DGRAM)         # a socket in there, for any thread

`up` is from far to near. Rates are shaped by tbf in bit/s at layer 2: an IP packet counts with 14 bytes more
(`ip_rate`). TCP hands over packets one by one, as they are on a wire: a policer would drop larger ones whole.
A link that is asked for delay, loss or anything else than a rate has a relay behind it: TAP devices on both
sides and a process of its own between them (`_relay.py`); one that is not is a veth pair.
`halls` makes a hub with many links behind one shared uplink. All of it needs root, and skips without.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.servers.netns import Namespace, no_offloads

Side = Literal["near", "far"]
Direction = Literal["up", "down"]
DEVICE = "link0"
ETHERNET = 14
MTU = 1500
POLICER_LIMIT = 3100
LANES: tuple[Direction, Direction] = ("down", "up")
"""A relay's first lane is from the first device, which is the near one."""
RELAY_FILE = Path(__file__).with_name("_relay.py")
ANSWER_S = 5.0


def why_not() -> str:
    """Return why links can't be emulated here, or an empty text."""
    if os.geteuid() != 0:
        return "emulating a link needs root (network namespaces)"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "emulating a link needs /dev/net/tun"
    return ""


needs_link = pytest.mark.skipif(bool(why_not()), reason=why_not() or "links can be emulated")


def ip_rate(layer2_bps: float, packet: int = MTU) -> float:
    """Return what a rate shaped at layer 2 carries at the IP layer in packets of `packet` bytes."""
    return layer2_bps * packet / (packet + ETHERNET)


@dataclass(frozen=True, slots=True)
class Shape:
    """A direction's rate (bit/s at layer 2, None: unshaped), and the bucket and queue of its shaper.

    `burst` and `queue_ms` default to 2.5 ms of the rate (3 packets at least) and 200 ms. A policer has no
    queue worth the name. `peak` bounds how fast the bucket is emptied, in bit/s.
    """

    rate: float | None = None
    burst: int | None = None
    queue_ms: float = 200.0
    policer: bool = False
    peak: float | None = None

    def tbf(self) -> str:
        """Return the qdisc's parameters. Only for a direction that has a rate."""
        assert self.rate is not None
        burst = self.burst or max(int(self.rate / 8 * 0.0025), 3 * (MTU + ETHERNET))
        limit = (
            POLICER_LIMIT if self.policer else burst + max(int(self.rate / 8 * self.queue_ms / 1000), 30_000)
        )
        peak = f" peakrate {self.peak:.0f}bit mtu 3100" if self.peak else ""
        return f"tbf rate {self.rate:.0f}bit burst {burst} limit {limit}{peak}"


Rate = float | Shape | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a direction's sending device saw: bytes (layer 2) and packets sent, and dropped before that."""

    bytes: int
    packets: int
    dropped: int
    backlog: int

    @property
    def ip_bytes(self) -> int:
        """Bytes at the IP layer."""
        return self.bytes - self.packets * ETHERNET


class Relay:
    """The relay's process, seen from the test. Its calls take well under a millisecond, from any thread."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(ANSWER_S)
        self._lock = threading.Lock()
        command = (sys.executable, "-I", "-S", str(RELAY_FILE), str(theirs.fileno()))
        with theirs:
            self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, **command: Any) -> Any:
        """Send one command and return the answer. Raises OSError where the relay is gone."""
        with self._lock:
            self._control.send(json.dumps(command).encode())
            return json.loads(self._control.recv(1 << 16))

    def close(self) -> None:
        """End the process; its devices end with it."""
        self._control.close()
        try:
            self._process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(slots=True)
class Link:
    """A running link. `near` is the monitor's side, `far` the unit's."""

    near: Namespace
    far: Namespace
    near_address: str
    far_address: str
    near_address6: str
    far_address6: str
    shapes: dict[Direction, Shape]
    relay: Relay | None = None
    number: int = 0
    """Of this link among those of its relay."""
    devices: tuple[str, str] = (DEVICE, DEVICE)
    """Near and far."""

    def side(self, side: Side) -> Namespace:
        """Return the namespace of a side."""
        return self.near if side == "near" else self.far

    def sender(self, direction: Direction) -> tuple[Namespace, str]:
        """Return the namespace and the device from which a direction is sent."""
        return (self.near, self.devices[0]) if direction == "down" else (self.far, self.devices[1])

    async def run(self, side: Side, *arguments: str, timeout: float = 30.0) -> str:
        """Run a program on a side and return what it printed. Raises AssertionError where it fails."""
        return await asyncio.to_thread(self.side(side).run, *arguments, timeout=timeout)

    def set(
        self, direction: Direction | None = None, *, rtt_ms: float | None = None, **settings: Any
    ) -> None:
        """Change what the relay does in one direction or both: any of `_relay.Settings`, or `rtt_ms`.

        Delay and jitter are of one direction; `rtt_ms` is split evenly over both. Only links with a relay.
        """
        if rtt_ms is not None:
            settings["delay"] = rtt_ms / 2
        for lane, name in enumerate(LANES):
            if direction in (None, name):
                self._relay().ask(lane=2 * self.number + lane, set=settings)

    def cut(self, direction: Direction | None = None) -> None:
        """Let nothing pass any more; nobody is told. What is on its way still arrives."""
        self.set(direction, cut=True)

    def heal(self, direction: Direction | None = None) -> None:
        """Undo `cut`."""
        self.set(direction, cut=False)

    def counts(self, direction: Direction) -> dict[str, float]:
        """Return what the relay did in a direction: `_relay.Counts`."""
        found: dict[str, float] = self._relay().ask(lane=2 * self.number + LANES.index(direction))
        return found

    def _relay(self) -> Relay:
        assert self.relay is not None, "this link has no relay: make it with link(..., relay=True)"
        return self.relay

    async def reshape(self, direction: Direction, shape: Shape) -> None:
        """Change the rate of a direction while it runs; only where it had one."""
        namespace, device = self.sender(direction)
        await asyncio.to_thread(namespace.tc, f"qdisc change dev {device} root {shape.tbf()}")
        self.shapes[direction] = shape

    async def traffic(self, direction: Direction) -> Traffic:
        """Return what was sent in a direction so far, by the kernel's account."""
        namespace, device = self.sender(direction)
        text = await asyncio.to_thread(namespace.run, "tc", "-s", "-j", "qdisc", "show", "dev", device)
        found = json.loads(text)[0]
        return Traffic(found["bytes"], found["packets"], found["drops"], found["backlog"])


@asynccontextmanager
async def link(
    *,
    up: Rate = None,
    down: Rate = None,
    rtt_ms: float = 0.0,
    loss: float = 0.0,
    jitter_ms: float = 0.0,
    relay: bool = False,
    burst_kb: float | None = None,
    policer: bool = False,
    peak: float | None = None,
    queue_ms: float = 200.0,
    mtu: int = MTU,
    seed: int = 1,
    **settings: Any,
) -> AsyncIterator[Link]:
    """Make a link. `burst_kb`, `policer`, `peak` (a multiple of the rate) and `queue_ms` are for both ways.

    `loss` and `jitter_ms` are each direction's; further settings are those of `_relay.Settings`.
    """
    shapes: dict[Direction, Shape] = {
        "up": _shape(up, burst_kb, policer, peak, queue_ms),
        "down": _shape(down, burst_kb, policer, peak, queue_ms),
    }
    wants_relay = relay or bool(rtt_ms or loss or jitter_ms or settings)
    async with AsyncExitStack() as stack:
        near, far = await namespaces(stack, 2)
        made = Link(near, far, "10.88.0.1", "10.88.0.2", "fd88::1", "fd88::2", shapes)
        if wants_relay:
            made.relay = await started_relay(stack)
        await asyncio.to_thread(join, made, mtu=mtu, seed=seed)
        if wants_relay:
            made.set(rtt_ms=rtt_ms, loss=loss, jitter=jitter_ms, **settings)
        yield made


@asynccontextmanager
async def halls(
    number: int,
    *,
    up: Rate = None,
    down: Rate = None,
    shared: Rate = None,
    relay: bool = False,
    rtt_ms: float = 0.0,
    loss: float = 0.0,
) -> AsyncIterator[list[Link]]:
    """Make `number` units' links that all go through one router and its uplink to the monitor's side.

    Every link's `near` is the monitor's one namespace, so that `near_address` is the same for all; a link's
    own shaping and relay lie between the router and the unit, `shared` (both ways) between the monitor and
    the router. The uplink as a link of its own comes last in the list.
    """
    async with AsyncExitStack() as stack:
        hub, core, *units = await namespaces(stack, number + 2)
        shape = _shape(shared, None, False, None, 200.0)
        uplink = Link(hub, core, "10.88.0.1", "10.88.0.2", "fd88::1", "fd88::2", {"up": shape, "down": shape})
        await asyncio.to_thread(join, uplink, mtu=MTU, seed=0)
        process = await started_relay(stack) if relay or rtt_ms or loss else None
        made = [_hall(n, core, unit, up, down, process) for n, unit in enumerate(units)]
        await asyncio.to_thread(_join_halls, hub, core, made)
        for one in made:
            one.near, one.near_address, one.near_address6 = hub, uplink.near_address, uplink.near_address6
            if process:
                one.set(rtt_ms=rtt_ms, loss=loss)
        yield [*made, uplink]


def _hall(number: int, core: Namespace, unit: Namespace, up: Rate, down: Rate, relay: Relay | None) -> Link:
    shapes: dict[Direction, Shape] = {
        "up": _shape(up, None, False, None, 200.0), "down": _shape(down, None, False, None, 200.0),
    }  # fmt: skip
    block, block6 = f"10.89.{number}", f"fd89:{number:x}:"
    return Link(
        core, unit, f"{block}.1", f"{block}.2", f"{block6}:1", f"{block6}:2",
        shapes, relay, number, (f"hall{number}", DEVICE),
    )  # fmt: skip


def _join_halls(hub: Namespace, core: Namespace, made: list[Link]) -> None:
    core.write("net/ipv4/ip_forward", "1")
    core.write("net/ipv6/conf/all/forwarding", "1")
    hub.ip("route add 10.89.0.0/16 via 10.88.0.2", "route add fd89::/16 via fd88::2")
    for one in made:
        join(one, mtu=MTU, seed=one.number + 1)
        one.far.ip(f"route add default via {one.near_address}", f"route add default via {one.near_address6}")


async def namespaces(stack: AsyncExitStack, number: int) -> list[Namespace]:
    """Make namespaces that end with the stack. Skips the test where that is impossible."""
    if reason := why_not():
        pytest.skip(reason)

    def make() -> list[Namespace]:
        return [Namespace() for _ in range(number)]

    made = await asyncio.to_thread(make)
    for namespace in made:
        stack.callback(namespace.close)
    return made


async def started_relay(stack: AsyncExitStack) -> Relay:
    relay = await asyncio.to_thread(Relay)
    stack.push_async_callback(asyncio.to_thread, relay.close)
    return relay


def _shape(rate: Rate, burst_kb: float | None, policer: bool, peak: float | None, queue_ms: float) -> Shape:
    if isinstance(rate, Shape):
        return rate
    burst = None if burst_kb is None else int(burst_kb * 1000)
    return Shape(rate, burst, queue_ms, policer, peak * rate if peak and rate else None)


def join(made: Link, *, mtu: int, seed: int) -> None:
    """Make the devices on both sides, give them addresses, and shape what they send."""
    near, far = made.devices
    addresses = mac(2 * made.number), mac(2 * made.number + 1)
    if made.relay:
        made.relay.ask(open=[[str(made.near), near, str(made.far), far, seed]])
    else:
        made.near.ip(f"link add {near} type veth peer name {far} netns {made.far}")
    own = (made.near_address, made.near_address6), (made.far_address, made.far_address6)
    ends = (
        (made.near, near, addresses, own[0], own[1]),
        (made.far, far, addresses[::-1], own[1], own[0]),
    )
    for namespace, device, (own_mac, peer_mac), here, there in ends:
        namespace.do(partial(no_offloads, device))
        namespace.ip(
            f"link set {device} address {own_mac} mtu {mtu} gso_max_segs 1 txqueuelen 5000 up",
            f"addr add {here[0]}/24 dev {device}",
            f"addr add {here[1]}/64 dev {device} nodad",
            *(f"neigh replace {address} lladdr {peer_mac} dev {device} nud permanent" for address in there),
        )
    for direction, shape in made.shapes.items():
        namespace, device = made.sender(direction)
        if shape.rate is not None:
            namespace.tc(f"qdisc add dev {device} root {shape.tbf()}")


def mac(number: int) -> str:
    """Return a locally administered MAC address."""
    return f"02:88:00:00:{number >> 8:02x}:{number & 255:02x}"
