"""XLSX workbooks: read as tables; written as a template with explanations, empty or of an inventory."""

from __future__ import annotations

import importlib
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from types import ModuleType
from typing import Any

from inventory.importers.cells import Cell, Refused
from inventory.importers.columns import EXPLANATIONS, SHEETS, Column, SheetOf
from inventory.importers.delimited import content
from inventory.importers.table import MAX_COLUMNS, Row, Table
from inventory.problems import ConfigError, Problem

MAX_UNPACKED = 256 * 1024 * 1024
LAST_ROW = 20_000
"""The last row for which the template's lists hold."""
_LONGEST = 32_767
"""Characters that a cell of a workbook can hold."""
_FORMULA = Refused("a formula is refused", "copy the column and paste it as values")
_ERROR = Refused("the spreadsheet's own error", "write the value")
SheetRows = Mapping[str, Sequence[Sequence[Any]]]
"""The rows below the headings, by sheet."""


def tables(path: Path) -> list[Table]:
    """Return the sheets of a workbook, save the explanations. Raises ConfigError."""
    openpyxl = driver("openpyxl")
    data = content(path)
    _check(data, path.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what openpyxl does not keep, none of which is read
        try:
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
            rows = {sheet.title: _rows(sheet) for sheet in book.worksheets if not _explains(sheet.title)}
        except Exception as error:  # noqa: BLE001 - openpyxl raises anything at what is not well-formed
            raise _unreadable(path.name, error) from None
    return [Table(path.name, title, found, _namer(title)) for title, found in rows.items()]


def _explains(title: str) -> bool:
    return title.strip().casefold() in EXPLANATIONS


def driver(name: str) -> ModuleType:
    """Return a library for spreadsheets. Raises ConfigError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        message, hint = (
            f"spreadsheets need the library {name}",
            "install muster-monitor[xlsx], or save as CSV",
        )
        raise ConfigError([Problem("import", 1, 1, "", message, hint)]) from None


def _check(data: bytes, file: str) -> None:
    """Refuse what is no workbook, and what would unpack to more than can be meant. Raises ConfigError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(each.file_size for each in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _unreadable(file, error) from None
    if size > MAX_UNPACKED:
        message = "the workbook unpacks to over 256 MiB"
        raise ConfigError([Problem(file, 1, 1, "", message, "save only its sheets of data")])


def _unreadable(file: str, error: Exception) -> ConfigError:
    hint = "open it in the spreadsheet program and save it as .xlsx without a password"
    message = f"no workbook that can be read ({type(error).__name__})"
    return ConfigError([Problem(file, 1, 1, "", message, hint)])


def _namer(title: str) -> Callable[[int, int], str]:
    return lambda row, column: f"{title}!{letters(column)}{row}"


def letters(column: int) -> str:
    """Return a column's name, counted from 0: A, B, ... Z, AA."""
    name, number = "", column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name


def _rows(sheet: Any) -> list[Row]:
    rows = enumerate(sheet.iter_rows(max_col=MAX_COLUMNS + 1), 1)
    return [(number, [_cell(cell) for cell in row]) for number, row in rows if row]


def _cell(cell: Any) -> Cell | Refused:
    value = cell.value
    if value is None:
        return None
    kind = cell.data_type
    if kind == "f":
        return _FORMULA
    if kind == "e":
        return _ERROR
    if isinstance(value, str):
        return value.replace("_x000D_\n", "\n")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, str(cell.number_format))
    return value if isinstance(value, bool | datetime | date | time) else str(value)


def _number(value: float, shown: str) -> Cell | Refused:
    """Return a number; one that is shown with leading zeros (format 0000) as the text people see."""
    if re.fullmatch(r"0{2,}", shown) and float(value).is_integer() and value >= 0:
        return f"{int(value):0{len(shown)}d}"
    return value


def write(path: Path, rows: SheetRows) -> None:
    """Write a workbook: explanations, then the sheets with these rows. Raises ConfigError."""
    book = driver("xlsxwriter").Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    head = book.add_format({"bold": True, "bg_color": "#D9E2F3", "border": 1, "text_wrap": True})
    needed = book.add_format({"bold": True, "bg_color": "#FCE4D6", "border": 1, "text_wrap": True})
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    text = book.add_format({"num_format": "@"})
    _explain(book.add_worksheet(EXPLANATIONS[0]), head, wrapped)
    for kind in SHEETS:
        given = rows.get(kind.name, ())
        sheet = book.add_worksheet(kind.name)
        columns = [*kind.columns, *_further(kind, given)]
        for index, column in enumerate(columns):
            sheet.write_string(0, index, column.heading, needed if column.required else head)
            _help(sheet, index, column)
        sheet.set_column(0, len(columns) - 1, 16, text)
        sheet.freeze_panes(1, 2)
        _fill(sheet, kind, columns, given)
    try:
        book.close()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Problem(str(path), 1, 1, "", f"can't be written: {reason}")]) from None


