"""Policy, incidents and outbox together on a real store: who gets what, over hours, on a clock passed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitor.alerts import digest_texts
from monitor.alerts.digest import Digest
from monitor.alerts.digester import Digester
from monitor.alerts.notices import Notices
from monitor.alerts.notify_settings import NotifySettings
from monitor.alerts.people import Gone
from monitor.alerts.policy import Policy, never
from monitor.incidents.incident import Incident, Join, Member, Notice, Open, Shut
from monitor.messages.message import Message
from monitor.messages.storm import Limits
from monitor.state import State
from monitor.store.database import Database
from monitor.store.incidents import IncidentStore
from monitor.store.outbox import OutboxTable
from tests.alerts.life import BEGIN, CARD, HOUR, MAIL

IT, OPS, VENDOR = "it@example.org", "ops@example.org", "vendor@example.org"


@dataclass
class Office:
    """The daemon's part of it, without waiting."""

    database: Database
    policy: Policy
    limits: Limits | None = None
    card: Callable[[str], Gone] = field(default=lambda unit: CARD)

    def __post_init__(self) -> None:
        notices = Notices(MAIL, self.card, lambda check: "", self.policy)
        self.store = IncidentStore(
            self.database, notices, MAIL.notify, self._due, self._next_at, limits=self.limits
        )
        self.table = OutboxTable(self.database, summarise=digest_texts.summary, limits=self.limits)

    def _due(self, incident: Incident, now: float) -> tuple[Notice, int] | None:
        step = self.policy.due(incident, now, self.card(incident.unit))
        return (step.notice, step.tier) if step else None

    def _next_at(self, incident: Incident, now: float) -> float | None:
        return self.policy.next_at(incident, now, self.card(incident.unit))

    async def open(self, at: float, root: str = "gz/core/icmp", state: State = State.DOWN) -> None:
        member = Member(root, state, "timeout", at, at)
        await self.store.apply([Open(root, state, "timeout", "", at, "", member, at)], at)

    async def shut(self, at: float, root: str = "gz/core/icmp") -> None:
        await self.store.apply([Shut(root, at)], at)

    async def until(self, begin: float, end: float, step: float = 60.0) -> list[tuple[float, str, str]]:
        """Let time go on; return when, in hours, who got what."""
        found, now = [], begin
        while now <= end:
            await self.store.tell_what_is_due(now)
            found += [(round((now - BEGIN) / HOUR, 2), m.notice, m.recipient) for m in await self.came(now)]
            now += step
        return found

    async def came(self, now: float) -> list[Message]:
        taken: list[Message] = []
        while claimed := await self.table.claim(now, 60.0, 50):
            taken += [each.message for each in claimed]
            for each in claimed:
                await self.table.sent(each.id, now)
        return taken


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await asyncio.to_thread(Database, tmp_path / "state.db")
    yield database
    await asyncio.to_thread(database.close)


async def test_a_critical_incident_over_five_hours(database: Database) -> None:
    office = Office(database, Policy(MAIL))
    await office.open(BEGIN)
    heard = await office.until(BEGIN, BEGIN + 5 * HOUR)
    await office.shut(BEGIN + 5 * HOUR)
    everybody = (IT, OPS, VENDOR)
    assert heard[0] == (0.0, "opened", IT)
    assert {each[2] for each in heard if each[:2] == (0.5, "escalated")} == {IT, OPS}
    assert {each[2] for each in heard if each[:2] == (2.0, "escalated")} == set(everybody)
    assert {each[2] for each in heard if each[:2] == (4.0, "reminder")} == set(everybody)
    assert len(heard) == 1 + 2 + 3 + 3
    assert {(m.notice, m.recipient) for m in await office.came(BEGIN + 5 * HOUR)} == {
        ("closed", each) for each in everybody
    }


