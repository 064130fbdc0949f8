"""The figures of a burst of echoes, from what both ends know of it (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from probes._clock import ClockState
from probes.network._icmp_burst import distribution
from probes.network._reflect_bodies import CLOCK_STEPPED, CLOCK_SYNCHRONISED
from probes.network._reflect_echo import EchoSent

MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Ways:
    """What became of each echo, by sequence: where it was lost."""

    sent: int
    arrived: frozenset[int]
    """Those that reached the reflector, by its own account or since it answered them."""
    answered: frozenset[int]

    def metrics(self) -> dict[str, float]:
        """Return the losses of the round trip and, of what went each way, in per cent."""
        figures = {
            "loss_pct": _share(self.sent - len(self.answered), self.sent),
            "loss_down_pct": _share(self.sent - len(self.arrived), self.sent),
        }
        if self.arrived:
            figures["loss_up_pct"] = _share(len(self.arrived - self.answered), len(self.arrived))
        return figures


def _share(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0


def round_trips(echoes: Sequence[EchoSent]) -> dict[str, float]:
    """Return the distribution of the round trip times, in the order of sending."""
    rtts = [rtt for echo in echoes if (rtt := echo.rtt_ms) is not None]
    return distribution(rtts, single=len(echoes) == 1)


def reordered_down(records: Iterable[tuple[int, int]]) -> int:
    """Return how many packets came after one that was sent later (RFC 4737, Type-P-Reordered)."""
    highest, late = -1, 0
    for sequence, _ in records:
        late += sequence < highest
        highest = max(highest, sequence)
    return late


def reordered_up(echoes: Iterable[EchoSent], records: Sequence[tuple[int, int]]) -> int:
    """Return how many answers overtook each other on the way back: apart from what came reordered there."""
    place = {sequence: index for index, (sequence, _) in enumerate(records)}
    answered = sorted((e for e in echoes if e.answer is not None), key=lambda echo: echo.order)
    return reordered_down((place.get(echo.sequence, echo.sequence), 0) for echo in answered)


def one_way(
    echoes: Sequence[EchoSent], own: ClockState, most_ms: float, *, stepped: bool
) -> tuple[dict[str, float], str]:
    """Return the median delay each way where both clocks are good enough, and why or within what bound.

    Both must follow a source, and the sum of their greatest errors be at most `most_ms`. Delays below minus
    that sum contradict the clocks' own claims; then nothing is given.
    """
    if stepped:
        return {}, "the monitor's clock was stepped"
    timed = [e for e in echoes if e.answer is not None and not e.answer.clock & CLOCK_STEPPED and e.sure]
    if own.believed != "synchronised":
        return {}, "the monitor's clock is not synchronised"
    if not timed or not all(e.answer.clock & CLOCK_SYNCHRONISED for e in timed if e.answer):
        return {}, "the reflector's clock is not synchronised"
    error_ms = max((own.maxerror_us + e.answer.clock_error_us) / 1000 for e in timed if e.answer)
    if error_ms > most_ms:
        return {}, f"the clocks may be off by {error_ms:.1f} ms"
    downs = [(e.answer.received_ns - e.sent_real_ns) / MILLION for e in timed if e.answer]
    ups = [
        (e.arrived_real_ns - (e.exit_ns or e.answer.sent_ns)) / MILLION
        for e in timed
        if e.answer and e.arrived_real_ns
    ]
    if not ups or min(*downs, *ups) < -error_ms:
        return {}, "the clocks contradict each other"
    figures = {"delay_down_ms": statistics.median(downs), "delay_up_ms": statistics.median(ups)}
    return figures, f"within {error_ms:.1f} ms"
