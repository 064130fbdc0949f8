"""A primary and its replica, for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from probes import registry
from tests.servers.postgresql import PASSWORD, Postgres, postgresql, standby


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgres]:
    registry.get("postgresql")
    with postgresql() as server:
        server.sql(
            "create table muster_probe (token varchar(64) not null)",
            "create role writer login in role pg_monitor",
            f"alter role writer password '{PASSWORD}'",
            "grant insert, select, delete on muster_probe to writer",
            "create table schema_history (version text)",
            "insert into schema_history values ('2.7.1')",
            "grant select on schema_history to monitor, writer",
            "create table private (x int)",
        )
        yield server


@pytest.fixture(scope="module")
def replica(primary: Postgres) -> Iterator[Postgres]:
    with standby(primary) as server:
        yield server
