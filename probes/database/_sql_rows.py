"""Rows of a query as one canonical text each, so that they can be digested and compared across engines; pure.

A number is written plainly without trailing zeros (so are true and false, as 1 and 0), a text without
trailing blanks (columns of fixed length are padded), a time with its offset in UTC, bytes as hex. A text is
never read as a number: 007 and 7 differ.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from probes.api import clip
from probes.database._sql import Table

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
MOST_COLUMNS = 50
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Differences:
    """How the rows of two sides differ, each row as its canonical text."""

    missing: tuple[str, ...]
    """Rows of the reference that are not there."""
    unexpected: tuple[str, ...]
    """Rows that are there, and not in the reference."""

    def metrics(self) -> dict[str, float]:
        """Return the counts."""
        missing, unexpected = float(len(self.missing)), float(len(self.unexpected))
        return {"missing": missing, "unexpected": unexpected, "differences": missing + unexpected}

    def shown(self) -> str:
        """Return the first differences as text, or none."""
        lines = [f"missing {row}" for row in self.missing] + [f"unexpected {row}" for row in self.unexpected]
        return clip("; ".join(lines[:MOST_SHOWN])) or "none"


def canonical(rows: Iterable[Sequence[Any]]) -> list[str]:
    """Return each row as a JSON array of texts (null where there is no value), sorted."""
    return sorted(json.dumps([_text(cell) for cell in row], ensure_ascii=False) for row in rows)


def digest(rows: Sequence[str]) -> str:
    """Return the SHA-256 of canonical rows, one a line, whatever their order was."""
    sha = hashlib.sha256()
    for row in rows:
        sha.update(row.encode("utf-8", "surrogatepass") + b"\n")
    return f"sha256:{sha.hexdigest()}"


def compare(rows: Iterable[str], reference: Iterable[str]) -> Differences:
    """Compare canonical rows, of which there may be several equal ones."""
    here, there = Counter(rows), Counter(reference)
    return Differences(tuple((there - here).elements()), tuple((here - there).elements()))


def number(cell: object) -> float | None:
    """Return a cell as a number, or None where it is none (or is infinite)."""
    if not isinstance(cell, int | float | Decimal):
        return None
    try:
        value = float(cell)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def numbers(table: Table) -> dict[str, float]:
    """Return the numeric columns of a table of one row by name; a single cell is called `value`, too."""
    if len(table.rows) != 1 or table.more:
        return {}
    found = {name: number(cell) for name, cell in _named(table).items()}
    if len(table.columns) == 1:
        found["value"] = number(table.cell())
    return {name: value for name, value in found.items() if value is not None}


def texts(table: Table) -> dict[str, str]:
    """Return the columns of a table of one row that are no numbers by name; a single cell as `value`, too."""
    if len(table.rows) != 1 or table.more:
        return {}
    cells = _named(table) | ({"value": table.cell()} if len(table.columns) == 1 else {})
    kept = {name: _text(cell) for name, cell in cells.items() if number(cell) is None}
    return {name: clip(text) for name, text in kept.items() if text is not None}


def apart(here: Table, reference: Table) -> dict[str, float]:
    """Return `difference_COLUMN`, what is here less the reference, where both are one row of numbers."""
    ours, theirs = numbers(here), numbers(reference)
    both = [name for name in ours if name in theirs]
    return {f"difference_{name}": ours[name] - theirs[name] for name in both}


def _named(table: Table) -> dict[str, Any]:
    row = list(table.first().items())[:MOST_COLUMNS]
    return {name: cell for name, cell in row if NAME.fullmatch(name)}


def _text(cell: object) -> str | None:  # noqa: PLR0911 - one line a type
    match cell:
        case None:
            return None
        case bool() | int():
            return str(int(cell))
        case float():
            return _plain(Decimal(repr(cell)))
        case Decimal():
            return _plain(cell)
        case dt.datetime():
            return (cell.astimezone(dt.UTC) if cell.tzinfo else cell).isoformat()
        case dt.date() | dt.time():
            return cell.isoformat()
        case dt.timedelta():
            return _plain(Decimal(repr(cell.total_seconds())))
        case bytes() | bytearray() | memoryview():
            return bytes(cell).hex()
        case _:
            return str(cell).rstrip(" ")


def _plain(value: Decimal) -> str:
    if not value.is_finite() or abs(value.adjusted()) > 400:
        return str(value)
    return format(value.normalize() if value else Decimal(0), "f")
