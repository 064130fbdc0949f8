"""From items to a unit's verdict, and from units to a roll-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from monitor.readiness.checklist import SEVERITIES, Severity


class Status(StrEnum):
    """What became of an item."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNKNOWN = "unknown"
    WAIVED = "waived"
    NOT_APPLICABLE = "not_applicable"


class Verdict(StrEnum):
    """Of a unit itself."""

    READY = "READY"
    CONDITIONAL = "CONDITIONAL"
    NOT_READY = "NOT_READY"
    UNKNOWN = "UNKNOWN"


EXIT_STATUS = {Verdict.READY: 0, Verdict.NOT_READY: 3, Verdict.CONDITIONAL: 4, Verdict.UNKNOWN: 5}
WORST_FIRST = (Verdict.NOT_READY, Verdict.UNKNOWN, Verdict.CONDITIONAL, Verdict.READY)


class Judged(Protocol):
    """What a verdict needs of an item."""

    @property
    def severity(self) -> Severity:
        """How much it weighs."""

    @property
    def status(self) -> Status:
        """What became of it, waivers applied."""

    @property
    def measured(self) -> bool:
        """Whether it was judged on evidence: a pass, or a fail (waived or not)."""


def verdict(items: Sequence[Judged], max_waivers: int | None = None) -> tuple[Verdict, tuple[str, ...]]:
    """Return a unit's verdict and the reasons for it, the weightiest first.

    In this order: more waivers than `max_waivers` is NOT_READY; no blocker or major measured is UNKNOWN; a
    blocker or major that fails is NOT_READY; one that is unknown is UNKNOWN; anything waived, or a minor that
    fails or is unknown, is CONDITIONAL; else READY.
    """
    waived = sum(item.status is Status.WAIVED for item in items)
    if max_waivers is not None and waived > max_waivers:
        return Verdict.NOT_READY, (f"{waived} waivers, and the gate allows {max_waivers}",)
    reasons = _reasons(items)
    heavy = [item for item in items if item.severity in ("blocker", "major")]
    if not any(item.measured for item in heavy):
        text = "no blocker or major item was measured" if items else "no item is asked of this unit"
        return Verdict.UNKNOWN, (text, *reasons)
    statuses = {item.status for item in heavy}
    if Status.FAIL in statuses:
        return Verdict.NOT_READY, reasons
    if Status.UNKNOWN in statuses:
        return Verdict.UNKNOWN, reasons
    light = {item.status for item in items if item.severity == "minor"}
    if waived or light & {Status.FAIL, Status.UNKNOWN}:
        return Verdict.CONDITIONAL, reasons
    return Verdict.READY, ()


_HEAVY: tuple[Severity, ...] = ("blocker", "major")
_WORDS = {
    Status.FAIL: ("fails", "fail"),
    Status.UNKNOWN: ("is unknown", "are unknown"),
    Status.WAIVED: ("is waived", "are waived"),
}
_ORDER: tuple[tuple[Status, tuple[Severity, ...]], ...] = (
    (Status.FAIL, _HEAVY),
    (Status.UNKNOWN, _HEAVY),
    (Status.WAIVED, SEVERITIES),
    (Status.FAIL, ("minor",)),
    (Status.UNKNOWN, ("minor",)),
)


def _reasons(items: Iterable[Judged]) -> tuple[str, ...]:
    """Return such as "1 blocker fails"; an info item that fails or is unknown gives no reason."""
    counts = Counter((item.status, item.severity) for item in items)
    kinds = [(status, severity) for status, severities in _ORDER for severity in severities]
    return tuple(_reason(counts[kind], *kind) for kind in kinds if counts[kind])


def _reason(count: int, status: Status, severity: Severity) -> str:
    one, many = _WORDS[status]
    noun = "info item" if severity == "info" else severity
    return f"1 {noun} {one}" if count == 1 else f"{count} {noun}s {many}"


@dataclass(frozen=True, slots=True)
class Rollup:
    """A unit and all below it; shown beside the unit's own verdict, and never part of it."""

    counts: dict[Verdict, int] = field(default_factory=dict)
    coverage: float = 0.0

    @property
    def worst(self) -> Verdict:
        """The worst verdict of the subtree."""
        return next((each for each in WORST_FIRST if self.counts.get(each)), Verdict.UNKNOWN)


def rollup(units: Iterable[tuple[Verdict, float]]) -> Rollup:
    """Return the roll-up of (verdict, coverage) of units; its coverage is the mean of theirs."""
    several = list(units)
    counts = {each: sum(verdict is each for verdict, _ in several) for each in Verdict}
    coverage = sum(share for _, share in several) / len(several) if several else 0.0
    return Rollup(counts, coverage)


def exit_status(verdicts: Iterable[Verdict]) -> int:
    """Return the exit status for several units: that of the worst, 2 where there is none."""
    found = set(verdicts)
    return next((EXIT_STATUS[each] for each in WORST_FIRST if each in found), 2)
