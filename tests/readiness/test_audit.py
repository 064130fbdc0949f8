"""Each use of a waiver is kept, and can be neither changed nor removed."""
# ruff: noqa: E501 - YAML reads better unbroken

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.readiness.audit import Use, uses
from monitor.store import audit
from monitor.store.database import Database
from tests.readiness.world import NOW, World

WAIVERS = """
version: 1
waivers:
  - {id: w-1, unit: hall, asset: pc1, item: page, reason: r, risk: r, compensating_action: c, requested_by: ann,
     approved_by: bob, effective_at: 2026-11-01T00:00:00+08:00, expires_at: 2026-12-20T18:00:00+08:00}
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(tmp_path / "state.db")
    yield found
    found.close()


def used(world: World) -> list[Use]:
    world.waivers = WAIVERS
    result = world.good().failed("pc1/http", "refused", 5).judge()
    return list(uses([result], gate="go-live", at=NOW, actor="uid:0 (unauthenticated)"))


def test_what_is_kept(world: World, database: Database) -> None:
    audit.record(database, used(world))
    [use] = database.read_now(audit.read)
    assert (use.waiver, use.unit, use.asset, use.item) == ("w-1", "hall", "pc1", "page")
    assert (use.status, use.reason, use.at) == ("fail", "refused", NOW)
    assert json.loads(use.terms)["approved_by"] == "bob"


def test_the_same_use_is_kept_once_a_day(world: World, database: Database) -> None:
    [use] = used(world)
    later = Use(NOW + 86400, *[getattr(use, name) for name in Use.__slots__[1:]])
    for each in (use, use, later):
        audit.record(database, [each])
    assert [each.at for each in database.read_now(audit.read)] == [NOW, NOW + 86400]


@pytest.mark.parametrize("statement", ["UPDATE waiver_use SET reason = ''", "DELETE FROM waiver_use"])
def test_nothing_is_changed_or_removed(world: World, database: Database, statement: str) -> None:
    audit.record(database, used(world))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.write_now(lambda connection: connection.execute(statement))
    assert len(database.read_now(audit.read)) == 1


def test_without_a_waiver_nothing_is_written(world: World, database: Database) -> None:
    audit.record(database, uses([world.good().judge()], gate="go-live", at=NOW, actor="x"))
    assert database.read_now(audit.read) == []
