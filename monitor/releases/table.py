"""The matrix for a terminal, a pipe or a page of Markdown: the sentence, units x components, then why."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.readiness.verdict import Status
from monitor.releases import words
from monitor.releases.matrix import Cell, Line, Matrix, State, Title, worst
from monitor.reports.look import STATUSES, Language, Token, reason, severity
from monitor.reports.words import readable
from probes.api import clip

WIDE = 100_000
"""Columns of a pipe or a file: lines are as long as they need to be."""
MOST_WHY = 1000
LOOK = {
    State.DRIFT: STATUSES[Status.FAIL], State.UNKNOWN: STATUSES[Status.UNKNOWN],
    State.WAIVED: STATUSES[Status.WAIVED], State.RELEASED: STATUSES[Status.PASS],
}  # fmt: skip
_HEADS = {"en": ("unit", "release"), "zh": ("单位", "版本")}
_WHY = {
    "en": ("component", "asset", "severity", "expected", "found", "how far, since when"),
    "zh": ("组件", "资产", "级别", "期望", "实际", "差距与起始时间"),
}
_NAMES = {
    "en": {State.DRIFT: "drifted", State.UNKNOWN: "unknown", State.WAIVED: "waived",
           State.RELEASED: "as released"},
    "zh": {State.DRIFT: "偏离", State.UNKNOWN: "未知", State.WAIVED: "已豁免", State.RELEASED: "与发布一致"},
}  # fmt: skip
_NOTHING = {"en": "nothing to compare", "zh": "无可比对内容"}
_NO_RELEASE = {"en": "no release", "zh": "未指定版本"}
_LEFT_OUT = {"en": "{n} more", "zh": "另有 {n} 项"}


def sentence(matrix: Matrix, language: Language = "en") -> str:
    """Return how many units are in each state, the worst first."""
    states = [line.state for line in matrix.lines]
    counts = [(each, states.count(each)) for each in State if states.count(each)]
    total = len(states)
    if language == "zh":
        parts = "，".join(f"{count} 个{_NAMES['zh'][state]}" for state, count in counts)
        return f"{total} 个单位：{parts or _NOTHING['zh']}。"
    parts = ", ".join(f"{count} {_NAMES['en'][state]}" for state, count in counts)
    return f"{total} unit{'' if total == 1 else 's'}: {parts or _NOTHING['en']}."


def cell_text(cells: Sequence[Cell], language: Language = "en") -> str:
    """Return what stands in the matrix: the worst asset's sign and version, of several with how many."""
    state = worst(cells)
    if state is None:
        return ""
    same = [cell for cell in cells if cell.state is state]
    count = "" if len(cells) == 1 else f"{len(same)}/{len(cells)} "
    return f"{LOOK[state].sign} {count}{_found(same[0], language)}"


def _found(cell: Cell, language: Language) -> str:
    if cell.state is State.UNKNOWN:
        why = reason(cell.reason, language)
        return clip(f"{why} ({cell.found})" if cell.found else why, 60)
    standing = f" {words.short(cell.drift.standing)}" if cell.drift else ""
    text = clip(cell.found, 40) or reason(cell.reason, language)
    return f"{text}{standing}"


def _row(line: Line, titles: Sequence[Title], language: Language) -> list[str]:
    name = (line.name_zh or line.name) if language == "zh" else line.name
    state = line.state
    sign = LOOK[state].sign if state else STATUSES[Status.NOT_APPLICABLE].sign
    head = [f"{sign} {clip(name, 60)} ({line.unit})", line.release or _NO_RELEASE[language]]
    return [*head, *(cell_text(line.cells.get(each.component, ()), language) for each in titles)]


def _title(title: Title, language: Language) -> str:
    return title.zh if language == "zh" else title.component


def why(matrix: Matrix, language: Language = "en") -> Iterator[tuple[Line, Cell, tuple[str, ...]]]:
    """Yield each cell that is not as released, with the texts of its row; drifts before what is unknown."""
    order = list(State)
    found = [(line, cell) for line in matrix.lines for cells in line.cells.values() for cell in cells]
    wrong = [each for each in found if each[1].state is not State.RELEASED]
    titles = {each.component: each for each in matrix.titles}
    for line, cell in sorted(wrong, key=lambda each: order.index(each[1].state)):
        where = f"{line.unit}/{cell.asset}" if cell.asset else line.unit
        yield line, cell, (
            _title(titles[cell.component], language), where, severity(cell.severity, language),
            readable(cell.expected), readable(cell.actual) or cell.found, _far(line, cell, language),
        )  # fmt: skip


