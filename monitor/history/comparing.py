"""A run beside an earlier one: per unit and item what got better or worse, appeared or went. Pure.

From worst to best: fail, unknown, waived, pass. That a failing item is no longer measured is not better, only
other: absent evidence never counts as success. From or to not_applicable is other, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

Kind = Literal["worse", "better", "appeared", "went", "other"]
KINDS: tuple[Kind, ...] = ("worse", "better", "appeared", "went", "other")
_RANK = {"fail": 0, "unknown": 1, "waived": 2, "pass": 3}
Unit = Mapping[str, Any]
"""A unit of `muster.check/1`."""


def kind_of(before: str, after: str) -> Kind:
    """Return what became of a status; "" for a row that is not there."""
    if not before or not after:
        return "went" if before else "appeared"
    if before not in _RANK or after not in _RANK or (before, after) == ("fail", "unknown"):
        return "other"
    return "better" if _RANK[after] > _RANK[before] else "worse"


def compare(
    previous: Mapping[str, Unit], units: Iterable[Unit], told: Mapping[str, Any], known: Iterable[str]
) -> dict[str, Any]:
    """Return what has changed since `previous` (units by id); `told` says what that was.

    `known` are all units that there are: what `previous` has beyond them is `gone`.
    """
    found = [_unit(previous.get(unit["id"]), unit) for unit in units]
    counts = Counter(item["change"] for unit in found for item in unit["items"])
    return {
        "previous": dict(told), "counts": {kind: counts[kind] for kind in KINDS}, "units": found,
        "gone": sorted(previous.keys() - set(known)),
    }  # fmt: skip


def _unit(before: Unit | None, after: Unit) -> dict[str, Any]:
    head = {
        "id": after["id"],
        "name": after["name"],
        "name_zh": after["name_zh"],
        "verdict": after["verdict"],
    }
    if before is None:
        return {**head, "before": None, "unit_changed": False, "checklists_changed": False, "items": []}
    lists = [{each["id"]: each["digest"] for each in unit["checklists"]} for unit in (before, after)]
    return {
        **head, "before": before["verdict"], "unit_changed": before["unit_digest"] != after["unit_digest"],
        "checklists_changed": lists[0] != lists[1], "items": _items(before["items"], after["items"]),
    }  # fmt: skip


def _items(before: Iterable[Unit], after: Iterable[Unit]) -> list[dict[str, Any]]:
    old = {(row["id"], row["asset"] or ""): row for row in before}
    new = {(row["id"], row["asset"] or ""): row for row in after}
    found = [
        _item(old.get(key), new.get(key)) for key in {**new, **old}
        if key not in old or key not in new or old[key]["status"] != new[key]["status"]
    ]  # fmt: skip
    return sorted(found, key=lambda each: (KINDS.index(each["change"]), each["id"], each["asset"] or ""))


def _item(before: Unit | None, after: Unit | None) -> dict[str, Any]:
    row = after or before or {}
    names = ("id", "asset", "category", "severity", "title", "title_zh")
    return {
        **{name: row[name] for name in names},
        "change": kind_of(before["status"] if before else "", after["status"] if after else ""),
        "before": _side(before), "after": _side(after),
    }  # fmt: skip


def _side(row: Unit | None) -> dict[str, Any] | None:
    return None if row is None else {name: row[name] for name in ("status", "reason", "actual")}
