"""A chain of routers between a monitor and a target, each a namespace of its own.

    near 10.90.0.1 - 10.90.0.2 r1 10.90.1.1 - 10.90.1.2 r2 10.90.2.1 - ... - far

The piece between two nodes is a veth pair, or where settings of a relay are given for it, a relay.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.servers.link import Link, join, namespaces, started_relay
from tests.servers.netns import Namespace


@dataclass(slots=True)
class Chain:
    """`pieces[n]` joins `nodes[n]`, its near side, to `nodes[n + 1]`; the target is the last node."""

    nodes: list[Namespace]
    pieces: list[Link]

    @property
    def near(self) -> Namespace:
        """The monitor's side."""
        return self.nodes[0]

    @property
    def target(self) -> str:
        """The target's address."""
        return self.pieces[-1].far_address

    @property
    def target6(self) -> str:
        """The target's IPv6 address."""
        return self.pieces[-1].far_address6

    @property
    def route(self) -> list[str]:
        """What a trace to the target shows."""
        return [piece.far_address for piece in self.pieces]

    @property
    def route6(self) -> list[str]:
        """What a trace to the target's IPv6 address shows."""
        return [piece.far_address6 for piece in self.pieces]


@asynccontextmanager
async def chain(
    routers: int = 3,
    relays: Mapping[int, Mapping[str, Any]] | None = None,
    mtus: Mapping[int, int] | None = None,
) -> AsyncIterator[Chain]:
    """Make a chain; `relays` and `mtus` are by the number of the piece, 0 being the monitor's own."""
    async with AsyncExitStack() as stack:
        nodes = await namespaces(stack, routers + 2)
        made = Chain(nodes, [])
        behind = {number: await started_relay(stack) for number in relays or {}}
        for number in range(routers + 1):
            made.pieces.append(
                Link(
                    nodes[number], nodes[number + 1], f"10.90.{number}.1", f"10.90.{number}.2",
                    f"fd90:{number + 1:x}::1", f"fd90:{number + 1:x}::2", {}, behind.get(number), 0,
                    (f"out{number}", f"in{number}"),
                )
            )  # fmt: skip
        await asyncio.to_thread(_lay, made, mtus or {})
        for number, settings in (relays or {}).items():
            made.pieces[number].set(**settings)
        yield made


def _lay(made: Chain, mtus: Mapping[int, int]) -> None:
    for number, piece in enumerate(made.pieces):
        join(piece, mtu=mtus.get(number, 1500), seed=number)
    for number, node in enumerate(made.nodes):
        if 0 < number < len(made.nodes) - 1:
            node.write("net/ipv4/ip_forward", "1")
            node.write("net/ipv6/conf/all/forwarding", "1")
        if number < len(made.pieces) - 1:
            onwards = made.pieces[number]
            for block in range(number + 1, len(made.pieces)):
                node.ip(f"route add 10.90.{block}.0/24 via {onwards.far_address}")
                node.ip(f"route add fd90:{block + 1:x}::/64 via {onwards.far_address6}")
        if number > 1:
            back = made.pieces[number - 1]
            for block in range(number - 1):
                node.ip(f"route add 10.90.{block}.0/24 via {back.near_address}")
                node.ip(f"route add fd90:{block + 1:x}::/64 via {back.near_address6}")
