"""Round trip time, jitter, and loss each way, by a burst of UDP echoes with a reflector.

In the spirit of RFC 8762 (STAMP): numbered test packets, the reflector's times of receiving and sending in
each answer, its own counter (so that losses are told apart by direction), answers as long as the requests.
It differs: a handshake and a MAC of the unit's key in every packet come first (RFC 8762 leaves keys to the
operator), times are the kernels' own, and the reflector's list of what arrived is fetched after the burst, so
that loss each way is exact and not inferred from counters.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Annotated

from pydantic import Field

from probes._clock import clock_state
from probes._resolve import Address, resolve
from probes._sockets import Poller, own_deadline
from probes.api import Bytes, Context, FactDef, MetricDef, ProbeSpec, Reading, Seconds, Target
from probes.errors import Ending, Inconclusive, ProberFault, ProtocolViolated, TimedOut, from_oserror
from probes.network._echo_figures import Ways, one_way, reordered_down, reordered_up, round_trips
from probes.network._loss import loss_events
from probes.network._reflect_bodies import MAX_PACKETS, Reported
from probes.network._reflect_echo import EchoSent
from probes.network._reflect_params import ReflectParams, key_for
from probes.network._reflect_session import Session, open_session
from probes.network._reflect_wire import ECHO_SIZE, MAX_SIZE

MOST_OF_TIMEOUT = 0.7
"""Share of the timeout that sending may take; the rest is for the handshake, waiting and the account."""
LEAST_WAIT_S = 0.25
ACCOUNT_S = 1.0
"""Time kept for fetching the reflector's account of what arrived."""
ECN = 0x03


class EchoParams(ReflectParams):
    """What `echo` takes."""

    count: Annotated[int, Field(ge=1, le=MAX_PACKETS)] = 20
    """Echoes in a burst."""
    interval: Annotated[Seconds, Field(ge=0.01, le=10)] = 0.05
    """From one echo to the next."""
    wait: Annotated[Seconds, Field(gt=0, le=60)] = 2.0
    """How long an answer may take before it counts as lost; never beyond the check's timeout."""
    size: Annotated[Bytes, Field(ge=ECHO_SIZE, le=MAX_SIZE)] = 100
    """Bytes of UDP payload of each echo, and of its answer."""
    dscp: Annotated[int, Field(ge=0, le=63)] = 0
    """Differentiated services code point of the requests; the reflector answers with what arrived."""
    clock_error: Annotated[Seconds, Field(gt=0, le=1)] = 0.01
    """Most that both clocks together may be off for delays each way to be given."""


async def probe_echo(target: Target, params: EchoParams, context: Context) -> Reading:
    """Send a burst to the reflector at `target` and account for every echo.

    Raises `Refused` (nothing listens), `TimedOut` (no reflector answers), `OwnLoginFailed` (another key),
    `ProtocolViolated` (what can't be true), `Inconclusive` (restarted meanwhile, our own queue overflowed),
    `NotRun` (the reflector's budget).
    """
    sending = (params.count - 1) * params.interval
    if sending > context.timeout * MOST_OF_TIMEOUT:
        raise ProberFault(f"sending {params.count} echoes takes {sending:g} s, which the timeout of "
                          f"{context.timeout:g} s has no room for")  # fmt: skip
    key = key_for(target, params, context)
    address, resolve_ms = await resolve(target, context)
    until, poller = own_deadline(context), context.shared.get(Poller)
    context.phase = "handshake"
    started = time.perf_counter()
    async with open_session(poller, address, params.port, key, until, params.dscp) as session:
        phases = {"resolve": resolve_ms, "handshake": (time.perf_counter() - started) * 1000}
        context.phase = "echo"
        echoes = await _burst(session, params, until)
        account = await _account(session, until)
        return _reading(session, echoes, account, params, _facts(address), phases)


def _facts(address: Address) -> dict[str, str]:
    return {"address": address.host, "family": address.family}


