"""A report in the format that was asked for: JSON, HTML, PDF, XLSX, Markdown. Blocking: not for the loop."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal

from monitor.reports import book, markdown, page
from monitor.reports.look import Language
from monitor.reports.page import Page
from monitor.reports.pdf import pdf
from monitor.reports.period import local
from monitor.reports.pictures import heat_map, link_quality
from monitor.reports.sheets import Cell, verdict
from monitor.reports.texts import text
from monitor.reports.topics import TOPICS
from monitor.roadmap.picture import burndown

Document = Mapping[str, Any]
Format = Literal["html", "pdf", "xlsx", "json", "markdown"]
SHORT = 19
"""Characters of a digest that are shown: `sha256:` and twelve."""


def as_json(report: Document) -> str:
    """Return the document as JSON."""
    return json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def render(report: Document, form: Format, language: Language = "en", wanted: Collection[str] = ()) -> bytes:
    """Return the report; of topics only those wanted, all where none is named. JSON is always the whole.

    Raises ConfigError where PDF or XLSX needs something that is not installed.
    """
    if form == "json":
        return as_json(report).encode("utf-8", "replace")
    shown = view(report, language, wanted)
    if form == "xlsx":
        return book.workbook([*_lines(shown), *shown.cover], shown.sheets, shown.title)
    if form == "markdown":
        found = markdown.markdown(shown.title, shown.lead, shown.cover, shown.sheets)
        return found.encode("utf-8", "replace")
    html = page.render(shown).encode("utf-8", "replace")
    return pdf(html.decode("utf-8"), chinese=language == "zh") if form == "pdf" else html


def _lines(shown: Page) -> list[tuple[str, str]]:
    return [("", line) for line in shown.lead]


def view(report: Document, language: Language, wanted: Collection[str] = ()) -> Page:
    """Return the report as a page."""
    names = [name for name in TOPICS if not wanted or name in wanted]
    return Page(
        title(report, language), lead(report, language), cover(report, language),
        [TOPICS[name](report, language) for name in names], language,
        [_tile(name, number, language) for name, number in report["verdicts"]["counts"].items()],
        _pictures(report, language),
    )  # fmt: skip


def title(report: Document, language: Language) -> str:
    """Return the report's title."""
    return text(
        language, "title", kind=text(language, f"kind.{report['kind']}"),
        scope=report["scope"] or text(language, "all"), day=report["period"]["to"][:10],
    )  # fmt: skip


def lead(report: Document, language: Language) -> list[str]:
    """Return the sentences that come first: how many are ready, what keeps most, how many are late."""
    counts, causes = report["verdicts"]["counts"], report["blockers"]["causes"]
    ready = counts["READY"] + counts["CONDITIONAL"]
    found = [
        text(
            language, "lead", ready=ready, units=report["units"], gate=report["gate"],
            bad=counts["NOT_READY"], unknown=counts["UNKNOWN"],
        )
    ]  # fmt: skip
    if causes:
        found.append(text(language, "lead.cause", text=causes[0]["text_zh" if language == "zh" else "text"]))
    plan = report["plan"]["counts"]
    if plan["late"] or plan["at_risk"]:
        found.append(text(language, "lead.late", late=plan["late"], risk=plan["at_risk"]))
    return found


def cover(report: Document, language: Language) -> list[tuple[str, str]]:
    """Return what the figures are of: period, zone, digests, readings."""
    lists = [
        text(language, "checklist.is", **each | {"digest": each["digest"][:SHORT]})
        for each in report["checklists"]
    ]
    period = {name: str(value).replace("T", " ") for name, value in report["period"].items()}
    period["timezone"] = report["period"]["timezone"]
    raw = datetime.fromisoformat(report["raw_since"]).timestamp()
    since = local(raw, period["timezone"]).replace("T", " ")
    numbers = {"n": report["verdicts"]["readings"], "since": since}
    values = {
        "period": text(language, "period.is", **period),
        "inventory": report["inventory_digest"],
        "checklists": "; ".join(lists) or text(language, "none"),
        "readings": text(language, "readings.is", **numbers),
        "actors": text(language, "actors.is"),
    }
    return [(text(language, name), value) for name, value in values.items()]


def _tile(name: str, number: int, language: Language) -> Cell:
    cell = verdict(name, language)
    return Cell(f"{cell.text} {number}", None, cell.tone)


def _pictures(report: Document, language: Language) -> list[tuple[str, str]]:
    plan = report["plan"]
    return [
        ("verdicts", heat_map(report["verdicts"]["units"], language)),
        ("burndown", burndown(plan["burndown"], plan["planned"], language)),
        ("links", link_quality(report["links"], language)),
    ]
