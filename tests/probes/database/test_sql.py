"""Any query, on a real PostgreSQL: what it gives, that it may only read, and the same rows elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probes import registry
from probes.api import Context, Outcome, Reading
from tests.probing import run_once, shared_here
from tests.servers.ports import closed_port
from tests.servers.postgresql import PASSWORD, Postgres, postgresql

PARTS = {"database": "billing", "user": "monitor", "password": "secret:db"}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    registry.get("sql")
    with postgresql() as running:
        running.sql(
            "create database legacy",
            "create table organisation (code text, name text)",
            "insert into organisation values ('0101', '天河'), ('0102', '越秀'), ('0103', '海珠')",
            "create table batch (finished timestamptz, state text)",
            "insert into batch values (now() - interval '3 hours', 'OK')",
            "create table account (id int, balance numeric(12,2))",
            "insert into account select n, n * 1.50 from generate_series(1, 2000) as n",
            "grant select on all tables in schema public to monitor",
            "create table private (x int)",
            "create table writable (x int)",
            "grant all on writable to monitor",
        )
        running.sql(
            "create table konto (nr int, saldo numeric(12,4))",
            "insert into konto select n, n * 1.50 from generate_series(1, 2000) as n",
            "grant select on konto to monitor",
            database="legacy",
        )
        yield running


async def asked(server: Postgres, query: str, timeout: float = 10.0, **params: Any) -> Reading:
    """Run the probe, and see that no text that came of it shows the password."""
    given = {"engine": "postgresql", "port": server.port, "query": query} | PARTS | params
    async with shared_here(secrets={"db": PASSWORD}) as shared:
        context = Context(shared, timeout, trace=[])
        reading = await run_once("sql", "127.0.0.1", timeout=timeout, shared=shared, context=context, **given)
        assert PASSWORD not in repr(reading)
        assert PASSWORD not in repr(context.trace)
        return reading


async def test_one_value(server: Postgres) -> None:
    query = "select extract(epoch from now() - max(finished)) / 3600 as age_h from batch where state = 'OK'"
    reading = await asked(server, query)
    assert reading.outcome is Outcome.OK, reading
    assert reading.metrics["value"] == reading.metrics["age_h"] == pytest.approx(3, abs=0.01)
    assert reading.metrics["rows"] == 1
    assert reading.metrics["query_ms"] > 0
    assert reading.facts["truncated"] == "no"
    assert reading.facts["not_told"] == "none"


async def test_no_value_is_no_zero(server: Postgres) -> None:
    reading = await asked(server, "select max(finished) from batch where state = 'LOST'")
    assert reading.outcome is Outcome.OK
    assert "value" not in reading.metrics
    assert "value" not in reading.facts


async def test_rows_are_counted_and_digested_and_not_kept(server: Postgres) -> None:
    up = await asked(server, "select code, name from organisation order by code")
    down = await asked(server, "select code, name from organisation order by code desc")
    assert up.metrics["rows"] == 3
    assert up.facts["digest"] == down.facts["digest"]
    assert "天河" not in repr(up)
    one = await asked(server, "select name as digest, code from organisation where code = '0101'")
    assert "天河" not in repr(one)


async def test_rows_are_kept_where_the_check_says_so(server: Postgres) -> None:
    reading = await asked(server, "select name from organisation where code = '0101'", keep=True)
    assert reading.facts["value"] == reading.facts["name"] == "天河"
    assert reading.facts["first_rows"] == '["天河"]'
    named = await asked(server, "select 'mine' as digest, 7 as rows", keep=True)
    assert named.facts["digest"].startswith("sha256:")
    assert named.metrics["rows"] == 1


async def test_no_more_rows_than_the_limit(server: Postgres) -> None:
    reading = await asked(server, "select generate_series(1, 100000000)", limit=1500)
    assert reading.facts["truncated"] == "yes"
    assert "rows" not in reading.metrics, "that many and more would pass for that many"
    assert "digest" not in reading.facts
    assert "rows, digest: there are more than 1500" in reading.facts["not_told"]
    exact = await asked(server, "select * from generate_series(1, 1500)", limit=1500)
    assert exact.facts["truncated"] == "no"
    empty = await asked(server, "select 1 where false")
    assert (empty.metrics["rows"], empty.facts["truncated"]) == (0, "no")


@pytest.mark.parametrize(
    "query",
    [
        "insert into writable values (1)",
        "insert into writable values (1) returning x",
        "with made as (insert into writable values (1) returning x) select * from made",
        "delete from writable",
        "create table made (x int)",
        "select set_config('transaction_read_only', 'off', false); insert into writable values (1)",
        "commit; insert into writable values (1)",
        "select set_config('transaction_read_only', 'off', false)",
    ],
)
async def test_the_server_refuses_whatever_writes(server: Postgres, query: str) -> None:
    reading = await asked(server, query)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error"), reading
    assert reading.detail.partition(":")[0] in ("read_only", "bad_query")
    left = "select (select count(*) from writable) + (select count(*) from pg_class where relname = 'made')"
    assert await asyncio.to_thread(server.sql, left) == "0"


@pytest.mark.parametrize(
    ("query", "params", "expected"),
    [
        ("select x from private", {}, (Outcome.ERROR, "permission", "missing_right")),
        ("select x from absent", {}, (Outcome.FAILED, "expectation", "no_such_table")),
        ("select pg_sleep(9)", {"query_timeout": 0.2}, (Outcome.FAILED, "timeout", "slow_query")),
        ("selec", {}, (Outcome.ERROR, "prober_error", "bad_query")),
        ("select 1", {"database": "none"}, (Outcome.FAILED, "expectation", "no_such_database")),
    ],
)
async def test_how_a_run_ends(
    server: Postgres, query: str, params: dict[str, Any], expected: tuple[Outcome, str, str]
) -> None:
    reading = await asked(server, query, **params)
    assert (reading.outcome, reading.kind, reading.detail.partition(":")[0]) == expected, reading


class TestTheSameElsewhere:
    async def test_rows_in_the_check(self, server: Postgres) -> None:
        query = "select code from organisation"
        same = await asked(server, query, equals_rows=["0103", "0101", "0102"])
        assert same.metrics["differences"] == same.metrics["missing"] == same.metrics["unexpected"] == 0
        other = await asked(server, query, equals_rows=["0101", "0104", "0105"])
        assert (other.metrics["missing"], other.metrics["unexpected"]) == (2, 2)
        assert "differing" not in other.facts
        kept = await asked(server, query, equals_rows=["0101", "0102"], keep=True)
        assert kept.facts["differing"] == 'unexpected ["0103"]'

    async def test_a_file(self, server: Postgres, tmp_path: Path) -> None:
        file = tmp_path / "organisations.csv"
        file.write_text("﻿code,name\n0101,天河\n0102,越秀\n0103,海珠\n", encoding="utf-8")
        query = "select code, name from organisation"
        assert (await asked(server, query, equals_file=str(file))).metrics["differences"] == 0
        file.write_text("code,name\n0101,天河\n0102,白云\n")
        reading = await asked(server, query, equals_file=str(file))
        assert (reading.metrics["missing"], reading.metrics["unexpected"]) == (1, 2)

    async def test_sums_of_another_database(self, server: Postgres) -> None:
        other = {**PARTS, "engine": "postgresql", "port": server.port, "database": "legacy",
                 "query": "select count(*) as accounts, sum(saldo) as balance from konto"}  # fmt: skip
        query = "select count(*) as accounts, sum(balance) as balance from account"
        same = await asked(server, query, equals_query=other)
        assert same.metrics["differences"] == 0
        assert same.metrics["difference_accounts"] == same.metrics["difference_balance"] == 0
        less = await asked(server, query + " where id > 1", equals_query=other)
        assert less.metrics["differences"] == 2
        assert less.metrics["difference_accounts"] == -1
        assert less.metrics["difference_balance"] == -1.5

    async def test_all_rows_of_another_database(self, server: Postgres) -> None:
        other = {**PARTS, "engine": "postgresql", "port": server.port, "database": "legacy",
                 "query": "select nr, saldo from konto where nr <> 7"}  # fmt: skip
        reading = await asked(server, "select id, balance from account", equals_query=other)
        assert (reading.metrics["missing"], reading.metrics["unexpected"]) == (0, 1)
        assert "reference" in reading.phases

    async def test_a_reference_that_can_not_be_had_is_not_the_targets_failure(self, server: Postgres) -> None:
        other = {**PARTS, "engine": "postgresql", "port": server.port, "query": "select pg_sleep(30)"}
        with closed_port() as port:
            gone = await asked(server, "select 1", equals_query={**other, "port": port})
        slow = await asked(server, "select 1", timeout=1.5, equals_query={**other, "query_timeout": 60})
        barred = await asked(server, "select 1", equals_query={**other, "query": "select * from private"})
        absent = await asked(server, "select 1", equals_file="/absent.csv")
        for reading, why in ((gone, "refused"), (slow, "inconclusive"), (barred, "permission"),
                             (absent, "prober_error")):  # fmt: skip
            assert reading.outcome is Outcome.OK, reading
            assert "differences" not in reading.metrics
            assert f"differences: the reference: {why}" in reading.facts["not_told"]

    async def test_nothing_is_compared_with_half_or_nothing(self, server: Postgres, tmp_path: Path) -> None:
        file = tmp_path / "empty.csv"
        file.write_text("code\n")
        empty = await asked(server, "select 1 where false", equals_file=str(file))
        assert "differences" not in empty.metrics
        assert "the reference is empty" in empty.facts["not_told"]
        cut = await asked(server, "select generate_series(1, 9)", limit=5, equals_rows=[1, 2, 3, 4, 5])
        assert "differences" not in cut.metrics
        assert "more rows than the limit" in cut.facts["not_told"]


async def test_many_rows_do_not_hold_the_loop(server: Postgres) -> None:
    query = "select n, n * 1.25, 'row ' || n from generate_series(1, 40000) as n"
    other = {**PARTS, "engine": "postgresql", "port": server.port, "query": query}
    reading = await asked(server, query, limit=50_000, equals_query=other, timeout=30)
    assert reading.metrics["rows"] == 40_000
    assert reading.metrics["differences"] == 0


async def test_a_run_that_is_killed_is_cancelled_and_leaves_no_session(server: Postgres) -> None:
    reading = await asked(server, "select pg_sleep(50)", timeout=0.5, query_timeout=60)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "timeout", "query")
    assert "no answer within 0.5 s" in reading.detail
    for _ in range(30):
        if not await asyncio.to_thread(server.sessions):
            break
        await asyncio.sleep(0.1)
    assert not await asyncio.to_thread(server.sessions)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"equals_rows": [1], "equals_file": "x"}, "give one of equals_rows"),
        ({"engine": "sybase"}, "engine"),
        ({"limit": 0}, "limit"),
        ({"password": "plain"}, "inline password is refused"),
    ],
)
def test_what_is_refused_when_it_is_loaded(more: dict[str, Any], message: str) -> None:
    given = {"engine": "postgresql", "query": "select 1"} | PARTS | more
    with pytest.raises(ValueError, match=message):
        registry.get("sql").params.model_validate(given)


def test_each_engine_has_its_port() -> None:
    for engine, port in (("postgresql", 5432), ("mysql", 3306), ("oracle", 1521)):
        given = {"engine": engine, "query": "select 1"} | PARTS
        assert registry.get("sql").params.model_validate(given).model_dump()["port"] == port
