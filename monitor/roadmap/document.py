"""`muster.plan/1`: units with their forecast, waves, and the burn-down, of whatever is in scope. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from monitor.roadmap.burndown import Tally, burndown, planned
from monitor.roadmap.forecast import STATUSES
from monitor.roadmap.outlook import SCHEMA
from monitor.roadmap.waves import waves

Document = Mapping[str, Any]


def document(
    gate: str,
    at: str,
    units: Sequence[Document],
    tallies: Iterable[Tally],
    today: date,
    named: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """Return the plan of all units in scope; `named` are titles and owners of waves."""
    counts = Counter(unit["forecast"]["status"] or "undated" for unit in units)
    return {
        "schema": SCHEMA, "gate": gate, "at": at, "total": len(units), "next": None,
        "counts": {status: counts[status] for status in (*STATUSES, "undated")},
        "open": {
            name: sum(unit["counts"][name] for unit in units)
            for name in ("open", "failing", "unknown", "unassigned")
        },
        "waves": waves(units, named or {}),
        "burndown": [point.plain() for point in burndown(tallies, today)],
        "planned": planned(units, today),
        "units": list(units),
    }  # fmt: skip


def waves_at_risk(plan: Document) -> list[Document]:
    """Return the waves that are late or at risk, the late ones first."""
    found = [wave for wave in plan["waves"] if wave["status"] in ("late", "at_risk")]
    return sorted(found, key=lambda wave: STATUSES.index(wave["status"]))
