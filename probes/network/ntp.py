"""Does a time server serve time, and how far is it from the monitor's own clock (RFC 5905, SNTP client)?

The offset is against the monitor's clock, so it says something of the target only while that clock is
itself synchronised. Where the kernel says that it is not, `offset_ms` is left out (a condition on it is then
unknown, not failed) and the figure is given as `offset_unsynchronised_ms`.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from probes._clock import monitor_clock
from probes._resolve import resolve
from probes._sockets import Poller, own_deadline
from probes._udp import KINDS, Udp
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Seconds, Target
from probes.errors import ExpectationFailed, ProtocolViolated
from probes.network._ntp_packet import Packet, decode, from_unix_ns, offset_and_delay, request


class NtpParams(Params):
    """Parameters of `ntp`."""

    port: Annotated[int, Field(ge=1, le=65535)] = 123
    """Port of the server."""
    samples: Annotated[int, Field(ge=1, le=8)] = 3
    """Questions asked in a run; the one with the shortest round trip counts."""
    spacing: Annotated[Seconds, Field(ge=0, le=5)] = 0.1
    """Pause between two questions."""
    require_synchronised: bool = True
    """Whether a server that says its own clock follows no source has failed."""


@dataclass(frozen=True, slots=True)
class _Sample:
    packet: Packet
    offset_ms: float
    delay_ms: float


async def probe_ntp(target: Target, params: NtpParams, context: Context) -> Reading:
    """Ask `target` for the time and keep the sample with the shortest round trip.

    Raises `ProtocolViolated` (a kiss-o'-death, or only garbage came), `ExpectationFailed` (the server is
    not synchronised), and the endings of sockets and of resolving the server's name.
    """
    address, resolve_ms = await resolve(target, context)
    context.phase = "query"
    with Udp(context.shared.get(Poller), address, params.port) as udp:
        samples = await _samples(udp, params, own_deadline(context))
    best = min(samples, key=lambda sample: sample.delay_ms)
    clock = monitor_clock()
    metrics = _metrics(best, clock) | {"samples": float(len(samples)), "strays": float(udp.strays)}
    facts = _facts(best.packet) | {"monitor_clock": clock, "address": address.host, "family": address.family}
    phases = {"resolve": resolve_ms, "query": best.delay_ms}
    if params.require_synchronised and not best.packet.synchronised:
        raise ExpectationFailed(
            f"the server says that its clock is not synchronised (leap {best.packet.leap}, "
            f"stratum {best.packet.stratum})",
            metrics=metrics, facts=facts, phases=phases,
        )  # fmt: skip
    return Reading.ok(metrics, facts, phases)


async def _samples(udp: Udp, params: NtpParams, until: float) -> list[_Sample]:
    samples: list[_Sample] = []
    for number in range(params.samples):
        if number:
            await asyncio.sleep(params.spacing)
        samples.append(await _sample(udp, until))
    return samples


async def _sample(udp: Udp, until: float) -> _Sample:
    cookie = secrets.randbits(64)
    sent_ns = udp.send(request(cookie))
    packet, datagram = await udp.answer(until, lambda data: decode(data, cookie))
    if packet.kiss:
        raise ProtocolViolated(f"kiss-o'-death {packet.kiss}", facts=_facts(packet))
    offset, delay = offset_and_delay(packet, from_unix_ns(sent_ns), from_unix_ns(datagram.at_ns))
    return _Sample(packet, offset * 1000, max(0.0, delay * 1000))


def _metrics(best: _Sample, clock: str) -> dict[str, float]:
    name = "offset_unsynchronised_ms" if clock == "unsynchronised" else "offset_ms"
    return {
        name: best.offset_ms,
        "delay_ms": best.delay_ms,
        "stratum": float(best.packet.stratum),
        "root_delay_ms": best.packet.root_delay * 1000,
        "root_dispersion_ms": best.packet.root_dispersion * 1000,
    }


def _facts(packet: Packet) -> dict[str, str]:
    return {"refid": packet.refid, "leap": packet.leap, "version": str(packet.version)}


PROBE = ProbeSpec(
    name="ntp",
    family="network",
    summary="A time server's offset, round trip and own synchronisation.",
    params=NtpParams,
    run=probe_ntp,
    metrics=(
        MetricDef("offset_ms", "ms", "none", 0.001, "How far the server is ahead of the monitor's clock."),
        MetricDef(
            "offset_unsynchronised_ms", "ms", "none", 0.001,
            "The same while the monitor's own clock is not synchronised: says nothing of the target.",
        ),
        MetricDef("delay_ms", "ms", "lower", 0.001, "Round trip, the server's own time taken off."),
        MetricDef("stratum", "count", "lower", 1, "Distance from a reference clock."),
        MetricDef("root_delay_ms", "ms", "lower", 0.001, "Round trip from the server to its reference."),
        MetricDef("root_dispersion_ms", "ms", "lower", 0.001, "Error that the server admits to."),
        MetricDef("samples", "count", "none", 1, "Answers that were compared."),
        MetricDef("strays", "count", "lower", 1, "Datagrams that were no answer to the question (ignored)."),
    ),
    facts=(
        FactDef("refid", help="What the server follows: a clock's letters at stratum 1, else an address."),
        FactDef("leap", help="none, insert, delete or unsynchronised."),
        FactDef("version", help="NTP version of the answer."),
        FactDef("monitor_clock", help="Whether the monitor's own clock is synchronised, by its kernel."),
        FactDef("address", help="The server's address that was asked."),
        FactDef("family", help="4 or 6."),
    ),
    phases=("resolve", "query"),
    kinds=KINDS,
    default_timeout=5.0,
)  # fmt: skip
