"""Checks, layouts and facts in `state.db`, and their numbers in memory."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.store.api import FactValue
from monitor.store.database import Database
from monitor.store.records import Column, Layout

FACT_HISTORY = 200
"""Values kept of one fact; the oldest go first."""
MAX_LAYOUTS = 100_000
MAX_VALUES = 4096
"""Metrics and phases of one reading."""


FactChange = tuple[int, float, Mapping[str, str]]
"""A check's number, the time of a reading, and its facts."""


@dataclass(frozen=True, slots=True)
class News:
    """Rows of the catalogue's tables that are not in the file yet."""

    checks: Sequence[tuple[int, str]]
    layouts: Sequence[tuple[int, str]]
    uses: Sequence[tuple[int, int]]

    def __bool__(self) -> bool:
        return bool(self.checks or self.layouts or self.uses)

    def write(self, db: sqlite3.Connection) -> None:
        """Write them; what is there already stays."""
        db.executemany("INSERT INTO checks VALUES (?, ?)", self.checks)
        db.executemany("INSERT INTO layouts VALUES (?, ?)", self.layouts)
        db.executemany("INSERT OR IGNORE INTO check_layouts VALUES (?, ?)", self.uses)


class Catalogue:
    """Numbers of checks and layouts. New ones are known at once; `news` is what is to be written."""

    def __init__(self, state: Database) -> None:
        self._state = state
        self._lock = threading.Lock()
        self.numbers: dict[str, int] = {}
        self.names: list[str] = []
        self.layouts: list[Layout] = []
        self.used: list[tuple[int, ...]] = []
        """Layouts each check has used, by its number."""
        self._uses: deque[tuple[int, int]] = deque()
        self._sets: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._by_content: dict[tuple[tuple[Column, ...], tuple[str, ...]], Layout] = {}
        self.refresh()
        self._stored = (len(self.names), len(self.layouts))

    def news(self) -> News:
        """Return what is not written yet."""
        checks, layouts = self._stored
        uses = list(self._uses.copy())
        return News(
            list(enumerate(self.names[checks:], checks)),
            [(layout.number, layout.spec) for layout in self.layouts[layouts:]],
            uses,
        )

    def written(self, news: News) -> None:
        """Take note that news are in the file."""
        checks, layouts = self._stored
        self._stored = (checks + len(news.checks), layouts + len(news.layouts))
        for _ in news.uses:
            self._uses.popleft()

    def refresh(self) -> None:
        """Read what other processes have added."""
        with self._lock:
            checks, layouts, used = self._state.read_now(self._news)
            for number, spec in layouts:
                self._known(Layout.parse(number, spec))
            for number, name in checks:
                if number != len(self.names):
                    msg = f"the catalogue has no check {len(self.names)}, but {number}"
                    raise sqlite3.DatabaseError(msg)
                self._place(number, name)
            for number, layout in used:
                if layout not in self.used[number]:
                    self._use(number, layout)

    def _news(self, db: sqlite3.Connection) -> tuple[list[sqlite3.Row], list[sqlite3.Row], list[sqlite3.Row]]:
        checks = "SELECT number, id FROM checks WHERE number >= ? ORDER BY number"
        layouts = "SELECT number, spec FROM layouts WHERE number >= ? ORDER BY number"
        used = "SELECT number, layout FROM check_layouts"
        return (
            db.execute(checks, (len(self.names),)).fetchall(),
            db.execute(layouts, (len(self.layouts),)).fetchall(),
            db.execute(used).fetchall(),
        )

    def number(self, check: str) -> int | None:
        """Return the number of a check, None where it is not known."""
        return self.numbers.get(check)

    def add_check(self, check: str) -> int:
        """Return the number of a check, giving it one where it has none.

        Raises ValueError where the name is no text that can be stored.
        """
        found = self.numbers.get(check)
        if found is None:
            check.encode()
            found = len(self.names)
            self._place(found, check)
        return found

    def add_layout(self, columns: tuple[Column, ...], phases: tuple[str, ...]) -> Layout:
        """Return the layout of some metrics and phases. Raises ValueError over the bounds."""
        found = self._by_content.get((columns, phases))
        if found is None:
            if len(self.layouts) >= MAX_LAYOUTS or len(columns) + len(phases) > MAX_VALUES:
                msg = "too many metrics, or too many sets of them"
                raise ValueError(msg)
            found = Layout(len(self.layouts), columns, phases)
            found.spec.encode()
            self._known(found)
        return found

    def use(self, number: int, layout: int) -> None:
        """Note that a check has used a layout."""
        self._use(number, layout)
        self._uses.append((number, layout))

    def metrics(self, number: int) -> list[str]:
        """Return the names of the metrics a check has reported."""
        names = (name for layout in self.used[number] for name, _ in self.layouts[layout].columns)
        return list(dict.fromkeys(names))

    def _place(self, number: int, name: str) -> None:
        self.used.append(())
        self.names.append(name)
        self.numbers[name] = number

    def _known(self, layout: Layout) -> None:
        self.layouts.append(layout)
        self._by_content[layout.columns, layout.phases] = layout

    def _use(self, number: int, layout: int) -> None:
        used = (*self.used[number], layout)
        self.used[number] = self._sets.setdefault(used, used)


_SEEN = (
    "UPDATE facts SET last_seen = ?3 WHERE number = ?1 AND name = ?2 AND value = ?4 AND last_seen < ?3"
    " AND since = (SELECT max(since) FROM facts WHERE number = ?1 AND name = ?2)"
)
_NEW = (
    "INSERT INTO facts SELECT ?1, ?2, ?3, ?3, ?4"
    " WHERE NOT EXISTS (SELECT 1 FROM facts WHERE number = ?1 AND name = ?2 AND last_seen >= ?3)"
)
_PRUNE = (
    "DELETE FROM facts WHERE number = ?1 AND name = ?2 AND since <= (SELECT since FROM facts"
    " WHERE number = ?1 AND name = ?2 ORDER BY since DESC LIMIT 1 OFFSET ?3)"
)


def write_facts(db: sqlite3.Connection, changes: Sequence[FactChange]) -> None:
    """Store the facts of some readings; those that are older than what is known change nothing."""
    for rows in _rounds(changes):
        db.executemany(_SEEN, rows)
        db.executemany(_NEW, rows)
        db.executemany(_PRUNE, [(number, name, FACT_HISTORY) for number, name, _, _ in rows])


def _rounds(changes: Sequence[FactChange]) -> list[list[tuple[int, str, float, str]]]:
    """Return the changes in turns: the first of each check, the second of each check, and so on."""
    turns: defaultdict[int, int] = defaultdict(int)
    rounds: list[list[tuple[int, str, float, str]]] = []
    for number, at, facts in changes:
        turn = turns[number]
        turns[number] += 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn] += [(number, name, at, value) for name, value in facts.items()]
    return rounds


def read_facts(number: int) -> Callable[[sqlite3.Connection], list[FactValue]]:
    """Return a query for all values of all facts of a check, oldest first."""

    def query(db: sqlite3.Connection) -> list[FactValue]:
        rows: Iterable[sqlite3.Row] = db.execute(
            "SELECT name, value, since, last_seen FROM facts WHERE number = ? ORDER BY since", (number,)
        )
        return [FactValue(*row) for row in rows]

    return query
