"""A migration reconciled between two engines: the same rows of a MariaDB and a PostgreSQL are the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from probes import registry
from probes.api import Outcome, Reading
from tests.probing import run_once, shared_here
from tests.servers.mariadb import do, installed, mariadb
from tests.servers.postgresql import PASSWORD, Postgres, postgresql

QUERY = "select id, code, name, balance, opened, seen, live, remark from customer"
ROWS = (
    "(1, '0101  ', '天河区 用户', 10.50, '2026-01-02', '2026-01-02 03:04:05', true, null), "
    "(2, '0102', 'O''Neil', -0.10, '1999-12-31', '2026-01-02 03:04:05.25', false, 'x')"
)
LOGIN = {"user": "monitor", "password": "secret:db", "database": "billing", "query": QUERY}


async def test_two_engines_agree_or_say_by_how_much(tmp_path: Path) -> None:
    registry.get("sql")
    template = await asyncio.to_thread(installed, tmp_path)
    manager = postgresql()
    new = await asyncio.to_thread(manager.__enter__)
    try:
        (tmp_path / "old").mkdir()
        async with mariadb(template, tmp_path / "old", "--character-set-server=utf8mb4") as old:
            await _fill(old, new)
            same = await _reconciled(old, new)
            backwards = await _reconciled(old, new, backwards=True)
            await do(old, "update billing.customer set balance = balance + 0.01 where id = 2")
            other = await _reconciled(old, new)
            sums = await _reconciled(
                old, new, query="select count(*) as n, sum(balance) as total from customer"
            )
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
    assert same.outcome is backwards.outcome is Outcome.OK, (same, backwards)
    assert same.metrics["differences"] == backwards.metrics["differences"] == 0, same.facts
    assert same.facts["digest"] == backwards.facts["digest"]
    assert (other.metrics["missing"], other.metrics["unexpected"]) == (1, 1)
    assert '"-0.09"' in other.facts["differing"]
    assert sums.metrics["difference_n"] == 0
    assert round(sums.metrics["difference_total"], 6) == -0.01


async def _fill(old: int, new: Postgres) -> None:
    columns = "id int, code char(6), name varchar(40), balance decimal(12,2), opened date, live boolean"
    await do(
        old,
        "create database billing character set utf8mb4",
        f"create table billing.customer ({columns}, seen datetime(6), remark varchar(9))",
        f"insert into billing.customer (id, code, name, balance, opened, seen, live, remark) values {ROWS}",
        f"create user monitor identified by '{PASSWORD}'",
        "grant select on billing.customer to monitor",
    )
    await asyncio.to_thread(
        new.sql,
        f"create table customer ({columns}, seen timestamp, remark text)",
        f"insert into customer (id, code, name, balance, opened, seen, live, remark) values {ROWS}",
        "grant select on customer to monitor",
    )


async def _reconciled(old: int, new: Postgres, *, backwards: bool = False, query: str = QUERY) -> Reading:
    sides: list[dict[str, Any]] = [
        LOGIN | {"engine": "postgresql", "port": new.port, "query": query},
        LOGIN | {"engine": "mysql", "port": old, "query": query},
    ]
    here, there = reversed(sides) if backwards else sides
    async with shared_here(secrets={"db": PASSWORD}) as shared:
        return await run_once(
            "sql", "127.0.0.1", timeout=10, shared=shared, keep=True, equals_query=there, **here
        )
