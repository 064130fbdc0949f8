"""A readiness run as a page, a workbook or Markdown. Pure but for the workbook's extra."""

# ruff: noqa: E501 - tables of Chinese headings, whose characters count twice

from __future__ import annotations

from typing import Literal

from monitor.readiness.results import ItemResult, Run, UnitResult
from monitor.readiness.verdict import Status, Verdict
from monitor.reports import book, markdown, page, words
from monitor.reports.look import Language, category
from monitor.reports.page import Page
from monitor.reports.pictures import heat_map
from monitor.reports.sheets import Cell, Sheet, count, share, status, titles, verdict
from monitor.reports.sheets import words as texts
from monitor.reports.standing import checklists, readings
from monitor.reports.texts import text
from monitor.store.verdicts import summary

MOST_ROWS = 2000
Rich = Literal["html", "xlsx", "markdown"]


def render(run: Run, form: Rich, language: Language = "en", *, summary: bool = False) -> bytes:
    """Return the run; with `summary` one row a unit. Raises ConfigError where the extra `xlsx` is missing."""
    shown = view(run, language, summary=summary)
    if form == "xlsx":
        lead = [("", line) for line in shown.lead]
        return book.workbook([*lead, *shown.cover], shown.sheets, shown.title)
    if form == "markdown":
        found = markdown.markdown(shown.title, shown.lead, shown.cover, shown.sheets)
    else:
        found = page.render(shown, MOST_ROWS)
    return found.encode("utf-8", "replace")


def view(run: Run, language: Language, *, summary: bool = False) -> Page:
    """Return the run as a page."""
    sheets = [_units(run, language), *([] if summary else [_items(run, language)])]
    return Page(
        text(language, "check", gate=run.gate), _lead(run, language), _cover(run, language), sheets, language,
        [_tile(run, each, language) for each in Verdict],
        [("units", heat_map([_heat(each, run.finished_at) for each in run.units], language))],
    )  # fmt: skip


def _lead(run: Run, language: Language) -> list[str]:
    if len(run.units) == 1:
        return [words.sentence(run.units[0], language)]
    counts = {each: sum(unit.verdict is each for unit in run.units) for each in Verdict}
    ready = counts[Verdict.READY] + counts[Verdict.CONDITIONAL]
    return [
        text(
            language, "lead", ready=ready, units=len(run.units), gate=run.gate,
            bad=counts[Verdict.NOT_READY], unknown=counts[Verdict.UNKNOWN],
        )
    ]  # fmt: skip


def _cover(run: Run, language: Language) -> list[tuple[str, str]]:
    zone = run.units[0].timezone if run.units else "UTC"
    lists = [text(language, "checklist.is", **each) for each in checklists(run.units)]
    return [
        (text(language, "finished"), f"{words.moment(run.finished_at, zone)} ({zone})"),
        (text(language, "check.mode"), text(language, f"mode.{run.mode}")),
        (text(language, "checklists"), "; ".join(lists) or text(language, "none")),
    ]


def _tile(run: Run, each: Verdict, language: Language) -> Cell:
    cell = verdict(each, language)
    return Cell(f"{cell.text} {sum(unit.verdict is each for unit in run.units)}", None, cell.tone)


def _heat(unit: UnitResult, at: float) -> dict[str, object]:
    found = summary(unit.id, at, unit.plain()).categories
    kept = {name: each.verdict for name, each in found.items() if each.verdict}
    head = {"id": unit.id, "name": unit.name, "name_zh": unit.name_zh}
    return {**head, "verdict": unit.verdict.value, "categories": kept}


def _units(run: Run, language: Language) -> Sheet:
    columns = titles(
        language, ("unit", "单位编号", 16), ("name", "单位", 24), ("verdict", "结论", 16), ("fail", "不通过", -8),
        ("unknown", "未知", -11), ("waived", "豁免", -8), ("pass", "通过", -8),
        ("not applicable", "不适用", -8), ("coverage", "覆盖率", -10), ("readings", "读数", -10),
        ("main cause", "主要原因", 60), ("digest", "摘要", 24),
    )  # fmt: skip
    rows = [_unit(each, language) for each in run.units]
    note = text(language, "check.units.note", n=len(rows))
    return Sheet("units", text(language, "check.units"), note, columns, rows)


def _unit(unit: UnitResult, language: Language) -> list[Cell]:
    main, counts = words.cause(unit), unit.counts
    return [
        *texts(unit.id, words.name(unit, language)), verdict(unit.verdict, language),
        count(counts[Status.FAIL], "bad"), count(counts[Status.UNKNOWN], "none"),
        count(counts[Status.WAIVED], "warn"), count(counts[Status.PASS]),
        count(counts[Status.NOT_APPLICABLE]), share(unit.coverage), count(readings(unit.items)),
        *texts(words.told(main, language) if main else "", unit.unit_digest),
    ]  # fmt: skip


def _items(run: Run, language: Language) -> Sheet:
    columns = titles(
        language, ("unit", "单位编号", 16), ("status", "状态", 12), ("severity", "级别", 10),
        ("category", "类别", 14), ("item", "检查项", 30), ("asset", "资产", 12), ("expected", "期望", 30),
        ("actual", "实际", 30), ("why", "原因", 40), ("measured", "测量时间", 26), ("check", "检查", 28),
        ("what to do", "处置建议", 50),
    )  # fmt: skip
    rows = [_item(unit, item, language) for unit in run.units for item in words.ordered(unit)]
    note, empty = text(language, "items.note", n=len(rows)), text(language, "items.empty")
    return Sheet("items", text(language, "items"), note, columns, rows, empty)


def _item(unit: UnitResult, item: ItemResult, language: Language) -> list[Cell]:
    why = "" if item.status is Status.PASS else words.explained(item, language)
    if item.reason == "expectation":
        why = item.detail
    to_do = words.remediation(item, language) if item.status in (Status.FAIL, Status.UNKNOWN) else ""
    return [
        *texts(unit.id), status(item.status, language),
        *texts(words.row_severity(item, language), category(item.category, language)),
        *texts(words.title(item, language), item.asset, words.readable(item.expected)),
        *texts(words.readable(item.actual), why, words.moment(item.collected_at, unit.timezone)),
        *texts(item.check, to_do),
    ]  # fmt: skip
