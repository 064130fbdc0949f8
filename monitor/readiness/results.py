"""What judging gives: items, units, a run; and their form in `check --format json` (`muster.check/1`)."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from monitor.readiness.checklist import Category, Severity
from monitor.readiness.verdict import Rollup, Status, Verdict

SCHEMA = "muster.check/1"


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One row; times in seconds since the epoch, None where there is none."""

    id: str
    asset: str | None
    category: Category
    title: str
    title_zh: str
    severity: Severity
    status: Status
    reason: str = ""
    """Kept raw beside a waiver."""
    detail: str = ""
    blocked_by: str | None = None
    expected: str = ""
    actual: str = ""
    value: float | str | None = None
    unit: str | None = None
    collected_at: float | None = None
    expires_at: float | None = None
    attempted_at: float | None = None
    check: str | None = None
    vantage: str | None = None
    remediation: str = ""
    remediation_zh: str = ""
    waiver: Mapping[str, Any] | None = None
    raw: Status | None = None
    """The status without the waiver; None where that is `status`."""
    declared_severity: Severity | None = None
    """The item's own severity where it is judged by a lighter one (`severity`); else None."""
    soak_left_s: float | None = None
    """While it is soaking: for how long it must still hold, in open time of the soak's calendar."""

    @property
    def measured(self) -> bool:
        """Whether it was judged on evidence: a pass, or a fail (waived or not)."""
        return (self.raw or self.status) in (Status.PASS, Status.FAIL)

    def changed(self, **values: Any) -> ItemResult:
        """Return the row with some values changed: `dataclasses.replace`, at half its cost."""
        return ItemResult(**(dict(zip(_NAMES, _VALUES(self), strict=True)) | values))

    def plain(self) -> dict[str, Any]:
        """Return the row as the contract writes it."""
        row = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "raw"}
        row["declared_severity"] = self.declared_severity or self.severity
        for key in ("collected_at", "expires_at", "attempted_at"):
            row[key] = utc(row[key])
        row["status"] = self.status.value
        if self.soak_left_s is None:
            del row["soak_left_s"]
        if isinstance(self.value, float) and not math.isfinite(self.value):
            row["value"] = None
        return row


_NAMES = tuple(each.name for each in fields(ItemResult))
_VALUES = operator.attrgetter(*_NAMES)


@dataclass(frozen=True, slots=True)
class UnitResult:
    """One unit at a gate."""

    id: str
    name: str
    name_zh: str
    verdict: Verdict
    reasons: tuple[str, ...]
    unit_digest: str
    checklists: tuple[tuple[str, str], ...]
    """(id, digest) of each checklist that applies."""
    items: tuple[ItemResult, ...]
    rollup: Rollup
    timezone: str = "UTC"
    waivers_used: tuple[tuple[str, str | None, str], ...] = ()
    """(waiver, asset, item) of each row that a waiver covers."""
    signoff: Mapping[str, Any] | None = None
    """Who signed it, when, and what became of it since (`signed`, `regressed`, `drifted`, `unverified`)."""

    @property
    def counts(self) -> dict[Status, int]:
        """How many rows have each status."""
        return {status: sum(item.status is status for item in self.items) for status in Status}

    @property
    def coverage(self) -> float:
        """The share of rows that were measured, not_applicable ones left out; 0 where there are none."""
        asked = [item for item in self.items if item.status is not Status.NOT_APPLICABLE]
        return sum(item.measured for item in asked) / len(asked) if asked else 0.0

    def plain(self) -> dict[str, Any]:
        """Return the unit as the contract writes it."""
        return {
            "id": self.id, "name": self.name, "name_zh": self.name_zh,
            "verdict": self.verdict.value, "reasons": list(self.reasons),
            "unit_digest": self.unit_digest,
            "checklists": [{"id": key, "digest": digest} for key, digest in self.checklists],
            "counts": {status.value: count for status, count in self.counts.items()},
            "coverage": round(self.coverage, 4),
            "rollup": {
                "worst": self.rollup.worst.value,
                "counts": {verdict.value: self.rollup.counts.get(verdict, 0) for verdict in Verdict},
                "coverage": round(self.rollup.coverage, 4),
            },
            "items": [item.plain() for item in self.items],
            **self._signoff(),
        }  # fmt: skip

    def _signoff(self) -> dict[str, Any]:
        """Return what is there only once the unit was signed."""
        return {"signoff": {**self.signoff, "at": utc(self.signoff["at"])}} if self.signoff else {}


@dataclass(frozen=True, slots=True)
class Run:
    """One readiness run."""

    gate: str
    mode: str
    """`fresh` or `stored`."""
    started_at: float
    finished_at: float
    units: Sequence[UnitResult]
    warnings: tuple[str, ...] = field(default=())
    """For people, on standard error: waivers that run out soon, and the like."""
    diff: Mapping[str, Any] | None = None
    """Beside an earlier run (`monitor.history.comparing`), where that was asked for."""

    def plain(self) -> dict[str, Any]:
        """Return the run as the contract writes it."""
        return {
            "schema": SCHEMA, "gate": self.gate, "mode": self.mode,
            "started_at": utc(self.started_at), "finished_at": utc(self.finished_at),
            "units": [unit.plain() for unit in self.units],
            **({"diff": self.diff} if self.diff is not None else {}),
        }  # fmt: skip


def utc(moment: float | None) -> str | None:
    """Return an instant as ISO 8601 in UTC with milliseconds and a Z, None for None."""
    if moment is None:
        return None
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
