"""Plan against actual: which milestones were due, which of them were reached, and when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any


def against_plan(plans: Sequence[Mapping[str, Any]], first: str, today: str) -> dict[str, Any]:
    """Return each milestone's counts until today, and the rows due or reached since `first`, or overdue."""
    rows = [*_rows(plans)]
    names = {row["milestone"]: (row["title"], row["title_zh"]) for row in rows}
    return {
        "milestones": [_count(name, titles, rows, today) for name, titles in names.items()],
        "rows": sorted(
            (row for row in rows if _current(row, first, today)),
            key=lambda row: (row["due"] or row["reached_on"] or "", row["unit"]),
        ),
    }  # fmt: skip


def _rows(plans: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for plan in plans:
        for each in plan["milestones"]:
            yield {
                "unit": plan["id"], "name": plan["name"], "name_zh": plan["name_zh"], "wave": plan["wave"],
                "milestone": each["id"], "title": each["title"], "title_zh": each["title_zh"],
                "owner": each["owner"] or "", "due": each["due"], "reached_on": each["reached_on"],
                "state": each["state"], "workdays": each["workdays"],
            }  # fmt: skip


def _current(row: Mapping[str, Any], first: str, today: str) -> bool:
    inside = (row["due"], row["reached_on"])
    return row["state"] == "overdue" or any(day and first <= day <= today for day in inside)


def _count(
    name: str, titles: tuple[str, str], rows: Iterable[Mapping[str, Any]], today: str
) -> dict[str, Any]:
    mine = [row for row in rows if row["milestone"] == name]
    due = [row for row in mine if row["due"] and row["due"] <= today]
    reached = [row for row in mine if row["reached_on"]]
    return {
        "id": name, "title": titles[0], "title_zh": titles[1], "units": len(mine),
        "undated": sum(not row["due"] for row in mine),
        "planned": len(due), "reached": len(reached),
        "in_time": sum(bool(row["due"]) and row["reached_on"] <= row["due"] for row in reached),
        "overdue": sum(not row["reached_on"] for row in due),
    }  # fmt: skip