async def test_a_warning_of_the_night_is_told_in_the_morning_once(database: Database) -> None:
    quiet = NotifySettings.model_validate({"quiet": {"windows": ["22:00-07:00"]}})
    office = Office(database, Policy(MAIL, never, quiet))
    night = BEGIN + 16 * HOUR
    await office.open(night, state=State.DEGRADED)
    heard = await office.until(night, night + 9 * HOUR)
    assert heard == [(23.0, "opened", IT)]
    [incident] = await office.store.open()
    assert (incident.notified, incident.told_at) == (True, BEGIN + 23 * HOUR)
    history = [row.what for row in await office.store.history(incident.id)]
    assert history.count("told:opened") == 1


async def test_what_ends_in_the_same_night_is_never_told(database: Database) -> None:
    quiet = NotifySettings.model_validate({"quiet": {"windows": ["22:00-07:00"]}})
    office = Office(database, Policy(MAIL, never, quiet))
    night = BEGIN + 16 * HOUR
    await office.open(night, state=State.DEGRADED)
    await office.shut(night + HOUR)
    assert await office.until(night, night + 9 * HOUR) == []


async def test_a_mute_that_ends(database: Database) -> None:
    office = Office(database, Policy(MAIL, lambda root, now: now < BEGIN + HOUR))
    await office.open(BEGIN)
    assert (await office.until(BEGIN, BEGIN + 1.2 * HOUR))[:1] == [(1.0, "opened", IT)]


async def test_in_a_storm_everybody_is_told_of_each_beginning_and_each_end(database: Database) -> None:
    office = Office(database, Policy(MAIL), Limits(per_recipient=1000, storm=20))
    roots = [f"gz/core/c{n}" for n in range(60)]
    for root in roots:
        await office.open(BEGIN, root)
    assert all(each.notified for each in await office.store.open())
    openings = await office.came(BEGIN + 60)
    assert [m.notice for m in openings] == ["opened"] * 20 + ["summary"]
    assert openings[-1].body.count("\n- ") == 40
    for root in roots:
        await office.shut(BEGIN + 120, root)
    assert [m.notice for m in await office.came(BEGIN + 120)] == ["closed"] * 60
    assert await office.until(BEGIN + 120, BEGIN + 9 * HOUR, 600) == []


async def test_nothing_is_asked_for_ever_where_nobody_is_to_be_told(database: Database) -> None:
    nobody = NotifySettings.model_validate({"routes": [{"to": []}]})
    office = Office(database, Policy(MAIL, never, nobody))
    await office.open(BEGIN)
    assert await office.until(BEGIN, BEGIN + 3 * HOUR) == []
    [incident] = await office.store.open()
    assert incident.version < 30


async def test_who_read_in_a_digest_of_what_got_worse_is_told_of_its_end(
    database: Database,
) -> None:
    rules = {"digest": {"severities": ["warning"]}, "routes": [{"severity": "critical", "to": ["tier2"]}, {}]}
    policy = Policy(MAIL, never, NotifySettings.model_validate(rules))
    office = Office(database, policy)
    for root in ("gz/core/one", "gz/core/two"):
        await office.open(BEGIN - HOUR, root, State.DEGRADED)
    digester = Digester(
        Digest(policy, office.card),
        office.store,
        office.table,
        lambda queued, dropped: None,
        lambda: BEGIN + 1,
    )
    await digester.tick()
    assert [(m.notice, m.recipient) for m in await office.came(BEGIN + 1)] == [("digest", IT)]
    worse = Member("gz/core/one", State.DOWN, "timeout", BEGIN, BEGIN)
    await office.store.apply([Join("gz/core/one", (worse,), BEGIN + 60)], BEGIN + 60)
    assert [(m.notice, m.recipient) for m in await office.came(BEGIN + 60)] == [("opened", OPS)]
    for root in ("gz/core/one", "gz/core/two"):
        await office.shut(BEGIN + 120, root)
    assert {(m.notice, m.recipient) for m in await office.came(BEGIN + 120)} == {
        ("closed", OPS),
        ("closed", IT),
    }
