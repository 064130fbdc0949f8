"""The way to a target: its hops, where delay and loss begin, the largest packet that fits, marks rewritten.

ICMP echoes with a growing time to live. All packets of a run belong to one flow for whatever balances load
(`probes.network._path_packet`), so that a route that differs from the last one is a change and no dice.
What a router in between does not answer is often its own thrift: loss counts where it reaches the target,
and `loss_pct` is the target's. The way back is not seen. Whether a mark survives to the very end needs a
reflector (`echo`): what is seen here is what routers quote.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from pydantic import Field

from probes._resolve import Address, resolve
from probes._sockets import own_deadline
from probes.api import Bytes, Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Seconds, Target
from probes.errors import Ending, Inconclusive, TimedOut, Unreachable
from probes.network._path_mtu import TTL, PathMtu, path_mtu
from probes.network._path_view import Way, mark_changed_at, steepest, way_of
from probes.network._path_walk import Sent, Walk

MOST_HOPS = 30
PACKET_BYTES = 84
BEYOND = 3
"""How many distances past the last one that answered are tried again where the target did not answer."""
PATIENCE_S = 1.0
"""Routers limit how many errors a second they send; before silent hops are asked again they get a rest."""


class PathParams(Params):
    """What `path` takes."""

    max_hops: Annotated[int, Field(ge=1, le=MOST_HOPS)] = MOST_HOPS
    """Largest distance that is tried."""
    probes: Annotated[int, Field(ge=1, le=10)] = 3
    """Packets to each hop."""
    count: Annotated[int, Field(ge=0, le=100)] = 10
    """Further packets to the target itself, for its round trip and loss."""
    interval: Annotated[Seconds, Field(ge=0.005, le=1)] = 0.02
    """From one packet to the next."""
    wait: Annotated[Seconds, Field(gt=0, le=5)] = 1.0
    """How long an answer may take."""
    dscp: Annotated[int, Field(ge=0, le=63)] = 0
    """Differentiated services code point of all packets, looked for in what routers quote."""
    mtu: bool = True
    """Whether to search for the path MTU."""
    largest: Annotated[Bytes, Field(ge=1280, le=9216)] = 1500
    """Largest packet that is tried, in bytes with the IP header."""


async def probe_path(target: Target, params: PathParams, context: Context) -> Reading:
    """Trace the way to `target`, then ask it itself, then search for the path MTU."""
    address, resolve_ms = await resolve(target, context)
    context.phase = "trace"
    walk = Walk(address, params.dscp, own_deadline(context))
    try:
        traced = await _trace(walk, params)
        context.phase = "echo"
        aimed = await _aim(walk, params)
        way = way_of(traced, address.family)
        reading = _reading(way, _at_target(way, traced, aimed), address)
        reading.phases = {"resolve": resolve_ms} if resolve_ms else {}
        if not reading.metrics["received"]:
            raise _ending(walk, way, reading, address)
        _tell_marks(reading, walk, way, params.dscp)
        if params.mtu:
            context.phase = "mtu"
            longest = max((sent.rtt_ms or 0.0 for sent in aimed), default=0.0)
            _tell_mtu(reading, await path_mtu(walk, address.family, params.largest, longest))
        reading.metrics["packets"] = float(len(walk.sent))
        return reading
    finally:
        walk.close()


async def _trace(walk: Walk, params: PathParams) -> list[Sent]:
    """Ask every distance once a round, then the silent ones once more."""
    traced: list[Sent] = []
    last = params.max_hops
    for _ in range(params.probes):
        traced += await _round(walk, params, range(1, last + 1))
        last = _horizon(traced, params.max_hops)
    silent = [ttl for ttl in range(1, last + 1) if not any(s.answer for s in traced if s.ttl == ttl)]
    if silent and not walk.late:
        await walk.pause(PATIENCE_S)
        traced += await _round(walk, params, silent)
    return traced


async def _round(walk: Walk, params: PathParams, distances: Iterable[int]) -> list[Sent]:
    packets: list[Sent] = []
    for ttl in distances:
        if walk.late or any(packet.replied for packet in packets):
            break
        packets.append(walk.send(ttl, PACKET_BYTES))
        await walk.pause(params.interval)
    await walk.settle(packets, params.wait)
    return packets


def _horizon(traced: Sequence[Sent], most: int) -> int:
    """Return how far the next round goes: to the target, or a little beyond the last that answered."""
    replied = [packet.ttl for packet in traced if packet.replied]
    if replied:
        return min(replied)
    return min(most, max((packet.ttl for packet in traced if packet.answer), default=0) + BEYOND)


async def _aim(walk: Walk, params: PathParams) -> list[Sent]:
    packets: list[Sent] = []
    while len(packets) < params.count and not walk.late:
        packets.append(walk.send(TTL, PACKET_BYTES))
        await walk.pause(params.interval)
    await walk.settle(packets, params.wait)
    return packets


def _at_target(way: Way, traced: Sequence[Sent], aimed: Sequence[Sent]) -> list[Sent]:
    """Return the packets that went all the way, as far as we know."""
    if way.reached is None:
        return list(aimed)
    return [packet for packet in traced if packet.ttl >= way.reached] + list(aimed)


def _reading(way: Way, at_target: Sequence[Sent], address: Address) -> Reading:
    received = [packet for packet in at_target if packet.replied]
    rtts = [packet.rtt_ms for packet in received if packet.rtt_ms is not None]
    metrics = {"sent": float(len(at_target)), "received": float(len(received))}
    if at_target:
        metrics["loss_pct"] = 100 * (1 - len(received) / len(at_target))
    if rtts:
        metrics |= {"rtt_ms": statistics.median(rtts), "rtt_min_ms": min(rtts)}
    if way.reached is not None:
        metrics["hops"] = float(way.reached)
    metrics |= _hop_metrics(way)
    facts = {"address": address.host, "family": address.family, "route": way.route}
    note = f"the target is more than {len(way.hops)} hops away; " if received and way.reached is None else ""
    return Reading.ok(metrics, facts, detail=note + way.listing())


def _hop_metrics(way: Way) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for hop in way.hops:
        metrics[f"hop{hop.ttl}_loss_pct"] = hop.loss_pct
        if hop.rtt_ms is not None:
            metrics[f"hop{hop.ttl}_rtt_ms"] = hop.rtt_ms
    if way.first_silent is not None:
        metrics["first_silent_hop"] = float(way.first_silent)
    step = steepest(way)
    if step is not None:
        metrics |= {"step_hop": float(step[0]), "step_ms": step[1]}
    return metrics


def _ending(walk: Walk, way: Way, reading: Reading, address: Address) -> Ending:
    """Return what a run ended with in which the target never answered, with what is known of the way."""
    reading.metrics["packets"] = float(len(walk.sent))
    seen = f"; the way there: {way.listing()}" if way.hops else "; nothing on the way answered either"
    kind: type[Ending] = TimedOut
    if walk.overflowed():
        kind, text = Inconclusive, "our own receive queue overflowed: answers may have been dropped here"
    elif way.loop:
        kind, text = Unreachable, f"packets go round in a circle between {' and '.join(way.loop)}"
    elif way.refusal:
        kind, text = Unreachable, way.refusal
    else:
        text = f"no answer from {address.host}"
    if kind is Inconclusive:
        return kind(text)
    return kind(text + seen, metrics=reading.metrics, facts=reading.facts, phases=reading.phases)


def _tell_marks(reading: Reading, walk: Walk, way: Way, dscp: int) -> None:
    reading.facts["dscp"] = str(dscp)
    if not walk.sees_marks:
        reading.facts["dscp_seen"] = "not seen: that takes a raw socket (CAP_NET_RAW)"
        return
    changed, last = mark_changed_at(way, dscp), way.last_quoting
    if changed is None or last is None:
        reading.facts["dscp_seen"] = "not seen: no router quoted our packets"
        return
    reading.facts["dscp_changed_at"] = changed
    reading.facts["dscp_seen"] = f"up to hop {last}"


def _tell_mtu(reading: Reading, found: PathMtu) -> None:
    reading.facts["mtu_method"] = found.method
    if found.mtu is not None:
        reading.metrics["mtu"] = float(found.mtu)
        reading.facts["mtu_black_hole"] = "yes" if found.black_hole else "no"
    elif found.at_least:
        reading.metrics["mtu_at_least"] = float(found.at_least)


def _per_hop() -> Iterator[MetricDef]:
    for ttl in range(1, MOST_HOPS + 1):
        yield MetricDef(f"hop{ttl}_rtt_ms", "ms", "lower", 0.001, f"Median round trip to hop {ttl}")
        yield MetricDef(f"hop{ttl}_loss_pct", "%", "lower", 0.01, f"Packets that hop {ttl} did not answer")


PROBE = ProbeSpec(
    name="path",
    family="network",
    summary="The way to a target: hops with their delay and loss, path MTU, marks rewritten on the way",
    params=PathParams,
    run=probe_path,
    metrics=(
        MetricDef("hops", "count", "lower", 1, "Distance of the target"),
        MetricDef("rtt_ms", "ms", "lower", 0.001, "Median round trip to the target, by the kernel"),
        MetricDef("rtt_min_ms", "ms", "lower", 0.001, "Shortest round trip to the target"),
        MetricDef("loss_pct", "%", "lower", 0.01, "Packets to the target without a reply, of those sent"),
        MetricDef("sent", "count", "none", 1, "Packets that were sent all the way"),
        MetricDef("received", "count", "higher", 1, "Packets that the target answered"),
        MetricDef("mtu", "bytes", "higher", 1, "Largest packet (IP header included) that got there whole"),
        MetricDef("mtu_at_least", "bytes", "higher", 1,
                  "The same where the search did not come to its end: nothing is known of larger ones"),
        MetricDef("first_silent_hop", "count", "none", 1, "First hop without an answer, before one with"),
        MetricDef("step_hop", "count", "none", 1, "Hop at which the round trip grows most"),
        MetricDef("step_ms", "ms", "lower", 0.001, "By how much it grows there"),
        MetricDef("packets", "count", "none", 1, "All packets that the run sent"),
        *_per_hop(),
    ),
    facts=(
        FactDef("route", help="Addresses on the way, the target's at its end; `*`: no answer, `a|b`: both"),
        FactDef("address", help="The address that was used"),
        FactDef("family", help="4 or 6"),
        FactDef("mtu_method", help="What the path MTU rests on, or why it is undecided"),
        FactDef("mtu_black_hole", help="yes where larger packets vanish and no router says so"),
        FactDef("dscp", help="Code point that the packets were sent with"),
        FactDef("dscp_changed_at", help="First hop that packets reached with another one, or none; "
                "it is left out where that could not be seen"),
        FactDef("dscp_seen", help="Up to which hop it was seen, or why it was not"),
    ),
    phases=("resolve", "trace", "echo", "mtu"),
    kinds=("unreachable", "timeout", "dns", "inconclusive", "permission", "prober_error"),
    default_every=900.0,
    default_timeout=30.0,
)  # fmt: skip
