"""What keeps units from going live, grouped by cause: `112 halls: path MTU`. Pure.

The cause is the item, the reason and the detail without what differs from unit to unit. A row that is blocked
by another open row of its unit is a consequence and not counted; one that is blocked from elsewhere belongs
to the check it is blocked by.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.roadmap.words import counted

SCHEMA = "muster.blockers/1"
MOST_NAMED = 200
Document = Mapping[str, Any]
"""A unit of `muster.plan/1`."""
_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?![\w.])"
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_SPACE = re.compile(r"\s+")
_SEVERITY = ("blocker", "major")


def normalised(detail: str, unit: str, asset: str | None) -> str:
    """Return a detail without names, addresses and numbers of one unit, at most 200 characters."""
    text = detail[:1000]
    for name in sorted(
        filter(None, (f"{unit}/{asset}" if asset else "", unit, asset)), key=len, reverse=True
    ):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "*", text)
    text = _NUMBER.sub("#", _ADDRESS.sub("*", text))
    return _SPACE.sub(" ", text).strip()[:200]


@dataclass(slots=True)
class Cause:
    """One cause and the rows it has."""

    first: Mapping[str, Any]
    behind: str = ""
    """The check elsewhere that blocks the rows; "" where they fail by themselves."""
    rows: list[tuple[Document, Mapping[str, Any]]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return the group as the contract writes it."""
        units = list(dict.fromkeys(unit["id"] for unit, _ in self.rows))
        levels = {unit["level"] for unit, _ in self.rows}
        level = levels.pop() if len(levels) == 1 else ""
        worst = min((row["severity"] for _, row in self.rows), key=_SEVERITY.index)
        return {
            "item": "" if self.behind else self.first["item"], "behind": self.behind or None,
            **self._said(len(units), level),
            "category": self.first["category"], "severity": worst,
            "reason": self.first["reason"], "detail": self.first["detail"],
            "failing": sum(row["status"] == "fail" for _, row in self.rows),
            "units": len(units), "rows": len(self.rows), "level": level or None,
            "unit_ids": units[:MOST_NAMED],
            "waves": [{"wave": name, "units": n} for name, n in sorted(Counter(self._waves()).items())],
            **self._people(),
        }  # fmt: skip

    def _said(self, units: int, level: str) -> dict[str, str]:
        title = f"behind {self.behind}" if self.behind else self.first["title"]
        title_zh = f"受阻于 {self.behind}" if self.behind else self.first["title_zh"]
        return {
            "title": title, "title_zh": title_zh,
            "text": f"{counted(units, level)}: {title}",
            "text_zh": f"{counted(units, level, 'zh')}：{title_zh}",
        }  # fmt: skip

    def _waves(self) -> Iterator[str]:
        return (wave for _, wave in dict.fromkeys((unit["id"], unit["wave"]) for unit, _ in self.rows))

    def _people(self) -> dict[str, Any]:
        rows = [row for _, row in self.rows]
        owners, days = Counter(row["owner"] for row in rows), sorted(row["due"] for row in rows if row["due"])
        known = [row["estimate_days"] for row in rows if row["estimate_days"] is not None]
        return {
            "owners": [{"owner": name, "rows": count} for name, count in owners.most_common() if name],
            "unowned": owners[""], "undated": len(rows) - len(days),
            "due_first": days[0] if days else None, "due_last": days[-1] if days else None,
            "estimate_days": round(sum(known), 3) if known else None, "unestimated": len(rows) - len(known),
        }  # fmt: skip


def grouped(units: Iterable[Document], owner: str = "") -> list[dict[str, Any]]:
    """Return the causes, those of most units first; with `owner` those rows alone (`-`: nobody's)."""
    found: dict[tuple[str, str, str, str], Cause] = {}
    for unit in units:
        for row, behind in _causes(unit):
            if owner and row["owner"] != owner.removeprefix("-"):
                continue
            about = "" if behind else row["item"]
            detail = "" if behind else normalised(row["detail"], unit["id"], row["asset"])
            key = (about, row["reason"], behind, detail)
            found.setdefault(key, Cause(row, behind)).rows.append((unit, row))
    return sorted((each.plain() for each in found.values()), key=_order)


def _causes(unit: Document) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the rows that are no consequence of another, with what blocks them from elsewhere."""
    own = _roots(unit["open"])
    for row in unit["open"]:
        behind = row["blocked_by"] or ""
        if not behind or behind not in own:
            yield row, behind


def _roots(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    return {name for row in rows if not row["blocked_by"] for name in (row["check"], row["item"]) if name}


def _order(group: Mapping[str, Any]) -> tuple[int, int, int, str]:
    return -group["units"], _SEVERITY.index(group["severity"]), -group["rows"], group["text"]


def document(gate: str, at: str, units: Iterable[Document], owner: str = "") -> dict[str, Any]:
    """Return the causes as a document, with how many units and rows are behind them."""
    known = list(units)
    groups = grouped(known, owner)
    return {
        "schema": SCHEMA, "gate": gate, "at": at, "units": len(known),
        "units_open": sum(bool(unit["open"]) for unit in known),
        "rows": sum(group["rows"] for group in groups), "causes": groups,
    }  # fmt: skip
