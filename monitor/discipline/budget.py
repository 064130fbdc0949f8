"""Bytes and time of each line and day, kept in `state.db` so that a restart gives nothing back.

A day is the calendar day of the unit that has the line, and a run belongs to the day it began on. Before it
begins a run is charged with all that it may use; at its end the rest is given back. So what a crash cuts
short stays charged in full, and the sum of what is charged never passes a budget. Each day has a row of its
own: a clock that is set over midnight and back finds the old day as it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.discipline.rules import Rules
from monitor.job import Route
from monitor.store.database import Database

LEAST_BYTES = 64_000
LEAST_TEST_S = 0.1
"""A run gets at least what both contracted rates carry in this time, or is not worth making."""
LEAST_MS = 1000
KEPT_DAYS = 16
"""Days of a line that are kept."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes (both directions) and milliseconds."""

    bytes: int
    ms: int


@dataclass(frozen=True, slots=True)
class Account:
    """One line's budget for one day."""

    line: str
    day: str
    budget: Amount


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was charged to all of the accounts before a run."""

    accounts: tuple[Account, ...]
    amount: Amount


class Exhausted(Exception):  # noqa: N818 - reads better where it is raised
    """A budget has no room for another run; the text says whose."""


def local(at: float, zone: str) -> datetime:
    """Return a moment (seconds since the epoch) by the clock on the wall of a time zone."""
    return (EPOCH + timedelta(seconds=at)).astimezone(ZoneInfo(zone))


def accounts(route: Route, rules: Rules, now: float) -> tuple[Account, ...]:
    """Return the accounts that a run which begins now is charged to."""
    ms = int(rules.seconds_per_day * 1000)
    return tuple(
        Account(line.id, local(now, line.zone).date().isoformat(), Amount(rules.day_bytes(line), ms))
        for line in route.lines
    )


def least(route: Route, rules: Rules) -> Amount:
    """Return what a run needs to be worth making."""
    both = (route.up_bps or 0.0) + (route.down_bps or 0.0)
    size = max(LEAST_BYTES, int(LEAST_TEST_S * both / 8))
    return Amount(min(size, rules.bytes_per_run), LEAST_MS)


def share(wanted: Amount, needed: Amount, asked: Iterable[tuple[Account, Amount]]) -> Amount:
    """Return how much of what is wanted all accounts have left, by what is charged to each.

    Raises Exhausted where that is less than is needed (or than wanted, where that is less still).
    """
    size, ms = wanted.bytes, wanted.ms
    for account, used in asked:
        left = Amount(max(0, account.budget.bytes - used.bytes), max(0, account.budget.ms - used.ms))
        if left.bytes < min(needed.bytes, wanted.bytes) or left.ms < min(needed.ms, wanted.ms):
            raise Exhausted(_said(account, used))
        size, ms = min(size, left.bytes), min(ms, left.ms)
    return Amount(size, ms)


def _said(account: Account, used: Amount) -> str:
    budget = account.budget
    return (
        f"{account.line} has used {used.bytes / 1e6:.1f} of {budget.bytes / 1e6:.1f} MB and "
        f"{used.ms / 1000:.0f} of {budget.ms / 1000:.0f} s on {account.day}"
    )


class Ledger:
    """The table of what is charged. Raises what the database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, charged: Sequence[Account], wanted: Amount, needed: Amount) -> Reservation:
        """Charge all accounts at once with what they have left of what is wanted. Raises Exhausted."""

        def work(connection: sqlite3.Connection) -> Reservation:
            amount = share(wanted, needed, [(each, _used(connection, each)) for each in charged])
            for each in charged:
                _add(connection, each, amount)
            return Reservation(tuple(charged), amount)

        return await self._database.write(work)

    async def settle(self, reservation: Reservation, used: Amount) -> None:
        """Charge what was used in place of what was reserved; more than that is charged, too."""
        rest = Amount(used.bytes - reservation.amount.bytes, used.ms - reservation.amount.ms)

        def work(connection: sqlite3.Connection) -> None:
            for each in reservation.accounts:
                _add(connection, each, rest)

        await self._database.write(work)

    async def used(self, account: Account) -> Amount:
        """Return what is charged to an account."""
        return await self._database.read(lambda connection: _used(connection, account))


def _used(connection: sqlite3.Connection, account: Account) -> Amount:
    key = (account.line, account.day)
    row = connection.execute("SELECT bytes, ms FROM line_use WHERE line = ? AND day = ?", key).fetchone()
    return Amount(row[0], row[1]) if row else Amount(0, 0)


_ADD = """
INSERT INTO line_use VALUES (?, ?, ?, ?)
ON CONFLICT (line, day) DO UPDATE SET bytes = bytes + excluded.bytes, ms = ms + excluded.ms
"""
_FORGET = """
DELETE FROM line_use WHERE line = ?1 AND day <> ?2
AND day NOT IN (SELECT day FROM line_use WHERE line = ?1 ORDER BY day DESC LIMIT ?3)
"""


def _add(connection: sqlite3.Connection, account: Account, amount: Amount) -> None:
    connection.execute(_ADD, (account.line, account.day, amount.bytes, amount.ms))
    connection.execute(_FORGET, (account.line, account.day, KEPT_DAYS))
