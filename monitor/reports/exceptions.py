"""Waivers of a report: those in force, the nearest end first, and those that wait or ran out. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from monitor.gates.standing import Asked
from monitor.readiness.results import utc
from monitor.readiness.waivers import Waiver
from monitor.reports.period import Period

DAY_S = 86_400.0
SOON_DAYS = 14


def waivers(
    known: Iterable[Waiver], asked: Iterable[Asked], units: Collection[str], period: Period, gate: str
) -> dict[str, Any]:
    """Return the section, of units in scope."""
    rows = [_row(each, period) for each in known if each.unit in units and each.gate == gate]
    rows = [row for row in rows if row["state"]]
    rows += _waiting(asked, units, gate)
    order = ("expired", "in_force", "requested", "later")
    rows.sort(key=lambda row: (order.index(row["state"]), row["expires_at"] or "", row["id"]))
    return {
        **{state: sum(row["state"] == state for row in rows) for state in order},
        "expiring": sum(row["state"] == "in_force" and row["days_left"] <= SOON_DAYS for row in rows),
        "within_days": SOON_DAYS, "rows": rows,
    }  # fmt: skip


def _row(each: Waiver, period: Period) -> dict[str, Any]:
    end, begin = each.expires_at.timestamp(), each.effective_at.timestamp()
    state = "in_force" if begin <= period.end < end else "later" if period.end < begin else ""
    if not state and end >= period.start:
        state = "expired"
    return {
        "id": each.id, "unit": each.unit, "asset": each.asset, "item": each.item, "state": state,
        "reason": each.reason, "risk": each.risk, "compensating_action": each.compensating_action,
        "requested_by": each.requested_by, "approved_by": each.approved_by, "expires_at": utc(end),
        "days_left": max(0, math.ceil((end - period.end) / DAY_S)),
    }  # fmt: skip


def _waiting(asked: Iterable[Asked], units: Collection[str], gate: str) -> Iterator[dict[str, Any]]:
    for each in asked:
        entry = each.entry
        if each.state != "requested" or entry.unit not in units or entry.gate != gate:
            continue
        yield {
            "id": each.id, "unit": entry.unit, "asset": entry.asset or None, "item": entry.item,
            "state": "requested",
            **{key: str(entry.body[key]) for key in ("reason", "risk", "compensating_action")},
            "requested_by": entry.actor, "approved_by": "", "expires_at": None, "days_left": 0,
        }  # fmt: skip
