"""The sentences of a report: a unit's verdict and its main cause, before any table."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.verdict import Status, Verdict
from monitor.reports.look import STATUSES, VERDICTS, Language, reason, severity

_WEIGHT = {"blocker": 0, "major": 1, "minor": 2, "info": 3}
_STATUS_ORDER = {status: place for place, status in enumerate(STATUSES)}


def name(unit: UnitResult, language: Language) -> str:
    """Return the unit's name."""
    return (unit.name_zh or unit.name) if language == "zh" else unit.name


def title(item: ItemResult, language: Language) -> str:
    """Return the item's title."""
    return (item.title_zh or item.title) if language == "zh" else item.title


def remediation(item: ItemResult, language: Language) -> str:
    """Return what to do about the item."""
    return (item.remediation_zh or item.remediation) if language == "zh" else item.remediation


def ordered(unit: UnitResult) -> list[ItemResult]:
    """Return the rows, what needs a hand first: fails before unknowns, causes before what they block."""
    return sorted(
        unit.items,
        key=lambda row: (_STATUS_ORDER[row.status], row.reason == "blocked", _WEIGHT[row.severity]),
    )


def cause(unit: UnitResult) -> ItemResult | None:
    """Return the row that most decides the verdict: the weightiest fail, else unknown, a blocked one last."""
    wanted = {Verdict.NOT_READY: (Status.FAIL,), Verdict.UNKNOWN: (Status.UNKNOWN,)}.get(
        unit.verdict, (Status.FAIL, Status.UNKNOWN, Status.WAIVED)
    )
    rows = [row for row in unit.items if row.status in wanted and row.severity != "info"]
    rows = rows or [row for row in unit.items if row.status is Status.WAIVED]
    return min(
        rows,
        key=lambda row: (_WEIGHT[row.severity], row.reason == "blocked", row.reason == "not_attested"),
        default=None,
    )


def sentence(unit: UnitResult, language: Language) -> str:
    """Return one sentence with the unit's verdict and its main cause."""
    token = VERDICTS[unit.verdict]
    head = f"{token.sign} {name(unit, language)} ({unit.id}): {token.word(language)}"
    comma, stop = ("，", "。") if language == "zh" else (", ", ".")
    if unit.verdict is Verdict.READY:
        return f"{head}{comma}{_all_hold(unit, language)}{stop}"
    because = "；".join(_counted(unit)) if language == "zh" else "; ".join(unit.reasons)
    main = cause(unit)
    if main is None:
        return f"{head}{comma}{because}{stop}"
    colon = "：" if language == "zh" else ": "
    return f"{head}{comma}{because}{colon}{told(main, language)}{_blocked(unit, main, language)}{stop}"


def _all_hold(unit: UnitResult, language: Language) -> str:
    """Return that all holds; info items that do not are named, though they do not count."""
    count, counts = unit.counts[Status.PASS], unit.counts
    aside = counts[Status.FAIL] + counts[Status.UNKNOWN]
    if language == "zh":
        return f"{count} 项检查全部通过" + (f"（另有 {aside} 项参考项未通过）" if aside else "")
    held = "its one item holds" if count == 1 else f"all {count} items hold"
    return held + (f", {aside} for information aside" if aside else "")


def _counted(unit: UnitResult) -> list[str]:
    found = []
    for status in (Status.FAIL, Status.UNKNOWN, Status.WAIVED):
        count = sum(row.status is status and row.severity != "info" for row in unit.items)
        if count:
            found.append(f"{count} 项{STATUSES[status].zh}")
    return found or ["没有可判定的检查项"]


def told(item: ItemResult, language: Language) -> str:
    """Return a row in a few words: where, what, why."""
    where = f"{item.asset}: " if item.asset else ""
    return f"{where}{title(item, language)}, {explained(item, language)}"


def explained(item: ItemResult, language: Language) -> str:
    """Return why a row is as it is, in a few words."""
    if item.blocked_by:
        return f"{reason('blocked', language)}: {item.blocked_by}"
    why = reason(item.reason, language) if item.reason else ""
    if item.reason == "expectation":
        expected = "，期望 " if language == "zh" else ", expected "
        return f"{readable(item.actual)}{expected}{readable(item.expected)}"
    return f"{why} ({item.detail})" if item.detail else why


_COMPARED = re.compile(
    r"\b([a-z]\w*_(ms|pct))((?: (?:[pq]\d[\d.]*|min|max))?) (<=|>=|<|>|=|!=)"
    r" (-?\d+(?:\.\d+)?)(?![\w.]| (?:ms|%))",
    re.ASCII,
)
"""A metric whose name ends in its unit, compared with a number that has none."""


def readable(text: str) -> str:
    """Return `expected` or `actual` with units and at most 5 digits: `total_ms = 1503.02` is 1503 ms."""
    return _COMPARED.sub(_with_unit, text)


def _with_unit(found: re.Match[str]) -> str:
    value, unit = float(found[5]), "%" if found[2] == "pct" else found[2]
    number = f"{value:.5g}" if abs(value) < 1e5 else f"{value:.0f}"
    return f"{found[1]}{found[3]} {found[4]} {number} {unit}"


def _blocked(unit: UnitResult, main: ItemResult, language: Language) -> str:
    behind = sum(row.blocked_by is not None and row.blocked_by == main.check for row in unit.items)
    if not behind:
        return ""
    if language == "zh":
        return f"，另有 {behind} 项因此被阻断"
    return f", and {behind} more {'is' if behind == 1 else 'are'} blocked by it"


def row_severity(item: ItemResult, language: Language) -> str:
    """Return the word for the row's severity, with the declared one where it is judged by a lighter one."""
    judged = severity(item.severity, language)
    if item.declared_severity is None or item.declared_severity == item.severity:
        return judged
    declared = severity(item.declared_severity, language)
    return f"{judged}（{declared}）" if language == "zh" else f"{judged} (declared {declared})"


def moment(at: float | None, zone: str) -> str:
    """Return a time in the unit's zone with the offset, "" for none."""
    if at is None:
        return ""
    text = datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat(sep=" ", timespec="seconds")
    return f"{text[:19]} {text[19:]}"
