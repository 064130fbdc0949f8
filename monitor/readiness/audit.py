"""Each use of a waiver, for good: which row it covered, on what terms, and what the row was without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.readiness.digest import canonical
from monitor.readiness.results import UnitResult
from monitor.readiness.verdict import Status


@dataclass(frozen=True, slots=True)
class Use:
    """One row that a waiver covered; `terms` is the waiver itself as canonical JSON."""

    at: float
    waiver: str
    terms: str
    gate: str
    unit: str
    asset: str
    """"" for a row without one."""
    item: str
    status: str
    """Without the waiver."""
    reason: str
    actor: str
    """Who ran it, such as `uid:1000 (unauthenticated)` or `daemon`."""

    @property
    def day(self) -> str:
        """The day of the use, UTC."""
        return datetime.fromtimestamp(self.at, UTC).date().isoformat()


def uses(units: Iterable[UnitResult], *, gate: str, at: float, actor: str) -> Iterator[Use]:
    """Yield each use of a waiver in some results."""
    for unit in units:
        for item in unit.items:
            if item.status is Status.WAIVED and item.waiver is not None:
                raw = (item.raw or item.status).value
                yield Use(
                    at, str(item.waiver["id"]), canonical(item.waiver), gate, unit.id, item.asset or "",
                    item.id, raw, item.reason, actor,
                )  # fmt: skip
