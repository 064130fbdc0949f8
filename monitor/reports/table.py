"""A readiness run for a terminal: the sentence, then the rows, then what to do."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.readiness.results import ItemResult, Run, UnitResult
from monitor.readiness.verdict import Status, Verdict
from monitor.reports import words
from monitor.reports.look import STATUSES, VERDICTS, Language, Token, category
from probes.api import clip

_HEADINGS = {
    "en": ("status", "severity", "category", "item", "asset", "expected", "actual", "why"),
    "zh": ("状态", "级别", "类别", "检查项", "资产", "期望", "实际", "原因"),
}
_SUMMARY = {
    "en": ("verdict", "unit", "fail", "unknown", "waived", "pass", "coverage", "below", "main cause"),
    "zh": ("结论", "单位", "不通过", "未知", "已豁免", "通过", "覆盖率", "下级", "主要原因"),
}


def show(run: Run, console: Console, *, language: Language = "en", summary: bool = False) -> None:
    """Print the run."""
    if summary or len(run.units) > 1:
        console.print(_overview(run.units, language))
    if not summary:
        for unit in run.units:
            _unit(unit, console, language)
    console.print(Text(_footer(run, language), style="dim"))


def _overview(units: Iterable[UnitResult], language: Language) -> Table:
    table = _table(_SUMMARY[language], right=(2, 3, 4, 5, 6))
    for unit in units:
        counts, below = unit.counts, sum(unit.rollup.counts.values()) - 1
        main = words.cause(unit)
        table.add_row(
            _signed(VERDICTS[unit.verdict], language), _plain(f"{words.name(unit, language)} ({unit.id})"),
            *(str(counts[each]) for each in (Status.FAIL, Status.UNKNOWN, Status.WAIVED, Status.PASS)),
            f"{unit.coverage:.0%}", _below(unit) if below > 0 else Text(""),
            _plain(words.told(main, language) if main else ""),
        )  # fmt: skip
    return table


def _below(unit: UnitResult) -> Text:
    counts = unit.rollup.counts
    parts = [f"{VERDICTS[each].sign}{counts[each]}" for each in Verdict if counts.get(each)]
    return Text(" ".join(parts), style=VERDICTS[unit.rollup.worst].colour)


def _unit(unit: UnitResult, console: Console, language: Language) -> None:
    console.print()
    console.print(Text(clip(words.sentence(unit, language)), style=f"bold {VERDICTS[unit.verdict].colour}"))
    if not unit.items:
        return
    table = _table(_HEADINGS[language], right=())
    for item in words.ordered(unit):
        table.add_row(*_cells(item, language))
    console.print(table)
    _to_do(unit, console, language)


def _cells(item: ItemResult, language: Language) -> tuple[Text, ...]:
    style = "dim" if item.status in (Status.PASS, Status.NOT_APPLICABLE) else ""
    why = "" if item.status is Status.PASS else words.explained(item, language)
    if item.reason == "expectation":
        why = clip(item.detail)
    texts = (
        words.row_severity(item, language), category(item.category, language),
        words.title(item, language), item.asset or "", words.readable(item.expected),
        words.readable(item.actual), why,
    )  # fmt: skip
    return _signed(STATUSES[item.status], language), *(_plain(each, style) for each in texts)


def _to_do(unit: UnitResult, console: Console, language: Language) -> None:
    """Print what to do about each cause, once; what is only blocked needs nothing of its own."""
    told: dict[str, list[str]] = {}
    for item in words.ordered(unit):
        text = words.remediation(item, language)
        if item.status in (Status.FAIL, Status.UNKNOWN) and text and not item.blocked_by:
            told.setdefault(text, []).append(item.asset or item.id)
    if told:
        console.print(Text("处置建议" if language == "zh" else "What to do", style="bold"))
    for text, assets in told.items():
        console.print(_plain(f"  {', '.join(dict.fromkeys(assets))}: {text}"))


def _table(headings: Iterable[str], right: tuple[int, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        fold = index > 1
        table.add_column(
            heading, justify="right" if index in right else "left", no_wrap=not fold, overflow="fold"
        )
    return table


def _signed(token: Token, language: Language) -> Text:
    return Text(f"{token.sign} {token.word(language)}", style=token.colour)


def _plain(text: str, style: str = "") -> Text:
    """Return text from targets and files as it stands: no markup, no control characters."""
    return Text(clip(text), style=style)


def _footer(run: Run, language: Language) -> str:
    zone = run.units[0].timezone if run.units else "UTC"
    at = words.moment(run.finished_at, zone)
    if language == "zh":
        mode = "实时探测" if run.mode == "fresh" else "已存数据"
        return f"关口 {run.gate}，{mode}，{at}"
    return f"gate {run.gate}, {run.mode}, {at}"
