"""Reports by mail: due once, late rather than never, to whom the lists say, by the real child process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.child.clerk import Clerk, ClerkFault
from monitor.messages.message import Message
from monitor.people.refused import Refused
from monitor.reporting import Reporter
from monitor.reports.due import due_of, last_due
from monitor.reports.mailing import letters
from monitor.reports.period import Kind, period
from monitor.reports.settings import ReportList, ReportSettings
from monitor.store.database import Database
from monitor.store.outbox import OutboxTable
from tests.reports.town import DAY, NOW, Town


def test_each_reader_gets_what_is_theirs(town: Town) -> None:
    chen, wang = letters(town.place, town.workspace(), "leaders", "weekly", NOW, NOW)
    assert (chen.recipient, chen.language, wang.language) == ("chen@gz.example", "zh", "en")
    assert chen.subject.startswith("周报")
    assert "排行" in chen.html
    assert "链路质量</h2>" not in chen.html
    assert "sha256:" in wang.body
    assert len(wang.html) < 100_000
    [hall] = letters(town.place, town.workspace(), "hall", "weekly", NOW, NOW)
    assert hall.recipient == "it@h3.example"
    assert "h3" in hall.subject
    assert ">h1<" not in hall.html
    assert "Link quality</h2>" in hall.html


def test_an_unknown_list_is_refused(town: Town) -> None:
    with pytest.raises(Refused, match=r"\[reports.lists.nobody\]"):
        letters(town.place, town.workspace(), "nobody", "daily", NOW, NOW)


@pytest.mark.parametrize(
    ("kind", "due"),
    [("daily", "2026-11-24T08:00"), ("weekly", "2026-11-23T08:00"), ("monthly", "2026-11-01T08:00")],
)
def test_when_each_was_due(kind: Kind, due: str) -> None:
    rules = ReportSettings(zone="Asia/Shanghai")
    expected = datetime.fromisoformat(due).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
    assert last_due(kind, rules, NOW) == expected
    assert last_due(kind, rules, expected) == expected
    assert last_due(kind, rules, expected - 1) < expected


@given(st.integers(1_700_000_000, 1_900_000_000), st.sampled_from(["daily", "weekly", "monthly"]))
def test_reports_leave_no_gap_though_clocks_change(now: int, kind: Kind) -> None:
    rules = ReportSettings(zone="Europe/Berlin", at="02:30")
    due = last_due(kind, rules, float(now))
    before = last_due(kind, rules, due - 1)
    assert due <= now
    found = period(kind, float(now), rules.zone, due)
    assert found.end == now
    assert abs(found.start - before) <= 3600
    if kind != "daily":
        assert found.start <= before + 3600


def test_a_month_goes_back_to_the_same_day() -> None:
    assert period("monthly", NOW, "UTC").plain()["from"] == "2026-10-24T06:00:00+00:00"
    end = datetime.fromisoformat("2027-03-31T06:00:00+00:00").timestamp()
    assert period("monthly", end, "UTC").plain()["from"] == "2027-02-28T06:00:00+00:00"


@dataclass
class Scribe:
    """A writer that may fail."""

    faults: list[Exception] = field(default_factory=list)
    wrote: list[tuple[str, Kind, float]] = field(default_factory=list)

    async def report(self, name: str, kind: Kind, due: float) -> Sequence[Message]:
        if self.faults:
            raise self.faults.pop()
        self.wrote.append((name, kind, due))
        key = f"report:{name}:{kind}:{due:.0f}"
        return [
            Message(
                f"{key}:a@b.example",
                f"report:{name}:{kind}",
                "a@b.example",
                "s",
                "b",
                "<x@y>",
                due,
                due + DAY,
            )
        ]


@dataclass
class Office:
    """A reporter over a real table, with a clock of ours."""

    database: Database
    scribe: Scribe = field(default_factory=Scribe)
    now: float = NOW

    def reporter(self) -> Reporter:
        rules = ReportSettings(lists={"all": ReportList(to=("a@b.example",), kinds=frozenset({"daily"}))})
        table = OutboxTable(self.database)

        async def enqueue(messages: Sequence[Message]) -> None:
            await table.enqueue(messages, self.now)

        return Reporter(rules, self.scribe, table, enqueue, clock=lambda: self.now)

    async def queued(self) -> int:
        return sum((await OutboxTable(self.database).counts()).values())


@pytest.fixture
async def office(tmp_path: Path) -> Office:
    return Office(await asyncio.to_thread(Database, tmp_path / "state.db"))


async def test_a_report_that_fell_due_while_nobody_ran_comes_late_and_once(office: Office) -> None:
    with closing(office.database):
        first = office.reporter()
        await first.catch_up()
        assert await office.queued() == 0, "a first start tells nobody of what was before"
        await first._firing("daily")()
        await first._firing("daily")()
        assert await office.queued() == 1
        office.now += 3 * DAY
        later = office.reporter()
        await later.catch_up()
        await later.catch_up()
        assert await office.queued() == 2
        assert office.scribe.wrote[-1][2] == last_due("daily", ReportSettings(), office.now)


async def test_what_fails_is_tried_again_and_what_can_t_be_is_not(office: Office) -> None:
    with closing(office.database):
        office.scribe.faults = [ClerkFault("gone")]
        reporter = office.reporter()
        await reporter._firing("daily")()
        assert await office.queued() == 0
        await reporter.catch_up()
        assert await office.queued() == 1
        office.now += DAY
        office.scribe.faults = [Refused("no unit")]
        await reporter._firing("daily")()
        assert await office.queued() == 1


def test_only_its_own_keys_name_a_moment() -> None:
    assert due_of("report:all:daily:1795500000:a@b.example") == 1795500000
    for key in (None, "", "digest:1795500000:a", "report:all:daily:x:a", "report:all"):
        assert due_of(key) is None


async def test_the_child_process_writes_reports(town: Town) -> None:
    clerk = Clerk(await asyncio.to_thread(lambda: town.place))
    try:
        found = await clerk.report("leaders", "daily", NOW)
        assert [each.recipient for each in found] == ["chen@gz.example", "wang@gz.example"]
        with pytest.raises(Refused):
            await clerk.report("nobody", "daily", NOW)
    finally:
        await clerk.close()