def _far(line: Line, cell: Cell, language: Language) -> str:
    if cell.drift is not None:
        return words.told(cell.drift, line.timezone, language)
    return "; ".join(filter(None, (reason(cell.reason, language), cell.detail)))


def show(matrix: Matrix, console: Console, language: Language = "en") -> None:
    """Print the matrix; where it is wider than the console, some components at a time."""
    console.print(Text(sentence(matrix, language), style="bold"))
    rows = [_row(line, matrix.titles, language) for line in matrix.lines]
    heads = [*_HEADS[language], *(_title(each, language) for each in matrix.titles)]
    for part in _parts(heads, rows, console.width):
        table = _table([heads[each] for each in part])
        for line, row in zip(matrix.lines, rows, strict=True):
            style = _style(LOOK[line.state]) if line.state else "dim"
            table.add_row(Text(row[0], style=style), *(_coloured(row[each]) for each in part[1:]))
        console.print(table)
    _why(matrix, console, language)


def _parts(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[list[int]]:
    """Yield which columns stand side by side: the unit and its release in each part."""
    sizes = [max(cell_len(each or "") for each in column) + 2 for column in zip_longest(heads, *rows)]
    part, used = [0, 1], sizes[0] + sizes[1]
    for column in range(2, len(heads)):
        if used + sizes[column] > width and len(part) > 2:
            yield part
            part, used = [0, 1], sizes[0] + sizes[1]
        part.append(column)
        used += sizes[column]
    yield part


def _why(matrix: Matrix, console: Console, language: Language) -> None:
    found = list(why(matrix, language))
    if not found:
        return
    table = _table(["", *_WHY[language]])
    for _, cell, texts in found[:MOST_WHY]:
        look = LOOK[cell.state]
        table.add_row(Text(look.sign, style=_style(look)), *(Text(clip(each)) for each in texts))
    console.print(table)
    if len(found) > MOST_WHY:
        console.print(Text(_LEFT_OUT[language].format(n=len(found) - MOST_WHY)))


def _table(heads: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    return table


def _style(token: Token) -> str:
    return token.colour


def _coloured(text: str) -> Text:
    style = next((token.colour for token in LOOK.values() if text.startswith(f"{token.sign} ")), "")
    return Text(clip(text), style=style)


def plain(matrix: Matrix, language: Language = "en") -> str:
    """Return what `show` prints, for a pipe or a file."""
    buffer = io.StringIO()
    show(matrix, Console(file=buffer, width=WIDE, no_color=True), language)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def markdown(matrix: Matrix, language: Language = "en") -> str:
    """Return the matrix as tables of Markdown, their columns aligned."""
    heads = [*_HEADS[language], *(_title(each, language) for each in matrix.titles)]
    parts = [
        sentence(matrix, language),
        "",
        *_pipes(heads, [_row(x, matrix.titles, language) for x in matrix.lines]),
    ]
    rows = [[LOOK[cell.state].sign, *texts] for _, cell, texts in why(matrix, language)]
    if rows:
        parts += ["", *_pipes(["", *_WHY[language]], rows)]
    return "\n".join(parts) + "\n"


def _pipes(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [[_escaped(each) for each in row] for row in (heads, *rows)]
    sizes = [max(3, *(cell_len(row[column]) for row in cells)) for column in range(len(heads))]
    for number, row in enumerate(cells):
        padded = (f"{text}{' ' * (size - cell_len(text))}" for text, size in zip(row, sizes, strict=True))
        yield f"| {' | '.join(padded)} |"
        if number == 0:
            yield f"| {' | '.join('-' * size for size in sizes)} |"


def _escaped(text: str) -> str:
    """Return text from targets and files as it stands: a cell is one line, and holds no markup."""
    text = clip(text).replace("&", "&amp;").replace("<", "&lt;")
    for sign in "\\`*_[]|":
        text = text.replace(sign, f"\\{sign}")
    return text
