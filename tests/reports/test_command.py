"""`muster report` as people run it: to files, to a list through the daemon or without one, and misuse."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest

from monitor.schedule import Schedule
from monitor.store import outbox
from monitor.store.database import Database
from tests.cli.running import muster
from tests.reports.test_mailing import Office
from tests.reports.town import Town
from tests.servers.daemon import running
from tests.servers.smtp import smtp_server

pytestmark = pytest.mark.timeout(60)
SCHEMA = Path(__file__).parents[2] / "docs/schema/report.json"
INVENTORY = (
    "version: 1\nunits:\n  - {id: hall, name: Hall, name_zh: 营业厅, level: hall,\n"
    "     assets: [{id: web, kind: host, address: 127.0.0.1, checks: [{probe: tcp, port: 9, every: 60s}]}]}\n"
)


@pytest.mark.may_block
async def test_a_report_to_files(town: Town, tmp_path: Path) -> None:
    settings = str(town.directory / "muster.toml")
    for form, begins in (
        ("html", b"<!doctype html>"),
        ("xlsx", b"PK"),
        ("pdf", b"%PDF"),
        ("markdown", b"# "),
    ):
        target = tmp_path / f"report.{form}"
        answer = await muster("report", "weekly", "-c", settings, "--unit", "h3", "--format", form,
                              "--lang", "zh", "-o", str(target))  # fmt: skip
        assert answer[0] == 0, answer
        assert target.read_bytes().startswith(begins)
    status, out, _ = await muster("report", "monthly", "-c", settings, "--wave", "w1", "--format", "json")
    assert status == 0
    found = json.loads(out)
    assert (found["kind"], found["units"], found["scope"]) == ("monthly", 5, "w1")
    jsonschema.validate(found, json.loads(SCHEMA.read_text("utf-8")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "pdf"], "write -o FILE.pdf"),
        (["--format", "xlsx"], "write -o FILE.xlsx"),
        (["--unit", "h33"], "did you mean"),
        (["--wave", "w9"], 'no unit is of wave "w9"'),
        (["--zone", "Mars/Base"], "there is no time zone"),
        (["--to", "nobody"], "[reports.lists.nobody]"),
    ],
)
async def test_misuse_is_2(town: Town, arguments: list[str], message: str) -> None:
    settings = str(town.directory / "muster.toml")
    status, out, err = await muster("report", "daily", "-c", settings, *arguments)
    assert (status, out) == (2, "")
    assert message in err


async def test_to_a_list_without_a_daemon_waits_in_the_outbox(town: Town) -> None:
    settings = str(town.directory / "muster.toml")
    status, out, err = await muster("report", "weekly", "-c", settings, "--to", "leaders")
    assert status == 0, err
    assert "2 queued" in out

    def waiting() -> int:
        with closing(Database(town.directory / "state" / "state.db", read_only=True)) as database:
            return database.read_now(outbox.counts)["queued"]

    assert await asyncio.to_thread(waiting) == 2


async def test_a_daemon_mails_it(tmp_path: Path) -> None:
    async with smtp_server() as server:
        extra = (
            f'[mail]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\nsender = "m@gz.example"\n'
            '[reports.lists.all]\nto = ["chen@gz.example"]\nlanguage = "zh"\n'
        )
        async with running(tmp_path, INVENTORY, extra) as daemon:
            answer = await muster("report", "daily", "-c", str(tmp_path / "muster.toml"), "--to", "all")
            assert answer[0] == 0, answer
            async with asyncio.timeout(20):
                while not server.mailbox.received:
                    await asyncio.sleep(0.1)
            assert await daemon.stop() == 0
        [got] = server.mailbox.received
    assert got.recipients == ("chen@gz.example",)
    assert str(got.mail["Subject"]).startswith("日报")
    page = got.mail.get_body(("html",))
    assert page is not None
    assert "营业厅" in page.get_content()
    assert "sha256:" in page.get_content()


async def test_it_is_in_the_calendar_of_the_daemon(tmp_path: Path) -> None:
    office = Office(await asyncio.to_thread(Database, tmp_path / "state.db"))
    with closing(office.database):
        schedule = Schedule(lambda _: None)
        reporter = office.reporter()
        reporter.begin(schedule)
        jobs = {job.id: str(job.trigger) for job in schedule._scheduler.get_jobs()}
    assert set(jobs) == {"daily reports", "late reports"}
    assert jobs["daily reports"] == "cron[hour='8', minute='0']"
