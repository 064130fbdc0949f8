"""The plan and the blockers on a terminal, and as Markdown."""

# ruff: noqa: E501 - a table of Chinese texts, whose characters count twice

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from monitor.cli.common import out
from monitor.roadmap.document import waves_at_risk
from monitor.roadmap.words import STATUS, Language, counted

Document = Mapping[str, Any]
Grid = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headings and rows."""
SIGNS = {"on_track": "✔", "at_risk": "◐", "late": "✖", None: "?"}
_WORDS = {
    "unit": "单位", "wave": "批次", "owner": "责任人", "go-live": "上线", "forecast": "预测", "ready": "最早就绪",
    "slack": "余量", "open": "未决", "unassigned": "未分派", "why": "原因", "milestone": "里程碑", "due": "截止",
    "from": "来源", "state": "状态", "item": "检查项", "asset": "资产", "is": "状况", "estimate": "工期",
    "units": "单位数", "rows": "项数", "cause": "原因", "owners": "责任人", "failing": "不通过", "by": "截止",
    "nobody": "无人",
}  # fmt: skip
_STATES = {"reached": "已完成", "overdue": "已逾期", "due": "未到期", "undated": "无日期"}


def _word(key: str, language: Language) -> str:
    return _WORDS.get(key, key) if language == "zh" else key


def _pick(each: Document, name: str, language: Language) -> str:
    return str(each[f"{name}_zh"] or each[name]) if language == "zh" else str(each[name])


def _status(status: str | None, language: Language) -> str:
    return f"{SIGNS[status]} {STATUS[status or 'undated'][language == 'zh']}"


def headline(plan: Document, language: Language) -> str:
    """Return the one sentence before any table."""
    counts = plan["counts"]
    parts = [
        f"{counts[key]} {STATUS[key][language == 'zh']}" for key in ("late", "at_risk", "on_track", "undated")
    ]
    risky = [wave["id"] for wave in waves_at_risk(plan)]
    text = ", ".join(parts)
    if language == "zh":
        return f"{plan['total']} 个单位：{text}" + (f"；有风险的批次：{'、'.join(risky)}" if risky else "")
    return f"{counted(plan['total'], '')}: {text}" + (f"; waves at risk: {', '.join(risky)}" if risky else "")


def _units(plan: Document, language: Language) -> Grid:
    heads = ("unit", "wave", "owner", "go-live", "forecast", "ready", "slack", "open", "unassigned", "why")
    rows = [
        (
            unit["id"], unit["wave"], unit["owner"], found["go_live"] or "", _status(found["status"], language),
            found["earliest_ready"] or "?", "" if found["slack"] is None else f"{found['slack']} d",
            str(unit["counts"]["open"]), str(unit["counts"]["unassigned"]),
            _pick(found["reasons"][0], "text", language),
        )
        for unit in plan["units"]
        for found in [unit["forecast"]]
    ]  # fmt: skip
    return [_word(head, language) for head in heads], rows


def _milestones(unit: Document, language: Language) -> Grid:
    heads = ("milestone", "due", "owner", "from", "state")
    rows = [
        (
            _pick(each, "title", language), each["due"] or "", each["owner"], each["source"],
            " ".join(filter(None, (_STATES[each["state"]] if language == "zh" else each["state"], each["reached_on"]))),
        )
        for each in unit["milestones"]
    ]  # fmt: skip
    return [_word(head, language) for head in heads], rows


def _open(unit: Document, language: Language) -> Grid:
    heads = ("item", "asset", "is", "owner", "due", "estimate")
    rows = [
        (
            _pick(row, "title", language), row["asset"] or "", f"{row['status']} ({row['reason']})",
            row["owner"] or _word("nobody", language), row["due"] or "",
            "" if row["estimate_days"] is None else f"{row['estimate_days']:g} d",
        )
        for row in unit["open"]
    ]  # fmt: skip
    return [_word(head, language) for head in heads], rows


def _causes(found: Document, language: Language) -> Grid:
    heads = ("cause", "rows", "failing", "owners", "by", "estimate")
    return [_word(head, language) for head in heads], [_cause(each, language) for each in found["causes"]]


def _cause(each: Document, language: Language) -> Sequence[str]:
    owners = [f"{one['owner']} ({one['rows']})" for one in each["owners"][:3]]
    if each["unowned"]:
        owners.append(f"{_word('nobody', language)} ({each['unowned']})")
    days = "" if each["estimate_days"] is None else f"{each['estimate_days']:g} d"
    cause = _pick(each, "text", language) + (f" ({each['detail']})" if each["detail"] else "")
    return cause, str(each["rows"]), str(each["failing"]), ", ".join(owners), each["due_last"] or "", days


def show(plan: Document, language: Language, *, whole: bool) -> None:
    """Print the plan; with `whole` the one unit's milestones and open rows, too."""
    out.print(escape(headline(plan, language)), highlight=False)
    for grid in _grids(plan, language, whole=whole):
        _print(grid)


def show_blockers(found: Document, language: Language) -> None:
    """Print the causes."""
    out.print(escape(said(found, language)), highlight=False)
    _print(_causes(found, language))


def said(found: Document, language: Language) -> str:
    """Return the blockers' one sentence."""
    n, units, rows = len(found["causes"]), found["units_open"], found["rows"]
    if language == "zh":
        return f"{found['units']} 个单位中 {units} 个有未决事项：{rows} 项，{n} 个原因"
    return f"{units} of {found['units']} units have something open: {rows} rows of {n} causes"


def markdown(plan: Document, language: Language, *, whole: bool) -> str:
    """Return the plan as Markdown."""
    parts = [headline(plan, language), *map(_table, _grids(plan, language, whole=whole))]
    return "\n\n".join(parts) + "\n"


def blockers_markdown(found: Document, language: Language) -> str:
    """Return the causes as Markdown."""
    return f"{said(found, language)}\n\n{_table(_causes(found, language))}\n"


def _grids(plan: Document, language: Language, *, whole: bool) -> list[Grid]:
    if not whole:
        return [_units(plan, language)]
    [unit] = plan["units"]
    more = [_open(unit, language)] if unit["open"] else []
    return [_units(plan, language), _milestones(unit, language), *more]


def _print(grid: Grid) -> None:
    heads, rows = grid
    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)


def _table(grid: Grid) -> str:
    heads, rows = grid
    return "\n".join(_line(each) for each in (heads, ["---"] * len(heads), *rows))


def _line(cells: Iterable[str]) -> str:
    clean = (" ".join(cell.replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(clean)} |"
