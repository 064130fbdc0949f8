"""Checks, layouts and facts in `state.db`, and their numbers in memory."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from monitor.store.api import FactValue
from monitor.store.database import Database
from monitor.store.records import Column, Layout

FACT_HISTORY = 200
"""Values kept of one fact; the oldest go first."""
MAX_LAYOUTS = 100_000
MAX_VALUES = 4096
"""Metrics and phases of one reading."""

Statement = tuple[str, tuple[object, ...]]


class Catalogue:
    """Numbers of checks and layouts. New ones are known at once; `pending` is what is to be written."""

    def __init__(self, state: Database) -> None:
        self._state = state
        self._lock = threading.Lock()
        self.numbers: dict[str, int] = {}
        self.names: list[str] = []
        self.layouts: list[Layout] = []
        self.used: list[tuple[int, ...]] = []
        """Layouts each check has used, by its number."""
        self.pending: deque[Statement] = deque()
        self._sets: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._by_content: dict[tuple[tuple[Column, ...], tuple[str, ...]], Layout] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read what other processes have added."""
        with self._lock:
            checks, layouts, used = self._state.read_now(self._news)
            for number, spec in layouts:
                self._known(Layout.parse(number, spec))
            for number, name in checks:
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
        """Return the number of a check, giving it one where it has none."""
        found = self.numbers.get(check)
        if found is None:
            found = len(self.names)
            self._place(found, check)
            self.pending.append(("INSERT INTO checks VALUES (?, ?)", (found, check)))
        return found

    def add_layout(self, columns: tuple[Column, ...], phases: tuple[str, ...]) -> Layout:
        """Return the layout of some metrics and phases. Raises ValueError over the bounds."""
        found = self._by_content.get((columns, phases))
        if found is None:
            if len(self.layouts) >= MAX_LAYOUTS or len(columns) + len(phases) > MAX_VALUES:
                msg = "too many metrics, or too many sets of them"
                raise ValueError(msg)
            found = Layout(len(self.layouts), columns, phases)
            self._known(found)
            self.pending.append(("INSERT INTO layouts VALUES (?, ?)", (found.number, found.spec)))
        return found

    def use(self, number: int, layout: int) -> None:
        """Note that a check has used a layout."""
        self._use(number, layout)
        self.pending.append(("INSERT OR IGNORE INTO check_layouts VALUES (?, ?)", (number, layout)))

    def metrics(self, number: int) -> list[str]:
        """Return the names of the metrics a check has reported."""
        names = (name for layout in self.used[number] for name, _ in self.layouts[layout].columns)
        return list(dict.fromkeys(names))

    def _place(self, number: int, name: str) -> None:
        while len(self.names) <= number:
            self.names.append("")
            self.used.append(())
        self.names[number] = name
        self.numbers[name] = number

    def _known(self, layout: Layout) -> None:
        self.layouts.append(layout)
        self._by_content[layout.columns, layout.phases] = layout

    def _use(self, number: int, layout: int) -> None:
        used = (*self.used[number], layout)
        self.used[number] = self._sets.setdefault(used, used)


def write_facts(db: sqlite3.Connection, number: int, at: float, facts: Mapping[str, str]) -> None:
    """Store the facts of one reading; one that is older than what is known changes nothing."""
    query = "SELECT * FROM facts WHERE number = ? AND name = ? ORDER BY since DESC LIMIT 1"
    for name, value in facts.items():
        known = db.execute(query, (number, name)).fetchone()
        if known is not None and at <= known["last_seen"]:
            continue
        if known is not None and known["value"] == value:
            update = "UPDATE facts SET last_seen = ? WHERE number = ? AND name = ? AND since = ?"
            db.execute(update, (at, number, name, known["since"]))
            continue
        db.execute("INSERT INTO facts VALUES (?, ?, ?, ?, ?)", (number, name, at, at, value))
        prune = (
            "DELETE FROM facts WHERE number = ?1 AND name = ?2 AND since <= (SELECT since FROM facts"
            " WHERE number = ?1 AND name = ?2 ORDER BY since DESC LIMIT 1 OFFSET ?3)"
        )
        db.execute(prune, (number, name, FACT_HISTORY))


def read_facts(number: int) -> Callable[[sqlite3.Connection], list[FactValue]]:
    """Return a query for all values of all facts of a check, oldest first."""

    def query(db: sqlite3.Connection) -> list[FactValue]:
        rows: Iterable[sqlite3.Row] = db.execute(
            "SELECT name, value, since, last_seen FROM facts WHERE number = ? ORDER BY since", (number,)
        )
        return [FactValue(*row) for row in rows]

    return query
