"""`muster incident` and `muster maintenance`, without a daemon: what is printed, kept and refused."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.main import app
from monitor.process.lock import StateLock
from monitor.store.database import Database
from monitor.store.incident_views import Whole, whole
from monitor.store.verdicts import Verdicts, pack
from tests.opened import CHECK, adopted, two
from tests.store.making import opened
from tests.web.views import judged

DOC = (Path(__file__).parents[2] / "docs" / "incidents.md").read_text("utf-8")
INVENTORY = """\
version: 1
units:
  - {id: gz, name: Guangzhou bureau, name_zh: 广州供电局, level: municipal, timezone: Asia/Shanghai}
  - id: gz-tianhe
    name: Tianhe service hall
    name_zh: 天河营业厅
    parent: gz
    level: hall
    assets:
      - {id: uplink, kind: channel, address: 127.0.0.1, checks: [{probe: tcp, port: 9, every: 1 h}]}
"""


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two incidents, a judged unit and an inventory; the commands find them by themselves."""
    async with opened(tmp_path / "state") as store:
        await two(store, time.time())
        unit = judged("gz-tianhe", "READY") | {"name": "Tianhe service hall", "name_zh": "天河营业厅"}
        await Verdicts(store.state).save([pack("go-live", "gz-tianhe", time.time(), unit)])
    (tmp_path / "inventory.yaml").write_text(INVENTORY, "utf-8")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def muster(line: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, shlex.split(line)))


async def good(line: str) -> str:
    result = await muster(line)
    assert result.exit_code == 0, (line, result.output)
    return result.stdout


async def refused(line: str) -> str:
    result = await muster(line)
    assert result.exit_code == 2, (line, result.exit_code, result.output)
    assert result.stdout == ""
    return re.sub(r"\s+", " ", result.stderr)


async def data(line: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await good(f"{line} --format json"))
    return found


def of(home: Path, number: int = 1) -> Whole:
    database = Database(home / "state" / "state.db", read_only=True)
    try:
        return database.read_now(lambda c: whole(c, number))
    finally:
        database.close()


def width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


async def test_the_walk_through(home: Path) -> None:
    commands = [line[2:] for line in DOC.splitlines() if line.startswith("$ muster ")]
    assert len(commands) == 14
    for command in commands:
        assert await good(command.removeprefix("muster ")), command
    found = of(home)
    assert [row.what for row in found.history][2:] == ["ack", "note", "unack", "snooze", "close:by_hand"]
    assert all(row.actor.endswith(" (unauthenticated)") for row in found.history[2:])
    left = await data("maintenance list")
    assert [(each["id"], each["mode"], each["active"]) for each in left["maintenance"]] == [
        (2, "skip", False), (3, "mute", left["maintenance"][1]["active"]),
    ]  # fmt: skip


async def test_open_incidents_are_listed_and_all_on_demand(home: Path) -> None:
    found = await data("incident list")
    assert found["schema"] == "muster.incidents/1"
    assert [(each["id"], each["name_zh"], each["members"]) for each in found["incidents"]] == [
        (1, "天河营业厅", 2)
    ]
    assert [each["id"] for each in (await data("incident list --all"))["incidents"]] == [2, 1]
    assert [each["id"] for each in (await data("incident list --all --unit gz"))["incidents"]] == [2]
    await good("incident close 1 --reason x")
    assert await good("incident list") == "No incident is open.\n"


async def test_what_became_usual_is_listed_as_that(home: Path) -> None:
    async with opened(home / "state") as store:
        await adopted(store, time.time())
    assert "◐ now usual" in await good("incident list --all")
    assert "rtt_ms now usually 85 ms" in await good("incident show 3")
    rows = (await data("incident list --all"))["incidents"]
    assert {row["id"]: row["ended"] for row in rows} == {1: None, 2: "recovered", 3: "adopted"}


async def test_the_table_aligns_with_chinese_names(home: Path) -> None:
    lines = (await good("incident list --all --lang zh")).splitlines()
    rows = [line for line in lines if re.match(r" +\d", line)]
    assert len(rows) == 2
    heading = next(line for line in lines if "taken by" in line)
    for row in rows:
        before = row[: row.index("/")].rpartition(" ")[0] + " "
        assert width(before) == heading.index("root")
    assert "天河营业厅" in rows[1]