def _further(kind: SheetOf, rows: Iterable[Sequence[Any]]) -> list[Column]:
    """Return the columns of blocks that the rows have besides the usual ones."""
    known = {column.heading for column in kind.columns}
    names = dict.fromkeys(name for row in rows for name, _ in row if name not in known)
    return [column for name in names if (column := kind.column(name))]


def _fill(sheet: Any, kind: SheetOf, columns: list[Column], rows: Iterable[Sequence[Any]]) -> None:
    index = {column.heading: number for number, column in enumerate(columns)}
    for number, row in enumerate(rows, 1):
        for heading, value in row:
            if isinstance(value, float) and float(f"{value:.15g}") != value:
                sheet.write_string(number, index[heading], repr(value))
            elif isinstance(value, str):
                if len(value) > _LONGEST:
                    message = f"over {_LONGEST} characters, which no cell can hold"
                    raise ConfigError([Problem(kind.name, number + 1, 1, heading, message)])
                sheet.write_string(number, index[heading], value)
            elif value is not None:
                sheet.write_number(number, index[heading], value)


def _help(sheet: Any, index: int, column: Column) -> None:
    """Put the list of what may stand there below a heading, and the explanation beside it."""
    if column.help:
        sheet.write_comment(0, index, f"{column.help}\n{column.help_zh}\n{column.example}", {"x_scale": 2})
    choices: dict[str, Any] = {}
    if column.choices:
        choices = {"source": list(column.choices)}
    elif column.source:
        choices = {"source": f"={column.source}!$A$2:$A${LAST_ROW}"}
    if choices:
        told = {
            "validate": "list", "error_title": "Muster", "error_type": "stop",
            "error_message": f"{column.help[:100]}\n{column.help_zh[:100]}",
        }  # fmt: skip
        sheet.data_validation(1, index, LAST_ROW - 1, index, {**told, **choices})


_INTRODUCTION = (
    ("One row a unit, an asset, a check. Headings stay as they are; columns that are not needed may go.",
     "每行一个单位、资产或检查。请勿改动列标题；用不到的列可以删除。"),
    ("Orange headings are required. Rates, sizes and times carry a unit: 20 Mbit/s, 8 GiB, 60 s.",
     "橙色标题为必填。带宽、容量和时间须带单位：20 Mbit/s、8 GiB、60 s。"),
    ("No formulas: paste values. Never a password: write secret:NAME and store it under that name.",
     "不可使用公式，请粘贴为数值。不可填写密码：只写 secret:名称，密码另行保存。"),
    ("Then: muster inventory import units.xlsx -o inventory.yaml, review the file, and validate it.",
     "然后运行 muster inventory import units.xlsx -o inventory.yaml，核对文件并校验。"),
)  # fmt: skip


def _explain(sheet: Any, head: Any, wrapped: Any) -> None:
    row = 0
    for english, chinese in _INTRODUCTION:
        sheet.merge_range(row, 0, row, 3, english, wrapped)
        sheet.merge_range(row, 4, row, 6, chinese, wrapped)
        row += 1
    titles = ("sheet 工作表", "column 列", "required 必填", "what it is", "列名", "说明", "example 示例")
    for index, title in enumerate(titles):
        sheet.write_string(row + 1, index, title, head)
    row += 2
    for kind in SHEETS:
        for column in kind.columns:
            needed = "yes 是" if column.required else ""
            choices = f" ({', '.join(column.choices)})" if column.choices else ""
            texts = (f"{kind.name} {kind.zh}", column.heading, needed, column.help + choices, column.zh,
                     column.help_zh, column.example)  # fmt: skip
            for index, text in enumerate(texts):
                sheet.write_string(row, index, text, wrapped)
            row += 1
    for index, width in enumerate((14, 20, 10, 44, 16, 44, 36)):
        sheet.set_column(index, index, width)
