"""From the rows of spreadsheets to a draft of the inventory: one row a unit, an asset, a check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory._fields import SECRET_KEYS, WRITE_SECRET
from inventory.importers import cells
from inventory.importers.cells import Cell, Refused
from inventory.importers.columns import ASSETS, CHECKS, FILE, SHEETS, UNITS, Column, SheetOf, sheet
from inventory.importers.draft import Draft, Item
from inventory.models import CHECK_KEYS
from inventory.problems import Path_, Problem, did_you_mean, dotted

Row = tuple[int, Sequence[Cell | Refused]]
"""The number of the row, from 1, and its cells."""
MAX_COLUMNS = 200
MAX_PROBLEMS = 1000
_SECRET_ZH = re.compile("密码|口令|密钥|团体名|passw|pwd|secret", re.IGNORECASE)


@dataclass(slots=True)
class Table:
    """Rows as they were read; `named` is how a cell of it is called (`assets!D7`)."""

    file: str
    name: str
    rows: Iterable[Row]
    named: Callable[[int, int], str]


@dataclass(slots=True)
class Sheet:
    """A table whose headings are understood: which column holds which key."""

    table: Table
    kind: SheetOf
    heading_row: int
    columns: dict[int, Column] = field(default_factory=dict)
    by_path: dict[Path_, int] = field(default_factory=dict)
    by_heading: dict[str, int] = field(default_factory=dict)
    wrong: set[int] = field(default_factory=set)
    """Columns whose heading was told already."""

    def problem(self, row: int, index: int, message: str, suggestion: str = "") -> Problem:
        """Return a problem with a cell, `index` counted from 0."""
        heading = self.columns[index].heading if index in self.columns else ""
        key = " ".join(filter(None, (self.table.named(row, index), heading)))
        return Problem(self.table.file, row, index + 1, key, message, suggestion)

    def lacking(self, heading: str) -> Problem:
        """Return the problem that a required column is not there."""
        key = f"{self.table.named(self.heading_row, 0)} {heading}"
        message, hint = f'there is no column "{heading}"', "write it into the row of headings"
        return Problem(self.table.file, self.heading_row, 1, key, message, hint)


@dataclass(frozen=True, slots=True)
class RowOrigin:
    """A row of a sheet."""

    sheet: Sheet
    row: int

    @property
    def text(self) -> str:
        """For a comment."""
        table = self.sheet.table
        return ", ".join(filter(None, (table.file, table.name and f"sheet {table.name}", f"row {self.row}")))

    def problem(self, path: Path_, message: str, suggestion: str = "") -> Problem:
        """Return a problem in the cell that `path` came from."""
        for length in range(len(path), 0, -1):
            index = self.sheet.by_path.get(path[:length])
            if index is not None:
                inside = dotted(path[length:])
                return self.sheet.problem(self.row, index, f"{inside}: {message}" * bool(inside) or message,
                                          suggestion)  # fmt: skip
        inner = next(
            (index for own, index in self.sheet.by_path.items() if path and own[: len(path)] == path), None
        )
        if inner is not None:
            return self.sheet.problem(self.row, inner, message, suggestion)
        parameters = self.sheet.by_path.get(("parameters",))
        if parameters is not None and path:
            return self.sheet.problem(self.row, parameters, f"{dotted(path)}: {message}", suggestion)
        if message == "a required key is missing" and len(path) == 1:
            return self.sheet.lacking(str(path[0]))
        key = f"{self.sheet.table.named(self.row, 0)} {dotted(path)}".strip()
        return Problem(self.sheet.table.file, self.row, 1, key, message, suggestion)


def read(tables: Iterable[Table]) -> Draft:
    """Return the draft of all tables together. What can't be read is among its problems."""
    draft = Draft()
    rows: dict[str, list[Item]] = {each.name: [] for each in SHEETS}
    for table in tables:
        found = _headed(table, draft)
        if found is not None:
            rows[found.kind.name] += _items(found, draft.problems)
    draft.units = rows[UNITS.name]
    _put_assets(draft, rows[ASSETS.name], rows[CHECKS.name])
    _put_head(draft, rows[FILE.name])
    return draft


