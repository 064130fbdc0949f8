"""Sheets as a workbook (the extra `xlsx`): one sheet a topic, with filters and conditional colours.

Texts from targets are written as texts: nothing in them becomes a formula or a link.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from inventory.importers import xlsx
from monitor.reports.look import AMBER, GREEN, GREY, RED
from monitor.reports.sheets import Cell, Sheet
from probes.api import clip

MOST_ROWS = 100_000
MOST_CHARACTERS = 32_000
COLOURS = {"good": GREEN, "warn": AMBER, "bad": RED, "none": GREY}
SIGNS = {"good": "✔", "warn": "◐", "bad": "✖", "none": "?"}
FIRST = 3
"""Title, note and headings come before the rows."""
_FORBIDDEN = re.compile(r"[\[\]:*?/\\']")
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def workbook(cover: Sequence[tuple[str, str]], sheets: Sequence[Sheet], title: str) -> bytes:
    """Return the workbook: a cover of (name, value), then the sheets.

    Raises ConfigError where the extra is missing.
    """
    out = io.BytesIO()
    book = xlsx.driver("xlsxwriter").Workbook(out, _OPTIONS)
    looks = _looks(book)
    _cover(book, cover, title, looks)
    for sheet in sheets:
        _sheet(book, sheet, looks)
    book.close()
    return out.getvalue()


def _looks(book: Any) -> dict[str, Any]:
    body = {"valign": "top", "font_name": "Noto Sans CJK SC", "font_size": 10}
    head = body | {"bold": True, "bg_color": "#E8ECF0", "bottom": 1, "text_wrap": True}
    looks = {
        "title": body | {"bold": True, "font_size": 15}, "note": body | {"font_color": "#57606A"},
        "head": head, "right": head | {"align": "right"}, "text": body | {"text_wrap": True},
        "name": body | {"bold": True},
    }  # fmt: skip
    made = {name: book.add_format(look) for name, look in looks.items()}
    made |= {f"is:{tone}": book.add_format({"font_color": c, "bold": True}) for tone, c in COLOURS.items()}
    return made


def _cover(book: Any, cover: Sequence[tuple[str, str]], title: str, looks: dict[str, Any]) -> None:
    page = book.add_worksheet("Muster")
    page.write_string(0, 0, _text(title), looks["title"])
    page.set_row(0, 24)
    for number, (name, value) in enumerate(cover, 2):
        page.write_string(number, 0, _text(name), looks["name"])
        page.write_string(number, 1, _text(value), looks["text"])
    page.set_column(0, 0, 28)
    page.set_column(1, 1, 90)
    page.hide_gridlines(2)


def _sheet(book: Any, sheet: Sheet, looks: dict[str, Any]) -> None:
    page = book.add_worksheet(_FORBIDDEN.sub(" ", sheet.title)[:31])
    page.write_string(0, 0, _text(sheet.title), looks["title"])
    page.set_row(0, 24)
    page.set_row(FIRST - 1, 32)
    page.write_string(1, 0, _text(sheet.note if sheet.rows else sheet.empty or sheet.note), looks["note"])
    for number, column in enumerate(sheet.columns):
        page.write_string(FIRST - 1, number, column.title, looks["right" if column.right else "head"])
        page.set_column(number, number, column.width)
    for number, row in enumerate(sheet.rows[:MOST_ROWS], FIRST):
        for place, cell in enumerate(row):
            _write(book, page, (number, place), cell, looks)
    last = FIRST - 1 + max(1, min(len(sheet.rows), MOST_ROWS))
    page.autofilter(FIRST - 1, 0, last, len(sheet.columns) - 1)
    page.freeze_panes(FIRST, 1)
    _conditions(page, sheet, last, looks)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.repeat_rows(FIRST - 1)


def _write(book: Any, page: Any, at: tuple[int, int], cell: Cell, looks: dict[str, Any]) -> None:
    if cell.number is None:
        page.write_string(*at, _text(cell.text), looks["text"])
        return
    key = f"number:{cell.form}"
    if key not in looks:
        form = {"num_format": cell.form or "General", "valign": "top", "font_name": "Noto Sans CJK SC"}
        looks[key] = book.add_format(form | {"font_size": 10, "align": "right"})
    page.write_number(*at, cell.number, looks[key])


def _conditions(page: Any, sheet: Sheet, last: int, looks: dict[str, Any]) -> None:
    """Colour by what a cell says, so that it stays right when somebody changes or sorts it."""
    for place in range(len(sheet.columns)):
        tones = {row[place].tone: row[place].number for row in sheet.rows[:MOST_ROWS] if row[place].tone}
        for tone, number in tones.items():
            rule = (
                {"type": "text", "criteria": "begins with", "value": SIGNS[tone]}
                if number is None
                else {"type": "cell", "criteria": ">", "value": 0}
            )
            page.conditional_format(FIRST, place, last, place, rule | {"format": looks[f"is:{tone}"]})


def _text(text: str) -> str:
    """Return text that a workbook can hold: no control characters, no half surrogates."""
    return clip(text, MOST_CHARACTERS).encode("utf-8", "replace").decode("utf-8")
