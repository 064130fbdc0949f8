"""What docs/databases.md says of MySQL, Redis and MongoDB: its checks are taken, its grants are enough."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from inventory import units
from probes import registry
from probes.api import Context, Outcome, Reading
from tests.probes.database import page
from tests.probing import run_once, shared_here
from tests.servers.mariadb import do, installed, mariadb
from tests.servers.mongodb import mongod
from tests.servers.redis import redis_cluster, redis_server, sentinel

PASSWORD = "marker-Pa55w0rd"
HOST = "127.0.0.1"
SPECS = {name: registry.get(name) for name in ("mysql", "redis", "mongodb")}


def _granted(language: str, section: str) -> list[str]:
    return [text.replace("PASSWORD", PASSWORD) for text in page.blocks(language, section)]


def _checks(section: str) -> dict[str, dict[str, Any]]:
    return {str(check.get("id", check["probe"])): check for check in page.checks(section)}


async def _run(check: dict[str, Any], **more: Any) -> Reading:
    params = page.params(check) | more
    model = SPECS[check["probe"]].params
    converted = model.model_validate(params, context={"quantity": units.parse})
    given = {name: getattr(converted, name) for name in params if "password" not in name}
    given |= {name: value for name, value in params.items() if "password" in name or name == "round_trip"}
    secrets = dict.fromkeys(("billing_db", "cache", "archive"), PASSWORD)
    async with shared_here(secrets=secrets) as shared:
        return await run_once(
            check["probe"], HOST, shared=shared, context=Context(shared, 10), timeout=10, **given
        )  # fmt: skip


@pytest.mark.parametrize(
    ("section", "names"),
    [("mysql", ["mysql"]), ("redis", ["redis", "cluster", "sentinel"]), ("mongodb", ["mongodb"])],
)
def test_there_are_examples(section: str, names: list[str]) -> None:
    assert [*_checks(section)] == names
    assert re.search(r"^(T|Not t)ested against", page.section(section), re.MULTILINE)


async def test_the_grants_for_mysql_are_enough(tmp_path: Path) -> None:
    template = await asyncio.to_thread(installed, tmp_path)
    [grants] = _granted("sql", "mysql")
    statements = [line.rstrip(";") for line in grants.splitlines()]
    options = ("--character-set-server=utf8mb4",)
    async with mariadb(template, tmp_path, *options) as port:
        await do(
            port, "create database billing", "create table billing.schema_history (version varchar(9))",
            "insert into billing.schema_history values ('2.7.1')", *statements,
        )  # fmt: skip
        reading = await _run(_checks("mysql")["mysql"], port=port, tls="off")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["not_told"] == "none"
    assert reading.facts["schema_version"] == "2.7.1"
    assert reading.facts["role"] == "standalone"
    assert reading.metrics["parameters_differing"] == 0
    assert reading.metrics["round_trip_ms"] > 0


async def test_the_rights_for_redis_are_enough(tmp_path: Path) -> None:
    [acl], [watching] = _granted("acl", "redis"), _granted("acl-sentinel", "redis")
    checks = _checks("redis")
    user = ("--user", *acl.split()[1:])
    alone = ("--maxmemory", "100mb", *user)
    async with (
        redis_server(tmp_path / "alone", *alone) as port,
        redis_cluster(tmp_path, *user) as (ports, _),
        sentinel(tmp_path / "sentinel", port, "billing", watching.strip()) as watcher,
    ):
        good = await _run(checks["redis"], port=port)
        whole = await _run(checks["cluster"], port=ports[0])
        watched = await _run(checks["sentinel"], port=watcher, nodes=[HOST])
    for reading in (good, whole, watched):
        assert (reading.outcome, reading.detail) == (Outcome.OK, "")
        assert "needs" not in reading.facts["not_told"]
    assert good.metrics["parameters_differing"] == 0
    assert whole.metrics["cluster_ok"] == 1
    assert watched.facts["service_primary"] == f"{HOST}:{port}"


async def test_the_example_for_mongodb_runs() -> None:
    async with mongod(users={"monitor": PASSWORD}) as (port, _):
        reading = await _run(_checks("mongodb")["mongodb"], port=port)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["round_trip_ms"] > 0


@pytest.mark.parametrize("section", ["mysql", "redis", "mongodb"])
def test_what_is_expected_is_what_is_reported(section: str) -> None:
    named = page.example(section)["expect"]
    spec = SPECS[section]
    for name in named:
        bare = str(name).rpartition(".")[2]
        assert spec.metric(bare) or spec.fact(bare), name
