"""A report's verdicts: how each unit stands, what it was at the beginning, and what changed between. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from inventory.models import Inventory
from monitor.readiness.results import ItemResult, UnitResult, utc
from monitor.readiness.verdict import Verdict
from monitor.reports import words
from monitor.store.verdicts import summary

GRAVE = ("blocker", "major")


class Change(NamedTuple):
    """A unit was judged otherwise than before; `before` is "" where it was judged for the first time."""

    unit: str
    at: float
    before: str
    verdict: str


def verdicts(
    inventory: Inventory, results: Sequence[UnitResult], changes: Sequence[Change], start: float, now: float
) -> dict[str, Any]:
    """Return the section; `changes` reach back before `start`, as far as they were kept, oldest first."""
    before = {each.unit: each.verdict for each in changes if each.at <= start}
    known = [before[each.id] for each in results if each.id in before]
    rows = [_unit(inventory, each, before.get(each.id), now) for each in results]
    return {
        "counts": _counts(each.verdict.value for each in results),
        "before": _counts(known) if known else None,
        "before_units": len(known),
        "readings": sum(each["readings"] for each in rows),
        "changes": [each._asdict() | {"at": utc(each.at)} for each in changes if each.at > start],
        "units": rows,
    }  # fmt: skip


def _counts(found: Iterable[str]) -> dict[str, int]:
    counts = Counter(found)
    return {verdict.value: counts[verdict.value] for verdict in Verdict}


def _unit(inventory: Inventory, result: UnitResult, before: str | None, now: float) -> dict[str, Any]:
    known, main = inventory.units[result.id], words.cause(result)
    whole = result.plain()
    categories = summary(result.id, now, whole).categories
    return {
        "id": result.id, "name": result.name, "name_zh": result.name_zh, "level": known.level,
        "parent": known.parent, "wave": known.wave, "verdict": result.verdict.value, "before": before,
        "coverage": whole["coverage"], "counts": whole["counts"], "readings": readings(result.items),
        "unit_digest": result.unit_digest,
        "cause": words.told(main, "en") if main else "", "cause_zh": words.told(main, "zh") if main else "",
        "remediation": main.remediation if main else "",
        "remediation_zh": (main.remediation_zh or main.remediation) if main else "",
        "categories": {name: each.verdict for name, each in categories.items() if each.verdict},
        "failing": _grave(result.items, "fail"), "unknown": _grave(result.items, "unknown"),
    }  # fmt: skip


def _grave(items: Iterable[ItemResult], status: str) -> int:
    return sum(item.severity in GRAVE and item.status == status for item in items)


def readings(items: Iterable[ItemResult]) -> int:
    """Return how many readings decide rows: the last of each check; a window's `n` stands in its row."""
    return len({(item.check, item.collected_at) for item in items if item.check and item.measured})


def checklists(results: Iterable[UnitResult]) -> list[dict[str, Any]]:
    """Return the checklists that units were judged by, with their digests and how many units have each."""
    found = Counter(pair for each in results for pair in each.checklists)
    return [{"id": key, "digest": digest, "units": count} for (key, digest), count in sorted(found.items())]


def signoffs(results: Iterable[UnitResult], signed: Mapping[str, float], start: float) -> dict[str, Any]:
    """Return who is signed, and what is no longer what was signed; `signed` has the time of each."""
    rows = [
        {"unit": each.id, "name": each.name, "name_zh": each.name_zh, **(each.plain()["signoff"])}
        for each in results
        if each.signoff
    ]
    states = Counter(state for row in rows for state in row["states"])
    return {
        "total": len(rows), "in_period": sum(at >= start for at in signed.values()),
        "states": {name: states[name] for name in ("signed", "regressed", "drifted", "unverified")},
        "rows": rows,
    }  # fmt: skip
