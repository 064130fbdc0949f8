"""Incidents of a period, and how fast people responded, by the highest tier that was told. Pure.

Times count from when an incident was opened until somebody acknowledged it, and from its first bad reading
until all of it was good again. An incident that turned out to be another's consequence is counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitor.incidents.document import stamp
from monitor.incidents.incident import Incident, Severity
from monitor.reports.period import Period

TIERS = (1, 2, 3)
Names = Mapping[str, tuple[str, str]]


def incidents(found: Sequence[Incident], period: Period, names: Names) -> dict[str, Any]:
    """Return the section; `found` was open at any time of the period, the newest first."""
    own = [each for each in found if each.absorbed_by is None]
    opened = [each for each in own if each.opened_at >= period.start]
    severities = Counter(each.severity for each in opened)
    return {
        "opened": len(opened), "closed": sum(_closed(each, period) for each in own),
        "open": sum(each.closed_at is None or each.closed_at >= period.end for each in own),
        "absorbed": len(found) - len(own), "repeats": sum(n for _, n in per_unit(own, period).values()),
        "severities": {each.value: severities[each] for each in Severity},
        "tiers": [_tier(tier, [each for each in opened if each.tier == tier]) for tier in (*TIERS, 0)],
        "rows": [_row(each, names) for each in own],
    }  # fmt: skip


def per_unit(found: Iterable[Incident], period: Period) -> dict[str, tuple[int, int]]:
    """Return how many incidents each unit had, and how many of them were not the first of their root."""
    opened = [each for each in found if each.opened_at >= period.start and each.absorbed_by is None]
    roots = Counter((each.unit, each.root) for each in opened)
    again = Counter(each.unit for each in opened if each.previous and roots[each.unit, each.root] == 1)
    units = Counter(each.unit for each in opened)
    for (unit, _), count in roots.items():
        again[unit] += count - 1
    return {unit: (count, again[unit]) for unit, count in units.items()}


def _closed(each: Incident, period: Period) -> bool:
    return each.closed_at is not None and period.start <= each.closed_at < period.end


def _tier(tier: int, found: Sequence[Incident]) -> dict[str, Any]:
    taken = sorted(each.acked_at - each.opened_at for each in found if each.acked_by and each.acked_at)
    mended = sorted(each.recovered_at - each.began_at for each in found if each.recovered_at)
    return {
        "tier": tier, "incidents": len(found), "acknowledged": len(taken),
        "acknowledge_s": _quantiles(taken), "recovered": len(mended), "recover_s": _quantiles(mended),
    }  # fmt: skip


def _quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return median, 90th percentile (nearest rank) and the longest of sorted values, None of none."""
    if not values:
        return None
    ranks = {"p50": 0.5, "p90": 0.9, "max": 1.0}
    return {
        name: round(max(0.0, values[max(0, -int(-q * len(values) // 1) - 1)]), 3) for name, q in ranks.items()
    }


def _row(each: Incident, names: Names) -> dict[str, Any]:
    name, name_zh = names.get(each.unit, ("", ""))
    return {
        "id": each.id, "unit": each.unit, "name": name, "name_zh": name_zh, "root": each.root,
        "severity": each.severity.value, "worst": each.worst.value, "kind": each.kind, "detail": each.detail,
        "opened_at": stamp(each.opened_at), "closed_at": stamp(each.closed_at), "tier": each.tier,
        "acknowledged_by": each.acked_by,
        "acknowledge_s": each.acked_at - each.opened_at if each.acked_by and each.acked_at else None,
        "recover_s": each.recovered_at - each.began_at if each.recovered_at else None,
    }  # fmt: skip
