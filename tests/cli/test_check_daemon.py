"""`muster check` beside a running daemon, which probes and records for it; and waivers in their time."""

from __future__ import annotations

import asyncio
import getpass
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from monitor.readiness.audit import Use
from monitor.store import audit
from monitor.store.database import Database
from tests.cli.yard import TOP, WAIVER, Yard, open_yard, verdicts
from tests.servers.daemon import running
from tests.servers.ports import closed_port

LATER = "2099-01-01T00:00:00+08:00"
BEHIND = (
    "  - {id: hall, name: Hall, level: hall, assets: [\n"
    "     {id: gate, kind: middleware, address: 127.0.0.1, checks: [{probe: tcp, port: CLOSED}]},\n"
    "     {id: web, kind: application, address: 127.0.0.1, depends_on: [gate],\n"
    "      checks: [{probe: http, port: PORT, timeout: 5s, every: 60s}]}]}\n"
)


@pytest_asyncio.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with open_yard(tmp_path) as found:
        yield found


def used(home: Path) -> list[Use]:
    with closing(Database(home / "state" / "state.db", read_only=True)) as database:
        return database.read_now(audit.read)


async def test_a_fresh_run_goes_through_the_daemon(yard: Yard) -> None:
    inventory = (yard.home / "inventory.yaml").read_text("utf-8")
    async with running(yard.home, inventory) as daemon:
        status, document = await yard.run("good", "half")
        assert (status, verdicts(document)) == (4, {"good": "READY", "half": "CONDITIONAL"})
        items = [item for unit in document["units"] for item in unit["items"]]
        assert {item["vantage"] for item in items} == {"check"}
        assert await daemon.stop() == 0
    assert (await yard.run("good", "--stored"))[0] == 0


async def test_where_all_of_a_stage_is_blocked_the_daemon_is_not_asked(yard: Yard) -> None:
    with closed_port() as port:
        inventory = (TOP + BEHIND).replace("PORT", str(yard.port)).replace("CLOSED", str(port))
        async with running(yard.home, inventory):
            status, document = await yard.run("hall")
    rows = {item["check"]: item for item in document["units"][0]["items"]}
    assert status == 3
    assert rows["hall/gate/tcp"]["reason"] == "refused"
    assert rows["hall/web/http"]["blocked_by"] == "hall/gate/tcp"


async def test_a_use_is_kept_beside_a_daemon_too(yard: Yard) -> None:
    yard.write("waivers.yaml", WAIVER.format(expires=LATER))
    inventory = (yard.home / "inventory.yaml").read_text("utf-8")
    async with running(yard.home, inventory, 'waivers = "waivers.yaml"') as daemon:
        status, document = await yard.run("bad")
        item = document["units"][0]["items"][0]
        assert (status, item["status"], item["reason"]) == (4, "waived", "expectation")
        assert item["waiver"]["approved_by"] == "bob"
        [use] = await asyncio.to_thread(used, yard.home)
        await daemon.stop()
    assert (use.waiver, use.item, use.status) == ("w-1", "expect.http.status", "fail")
    assert use.actor in (f"{getpass.getuser()} (unauthenticated)", "daemon")  # whoever was first that day
    assert json.loads(use.terms)["requested_by"] == "ann"


def _refused(home: Path, statement: str) -> None:
    with (
        closing(sqlite3.connect(home / "state" / "state.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "item: expect.http.status",
            "item: expect.http.body",
            '"bad" is not asked "expect.http.body" at the',
        ),
        ("asset: web, ", "", '"expect.http.status" is not asked of that asset; write asset: web'),
        ("unit: bad", "unit: half", '"expect.http.status" is a blocker, and its item does not say waivable'),
        ("unit: bad", "unit: bda", 'unknown unit "bda"; did you mean "bad"?'),
    ],
)
async def test_a_waiver_without_effect_is_refused(yard: Yard, old: str, new: str, message: str) -> None:
    yard.write("waivers.yaml", WAIVER.format(expires=LATER).replace(old, new))
    status, out, err = await yard.check("--stored", "--format", "json")
    assert (status, out) == (2, ""), err
    assert message in err
    assert "waivers.yaml:3:" in err


@pytest.mark.parametrize("statement", ["UPDATE waiver_use SET actor = 'x'", "DELETE FROM waiver_use"])
async def test_what_the_audit_holds_stays(yard: Yard, statement: str) -> None:
    yard.write("waivers.yaml", WAIVER.format(expires=LATER))
    assert (await yard.run("bad"))[0] == 4
    await asyncio.to_thread(_refused, yard.home, statement)
    assert len(await asyncio.to_thread(used, yard.home)) == 1


async def test_a_waiver_covers_until_it_expires(yard: Yard) -> None:
    end = datetime.now(UTC) + timedelta(seconds=6)
    yard.write("waivers.yaml", WAIVER.format(expires=end.isoformat()))
    status, out, err = await yard.check("bad", "--format", "json")
    assert status == 4, err
    assert "waiver w-1 (bad, expect.http.status) ends" in err
    assert json.loads(out)["units"][0]["counts"]["waived"] == 1
    await asyncio.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 0.1)
    status, document = await yard.run("bad", "--stored")
    item = document["units"][0]["items"][0]
    assert (status, item["status"], item["waiver"]) == (3, "fail", None)


async def test_a_waiver_never_covers_what_is_unknown_unless_it_says_so(yard: Yard) -> None:
    yard.write("waivers.yaml", WAIVER.format(expires=LATER))
    assert (await yard.run("bad", "--stored"))[0] == 5
    assert not (yard.home / "state").exists()
