"""The daily digest: what stands in it, when it is due, and that it comes once."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.digest import DAY_S, Digest, Span, begin, hour_of, last_hour, section
from monitor.alerts.digester import Digester
from monitor.alerts.notify_settings import NotifySettings
from monitor.alerts.outbox import Outbox
from monitor.alerts.people import Card
from monitor.alerts.policy import Policy
from monitor.incidents.incident import Incident
from monitor.state import State
from tests.alerts.life import BEGIN, CARD, HOUR, MAIL, incident
from tests.alerts.messages import table as opened

RULES = NotifySettings.model_validate({"digest": {"severities": ["warning"], "at": "08:00"}})
ZH = MAIL.model_copy(update={"languages": {"it@example.org": "zh"}})
SPAN = Span(BEGIN - DAY_S, BEGIN)


def card(unit: str) -> Card | None:
    return CARD if unit == "gz" else None


def minor(id_: int, at: float, closed: float | None = None, **more: object) -> Incident:
    made = replace(incident(State.DEGRADED, BEGIN + at * HOUR, f"gz/core/c{id_}"), id=id_)
    return replace(made, closed_at=None if closed is None else BEGIN + closed * HOUR, **more)  # type: ignore[arg-type]


MINORS = [
    minor(1, -5), minor(2, -10, -8), minor(3, -30, -2), minor(4, -40), minor(5, -50, -30),
    minor(6, 1), minor(7, -5, notified=True), minor(8, -5, absorbed_by=1), minor(9, -3, 2),
    replace(incident(State.DOWN, BEGIN - HOUR), id=10),
]  # fmt: skip


def test_sections() -> None:
    found = {each.id: section(each, SPAN) for each in MINORS}
    assert found == {
        1: "opened", 2: "over", 3: "closed", 4: "still", 5: "", 6: "", 7: "", 8: "", 9: "opened", 10: "opened"
    }  # fmt: skip


def test_the_message() -> None:
    [telling] = Digest(Policy(MAIL, settings=RULES), card).messages(MINORS, SPAN, BEGIN)
    made = telling.message
    assert made.subject == "Muster, daily digest: 3 opened, 2 closed, 3 still open"
    assert made.recipient == "it@example.org"
    assert "Opened, and open still (2)\n- ◐ #1 Guangzhou, gz/core/c1: no answer in time" in made.body
    assert "Open before, and over now (1)\n- ◐ #3" in made.body
    assert "#10" not in made.body
    assert made.body.startswith("What is not urgent, from 2027-01-14 08:00+00:00 to 2027-01-15 08:00+00:00.")


def test_in_chinese() -> None:
    [telling] = Digest(Policy(ZH, settings=RULES), card).messages(MINORS, SPAN, BEGIN)
    made = telling.message
    assert made.subject == "Muster 每日摘要：新增 3 起，结束 2 起，仍未结束 3 起"


def test_a_day_without_news_has_none() -> None:
    digest = Digest(Policy(MAIL, settings=RULES), card)
    assert digest.messages([minor(4, -40), minor(5, -50, -30)], SPAN, BEGIN) == []


@given(st.integers(0, 400 * 24 * 60), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai"]))
def test_the_hour_is_the_last_one_and_steps_from_day_to_day(minute: int, zone: str) -> None:
    now = BEGIN + minute * 60
    due = last_hour("08:00", zone, now)
    local = datetime.fromtimestamp(due, ZoneInfo(zone))
    assert (local.hour, local.minute) == (8, 0)
    assert due <= now < due + 26 * HOUR
    assert last_hour("08:00", zone, due) == due
    assert last_hour("08:00", zone, due - 1) < due


@given(
    st.lists(st.tuples(st.floats(-90, 90), st.none() | st.floats(0.01, 90)), max_size=30),
)
def test_every_minor_incident_is_told_when_it_opens_and_when_it_ends(
    spans: list[tuple[float, float | None]],
) -> None:
    known = [
        minor(number, at, None if lasts is None else at + lasts) for number, (at, lasts) in enumerate(spans)
    ]
    days = [Span(BEGIN + (day - 1) * DAY_S, BEGIN + day * DAY_S) for day in range(-5, 10)]
    for each in known:
        told = [section(each, day) for day in days]
        seen = [name for name in told if name]
        if each.closed_at is None:
            assert seen[0] == "opened"
            assert set(seen[1:]) <= {"still"}
        else:
            assert seen == ["over"] or (seen[0], seen[-1]) == ("opened", "closed")


def test_what_is_missed_comes_late_and_not_without_end() -> None:
    assert begin(None, BEGIN) == SPAN
    assert begin(BEGIN - 3 * DAY_S, BEGIN) == Span(BEGIN - 3 * DAY_S, BEGIN)
    assert begin(BEGIN - 30 * DAY_S, BEGIN) == Span(BEGIN - 7 * DAY_S, BEGIN)
    assert [hour_of(key) for key in ("digest:1800000000:it@x", "incident:1", "digest:x:y")] == [
        BEGIN,
        None,
        None,
    ]


class Book:
    async def recent(self, since: float, limit: int) -> list[Incident]:
        assert limit >= 1000
        return [each for each in MINORS if each.closed_at is None or each.closed_at >= since]


async def test_it_comes_once_over_restarts_and_late_after_a_stop(tmp_path: Path) -> None:
    database, table = await asyncio.to_thread(opened, tmp_path)
    now = [BEGIN - HOUR]

    def started() -> Digester:
        outbox = Outbox(table, clock=lambda: now[0])
        return Digester(
            Digest(Policy(MAIL, settings=RULES), card), Book(), table, outbox.noticed, lambda: now[0]
        )

    digester = started()
    now[0] = BEGIN + 60
    await digester.tick()
    await digester.tick()
    await started().tick()
    assert (await table.counts())["queued"] == 1
    now[0] = BEGIN + 30 * HOUR
    await started().tick()
    found = await table.claim(now[0], 60, 9)
    assert [each.message.key for each in found] == [f"digest:{BEGIN:.0f}:it@example.org"]
    await table.sent(found[0].id, now[0])
    [second] = await table.claim(now[0], 60, 9)
    assert second.message.key == f"digest:{BEGIN + DAY_S:.0f}:it@example.org"
    assert "#6" in second.message.body
    await asyncio.to_thread(database.close)


async def test_a_store_that_fails_halfway_leaves_nobody_without_a_digest(tmp_path: Path) -> None:
    database, table = await asyncio.to_thread(opened, tmp_path)
    both = MAIL.model_copy(update={"to": ("it@example.org", "ops@example.org")})
    outbox = Outbox(table)

    def started() -> Digester:
        digest = Digest(Policy(both, settings=RULES), lambda _: None)
        return Digester(digest, Book(), table, outbox.noticed, lambda: BEGIN + 60)

    await database.write(
        lambda c: c.execute(
            "CREATE TRIGGER full BEFORE INSERT ON outbox WHEN NEW.recipient = 'ops@example.org'"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    )
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        await started().tick()
    assert (await table.counts())["queued"] == outbox.counters.queued == 0
    await database.write(lambda c: c.execute("DROP TRIGGER full"))
    await started().tick()
    assert (await table.counts())["queued"] == outbox.counters.queued == 2
    await asyncio.to_thread(database.close)
