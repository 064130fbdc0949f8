"""The board as data: the tree of units with their verdicts, what is selected of it, and the one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from monitor.child.wire import UnitCard
from monitor.readiness.checklist import Category
from monitor.store.verdicts import BoardRow, CategorySummary, as_of
from monitor.web.present import Due, due

CATEGORIES: tuple[str, ...] = get_args(Category)
VERDICTS = ("NOT_READY", "UNKNOWN", "CONDITIONAL", "READY")
PAGE = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """What of the board is asked for; empty texts ask for everything."""

    verdict: str = ""
    under: str = ""
    text: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """One unit of the board. `row` is None where it was never judged; `below` counts its descendants."""

    card: UnitCard
    depth: int
    verdict: str
    row: BoardRow | None
    due: Due | None
    below: Mapping[str, int]

    def cell(self, category: str) -> CategorySummary | None:
        """Return the summary of a category, or None where the unit has nothing in it."""
        return self.row.categories.get(category) if self.row else None


@dataclass(frozen=True, slots=True)
class Most:
    """The item that fails (or, where nothing fails, is unknown) in most units."""

    status: str
    title: str
    title_zh: str
    units: int
    unit: str
    """The first of them."""


@dataclass(frozen=True, slots=True)
class Board:
    """One page of the board; all but `lines` and `first` is of everything in scope, whatever the page.

    `where` is the card of `most.unit`; `categories` are those in which any unit has items.
    """

    gate: str
    lines: Sequence[Line]
    counts: Mapping[str, int]
    most: Most | None
    where: UnitCard | None
    categories: Sequence[str]
    first: int
    matching: int

    @property
    def total(self) -> int:
        """How many units are in scope."""
        return sum(self.counts.values())

    @property
    def last(self) -> int:
        """The number of the last line of this page."""
        return self.first + len(self.lines) - 1


def build(
    cards: Sequence[UnitCard], judgements: Sequence[BoardRow], gate: str, now: float, filters: Filters
) -> Board:
    """Return the page of the board that the filters ask for."""
    judged = {row.unit: as_of(row, now) for row in judgements}
    tree = list(_tree(cards, filters.under))
    below = _below(tree, judged)
    scope = [_line(card, depth, judged.get(card.id), below, due_at=(gate, now)) for card, depth in tree]
    counts = Counter(line.verdict for line in scope)
    chosen = [line for line in scope if _matches(line, filters)]
    rows = [line.row for line in scope if line.row]
    worst, used = most(rows), {name for row in rows for name in row.categories}
    start = (min(filters.page, max(1, -(-len(chosen) // PAGE))) - 1) * PAGE
    return Board(
        gate,
        chosen[start : start + PAGE],
        {verdict: counts[verdict] for verdict in VERDICTS},
        worst,
        next((line.card for line in scope if worst and line.card.id == worst.unit), None),
        [name for name in CATEGORIES if name in used],
        start + 1,
        len(chosen),
    )


def _line(
    card: UnitCard,
    depth: int,
    row: BoardRow | None,
    below: Mapping[str, Mapping[str, int]],
    *,
    due_at: tuple[str, float],
) -> Line:
    gate, now = due_at
    verdict = row.verdict if row else "UNKNOWN"
    return Line(card, depth, verdict, row, due(card.gates.get(gate), card.timezone, now), below[card.id])


def _tree(cards: Sequence[UnitCard], under: str) -> Iterator[tuple[UnitCard, int]]:
    """Yield units with their depth, parents first; with `under` only that unit and those below it."""
    known = {card.id: card for card in cards}
    children: dict[str | None, list[UnitCard]] = {}
    for card in cards:
        children.setdefault(card.parent if card.parent in known else None, []).append(card)
    roots = [known[under]] if under in known else [] if under else children.get(None, [])
    waiting = [(card, 0) for card in reversed(roots)]
    while waiting:
        card, depth = waiting.pop()
        yield card, depth
        waiting.extend((child, depth + 1) for child in reversed(children.get(card.id, [])))


def _below(
    tree: Sequence[tuple[UnitCard, int]], judged: Mapping[str, BoardRow]
) -> Mapping[str, Counter[str]]:
    """Return for each unit the verdicts of all units below it."""
    found: dict[str, Counter[str]] = {card.id: Counter() for card, _ in tree}
    for card, _ in reversed(tree):
        row = judged.get(card.id)
        if card.parent in found:
            found[card.parent].update(found[card.id])
            found[card.parent][row.verdict if row else "UNKNOWN"] += 1
    return found


def _matches(line: Line, filters: Filters) -> bool:
    if filters.verdict and line.verdict != filters.verdict:
        return False
    names = (line.card.id, line.card.name, line.card.name_zh)
    return not filters.text or any(filters.text.casefold() in name.casefold() for name in names)


def most(rows: Sequence[BoardRow]) -> Most | None:
    """Return what fails in most units; where nothing fails, what is unknown in most; else None."""
    for status in ("fail", "unknown"):
        counts: Counter[str] = Counter()
        titles: dict[str, tuple[str, str, str]] = {}
        for row in rows:
            for each in {each.id: each for each in row.blocking if each.status == status}.values():
                counts[each.id] += 1
                titles.setdefault(each.id, (each.title, each.title_zh, row.unit))
        if counts:
            item, units = counts.most_common(1)[0]
            title, title_zh, unit = titles[item]
            return Most(status, title, title_zh, units, unit)
    return None
