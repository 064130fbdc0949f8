"""The plan as sheets of a workbook, or a CSV file: written of what stands, read as changes to it. Pure.

What is read is compared with what stood: a date that is as it was stays where it comes from (a wave, the
inventory, the go-live date), another becomes the unit's own, and an empty cell takes the unit's own away.
Units, milestones and waves that the file does not name stay as they are.
"""

# ruff: noqa: E501 - tables of Chinese texts, whose characters count twice

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.importers import cells
from inventory.importers.cells import Cell, Refused
from inventory.importers.columns import Column, SheetOf
from inventory.importers.table import Table
from inventory.models import Inventory
from inventory.problems import Problem, did_you_mean
from monitor.roadmap.plan import PlanFile, Roadmap

MILESTONES = SheetOf("milestones", "里程碑", (
    Column("unit", (), "单位", required=True, help="The id of the unit.", help_zh="单位编号。"),
    Column("name", (), "名称", help="For people; not read.", help_zh="仅供阅读，不导入。"),
    Column("wave", (), "批次", help="For people; set in the inventory.", help_zh="仅供阅读，在清单中维护。"),
    Column("milestone", (), "里程碑", required=True, help="The id of the milestone.", help_zh="里程碑编号。"),
    Column("due", (), "截止日期", "date", "Empty: as the wave, the inventory or the go-live date say.",
           "不填则按批次、清单或上线日期。"),
    Column("owner", (), "责任人", help="Empty: the unit's owner.", help_zh="不填则为单位责任人。"),
    Column("source", (), "来源", help="Where the date comes from; not read.", help_zh="日期来源，不导入。"),
    Column("reached", (), "完成日期", help="Not read: muster plan reach, or sign.",
           help_zh="不导入，用 muster plan reach 或 sign 记录。"),
))  # fmt: skip
UNITS = SheetOf("units", "单位责任人", (
    Column("unit", (), "单位", required=True, help="The id of the unit.", help_zh="单位编号。"),
    Column("name", (), "名称", help="For people; not read.", help_zh="仅供阅读，不导入。"),
    Column("owner", (), "责任人", required=True, help="Empty: the wave's owner.", help_zh="不填则为批次责任人。"),
))  # fmt: skip
WAVES = SheetOf("waves", "批次", (
    Column("wave", (), "批次", required=True, help="The wave, as in the inventory.", help_zh="批次，与清单一致。"),
    Column("title", (), "标题", help="What it is called.", help_zh="英文标题。"),
    Column("title_zh", (), "中文标题", help="The same in Chinese.", help_zh="中文标题。"),
    Column("owner", (), "责任人", help="Of all its units that name none.", help_zh="未指定责任人的单位由其负责。"),
    Column("dates", (), "日期", "dates", "By milestone, for all its units.", "各里程碑日期，适用于该批次的单位。",
           "rehearsal: 2026-12-20"),
))  # fmt: skip
SHEETS = (MILESTONES, UNITS, WAVES)
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""By sheet, each row by heading."""
MOST_PROBLEMS = 1000
LONGEST_NAME = 100
NAMES = ("owner", "title", "title_zh")


def rows(
    inventory: Inventory, roadmap: Roadmap, units: Iterable[str], reached: Mapping[tuple[str, str], str]
) -> Rows:
    """Return the rows of what stands; `reached` has the day by milestone and unit."""
    chosen = [inventory.units[key] for key in units]
    milestones = [
        {
            "unit": unit.id, "name": unit.name, "wave": unit.wave, "milestone": due.milestone.id,
            "due": due.due, "owner": due.owner, "source": due.source,
            "reached": reached.get((due.milestone.id, unit.id), ""),
        }
        for unit in chosen
        for due in roadmap.of(inventory, unit.id)
    ]  # fmt: skip
    owners = [
        {"unit": unit.id, "name": unit.name, "owner": (own.owner if own else None) or ""}
        for unit in chosen
        for own in [roadmap.units.get(unit.id)]
    ]
    return {MILESTONES.name: milestones, UNITS.name: owners, WAVES.name: [*_waves(chosen, roadmap)]}


def _waves(units: Iterable[Any], roadmap: Roadmap) -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys(unit.wave for unit in units if unit.wave):
        wave = roadmap.waves.get(name)
        title = wave.title if wave else None
        yield {
            "wave": name, "title": title.en if title else "", "title_zh": title.zh if title else "",
            "owner": (wave.owner if wave else None) or "", "dates": dict(wave.gates) if wave else {},
        }  # fmt: skip


@dataclass(slots=True)
class Reader:
    """Reads tables as changes to the plan that stands; `problems` has what is wrong, by sheet and cell."""

    inventory: Inventory
    roadmap: Roadmap
    written: PlanFile
    """The operator's own plan as it stands in its file."""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _plan: dict[str, Any] = field(default_factory=dict)
    _seen: set[tuple[str, ...]] = field(default_factory=set)

    def read(self, tables: Iterable[Table]) -> dict[str, Any]:
        """Return the new plan, as it is written to a file."""
        self._plan = self.written.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        self._plan = {"version": self.written.version, **self._plan}
        found = [(self._sheet(table), table) for table in tables]
        for kind in (WAVES, UNITS, MILESTONES):
            for sheet, table in found:
                if sheet is kind:
                    self._table(kind, table)
        found_plan: dict[str, Any] = _pruned(self._plan)
        return found_plan

    def _sheet(self, table: Table) -> SheetOf | None:
        """Return what a table is, by its name or, in CSV, by its headings."""
        if table.name:
            kind = next((each for each in SHEETS if table.name.strip() in (each.name, each.zh)), None)
            if kind is None:
                hint = did_you_mean(table.name, [each.name for each in SHEETS])
                self.problems.append(
                    Problem(table.file, 1, 1, table.name, f'unknown sheet "{table.name}"', hint)
                )
            return kind
        kept = [*table.rows]
        table.rows = kept
        names = {str(cell).strip() for cell in kept[0][1]} if kept else set()
        for kind in SHEETS:
            needed = [column for column in kind.columns if column.required]
            if all({column.heading, column.zh} & names for column in needed):
                return kind
        hint = "; ".join(
            f"{each.name} have {', '.join(column.heading for column in each.columns if column.required)}"
            for each in SHEETS
        )
        message = "the headings are of neither milestones nor units nor waves"
        self.problems.append(Problem(table.file, 1, 1, "", message, hint))
        return None

    def _table(self, kind: SheetOf, table: Table) -> None:
        filled = (row for row in table.rows if any(cell not in (None, "") for cell in row[1]))
        head = next(filled, None)
        if head is None:
            return
        columns = self._columns(kind, table, head)
        for number, row in filled:
            line = _Line(table, number, columns, self.problems)
            values = line.values(row)
            if values is not None and len(self.problems) < MOST_PROBLEMS:
                _TAKES[kind.name](self, line, values)

    def _columns(
        self, kind: SheetOf, table: Table, head: tuple[int, Sequence[Cell | Refused]]
    ) -> dict[int, Column]:
        found: dict[int, Column] = {}
        for index, cell in enumerate(head[1]):
            name = "" if isinstance(cell, Refused) else cells.as_text(cell)
            column = kind.column(name) if name else None
            key = table.named(head[0], index)
            if column is not None and column not in found.values():
                found[index] = column
            elif name:
                message = f'unknown column "{name[:40]}"' if column is None else f'a second column "{name}"'
                hint = did_you_mean(name, kind.headings, listed=0)
                self.problems.append(Problem(table.file, head[0], index + 1, key, message, hint))
        for column in kind.columns:
            if column.required and column not in found.values():
                message = f'there is no column "{column.heading}"'
                key = table.named(head[0], 0)
                self.problems.append(
                    Problem(table.file, head[0], 1, key, message, "write it into the headings")
                )
        return found

    def _milestone(self, line: _Line, given: Mapping[str, Any]) -> None:
        unit = self._known(line, given, "unit", self.inventory.units)
        milestone = self._known(line, given, "milestone", [each.id for each in self.roadmap.milestones])
        if unit is None or milestone is None or self._twice(line, "milestone", unit, milestone):
            return
        wave = self.inventory.units[unit].wave
        if given.get("wave") not in (None, wave):
            line.wrong("wave", f'{unit} is of wave "{wave}"', "change that in the inventory")
        now = next(due for due in self.roadmap.of(self.inventory, unit) if due.milestone.id == milestone)
        own = self._own("units", unit)
        before = now.due.isoformat() if now.due else None
        _set(own.setdefault("gates", {}), milestone, given, "due", before)
        _set(own.setdefault("owners", {}), milestone, given, "owner", now.owner or None)

    def _unit(self, line: _Line, given: Mapping[str, Any]) -> None:
        unit = self._known(line, given, "unit", self.inventory.units)
        if unit is not None and not self._twice(line, "unit", unit):
            own = self._own("units", unit)
            _set(own, "owner", given, "owner", own.get("owner"))

    def _wave(self, line: _Line, given: Mapping[str, Any]) -> None:
        name = self._known(line, given, "wave", {unit.wave for unit in self.inventory if unit.wave})
        if name is None or self._twice(line, "wave", name):
            return
        own = self._own("waves", name)
        _set(own, "owner", given, "owner", own.get("owner"))
        if "dates" in given:
            own["gates"] = dict(given["dates"] or {})
            for milestone in own["gates"].keys() - {each.id for each in self.roadmap.milestones}:
                hint = did_you_mean(milestone, [each.id for each in self.roadmap.milestones])
                line.wrong("dates", f'unknown milestone "{milestone[:40]}"', hint)
        if "title" in given or "title_zh" in given:
            title = {"en": given.get("title") or given.get("title_zh"), "zh": given.get("title_zh") or ""}
            own["title"] = title if title["en"] else None

    def _own(self, part: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self._plan.setdefault(part, {}).setdefault(key, {})
        return found

    def _known(self, line: _Line, given: Mapping[str, Any], what: str, known: Iterable[str]) -> str | None:
        name = given.get(what)
        if name is not None and name in set(known):
            return str(name)
        hint = did_you_mean(str(name), known) if name else f"write the id of the {what}"
        line.wrong(what, f'unknown {what} "{str(name)[:64]}"' if name else f"of which {what}?", hint)
        return None

    def _twice(self, line: _Line, what: str, *key: str) -> bool:
        if (what, *key) in self._seen:
            line.wrong(what, f"{' '.join(key)} is given twice", "leave one row out")
            return True
        self._seen.add((what, *key))
        return False


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of a table."""

    table: Table
    number: int
    columns: Mapping[int, Column]
    problems: list[Problem]

    def wrong(self, heading: str, message: str, suggestion: str = "") -> None:
        """Note what is wrong with a cell."""
        index = next((at for at, column in self.columns.items() if column.heading == heading), 0)
        key = f"{self.table.named(self.number, index)} {heading}"
        self.problems.append(Problem(self.table.file, self.number, index + 1, key, message, suggestion))

    def values(self, row: Sequence[Cell | Refused]) -> dict[str, Any] | None:
        """Return the row by heading, None for an empty cell; None where a cell can't be read."""
        found: dict[str, Any] = {}
        for index, column in self.columns.items():
            cell = row[index] if index < len(row) else None
            try:
                found[column.heading] = self._value(column, cell)
            except ValueError as error:
                message, _, hint = str(error).partition("; ")
                self.wrong(column.heading, message, hint)
        return found if len(found) == len(self.columns) else None

    def _value(self, column: Column, cell: Cell | Refused) -> Any:
        if isinstance(cell, Refused):
            raise ValueError(f"{cell.message}; {cell.suggestion}")  # noqa: TRY004 - as any cell
        if cell is None or not cells.as_text(cell):
            return None
        value = cells.read(column, cell)
        if column.heading in NAMES and len(value) > LONGEST_NAME:
            raise ValueError(f"over {LONGEST_NAME} characters; shorten it")
        return value


_TAKES = {
    MILESTONES.name: Reader._milestone,  # noqa: SLF001 - its own table
    UNITS.name: Reader._unit,  # noqa: SLF001
    WAVES.name: Reader._wave,  # noqa: SLF001
}


def _set(own: dict[str, Any], key: str, given: Mapping[str, Any], heading: str, before: str | None) -> None:
    """Take a cell over: what is as it was stays, an empty one takes the own value away."""
    if heading not in given or given[heading] == before:
        return
    if given[heading] is None:
        own.pop(key, None)
    else:
        own[key] = given[heading]


def _pruned(value: Any) -> Any:
    """Return a plan without what says nothing; the version and milestones stay."""
    if not isinstance(value, dict):
        return value
    inner = {key: _pruned(each) for key, each in value.items()}
    return {key: each for key, each in inner.items() if each not in (None, "", {})}
