"""What docs/databases.md says of PostgreSQL and `sql`: its checks are taken, its grants are enough."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from inventory import units
from probes import registry
from probes.api import Context, Outcome
from probes.database._sql_refusal import WORDS
from tests.probes.database.page import blocks, checks, params, section
from tests.probing import run_once, shared_here
from tests.servers.postgresql import PASSWORD, postgresql

TABLES = (
    "create table schema_history (version text)",
    "insert into schema_history values ('2.7.1')",
    "create table batch (finished timestamptz, state text)",
    "insert into batch values (now() - interval '3 hours', 'OK')",
    "create table organisation (code text)",
    "insert into organisation values ('0101'), ('0102'), ('0103')",
    "create table account_role (staff_no text, role text)",
    "create table customer (balance numeric)",
)


def _statements(section: str) -> list[str]:
    return [line for text in blocks("sql", section) for line in text.splitlines()]


EXAMPLES = [*checks("What holds for all of them"), *checks("sql")]


def test_there_are_examples() -> None:
    assert [check["probe"] for check in EXAMPLES] == ["postgresql", "sql", "sql", "sql", "sql"]


def test_each_word_of_a_detail_is_explained() -> None:
    words = set(re.findall(r"^\| (`.*?`) \|", section("What holds for all of them"), re.MULTILINE))
    explained = {word for cell in words for word in re.findall(r"`(\w+)`", cell)}
    assert set(WORDS) - explained == {"version_too_old"}


async def test_the_grants_are_enough_for_the_examples(tmp_path: Path) -> None:
    """All that the page asks for is asked, by an account that has what the page grants and nothing else."""
    manager = postgresql()
    server = await asyncio.to_thread(manager.__enter__)
    try:
        grants = [
            line.replace("PASSWORD", PASSWORD) for line in (*_statements("postgresql"), *_statements("sql"))
        ]
        await asyncio.to_thread(lambda: server.sql("drop role monitor", *TABLES, *grants))
        database, batch, organisations = EXAMPLES[:3]
        asked = [
            ("postgresql", {**params(database), "ca": server.ca, "round_trip": {"table": "muster_probe"},
                            "tablespace_limits": {"pg_default": 2**39}, "backup_age": "select 60"}),
            ("sql", params(batch)), ("sql", params(organisations)),
        ]  # fmt: skip
        readings = []
        async with shared_here(secrets={"billing_db": PASSWORD}) as shared:
            for name, given in asked:
                readings.append(
                    await run_once(
                        name, "127.0.0.1", shared=shared, context=Context(shared, 20), timeout=20,
                        **{**given, "port": server.port},
                    )
                )  # fmt: skip
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
    assert [reading.outcome for reading in readings] == [Outcome.OK] * 3, readings
    assert readings[0].facts["not_told"] == "archive_age_s: archive_mode is off"
    assert readings[0].facts["schema_version"] == "2.7.1"
    assert readings[0].metrics["round_trip_ms"] > 0
    assert readings[1].metrics["value"] == 1
    assert readings[2].metrics["differences"] == 0


@pytest.mark.parametrize("check", EXAMPLES, ids=lambda check: str(check.get("id", check["probe"])))
def test_an_example_is_taken(check: dict[str, Any]) -> None:
    model = registry.get(check["probe"]).params
    assert model.model_validate(params(check), context={"quantity": units.parse})


@pytest.mark.parametrize("name", ["postgresql", "sql"])
def test_what_was_tested_is_said(name: str) -> None:
    assert "Tested against" in section(name)