def _headed(table: Table, draft: Draft) -> Sheet | None:
    """Take the row of headings off the table; None for a sheet that is none of ours, which is told."""
    kind = sheet(table.name) if table.name else None
    if table.name and kind is None:
        meant = did_you_mean(table.name, [each.name for each in SHEETS], listed=0)
        if meant:
            at = Problem(table.file, 1, 1, table.name, f'unknown sheet "{table.name}"', meant)
            draft.problems.append(at)
        else:
            draft.notes.append(f'{table.file}: sheet "{table.name}" is left out: it is none of '
                               + ", ".join(each.name for each in SHEETS))  # fmt: skip
        return None
    rows = iter(table.rows)
    first = next((row for row in rows if not _blank(row[1])), None)
    table.rows = rows
    if first is None:
        return None
    kind = kind or _kind_of(first[1])
    if kind is None:
        message = "the headings are of neither units nor assets nor checks"
        draft.problems.append(Problem(table.file, first[0], 1, "", message, _WANTED))
        return None
    return _columns(Sheet(table, kind, first[0]), first[1], draft.problems)


_WANTED = "; ".join(
    f"{each.name} have {', '.join(column.heading for column in each.columns if column.required)}"
    for each in (UNITS, ASSETS, CHECKS)
)


def _kind_of(headings: Sequence[Cell | Refused]) -> SheetOf | None:
    names = [cells.as_text(each) for each in headings if not isinstance(each, Refused)]
    found = {
        each.name: {column.heading for name in names if (column := each.column(name))} for each in SHEETS
    }
    if {"unit", "asset"} <= found[CHECKS.name]:
        return CHECKS
    if {"unit", "id"} <= found[ASSETS.name] or {"unit", "kind"} <= found[ASSETS.name]:
        return ASSETS
    if {"id", "level"} <= found[UNITS.name] or {"id", "name"} <= found[UNITS.name]:
        return UNITS
    return FILE if {"key", "value"} <= found[FILE.name] else None


def _columns(found: Sheet, headings: Sequence[Cell | Refused], problems: list[Problem]) -> Sheet:
    for index, cell in enumerate(headings):
        name = "" if isinstance(cell, Refused) else cells.as_text(cell)
        if not name and not isinstance(cell, Refused):
            continue
        column = found.kind.column(name)
        if column is None or column.heading in found.by_heading:
            problems.append(_bad_heading(found, index, name, column))
            found.wrong.add(index)
            continue
        found.columns[index] = column
        found.by_heading[column.heading] = index
        if column.path:
            found.by_path[column.path] = index
    problems += [
        found.lacking(column.heading)
        for column in found.kind.columns
        if column.required and column.heading not in found.by_heading
    ]
    return found


def _bad_heading(found: Sheet, index: int, name: str, column: Column | None) -> Problem:
    if column is not None:
        return found.problem(
            found.heading_row, index, f'a second column "{name}"', "leave one of the two out"
        )
    if name.casefold().rpartition(".")[2] in SECRET_KEYS or _SECRET_ZH.search(name):
        message = f'a column "{name[:40]}": secrets are not imported'
        return found.problem(found.heading_row, index, message, f"remove it; in ssh.password {WRITE_SECRET}")
    hint = did_you_mean(name, found.kind.headings, listed=0) or "see the sheet explanations of the template"
    return found.problem(found.heading_row, index, f'unknown column "{name[:40]}"', hint)


def _blank(row: Sequence[Cell | Refused]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in row)


def _items(found: Sheet, problems: list[Problem]) -> list[Item]:
    return [_item(found, number, row, problems) for number, row in found.table.rows if not _blank(row)]


