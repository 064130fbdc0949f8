"""Round trip time, its distribution, jitter and loss, by a burst of ICMP echoes."""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from probes._resolve import resolve
from probes._sockets import own_deadline
from probes.api import Bytes, Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Seconds, Target
from probes.errors import (
    Ending,
    Inconclusive,
    NotRun,
    ProberFault,
    TargetFailed,
    TimedOut,
    Unreachable,
    from_oserror,
)
from probes.network._icmp import IcmpEngine
from probes.network._icmp_burst import UNTIMED, Burst, Control

MOST_OF_TIMEOUT = 0.8
"""Share of the timeout that sending may take; the rest is for waiting."""


class IcmpParams(Params):
    """What `icmp` takes."""

    count: Annotated[int, Field(ge=1, le=1000)] = 10
    """Packets in a burst."""
    interval: Annotated[Seconds, Field(ge=0.01, le=10)] = 0.1
    """From one packet to the next."""
    wait: Annotated[Seconds, Field(gt=0, le=60)] = 2.0
    """How long a reply may take before it counts as lost; never beyond the check's timeout."""
    size: Annotated[Bytes, Field(ge=8, le=65_000)] = 56
    """Bytes of data in each packet, headers not counted."""
    ttl: Annotated[int, Field(ge=1, le=255)] | None = None
    """Time to live (hop limit) of the requests; the system's where not given."""
    dscp: Annotated[int, Field(ge=0, le=63)] = 0
    """Differentiated services code point of the requests."""


async def probe_icmp(target: Target, params: IcmpParams, context: Context) -> Reading:
    """Send a burst and wait for what comes back (`probes.network._icmp`)."""
    sending = (params.count - 1) * params.interval
    if sending > context.timeout * MOST_OF_TIMEOUT:
        raise ProberFault(f"sending {params.count} packets takes {sending:g} s, which the timeout of "
                          f"{context.timeout:g} s has no room for")  # fmt: skip
    address, resolve_ms = await resolve(target, context)
    context.phase = "queued"
    engine = context.shared.get(IcmpEngine)
    burst = engine.start(
        address, count=params.count, interval=params.interval, wait=params.wait, size=params.size,
        until=own_deadline(context), control=control_messages(address.family, params.ttl, params.dscp),
    )  # fmt: skip
    context.phase = "echo" if burst.sent_ns else "queued"
    try:
        await burst.future
    finally:
        engine.drop(burst)
    return reading_of(burst, {"resolve": resolve_ms} if resolve_ms else {})


def reading_of(burst: Burst, phases: dict[str, float]) -> Reading:
    """Return the reading of a burst that the target answered; raise the `Ending` of any other."""
    facts = {"address": burst.address.host, "family": burst.address.family}
    metrics = burst.metrics()
    ending = _ending(burst)
    if ending is not None:
        ending.facts, ending.phases = facts, phases
        ending.metrics = metrics if isinstance(ending, TargetFailed) else {}
        raise ending
    facts["reply_ttl"] = str(burst.reply_ttl)
    if "rtt_ms" in metrics:
        phases["echo"] = metrics["rtt_ms"]
    return Reading.ok(metrics, facts, phases, _note(burst))


def _ending(burst: Burst) -> Ending | None:
    """What the burst ended with, unless the target answered."""
    sent = len(burst.rtts)
    if burst.fault is not None:
        return from_oserror(burst.fault, "send")
    if not sent:
        return NotRun("overload", "the limit on packets a second left no room for any of this burst")
    if burst.overflowed and burst.answered < sent:
        return Inconclusive("our own receive queue overflowed: what is missing may have been dropped here")
    if burst.answered:
        return None
    if burst.complaint:
        return Unreachable(burst.complaint)
    other = f"; {burst.stranger} answered in its place" if burst.stranger else ""
    return TimedOut(f"no reply to {sent} packet{'s' if sent > 1 else ''}{other}")


def _note(burst: Burst) -> str:
    notes = [burst.complaint] if burst.complaint else []
    if burst.unsent:
        notes.append(f"only {len(burst.rtts)} of {burst.count} packets could be sent in time")
    if untimed := burst.rtts.count(UNTIMED):
        notes.append(f"not timed exactly, so only counted as received: {untimed}")
    return "; ".join(notes)


@lru_cache(maxsize=256)
def control_messages(family: str, ttl: int | None, dscp: int) -> Control:
    """Return what to tell the kernel with each packet; nothing where the defaults will do."""
    v4 = family == "4"
    level = socket.IPPROTO_IP if v4 else socket.IPPROTO_IPV6
    messages: Control = []
    if ttl is not None:
        messages.append((level, socket.IP_TTL if v4 else socket.IPV6_HOPLIMIT, struct.pack("@i", ttl)))
    if dscp:
        messages.append((level, socket.IP_TOS if v4 else socket.IPV6_TCLASS, struct.pack("@i", dscp << 2)))
    return messages


PROBE = ProbeSpec(
    name="icmp",
    family="network",
    summary="Sends a burst of ICMP echoes: round trip times, jitter and loss",
    params=IcmpParams,
    run=probe_icmp,
    metrics=(
        MetricDef("rtt_ms", "ms", "lower", 0.001, "Median round trip time of the burst, by the kernel",
                  "latency"),
        MetricDef("rtt_min_ms", "ms", "lower", 0.001, "Shortest (bursts only)"),
        MetricDef("rtt_max_ms", "ms", "lower", 0.001, "Longest (bursts only)"),
        MetricDef("rtt_p95_ms", "ms", "lower", 0.001, "95th percentile, nearest rank (bursts only)"),
        MetricDef("jitter_ms", "ms", "lower", 0.001,
                  "Mean absolute difference of successive round trip times (bursts only)"),
        MetricDef("loss_pct", "%", "lower", 0.01, "Packets without a reply, of those sent", "loss"),
        MetricDef("sent", "count", "none", 1, "Packets sent"),
        MetricDef("received", "count", "higher", 1, "Packets with a reply"),
        MetricDef("duplicates", "count", "lower", 1, "Further replies to the same packet (bursts only)"),
        MetricDef("reordered", "count", "lower", 1,
                  "Replies that came after one to a later packet (bursts only)"),
    ),
    facts=(
        FactDef("address", help="The address that was used"),
        FactDef("family", help="4 or 6"),
        FactDef("reply_ttl", help="Time to live (hop limit) of the last reply: it changes with the route"),
    ),
    phases=("resolve", "echo"),
    kinds=("unreachable", "timeout", "dns", "inconclusive", "permission", "prober_error"),
)  # fmt: skip