async def _burst(session: Session, params: EchoParams, until: float) -> list[EchoSent]:
    """Send the burst on its schedule and wait for the last answers."""
    echoes: list[EchoSent] = []
    begun = time.perf_counter()
    until -= min(ACCOUNT_S, (until - begun) / 4)
    for number in range(params.count):
        pause = begun + number * params.interval - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        if time.perf_counter() >= until or session.lost or session.violation:
            break
        with contextlib.suppress(ConnectionRefusedError):
            echoes.append(session.send_echo(params.size))
    over = min(until, time.perf_counter() + params.wait)
    for echo in echoes:
        if session.lost or session.violation:
            break
        await session.answered(echo, over)
    return echoes


async def _account(session: Session, until: float) -> Reported | None:
    """Return the reflector's account of what arrived, or None where it gives none."""
    try:
        return await session.echo_records(until)
    except (Inconclusive, TimedOut, OSError):
        return None


def _reading(
    session: Session,
    echoes: list[EchoSent],
    account: Reported | None,
    params: EchoParams,
    facts: dict[str, str],
    phases: dict[str, float],
) -> Reading:
    """Return the reading of a burst that was answered; raise the `Ending` of any other."""
    metrics = _metrics(session, echoes, account)
    ending = _ending(session, echoes, account)
    if ending is not None:
        ending.facts, ending.phases = facts, phases
        ending.metrics = metrics if ending.outcome.measured else {}
        raise ending
    delays, facts["clocks"] = one_way(
        echoes, clock_state(), params.clock_error * 1000, stepped=bool(session.clock_steps)
    )
    facts |= _told(echoes)
    if "rtt_ms" in metrics:
        phases["echo"] = metrics["rtt_ms"]
    return Reading.ok(metrics | delays, facts, phases, _note(session, echoes, account, params))


def _metrics(session: Session, echoes: list[EchoSent], account: Reported | None) -> dict[str, float]:
    answered = [echo for echo in echoes if echo.answer is not None]
    figures = {
        "sent": float(len(echoes)), "received": float(len(answered)),
        "sent_bytes": float(session.sent_bytes), "received_bytes": float(session.received_bytes),
    }  # fmt: skip
    got = frozenset(echo.sequence for echo in answered)
    if account is not None and echoes:
        arrived = got | {sequence for sequence, _ in account.records}
        figures |= Ways(len(echoes), frozenset(arrived), got).metrics()
        figures["reordered"] = float(reordered_down(account.records) + reordered_up(echoes, account.records))
    elif echoes:
        figures["loss_pct"] = Ways(len(echoes), got, got).metrics()["loss_pct"]
    copies = max((echo.answer.duplicates for echo in answered if echo.answer), default=0)
    figures["duplicates"] = float(copies + session.duplicates)
    figures |= round_trips(echoes)
    if echoes:
        rtt_ns = int(figures.get("rtt_ms", 0.0) * 1e6)
        figures["loss_events"] = float(loss_events([echo.sent_ns for echo in echoes], got, rtt_ns))
    if answered and (last := answered[-1].answer):
        figures |= {"ttl_down": float(last.ttl), "ttl_up": float(answered[-1].ttl)}
    return figures


def _ending(session: Session, echoes: list[EchoSent], account: Reported | None) -> Ending | None:
    """What the burst ended with, unless the reflector answered as it should."""
    answered = sum(echo.answer is not None for echo in echoes)
    refused = next((echo.refused for echo in echoes if echo.refused), None)
    if why := session.violation or _contradiction(echoes, account):
        return ProtocolViolated(why)
    if session.lost:
        return Inconclusive(session.lost)
    if refused is not None:
        return refused
    if session.overflowed and answered < len(echoes):
        return Inconclusive("our own receive queue overflowed: what is missing may have been dropped here")
    if session.fault is not None:
        return from_oserror(session.fault, "echo")
    if not echoes:
        return Inconclusive("no echo could be sent in time")
    if not answered:
        arrived = f"; {len(account.records)} of them arrived" if account else ""
        return TimedOut(f"no answer to {len(echoes)} echoes{arrived}")
    return None


def _contradiction(echoes: list[EchoSent], account: Reported | None) -> str:
    arrived = {sequence for sequence, _ in account.records} if account is not None else None
    if arrived is None or all(echo.sequence in arrived for echo in echoes if echo.answer is not None):
        return ""
    return "the reflector answered echoes that by its own account never came"


