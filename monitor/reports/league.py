"""The league of units: on time (forecast, slack, milestones met) and quality (fails, waivers, regressions,
repeated incidents). Pure.

Each has a rank of its own, and units that are alike share one; nothing is added up to a score. A unit without
a date has no rank in time, and one of which nothing is known is never ahead of one that is known to be good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Row = dict[str, Any]
_TIME = {"on_track": 0, "at_risk": 1, "late": 2}
_VERDICT = {"READY": 0, "CONDITIONAL": 1, "UNKNOWN": 2, "NOT_READY": 3}


def league(
    units: Sequence[Mapping[str, Any]],
    plans: Mapping[str, Mapping[str, Any]],
    incidents: Mapping[str, tuple[int, int]],
    regressed: Iterable[str],
    today: str,
) -> list[Row]:
    """Return the units, the best first; `incidents` has how many each unit had, and how many were repeats."""
    broken = set(regressed)
    rows = [_row(each, plans[each["id"]], incidents.get(each["id"], (0, 0)), broken, today) for each in units]
    _rank(rows, "time_rank", lambda row: row["status"] is not None, _time)
    _rank(rows, "quality_rank", lambda _: True, _quality)
    return sorted(rows, key=lambda row: (row["time_rank"] or len(rows) + 1, row["quality_rank"], row["unit"]))


def _row(
    unit: Mapping[str, Any], plan: Mapping[str, Any], had: tuple[int, int], broken: set[str], today: str
) -> Row:
    forecast = plan["forecast"]
    due = [each for each in plan["milestones"] if each["due"] and each["due"] <= today]
    met = [each for each in due if each["reached_on"] and each["reached_on"] <= each["due"]]
    return {
        "unit": unit["id"], "name": unit["name"], "name_zh": unit["name_zh"], "wave": unit["wave"],
        "verdict": unit["verdict"], "time_rank": None, "quality_rank": None,
        "status": forecast["status"], "go_live": forecast["go_live"],
        "earliest_ready": forecast["earliest_ready"], "slack": forecast["slack"],
        "milestones_due": len(due), "milestones_met": len(met),
        "fails": unit["failing"], "unknown": unit["unknown"], "waivers": unit["counts"]["waived"],
        "regressed": unit["id"] in broken, "incidents": had[0], "repeats": had[1],
    }  # fmt: skip


def _time(row: Row) -> tuple[float, ...]:
    share = row["milestones_met"] / row["milestones_due"] if row["milestones_due"] else 1.0
    slack = row["slack"] if row["slack"] is not None else -1000
    return (_TIME[row["status"]], -share, -slack)


def _quality(row: Row) -> tuple[float, ...]:
    return (
        row["regressed"], _VERDICT[row["verdict"]], row["fails"], row["unknown"],
        row["repeats"], row["waivers"], row["incidents"],
    )  # fmt: skip


def _rank(
    rows: Iterable[Row], name: str, counts: Callable[[Row], bool], key: Callable[[Row], tuple[float, ...]]
) -> None:
    ordered = sorted((row for row in rows if counts(row)), key=key)
    for place, row in enumerate(ordered, 1):
        same = place > 1 and key(ordered[place - 2]) == key(row)
        row[name] = ordered[place - 2][name] if same else place
