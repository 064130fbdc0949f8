"""`muster.plan/1`: units with their forecast, waves, and the burn-down, of whatever is in scope. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from monitor.roadmap.burndown import Tally, burndown, planned
from monitor.roadmap.forecast import STATUSES, Reason
from monitor.roadmap.outlook import SCHEMA
from monitor.roadmap.waves import waves
from monitor.roadmap.words import said

Document = Mapping[str, Any]


def document(
    gate: str, at: str, units: Sequence[Document], tallies: Iterable[Tally], today: date, unjudged: int = 0
) -> dict[str, Any]:
    """Return the plan of all units in scope; `unjudged` ones are none of them."""
    counts = Counter(unit["forecast"]["status"] or "undated" for unit in units)
    return {
        "schema": SCHEMA, "gate": gate, "at": at, "total": len(units), "unjudged": unjudged, "next": None,
        "counts": {status: counts[status] for status in (*STATUSES, "undated")},
        "open": {
            name: sum(unit["counts"][name] for unit in units)
            for name in ("open", "failing", "unknown", "unassigned")
        },
        "waves": waves(units),
        "burndown": [point.plain() for point in burndown(tallies, today)],
        "planned": planned(units, today),
        "units": list(units),
    }  # fmt: skip


def waves_at_risk(plan: Document) -> list[Document]:
    """Return the waves that are late or at risk, the late ones first."""
    found = [wave for wave in plan["waves"] if wave["status"] in ("late", "at_risk")]
    return sorted(found, key=lambda wave: STATUSES.index(wave["status"]))


def expired(unit: Document) -> dict[str, Any]:
    """Return a unit whose good verdict has lost its evidence since it was judged: nobody can say any more."""
    before = unit["forecast"]
    if any(reason["code"] == "signed" for reason in before["reasons"]):
        return {**unit, "verdict": "UNKNOWN"}
    stale = Reason("stale")
    reason = {"code": "stale", "n": 0, "day": None, "text": said(stale), "text_zh": said(stale, "zh")}
    status = "at_risk" if before["status"] == "on_track" else before["status"]
    changed = {"status": status, "earliest_ready": None, "slack": None, "decided_by": ""}
    found = {**before, **changed, "reasons": [reason, *before["reasons"]]}
    return {**unit, "verdict": "UNKNOWN", "forecast": found}