async def test_show_says_all_and_applies_the_rule_again(home: Path) -> None:
    await good("incident ack 1 --comment '[bold]mine[/]'")
    text = await good("incident show 1")
    for said in (
        f"incident 1: {CHECK}", "Tianhe service hall", "no answer within 5 s", "told:opened", "it@gz.example",
        "applied again", "the same", "rtt_ms = 12.5", "[bold]mine[/]", "gz-tianhe/uplink/tcp",
    ):  # fmt: skip
        assert said in text, said
    one = await data("incident show 1")
    assert one["schema"] == "muster.incident/1"
    assert one["replayed"] == {"root": one["rule"]["root"], "how": one["rule"]["how"]}
    assert [each["kind"] for each in one["readings"]] == ["", "timeout"]
    assert one["acknowledged"]["comment"] == "[bold]mine[/]"


async def test_what_can_not_be_done_is_said_and_changes_nothing(home: Path) -> None:
    before = of(home)
    for line, said in (
        ("incident show 9", "there is no incident 9; the last ones are 2, 1"),
        ("incident ack 9", "there is no incident 9; the last ones are 2, 1"),
        ("incident ack 2", "incident 2 was closed at"),
        ("incident ack 1 --for 4", "write how long"),
        ("incident ack 1 --for 4h --until 2099-01-01T00:00:00Z", "either --for or --until"),
        ("incident ack 1 --until 2020-01-01T00:00:00Z", "is past"),
        ("incident ack 1 --until 2099-01-01T00:00:00", "write the offset"),
        ("incident snooze 1", "--for 2h"),
        ("incident unack 1", "is not acknowledged"),
        ("incident close 1 --reason ' '", "write why"),
        ("incident note 1 ''", "write what"),
        ("incident close 1", "--reason"),
        ("maintenance add nowhere --to 1h --reason x", "there is no unit, asset or check"),
        ("maintenance add gz-tianeh --to 1h --reason x", "did you mean gz-tianhe?"),
        ("maintenance add gz-tianhe/uplnk --to 1h --reason x", "did you mean gz-tianhe/uplink"),
        ("maintenance add gz --reason x", "--to"),
        ("maintenance add gz --from 2h --to 1h --reason x", "not later than --from"),
        ("maintenance add gz --every 'sat 25:00-26:00' --reason x", "--every"),
        ("maintenance add gz --every 'sat 22:00-06:00' --calendar nope --reason x", "no calendar \"nope\""),
        ("maintenance add gz --every 'sat 22:00-06:00' --zone Mars/North --reason x", "no time zone"),
        ("maintenance add gz --to 1h --calendar 24x7 --reason x", "goes with --every"),
        ("maintenance add gz --to 1h", "--reason"),
        ("maintenance end 7", "there is no maintenance 7; there is none"),
    ):  # fmt: skip
        assert said in await refused(line), line
    assert of(home) == before
    assert (await data("maintenance list"))["maintenance"] == []


async def test_times_are_relative_or_have_offsets_or_a_zone(home: Path) -> None:
    await good("incident ack 1 --until 2099-01-01T08:00:00+08:00")
    assert of(home).incident.ack_until == 4070908800
    await good(
        "maintenance add gz --from 2099-01-01T08:00 --to 2099-01-01T09:00 --zone Asia/Shanghai --reason x"
    )
    await good("maintenance add gz --every 'sat 22:00-06:00' --every 'sun 22:00-23:00' --reason y")
    once, often = (await data("maintenance list"))["maintenance"]
    assert (once["from"], once["to"]) == ("2099-01-01T00:00:00.000Z", "2099-01-01T01:00:00.000Z")
    assert (often["zone"], often["every"]) == ("Asia/Shanghai", ["sat 22:00-06:00", "sun 22:00-23:00"])
    assert often["next_from"].endswith("T14:00:00.000Z") or often["active"]
    assert "every sat 22:00-06:00 and sun 22:00-23:00 (Asia/Shanghai)" in await good("maintenance list")


async def test_ended_work_is_past(home: Path) -> None:
    await good("maintenance add gz --to 1h --reason x")
    assert "maintenance 1 of gz is over" in await good("maintenance end 1")
    assert "over already" in await refused("maintenance end 1")
    assert await good("maintenance list") == "No maintenance is announced.\n"
    [past] = (await data("maintenance list --past"))["maintenance"]
    assert past["ended_by"].endswith("(unauthenticated)")
    assert "ended" in await good("maintenance list --past")


async def test_a_store_that_is_in_use_or_not_there_is_our_failure(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = StateLock(home / "state")
    lock.take()
    try:
        result = await muster("incident ack 1")
        assert (result.exit_code, str(result.exception).partition(" by ")[0]) == (
            1, f"{home / 'state'} is in use",
        )  # fmt: skip
    finally:
        lock.release()
    monkeypatch.setenv("STATE_DIRECTORY", str(home / "none"))
    for line in ("incident list", "incident ack 1"):
        assert (await muster(line)).exit_code == 1
    assert not (home / "none").exists()
