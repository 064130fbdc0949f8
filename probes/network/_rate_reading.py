"""From what was measured of both directions to the metrics and facts of one reading (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from probes.network._rate_course import Lane
from probes.network._tcp_rate import mathis
from probes.network._train import Answer
from probes.network._train_plan import SUSTAIN, Verdict

NO_LOSS = "not given: the link's loss is not known, and unknown loss is not zero"
NO_RTT = "not given: no round trip time was measured"


def metrics_of(lanes: Iterable[Lane], rtt_ms: float, loss: float | None) -> dict[str, float]:
    """Return the metrics of all lanes."""
    found: dict[str, float] = {}
    for lane in lanes:
        found |= _verdict_metrics(lane) | _train_metrics(lane)
        if lane.transfer is not None and lane.transfer.settled:
            found[f"transfer_{lane.direction}_bps"] = lane.transfer.bps
        expected = expected_tcp(lane.verdict, rtt_ms, loss)
        if expected is not None:
            found[f"tcp_{lane.direction}_bps"] = expected
        elif loss is not None and rtt_ms > 0 and lane.verdict.decided == "at_least":
            found[f"tcp_{lane.direction}_at_least_bps"] = lane.verdict.bps
    if rtt_ms > 0:
        found["rtt_ms"] = rtt_ms
    return found


STALLED = "nothing moved any more, on a line that still answers: look at the path MTU (probe path)"
UNSETTLED = "its rate did not settle within the bytes and the time allowed"


def facts_of(lanes: Iterable[Lane], rtt_ms: float, loss: float | None) -> dict[str, str]:
    """Return what was decided of each lane and why."""
    facts: dict[str, str] = {}
    for lane in lanes:
        facts[f"decided_{lane.direction}"] = lane.verdict.decided
        facts[f"why_{lane.direction}"] = lane.verdict.why
        if lane.transfer is not None and not lane.transfer.settled:
            facts[f"transfer_{lane.direction}"] = UNSETTLED if lane.transfer.bytes else STALLED
    if loss is None:
        facts["tcp"] = NO_LOSS
    elif rtt_ms <= 0:
        facts["tcp"] = NO_RTT
    return facts


def expected_tcp(verdict: Verdict, rtt_ms: float, loss: float | None) -> float | None:
    """Return min(capacity, Mathis) in bit/s, None where either is not known well enough.

    A lower bound of the capacity will do where loss leaves less than that; where loss leaves more, the bound
    is one of the expected rate, too (`tcp_..._at_least_bps`).
    """
    if loss is None or rtt_ms <= 0 or verdict.decided == "undecided":
        return None
    limit = mathis(rtt_ms / 1000, loss)
    if verdict.decided == "exact":
        return min(verdict.bps, limit)
    return limit if limit <= verdict.bps else None


def _verdict_metrics(lane: Lane) -> dict[str, float]:
    verdict, way, found = lane.verdict, lane.direction, dict[str, float]()
    if verdict.decided == "exact":
        found[f"capacity_{way}_bps"] = verdict.bps
    elif verdict.decided == "at_least":
        found[f"capacity_{way}_at_least_bps"] = verdict.bps
    if verdict.decided != "exact" and verdict.burst_bps > 0:
        found[f"burst_{way}_bps"] = verdict.burst_bps
    return found


def _train_metrics(lane: Lane) -> dict[str, float]:
    way, found = lane.direction, dict[str, float]()
    if lane.answers:
        found[f"queue_{way}_ms"] = max(answer.queue_ms for _, answer in lane.answers)
    gentle = list(_gentle(lane))
    if gentle:
        packets = sum(answer.packets for answer in gentle)
        lost = packets - sum(answer.received for answer in gentle)
        found[f"loss_{way}_pct"] = 100 * lost / packets
        found[f"loss_events_{way}"] = float(sum(answer.loss_events for answer in gentle))
    return found


def _gentle(lane: Lane) -> Iterable[Answer]:
    """Yield the trains that did not exceed what the line was found to carry."""
    limit = lane.verdict.bps * SUSTAIN if lane.verdict.bps else math.inf
    for order, answer in lane.answers:
        if 0 < order.bps <= limit and order.kind in ("level", "sustain"):
            yield answer
