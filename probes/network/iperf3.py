"""TCP goodput both ways against an iperf3 server that stands already, by the iperf3 program.

The server runs on the unit's side: an ordinary run is `down` (towards the unit), one with `--reverse` is
`up`. It sends for whole seconds, at most at the rate that keeps it within its bytes; a goodput near that cap
is a lower bound and is reported as one. What TCP gets is less than the line carries where packets are lost
or the time is short: `throughput` measures the capacity.

The one binding on PyPI (iperf3, a wrapper around libiperf) had its last release in 2019, so the program's
own JSON is read.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from probes._process import ENVIRONMENT, Processes
from probes._resolve import Address, resolve
from probes.api import Bytes, Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Seconds, Target
from probes.errors import Ending, Inconclusive, MissingDriver, NotRun, ProberFault
from probes.network._iperf3_report import Transfer, transfer_of

PROGRAM = "iperf3"
NEAR_CAP = 0.9
"""A goodput beyond this share of the cap may be the cap's and not the line's."""
LOOK_S = 0.2
BUSY_WAIT_S, BUSY_TRIES = 0.5, 3
"""A server is busy for a moment after a test."""
OVERHEAD_S = 2.0
INTERVAL = "0.5"
"""Seconds from one look of iperf3 at the round trip time to the next."""
Way = Literal["down", "up"]
WAYS: dict[str, tuple[Way, ...]] = {"down": ("down",), "up": ("up",), "both": ("down", "up")}


class Iperf3Params(Params):
    """What `iperf3` takes."""

    port: Annotated[int, Field(ge=1, le=65535)] = 5201
    """Port of the server."""
    direction: Literal["up", "down", "both"] = "both"
    """`up` is from the unit to the monitor's side; both are measured one after the other."""
    seconds: Annotated[int, Field(ge=1, le=30)] = 5
    """How long each direction sends; less where the link's bytes would not do for its contracted rate."""
    bytes: Annotated[Bytes, Field(ge=100_000, le=10_000_000_000)] = 100_000_000
    """How much a run may put on the link in all."""
    connect_timeout: Annotated[Seconds, Field(gt=0, le=30)] = 3.0
    """How long the server may take to accept."""
    dscp: Annotated[int, Field(ge=0, le=63)] = 0
    """Differentiated services code point of what we send."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One direction's share: whole seconds, and the rate (bit/s) that keeps it within its bytes."""

    seconds: int
    cap_bps: float


async def probe_iperf3(target: Target, params: Iperf3Params, context: Context) -> Reading:
    """Measure each direction in turn; a direction that fails ends the run with what was measured before."""
    program = shutil.which(PROGRAM, path=ENVIRONMENT["PATH"])
    if program is None:
        raise MissingDriver("the program iperf3 is not installed (Debian: apt-get install iperf3)")
    address, resolve_ms = await resolve(target, context)
    reading = Reading.ok(phases={"resolve": resolve_ms} if resolve_ms else {})
    for way in WAYS[params.direction]:
        plan = plan_of(way, params, context)
        began = time.perf_counter()
        try:
            found = await _patiently(
                _command(program, address, way, plan, params), plan, way, context, address
            )
        except Ending as ending:
            raise _with(ending, reading) from None
        reading.phases[way] = (time.perf_counter() - began) * 1000
        _tell(reading, way, found, plan, context)
    reading.facts |= {"address": address.host, "family": address.family}
    return reading


def plan_of(way: Way, params: Iperf3Params, context: Context) -> Plan:
    """Return how long and at which rate at most a direction sends. Raises `ProberFault`, `NotRun`.

    Where the contracted rate is known, seconds are given up before the cap comes near that rate.
    """
    ways, link = len(WAYS[params.direction]), context.link
    most = min(params.bytes, link.max_bytes) if link else params.bytes
    if most < 100_000:
        raise NotRun("budget", f"{most} bytes are left for this run, too few to measure anything")
    contracted = (link.up_bps if way == "up" else link.down_bps) if link else None
    seconds = float(params.seconds)
    if contracted:
        seconds = min(seconds, most / ways * 8 / (contracted * 1.5))
    whole = max(1, int(seconds))
    if ways * (whole + OVERHEAD_S) > context.timeout:
        raise ProberFault(f"{ways} x {whole} s of sending have no room in a timeout of {context.timeout:g} s")
    return Plan(whole, most / ways * 8 / whole)


def _command(program: str, address: Address, way: Way, plan: Plan, params: Iperf3Params) -> tuple[str, ...]:
    host = f"{address.host}%{address.scope}" if address.scope else address.host
    command = (
        program, f"-{address.family}", "--client", host, "--port", str(params.port), "--json",
        "--interval", INTERVAL, "--time", str(plan.seconds), "--bitrate", f"{plan.cap_bps:.0f}",
        "--connect-timeout", f"{params.connect_timeout * 1000:.0f}", "--dscp", str(params.dscp),
    )  # fmt: skip
    return (*command, "--reverse") if way == "up" else command


