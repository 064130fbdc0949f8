"""Budgets by line and day: never passed, never given twice, whatever happens to the clock or the process."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.discipline import budget
from monitor.discipline.budget import Account, Amount, Exhausted, Ledger, Reservation, share
from monitor.discipline.rules import Rules
from monitor.job import Line, Route
from monitor.store.database import Database

AMOUNTS = st.builds(Amount, st.integers(0, 10**9), st.integers(0, 10**7))
DAY = Amount(1_000_000, 100_000)
ROUTE = Route((Line("h/up", "Asia/Shanghai"), Line("gz/core", "Europe/Berlin")))
RULES = Rules(bytes_per_day=DAY.bytes, seconds_per_day=DAY.ms / 1000)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
MIDNIGHT_THERE = datetime(2026, 11, 23, 16, tzinfo=UTC).timestamp()


@given(AMOUNTS, AMOUNTS, st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=5))
def test_no_account_is_asked_for_more_than_it_has(
    wanted: Amount, needed: Amount, asked: list[tuple[Amount, Amount]]
) -> None:
    accounts = [(Account(f"l{n}", "d", limit), used) for n, (limit, used) in enumerate(asked)]
    lacking = [
        f"l{n}"
        for n, (limit, used) in enumerate(asked)
        if max(0, limit.bytes - used.bytes) < min(needed.bytes, wanted.bytes)
        or max(0, limit.ms - used.ms) < min(needed.ms, wanted.ms)
    ]
    if lacking:
        with pytest.raises(Exhausted, match=f"{lacking[0]} has used"):
            share(wanted, needed, accounts)
        return
    found = share(wanted, needed, accounts)
    left = [(max(0, limit.bytes - used.bytes), max(0, limit.ms - used.ms)) for limit, used in asked]
    assert found.bytes == min([wanted.bytes, *(size for size, _ in left)])
    assert found.ms == min([wanted.ms, *(ms for _, ms in left)])


MOVES = st.lists(
    st.tuples(
        st.integers(-2 * 86_400, 2 * 86_400),
        st.integers(1, 500_000),
        st.floats(0, 1),
        st.sampled_from(["end", "end", "kill"]),
    ),
    min_size=1,
    max_size=12,
)
"""The clock is set so many seconds on or back; a run wants so much and uses a share; it ends or is killed."""


@given(MOVES)
def test_each_day_keeps_its_budget_wherever_the_clock_goes(
    moves: list[tuple[int, int, float, str]],
) -> None:
    asyncio.run(_walk(moves))


async def _walk(moves: list[tuple[int, int, float, str]]) -> None:
    now = MIDNIGHT_THERE
    charged: dict[tuple[str, str], int] = defaultdict(int)
    with TemporaryDirectory() as folder:
        database = Database(Path(folder) / "state.db")
        for jump, want, part, ending in moves:
            now += jump
            accounts = budget.accounts(ROUTE, RULES, now)
            try:
                reservation = await Ledger(database).reserve(accounts, Amount(want, 10), Amount(1, 1))
            except Exhausted:
                assert any(charged[each.line, each.day] == DAY.bytes for each in accounts)
                continue
            used = int(part * reservation.amount.bytes) if ending == "end" else reservation.amount.bytes
            if ending == "end":
                await Ledger(database).settle(reservation, Amount(used, 10))
            for each in accounts:
                charged[each.line, each.day] += used
                assert await Ledger(database).used(each) == Amount(
                    charged[each.line, each.day], _ms(each, database)
                )
        database.close()
    assert max(charged.values(), default=0) <= DAY.bytes


def _ms(account: Account, database: Database) -> int:
    query = "SELECT ms FROM line_use WHERE line = ? AND day = ?"
    key = (account.line, account.day)
    return int(database.read_now(lambda connection: connection.execute(query, key).fetchone()[0]))


def test_the_day_is_that_of_the_unit_that_has_the_line() -> None:
    days = [[each.day for each in budget.accounts(ROUTE, RULES, MIDNIGHT_THERE + s)] for s in (-1, 0)]
    assert days == [["2026-11-23", "2026-11-23"], ["2026-11-24", "2026-11-23"]]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = Database(tmp_path / "state.db")
    yield Ledger(database)
    database.close()


async def spend(ledger: Ledger, at: float, size: int) -> Reservation:
    reservation = await ledger.reserve(budget.accounts(ROUTE, RULES, at), Amount(size, 10), Amount(1, 1))
    await ledger.settle(reservation, reservation.amount)
    return reservation


async def test_a_clock_set_over_midnight_and_back_finds_each_day_as_it_was(ledger: Ledger) -> None:
    before, after = MIDNIGHT_THERE - 60, MIDNIGHT_THERE + 60
    assert (await spend(ledger, before, 900_000)).amount.bytes == 900_000
    ahead = await ledger.reserve(
        budget.accounts(Route(ROUTE.lines[:1]), RULES, after), Amount(700_000, 10), Amount(1, 1)
    )
    assert ahead.amount.bytes == 700_000
    assert (await spend(ledger, before, 900_000)).amount.bytes == 100_000, "not given anew"
    with pytest.raises(Exhausted, match=r"h/up has used 1.0 of 1.0 MB .* on 2026-11-23"):
        await spend(ledger, before, 1)
    core = ROUTE.lines[1:]
    with pytest.raises(Exhausted, match="gz/core"):
        await ledger.reserve(budget.accounts(Route(core), RULES, after), Amount(1, 1), Amount(1, 1))
    own = budget.accounts(Route(ROUTE.lines[:1]), RULES, after)
    assert (await ledger.used(own[0])).bytes == 700_000, "not lost"


async def test_a_run_that_took_more_than_it_might_is_charged_for_it(ledger: Ledger) -> None:
    accounts = budget.accounts(ROUTE, RULES, NOON)
    reservation = await ledger.reserve(accounts, Amount(600_000, 1000), Amount(1, 1))
    await ledger.settle(reservation, Amount(1_200_000, 2000))
    assert await ledger.used(accounts[0]) == Amount(1_200_000, 2000)
    with pytest.raises(Exhausted):
        await spend(ledger, NOON, 1)


async def test_old_days_are_forgotten_but_never_the_one_in_use(ledger: Ledger, tmp_path: Path) -> None:
    for day in range(budget.KEPT_DAYS + 10):
        await spend(ledger, NOON + day * 86_400, 10)
    await spend(ledger, NOON, 10)
    await spend(ledger, NOON, 10)
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        rows = connection.execute("SELECT line, count(*) FROM line_use GROUP BY line").fetchall()
    assert all(count <= budget.KEPT_DAYS + 1 for _, count in rows)
    assert (await ledger.used(budget.accounts(ROUTE, RULES, NOON)[0])).bytes == 20


@pytest.mark.parametrize(("bps", "size"), [(None, 200_000_000), (2e6, 200_000_000), (1e9, 21_600_000_000)])
def test_a_fat_line_has_a_share_of_what_it_carries(bps: float | None, size: int) -> None:
    assert Rules().day_bytes(Line("a/b", "UTC", bps)) == size
