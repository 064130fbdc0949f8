"""A report as a page, for mail clients and phones; the PDF is made of it. Everything is escaped. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monitor.reports.look import Language
from monitor.reports.sheets import Cell, Sheet
from probes.api import clip

MOST_ROWS = 60
MOST_CHARACTERS = 4000
DARK = {"good": "#00724F", "warn": "#8A5A00", "bad": "#A84300", "none": "#57606A"}
"""The look's colours for text on white, dark enough to be read."""
_FONT = (
    "font-family:-apple-system,'Segoe UI',Roboto,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',"
    "'Noto Sans',Arial,sans-serif;"
)
CSS = (
    f"body{{margin:0;padding:12px;background:#fff;color:#1b1f23;{_FONT}font-size:14px;line-height:1.4}}"
    "h1{font-size:22px;margin:0 0 6px}.lead{font-size:16px;margin:4px 0}"
    ".cover{color:#57606a;font-size:12px;margin:2px 0;word-break:break-word}"
    "h2{font-size:17px;margin:20px 0 4px;border-bottom:2px solid #1b1f23}"
    ".note{color:#57606a;font-size:12px;margin:2px 0 6px}.wide{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{padding:4px 6px;border-bottom:1px solid #d8dee4;vertical-align:top;font-size:12px;"
    "text-align:left;overflow-wrap:break-word}th{background:#eef0f2}"
    ".r{text-align:right;white-space:nowrap}.sign{display:inline-block;padding:6px 12px;margin:2px 6px 2px 0;"
    "border-radius:4px;color:#fff;font-weight:bold}"
    + "".join(
        f".{tone}{{color:{colour};font-weight:bold;white-space:nowrap}}" for tone, colour in DARK.items()
    )
)
"""In the head, with classes of a letter or a word: a mail that is long is cut off by some readers."""
PRINT = (
    "@page{size:A4 landscape;margin:14mm 10mm;"
    '@bottom-right{content:counter(page) " / " counter(pages);font-size:9px}}'
    "@media print{th,td{font-size:8.5px;padding:2px 3px}h2{font-size:14px}svg{max-width:190mm}}"
    "@media screen{td,th{min-width:56px}}"
    "tr{page-break-inside:avoid}thead{display:table-header-group}h2{page-break-after:avoid}"
    "svg{max-width:100%;height:auto}"
)


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown, from the top: the sentences first, then figures, pictures and tables."""

    title: str
    lead: Sequence[str]
    cover: Sequence[tuple[str, str]]
    sheets: Sequence[Sheet]
    language: Language = "en"
    figures: Sequence[Cell] = ()
    pictures: Sequence[tuple[str, str]] = ()
    """By the sheet it stands with: SVG of ours."""


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("monitor.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_shown,
    )


def _shown(value: object) -> object:
    """Return text without control characters, and what UTF-8 can't hold; what is ours stays as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return clip(value, MOST_CHARACTERS).encode("utf-8", "replace").decode("utf-8")


def render(page: Page, most: int = MOST_ROWS) -> str:
    """Return the page as HTML, each table with `most` rows at most; how many are left out is said."""
    pictures = {name: Markup(svg) for name, svg in page.pictures if svg}  # noqa: S704 - made of escaped parts
    more = "，另有 {} 行见表格文件或 JSON" if page.language == "zh" else ", and {} more rows in XLSX or JSON"
    shown = {"page": page, "pictures": pictures, "most": most, "more": more}
    return _environment().get_template("report.html").render(shown, css=Markup(CSS + PRINT), dark=DARK)  # noqa: S704
