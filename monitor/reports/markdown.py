"""Sheets as Markdown: tables that render where people write, with everything from targets escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from monitor.reports.sheets import Sheet
from probes.api import clip

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")


def markdown(
    title: str, lead: Sequence[str], cover: Sequence[tuple[str, str]], sheets: Sequence[Sheet]
) -> str:
    """Return the document."""
    parts = [f"# {plain(title)}", *(plain(line) for line in lead)]
    parts += ["\n".join(f"- {plain(name)}: {plain(value)}" for name, value in cover)] if cover else []
    for sheet in sheets:
        parts += [f"## {plain(sheet.title)}", *([plain(sheet.note)] if sheet.note and sheet.rows else [])]
        parts.append(_table(sheet) if sheet.rows else plain(sheet.empty))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(sheet: Sheet) -> str:
    heads = _line(column.title for column in sheet.columns)
    rule = "| " + " | ".join("---:" if column.right else "---" for column in sheet.columns) + " |"
    return "\n".join((heads, rule, *(_line(cell.text for cell in row) for row in sheet.rows)))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(plain(cell) for cell in cells)} |"


def plain(text: str) -> str:
    """Return text of one line in which nothing means anything to Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(clip(text).split()))