def _told(echoes: list[EchoSent]) -> dict[str, str]:
    """Return what the headers said on arrival: with DSCP and ECN as the network left them."""
    last = next(echo for echo in reversed(echoes) if echo.answer is not None)
    assert last.answer is not None
    return {
        "dscp_down": str(last.answer.tos >> 2), "dscp_up": str(last.tos >> 2),
        "ecn_down": str(last.answer.tos & ECN), "ecn_up": str(last.tos & ECN),
    }  # fmt: skip


def _note(session: Session, echoes: list[EchoSent], account: Reported | None, params: EchoParams) -> str:
    untimed = sum(echo.answer is not None and echo.rtt_ms is None for echo in echoes)
    notes = [
        f"only {len(echoes)} of {params.count} echoes could be sent in time"
        if len(echoes) < params.count
        else "",
        f"not timed exactly, so only counted as received: {untimed}" if untimed else "",
        "a clock was stepped meanwhile" if session.clock_steps else "",
        "" if account else "the reflector's account of what arrived did not come: loss each way is not known",
    ]
    return "; ".join(note for note in notes if note)


PROBE = ProbeSpec(
    name="echo",
    family="network",
    summary="Sends a burst of UDP echoes to a reflector: round trip times, jitter, loss each way",
    params=EchoParams,
    run=probe_echo,
    metrics=(
        MetricDef("rtt_ms", "ms", "lower", 0.001,
                  "Median round trip time of the burst, by the kernels, without the reflector's own time",
                  "latency"),
        MetricDef("rtt_min_ms", "ms", "lower", 0.001, "Shortest (bursts only)"),
        MetricDef("rtt_max_ms", "ms", "lower", 0.001, "Longest (bursts only)"),
        MetricDef("rtt_p95_ms", "ms", "lower", 0.001, "95th percentile, nearest rank (bursts only)"),
        MetricDef("jitter_ms", "ms", "lower", 0.001,
                  "Mean absolute difference of successive round trip times (bursts only)"),
        MetricDef("sent", "count", "none", 1, "Echoes sent"),
        MetricDef("received", "count", "higher", 1, "Echoes answered"),
        MetricDef("loss_pct", "%", "lower", 0.01, "Echoes without an answer, of those sent", "loss"),
        MetricDef("loss_down_pct", "%", "lower", 0.01, "Lost on the way to the unit, of those sent"),
        MetricDef("loss_up_pct", "%", "lower", 0.01, "Answers lost on the way back, of those that arrived"),
        MetricDef("loss_events", "count", "lower", 1, "Losses, those within a round trip as one (RFC 5348)"),
        MetricDef("reordered", "count", "lower", 1, "Packets that came after a later one, both ways"),
        MetricDef("duplicates", "count", "lower", 1, "Further copies of packets, both ways"),
        MetricDef("ttl_down", "count", "none", 1, "Time to live (hop limit) left on arrival at the unit"),
        MetricDef("ttl_up", "count", "none", 1, "The same of the answer: each changes with the route"),
        MetricDef("delay_down_ms", "ms", "lower", 0.001,
                  "Median delay towards the unit; only where both clocks are good enough"),
        MetricDef("delay_up_ms", "ms", "lower", 0.001, "The same from the unit"),
        MetricDef("sent_bytes", "bytes", "none", 1, "What the run sent, at the IP layer"),
        MetricDef("received_bytes", "bytes", "none", 1, "What came to it, at the IP layer"),
    ),
    facts=(
        FactDef("address", help="The address that was used"),
        FactDef("family", help="4 or 6"),
        FactDef("dscp_down", help="DSCP on arrival at the unit"),
        FactDef("dscp_up", help="DSCP of the answer on arrival here"),
        FactDef("ecn_down", help="ECN field on arrival at the unit"),
        FactDef("ecn_up", help="ECN field of the answer on arrival here"),
        FactDef("clocks", help="Within what bound delays each way are given, or why they are not"),
    ),
    phases=("resolve", "handshake", "echo"),
    kinds=(
        "unreachable", "refused", "timeout", "protocol", "dns", "auth", "inconclusive", "permission",
        "prober_error",
    ),
)  # fmt: skip