def _item(found: Sheet, number: int, row: Sequence[Cell | Refused], problems: list[Problem]) -> Item:
    """Return one row; keys that belong elsewhere (`unit` of an asset) stand in the data by their heading."""
    data: dict[str, Any] = {}
    for index, cell in enumerate(row):
        if cell is None or cell == "" or (isinstance(cell, str) and not cell.strip()):
            continue
        try:
            _read_cell(found, index, cell, data)
        except ValueError as error:
            if len(problems) < MAX_PROBLEMS:
                message, _, hint = str(error).partition("; ")
                problems.append(found.problem(number, index, message, hint))
    return Item(data, RowOrigin(found, number))


def _read_cell(found: Sheet, index: int, cell: Cell | Refused, data: dict[str, Any]) -> None:
    """Put the value of a cell into the row's data. Raises ValueError."""
    if index in found.wrong:
        return
    if isinstance(cell, Refused):
        raise ValueError(f"{cell.message}; {cell.suggestion}")  # noqa: TRY004 - as any cell
    column = found.columns.get(index)
    if column is None:
        raise ValueError("this column has no heading; write one, or clear the cell")
    _put(data, column.path or (f" {column.heading}",), cells.read(column, cell))


def _put(data: dict[str, Any], path: Path_, value: Any) -> None:
    """Put a value where its path says; a block (`ssh`) and single keys of it (`ssh.user`) go together."""
    *blocks, last = map(str, path)
    for block in blocks:
        inside = data.setdefault(block, {})
        if not isinstance(inside, dict):
            raise ValueError("the block has a value already; write either the block or its keys")  # noqa: TRY004
        data = inside
    if isinstance(value, dict) and isinstance(data.get(last), dict):
        value = {**data[last], **value}
    data[last] = value


def _put_assets(draft: Draft, assets: Iterable[Item], checks: Iterable[Item]) -> None:
    units = {item.data.get("id"): item for item in reversed(draft.units)}
    within: dict[int, dict[Any, Item]] = {id(unit): {} for unit in draft.units}
    for item in assets:
        unit = _owner(item, "unit", units, draft.problems)
        if unit is not None:
            unit.inner.append(item)
            within[id(unit)].setdefault(item.data.get("id"), item)
    for item in checks:
        _spread(item, draft.problems)
        unit = _owner(item, "unit", units, draft.problems)
        asset = _owner(item, "asset", within[id(unit)], draft.problems) if unit else None
        if asset is not None:
            asset.inner.append(item)


def _spread(item: Item, problems: list[Problem]) -> None:
    """Put a check's parameters beside its keys, as the file has them."""
    parameters = item.data.pop("parameters", {})
    for key in parameters.keys() & set(CHECK_KEYS):
        hint = f'write it into the column "{key}"'
        problems.append(item.problem(("parameters",), f'"{key}" is no parameter of a probe', hint))
    item.data = {**item.data, **{key: parameters[key] for key in parameters if key not in item.data}}


def _owner(item: Item, what: str, known: Mapping[Any, Item], problems: list[Problem]) -> Item | None:
    """Take the id of what a row belongs to off it and return that; note a problem where there is none."""
    origin = item.origin
    assert isinstance(origin, RowOrigin)
    name = item.data.pop(f" {what}", None)
    index = origin.sheet.by_heading.get(what)
    if name in known and name is not None:
        return known[name]
    if index is not None and len(problems) < MAX_PROBLEMS:
        hint = did_you_mean(str(name or ""), map(str, known)) if name else f"write the id of the {what}"
        message = f'unknown {what} "{str(name)[:64]}"' if name else f"of which {what}?"
        problems.append(origin.sheet.problem(origin.row, index, message, hint))
    return None


def _put_head(draft: Draft, rows: Iterable[Item]) -> None:
    head: dict[str, Any] = {}
    for item in rows:
        draft.head_origin = item.origin
        key, value = str(item.data.get(" key", "")), item.data.get(" value")
        name, dot, probe = key.partition(".")
        if key == "timezone" or (name == "defaults" and dot and isinstance(value, dict)):
            _put(head, (name, probe) if dot else (name,), value)
        else:
            hint = "write timezone, or defaults.PROBE and {key: value} beside it"
            draft.problems.append(item.problem((), f'"{key[:40]}" is no key of the file', hint))
    draft.head = head
