"""Work with `mute`: nobody is told of what opens meanwhile, and of what is still wrong at its end then."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.policy import Policy
from monitor.incidents.incident import Event, Incident, Notice, Shut
from monitor.messages.message import Message
from monitor.people.maintenance import Maintenance, Maintenances, Mode, Tree
from monitor.store.database import Database
from monitor.store.incidents import IncidentStore
from tests.opened import CHECK, opening
from tests.web.views import card

T0 = 1_800_000_000.0
HALL = card("gz-tianhe", "Tianhe service hall", "天河营业厅", "gz")


@dataclass
class Desk:
    """A store whose policy knows of the work; `told` are the notices queued."""

    database: Database
    work: Maintenances

    def __post_init__(self) -> None:
        self.policy = Policy(MailSettings(host="mail.example", sender="m@gz.example"), self.work.muted)
        self.store = IncidentStore(self.database, self.compose, due=self.due, next_at=self.next_at)

    def compose(self, event: Event) -> list[Message]:
        found = []
        for each in self.policy.recipients(event, HALL):
            key = f"{event.incident.id}:{event.notice}:{event.at}:{each.address}"
            found.append(
                Message(
                    key, event.incident.thread, each.address, "", "", f"<{key}@x>", event.at, event.at + 1e6,
                    notice=str(event.notice),
                )
            )  # fmt: skip
        return found

    def due(self, incident: Incident, now: float) -> tuple[Notice, int] | None:
        step = self.policy.due(incident, now, HALL)
        return (step.notice, step.tier) if step else None

    def next_at(self, incident: Incident, now: float) -> float | None:
        return self.policy.next_at(incident, now, HALL)

    async def pass_to(self, start: float, end: float) -> None:
        """Let the policy look every ten seconds."""
        at = start
        while at <= end:
            await self.store.tell_what_is_due(at)
            at += 10

    async def told(self) -> list[str]:
        def read(connection: sqlite3.Connection) -> list[str]:
            return [row[0] for row in connection.execute("SELECT notice FROM outbox ORDER BY id")]

        return await self.database.read(read)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    database, work = Database(tmp_path / "state.db"), Maintenances()
    work.adopt(Tree({"gz": None, "gz-tianhe": "gz"}))
    work.put([Maintenance(1, "gz", Mode.MUTE, "r", "li", T0, T0 - 60, T0 + 600)])
    yield Desk(database, work)
    database.close()


async def test_what_is_over_before_the_end_is_never_told(desk: Desk) -> None:
    await desk.store.apply([opening(T0)], T0)
    await desk.pass_to(T0, T0 + 300)
    await desk.store.apply([Shut(CHECK, T0 + 300)], T0 + 300)
    await desk.pass_to(T0 + 300, T0 + 900)
    assert await desk.told() == []
    history = await desk.store.history(1)
    assert history[0].what == "open", "it is recorded all the same"


async def test_what_is_still_wrong_is_told_within_a_minute_of_the_end(desk: Desk) -> None:
    await desk.store.apply([opening(T0)], T0)
    await desk.pass_to(T0, T0 + 599)
    assert await desk.told() == []
    await desk.pass_to(T0 + 600, T0 + 670)
    assert await desk.told() == ["opened"]
    await desk.store.apply([Shut(CHECK, T0 + 700)], T0 + 700)
    assert await desk.told() == ["opened", "closed"]


async def test_work_that_is_ended_early_is_over(desk: Desk) -> None:
    await desk.store.apply([opening(T0)], T0)
    await desk.pass_to(T0, T0 + 100)
    desk.work.put([])
    await desk.pass_to(T0 + 100, T0 + 170)
    assert await desk.told() == ["opened"]


async def test_what_lies_elsewhere_is_told_at_once(desk: Desk) -> None:
    await desk.store.apply([opening(T0, "sz/core/icmp")], T0)
    assert await desk.told() == ["opened"]
