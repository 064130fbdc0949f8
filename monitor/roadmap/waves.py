"""Waves of units: how their members stand, and which waves are at risk. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from monitor.roadmap.forecast import STATUSES

Document = Mapping[str, Any]


def waves(units: Iterable[Document]) -> list[dict[str, Any]]:
    """Return the waves by go-live date."""
    found: dict[str, list[Document]] = {}
    for unit in units:
        if unit["wave"]:
            found.setdefault(unit["wave"], []).append(unit)
    made = [_wave(name, members) for name, members in found.items()]
    return sorted(made, key=lambda each: (each["go_live_last"] or "9999", each["id"]))


def _wave(name: str, members: list[Document]) -> dict[str, Any]:
    counts = Counter(unit["forecast"]["status"] or "undated" for unit in members)
    days = sorted(unit["forecast"]["go_live"] for unit in members if unit["forecast"]["go_live"])
    first = members[0]
    return {
        "id": name, "title": first["wave_title"], "title_zh": first["wave_title_zh"],
        "owner": first["wave_owner"], "units": len(members),
        "status": next((status for status in STATUSES if counts[status]), None),
        "counts": {status: counts[status] for status in (*STATUSES, "undated")},
        "go_live_first": days[0] if days else None, "go_live_last": days[-1] if days else None,
        "open": sum(unit["counts"]["open"] for unit in members),
        "unassigned": sum(unit["counts"]["unassigned"] for unit in members),
    }  # fmt: skip
