"""From a cell to a value of the inventory, and back. What can't be read says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from inventory import units
from inventory._fields import INLINE, WRITE_SECRET, inline_secret
from inventory.importers.columns import Column, Form
from inventory.importers.writing import flow
from inventory.problems import ConfigError
from inventory.source import parse

Cell = str | int | float | bool | date | datetime | time | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A cell that holds no value: a formula, an error of the spreadsheet."""

    message: str
    suggestion: str


_SEPARATORS = re.compile(r"[,;，；、\n]")
_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T]00:00(?::00)?)?")
_BARE = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d{1,3})?", re.ASCII)
_PLAIN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_CONSTANTS = frozenset(("null", "true", "false"))
_FLAGS = {"true": True, "false": False}


def read(column: Column, cell: Cell) -> Any:
    """Return the value of a cell that is not empty. Raises ValueError: what is wrong; what to write."""
    last = str(column.path[-1]) if column.path else ""
    if inline_secret(last, cell if isinstance(cell, str | int | float) else str(cell)):
        raise ValueError(f"{INLINE}; {WRITE_SECRET}")
    return _READERS[column.form](cell)


def as_text(cell: Cell) -> str:
    """Return what a cell shows: 12 for 12.0, and dates as 2027-01-15."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return "" if cell is None else str(cell).strip()


def _number(cell: Cell) -> Any:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        value = as_text(cell)
        if _BARE.fullmatch(value) is None:
            raise ValueError("must be a number; write digits only, the decimal point as a point")
        try:
            cell = float(value)
        except ValueError:
            raise ValueError("must be a number; write it once, with one decimal point") from None
    return int(cell) if float(cell).is_integer() else cell


def _quantity(cell: Cell) -> Any:
    text = as_text(cell)
    if _BARE.fullmatch(text) is not None:
        raise ValueError(f'"{text[:20]}" has no unit; write for example "20 Mbit/s", "8 GiB" or "60 s"')
    return text


def _date(cell: Cell) -> Any:
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        raise ValueError("must be a date; format the cell as a date, or write it as 2027-01-15")  # noqa: TRY004
    text = as_text(cell)
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text[:20]}" is no date; write it as 2027-01-15')
    year, month, day = map(int, found.groups())
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        raise ValueError(f'"{text[:20]}" is no day of the calendar; write it as 2027-01-15') from None


def _flag(cell: Cell) -> Any:
    found = _FLAGS.get(as_text(cell).casefold())
    if found is None:
        raise ValueError("must be true or false; write one of the two")
    return found


def _list(cell: Cell) -> Any:
    text = as_text(cell)
    if text.startswith("["):
        found = _yaml(text)
        if not isinstance(found, list):
            raise ValueError("must be a list; write a, b or [a, b]")
        return [each if isinstance(each, str) else as_text(each) for each in found]
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]


def _pairs(cell: Cell, value: Callable[[str], Any], wanted: str, *, alone: Any = None) -> Any:
    text = as_text(cell)
    if text.startswith("{"):
        return _mapping(cell)
    found: dict[str, Any] = {}
    for part in _list(cell):
        name, colon, given = (piece.strip() for piece in part.replace("：", ":").partition(":"))
        if not name or not (given if colon else alone is not None):
            raise ValueError(f'"{part[:40]}" says nothing; write it as {wanted}')
        if name in found:
            raise ValueError(f'"{name[:40]}" is given twice; leave one out')
        found[name] = value(given) if colon else alone
    return found


def _uses(cell: Cell) -> Any:
    return _pairs(cell, lambda text: {"users": _number(text)}, "counter-query: 12")


def _dates(cell: Cell) -> Any:
    return _pairs(cell, _date, "rehearsal: 2026-12-20")


def _streams(cell: Cell) -> Any:
    return _pairs(cell, lambda text: {"streams": _number(text)}, "hotline-voice: 6", alone={})


def _mapping(cell: Cell) -> Any:
    found = _yaml(as_text(cell))
    if not isinstance(found, dict):
        raise ValueError("must be a mapping of keys to values; write it as {key: value}")  # noqa: TRY004
    return found


def _setting(cell: Cell) -> Any:
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, int | float):
        return _number(cell)
    text = as_text(cell)
    if _PLAIN_TEXT.fullmatch(text) and text.casefold() not in _CONSTANTS:
        return text
    if text[0] in "{[\"'":
        return _yaml(text)
    try:
        found = _yaml(text)
    except ValueError:
        return text
    return text if isinstance(found, dict | list) else found


def _yaml(text: str) -> Any:
    found, wrong = _parsed(text)
    if wrong:
        raise ValueError(wrong)
    return deepcopy(found) if isinstance(found, dict | list) else found


@lru_cache(maxsize=10_000)
def _parsed(text: str) -> tuple[Any, str]:
    """Return the value a text stands for, or what is wrong with it; the same cells are parsed once."""
    if not text.strip():
        return None, ""
    try:
        documents = parse(text.encode("utf-8", "replace"), "")
    except ConfigError as error:
        first = error.problems[0]
        return None, f"{first.message}; {first.suggestion or 'write it as in the inventory: {key: value}'}"
    return documents[0].data, ""


_READERS: Mapping[Form, Callable[[Cell], Any]] = {
    "text": as_text, "setting": _setting, "number": _number, "quantity": _quantity, "date": _date,
    "flag": _flag, "list": _list, "uses": _uses, "dates": _dates, "streams": _streams, "mapping": _mapping,
}  # fmt: skip


def shown(form: Form, value: Any, unit: str = "") -> str | int | float | None:
    """Return a value of the inventory as the cell that `read` takes for it."""
    if value is None:
        return None
    if form == "quantity":
        return quantity(value, unit)
    if form == "list":
        return _shown_list(value)
    if form in ("uses", "dates", "streams", "mapping"):
        return flow(value, variables=False)
    if form == "setting":
        return _shown_setting(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else value


def quantity(value: Any, unit: str) -> str:
    """Return a quantity with its unit, exactly; a text has one already."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else flow(value, variables=False)
    if not unit:
        return repr(value)
    text = units.render(value, unit)
    return text if units.parse(text, unit) == value else f"{value!r} {unit}"


def _shown_list(values: Any) -> str:
    simple = all(isinstance(each, str) and each == each.strip() and each for each in values)
    joined = ", ".join(map(str, values))
    if values and simple and not joined.startswith("[") and _list(joined) == list(values):
        return joined
    return flow(values, variables=False)


def _shown_setting(value: Any) -> str:
    return value if isinstance(value, str) and _setting_safe(value) else flow(value, variables=False)


def _setting_safe(text: str) -> bool:
    try:
        return bool(text) and text == text.strip() and _setting(text) == text
    except ValueError:
        return False