async def _patiently(
    command: tuple[str, ...], plan: Plan, way: Way, context: Context, address: Address
) -> Transfer:
    for trial in range(BUSY_TRIES):
        output = await _guarded(command, plan, way, context)
        context.log(f"{way}: {len(output)} bytes of report")
        try:
            return transfer_of(output, address.family)
        except NotRun:
            if trial == BUSY_TRIES - 1 or context.remaining < plan.seconds + OVERHEAD_S:
                raise
            await asyncio.sleep(BUSY_WAIT_S)
    raise AssertionError


async def _guarded(command: tuple[str, ...], plan: Plan, way: Way, context: Context) -> bytes:
    """Run iperf3 and return what it wrote; end it at once where others on the link suffer."""
    running = asyncio.ensure_future(context.shared.get(Processes).run(command, {}, context))
    began, why = time.perf_counter(), ""
    try:
        while not running.done() and not why:
            await asyncio.wait([running], timeout=LOOK_S)
            why = context.link.hurt() if context.link and not running.done() else ""
        context.phase = way
        if not why:
            finished = running.result()
            if finished.stdout:
                return finished.stdout
            raise ProberFault(f"iperf3: {finished.stderr.decode(errors='replace').strip() or 'no output'}")
    finally:
        if not running.done():
            running.cancel()
            await asyncio.wait([running])
            _spent(context, way, int(plan.cap_bps / 8 * (time.perf_counter() - began)))
    raise Inconclusive(f"stopped: {why}")


def _spent(context: Context, way: Way, number: int) -> None:
    if context.link:
        context.link.spent(number if way == "up" else 0, number if way == "down" else 0)


def _tell(reading: Reading, way: Way, found: Transfer, plan: Plan, context: Context) -> None:
    capped = found.goodput_bps >= NEAR_CAP * plan.cap_bps
    name = f"transfer_{way}_at_least_bps" if capped else f"transfer_{way}_bps"
    reading.metrics[name] = found.goodput_bps
    reading.facts[f"decided_{way}"] = "at_least" if capped else "exact"
    reading.metrics["sent_bytes" if way == "down" else "received_bytes"] = float(found.ip_bytes)
    if found.retransmits is not None:
        reading.metrics[f"retransmits_{way}"] = float(found.retransmits)
    if found.rtt_ms is not None:
        reading.metrics["rtt_loaded_ms"] = found.rtt_ms
        if context.link and context.link.rtt_ms is not None:
            reading.metrics[f"queue_{way}_ms"] = max(0.0, found.rtt_ms - context.link.rtt_ms)
    reading.facts |= {"version": found.version, f"congestion_{way}": found.congestion}
    _spent(context, way, found.ip_bytes)


def _with(ending: Ending, reading: Reading) -> Ending:
    ending.metrics, ending.facts, ending.phases = reading.metrics, reading.facts, reading.phases
    return ending


PROBE = ProbeSpec(
    name="iperf3",
    family="network",
    summary="TCP goodput both ways against an existing iperf3 server",
    params=Iperf3Params,
    run=probe_iperf3,
    metrics=(
        MetricDef("transfer_up_bps", "bit/s", "higher", 1, "TCP goodput from the unit, at the receiver"),
        MetricDef("transfer_down_bps", "bit/s", "higher", 1, "TCP goodput towards the unit, at the receiver"),
        MetricDef("transfer_up_at_least_bps", "bit/s", "higher", 1, "The same where its bytes capped it"),
        MetricDef("transfer_down_at_least_bps", "bit/s", "higher", 1, "The same where its bytes capped it"),
        MetricDef("retransmits_up", "count", "lower", 1, "Segments sent again by the server"),
        MetricDef("retransmits_down", "count", "lower", 1, "Segments sent again by us"),
        MetricDef("rtt_loaded_ms", "ms", "lower", 0.001, "Longest round trip (smoothed) while we sent"),
        MetricDef("queue_down_ms", "ms", "lower", 0.001,
                  "How far that is above the round trip that other checks see: the queue that the run made"),
        MetricDef("sent_bytes", "bytes", "lower", 1, "Sent by us, at the IP layer, estimated by the payload"),
        MetricDef("received_bytes", "bytes", "lower", 1, "Sent to us, likewise"),
    ),
    facts=(
        FactDef("decided_up", help="exact, or at_least where the cap on bytes was what held it"),
        FactDef("decided_down", help="The same towards the unit"),
        FactDef("version", type="version", help="Version of the iperf3 program"),
        FactDef("congestion_up", help="The server's congestion control"),
        FactDef("congestion_down", help="Ours"),
        FactDef("address", help="The address that was used"),
        FactDef("family", help="4 or 6"),
    ),
    phases=("resolve", "down", "up"),
    kinds=(
        "unreachable", "refused", "timeout", "protocol", "dns", "auth", "inconclusive", "missing_driver",
        "prober_error",
    ),
    loads_link=True,
    default_every=86_400.0,
    default_timeout=30.0,
)  # fmt: skip
