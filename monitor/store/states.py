"""The states of all checks, kept over restarts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from monitor.state import COLUMNS, CheckState, from_row

_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_SAVE = f"INSERT OR REPLACE INTO check_state ({_NAMES}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_LOAD = f"SELECT {_NAMES} FROM check_state"  # noqa: S608


def save(connection: sqlite3.Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Write states (rows of `monitor.state.to_row`) within the caller's transaction."""
    connection.executemany(_SAVE, rows)


def remove(connection: sqlite3.Connection, checks: Iterable[str]) -> None:
    """Forget the states of checks that are gone."""
    connection.executemany('DELETE FROM check_state WHERE "check" = ?', ((check,) for check in checks))


def load(connection: sqlite3.Connection) -> list[CheckState]:
    """Return all states."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return [from_row(row) for row in cursor.execute(_LOAD)]
