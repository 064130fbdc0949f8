"""The plan's sheets as a file: a workbook, or one sheet as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from inventory.importers import cells, delimited, xlsx
from inventory.importers.columns import Column
from inventory.importers.table import Table
from inventory.problems import ConfigError, Problem
from monitor.roadmap.sheets import MILESTONES, SHEETS, Rows

_FORM = {"due": "yyyy-mm-dd", "reached": "yyyy-mm-dd"}
READ_ONLY = ("name", "source", "reached")


def tables(path: Path) -> tuple[list[Table], str]:
    """Return the tables of a file, and what to tell of its encoding. Raises ConfigError."""
    suffix = path.suffix.casefold()
    if suffix == ".xlsx":
        return xlsx.tables(path), ""
    if suffix in (".csv", ".tsv", ".txt"):
        found, encoding = delimited.table(path)
        return [found], encoding
    message, hint = f"{suffix or 'such'} files are not read", "save it as .xlsx or .csv"
    raise ConfigError([Problem(str(path), 1, 1, "", message, hint)])


def write(path: Path, rows: Rows) -> None:
    """Write a workbook with all sheets, or the milestones as CSV, by the file's name. Raises ConfigError."""
    try:
        if path.suffix.casefold() == ".csv":
            path.write_text("\ufeff" + as_csv(rows), "utf-8", newline="")
        else:
            _workbook(path, rows)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Problem(str(path), 1, 1, "", f"can't be written: {reason}")]) from None


def as_csv(rows: Rows) -> str:
    """Return the milestones as CSV (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(column.heading for column in MILESTONES.columns)
    for row in rows[MILESTONES.name]:
        writer.writerow(_plain(column, row) for column in MILESTONES.columns)
    return text.getvalue()


def _plain(column: Column, row: Any) -> str:
    """Return a cell; what is not read and looks like a formula gets an apostrophe."""
    text = cells.as_text(row[column.heading])
    return f"'{text}" if column.heading in READ_ONLY and text[:1] in "=+-@" and text else text


def _workbook(path: Path, rows: Rows) -> None:
    options = {"strings_to_formulas": False, "strings_to_urls": False, "default_date_format": "yyyy-mm-dd"}
    book = xlsx.driver("xlsxwriter").Workbook(str(path), options)
    looks = {
        "head": book.add_format({"bold": True, "bg_color": "#D9E2F3", "border": 1}),
        "quiet": book.add_format({"bold": True, "bg_color": "#EDEDED", "border": 1}),
        "text": book.add_format({"num_format": "@"}),
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
    }
    for kind in SHEETS:
        _fill(book.add_worksheet(kind.name), kind.columns, rows[kind.name], looks)
    book.close()


def _fill(sheet: Any, columns: Sequence[Column], rows: Sequence[Any], looks: dict[str, Any]) -> None:
    for index, column in enumerate(columns):
        look = looks["quiet" if column.heading in READ_ONLY else "head"]
        sheet.write_string(0, index, column.heading, look)
        sheet.write_comment(0, index, f"{column.help}\n{column.help_zh}", {"x_scale": 2})
        sheet.set_column(index, index, 18, looks["date" if column.heading in _FORM else "text"])
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(1, len(rows)), len(columns) - 1)
    for number, row in enumerate(rows, 1):
        _row(sheet, number, [row[column.heading] for column in columns], looks)


def _row(sheet: Any, number: int, values: Iterable[Any], looks: dict[str, Any]) -> None:
    for index, value in enumerate(values):
        if isinstance(value, date):
            sheet.write_datetime(number, index, value, looks["date"])
        elif isinstance(value, dict):
            sheet.write_string(
                number, index, ", ".join(f"{key}: {day}" for key, day in value.items()), looks["text"]
            )
        elif value:
            sheet.write_string(number, index, str(value), looks["text"])
