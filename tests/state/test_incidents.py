"""What a transition does to an incident: the decision as a table, then the steps in a real database."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.alerts.message import Message
from monitor.incidents import NOTIFY, REMOVED, Action, Change, Event, Incident, Notice, Step, decide
from monitor.state import CheckState, Phase, State, Transition, to_row
from monitor.store import incidents as stored
from monitor.store import states
from monitor.store.database import Database
from monitor.store.incidents import IncidentStore
from monitor.store.outbox import OutboxTable
from probes.api import Outcome

OK, DEGRADED, DOWN, UNKNOWN, SHADOWED = State
CHECK = "u/a/c"


def moved(
    after: State, at: float = 100.0, kind: str = "timeout", outcome: Outcome | None = Outcome.FAILED
) -> Transition:
    return Transition(CHECK, OK, after, Phase.STEADY, at, at - 60, at - 1, outcome, kind, "why")


def incident(state: State = DOWN, worst: State = DOWN, *, notified: bool = True) -> Incident:
    return Incident(7, 1, CHECK, "timeout", "", state, worst, 40.0, 50.0, None, notified)


QUIET = incident(UNKNOWN, UNKNOWN, notified=False)


@pytest.mark.parametrize(
    ("transition", "present", "step", "notice"),
    [
        (moved(DOWN), None, Step.OPEN, Notice.OPENED),
        (moved(DEGRADED), None, Step.OPEN, Notice.OPENED),
        (moved(UNKNOWN, outcome=Outcome.ERROR), None, Step.OPEN, None),
        (moved(UNKNOWN, outcome=None), None, Step.OPEN, None),
        (moved(UNKNOWN, outcome=Outcome.NOT_RUN), None, Step.NONE, None),
        (moved(OK), None, Step.NONE, None),
        (moved(SHADOWED), None, Step.NONE, None),
        (moved(UNKNOWN, kind=REMOVED, outcome=None), None, Step.NONE, None),
        (moved(OK), incident(), Step.CLOSE, Notice.CLOSED),
        (moved(OK), QUIET, Step.CLOSE, None),
        (moved(UNKNOWN, kind=REMOVED, outcome=None), incident(), Step.CLOSE, Notice.CLOSED),
        (moved(DOWN), incident(), Step.NONE, None),
        (moved(DOWN), incident(DEGRADED, DEGRADED), Step.UPDATE, Notice.WORSE),
        (moved(DEGRADED), incident(), Step.UPDATE, None),
        (moved(DOWN), incident(DEGRADED, DOWN), Step.UPDATE, None),
        (moved(UNKNOWN), incident(), Step.UPDATE, None),
        (moved(DOWN), incident(UNKNOWN, DOWN), Step.UPDATE, None),
        (moved(DOWN), QUIET, Step.UPDATE, Notice.OPENED),
        (moved(SHADOWED), incident(), Step.UPDATE, None),
    ],
)
def test_decide(transition: Transition, present: Incident | None, step: Step, notice: Notice | None) -> None:
    assert decide(transition, present, NOTIFY) == Action(step, notice)


def test_unknown_is_mailed_where_the_settings_ask_for_it() -> None:
    action = decide(moved(UNKNOWN, outcome=Outcome.ERROR), None, NOTIFY | {UNKNOWN})
    assert action == Action(Step.OPEN, Notice.OPENED)


def compose(event: Event) -> Sequence[Message]:
    key = f"{event.incident.id}:{event.notice}:{event.incident.worst}"
    return [Message(key, str(event.incident.id), "a@example.org", key, "", f"<{key}@x>", 1.0, 1e12)]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "state.db")
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> IncidentStore:
    return IncidentStore(database, compose)


def change(*transitions: Transition) -> Change:
    last = transitions[-1]
    return Change(CHECK, to_row(CheckState(CHECK, last.after, since=last.since)), transitions)


async def keys(store: IncidentStore) -> list[str]:
    claimed = await OutboxTable(store.database).claim(1e9, 60, 100)
    return [one.message.key for one in claimed]


async def test_one_incident_from_opening_to_closing(store: IncidentStore) -> None:
    done = await store.commit([change(moved(DEGRADED, 100, "expectation", Outcome.OK))], 100)
    assert (done.opened, done.closed, done.queued) == (1, 0, 1)
    await store.commit([change(moved(DOWN, 200))], 200)
    [now] = await store.open()
    assert (now.state, now.worst, now.kind, now.version, now.began_at) == (DOWN, DOWN, "timeout", 2, 40)
    await store.note(now.id, "li", "the provider is told", 250)
    done = await store.commit([change(moved(OK, 300, "", Outcome.OK))], 300)
    assert (done.opened, done.closed) == (0, 1)
    assert await store.open() == []
    [closed] = await store.recent(0)
    assert (closed.state, closed.worst, closed.kind, closed.closed_at) == (OK, DOWN, "timeout", 300)
    assert [row.what for row in await store.history(1)] == [
        "open", "told:opened", "update", "told:worse", "note", "close", "told:closed",
    ]  # fmt: skip
    [state] = await store.load()
    assert (state.check, state.state) == (CHECK, OK)


async def test_members_join_and_leave(store: IncidentStore) -> None:
    await store.commit([change(moved(DOWN, 100)), change(moved(OK, 300))], 300)
    rows = await store.database.read(
        lambda c: [
            tuple(r) for r in c.execute('SELECT incident, "check", joined_at, left_at FROM incident_member')
        ]
    )
    assert rows == [(1, CHECK, 100, 300)]


async def test_a_new_incident_names_the_one_just_before(store: IncidentStore) -> None:
    course = [moved(DOWN, 100), moved(OK, 200), moved(DOWN, 300), moved(OK, 400), moved(DOWN, 9000)]
    for transition in course:
        await store.commit([change(transition)], transition.at)
    found = sorted(await store.recent(0), key=lambda each: each.id)
    assert [(each.id, each.previous) for each in found] == [(1, None), (2, 1), (3, None)]


async def test_the_same_transition_twice_is_one_incident_and_one_message(store: IncidentStore) -> None:
    for _ in range(3):
        await store.commit([change(moved(DOWN, 100))], 100)
    assert len(await store.open()) == 1
    assert await keys(store) == ["1:opened:DOWN"]


async def test_a_removed_check_is_closed_and_forgotten(store: IncidentStore) -> None:
    await store.commit([change(moved(DOWN, 100))], 100)
    gone = moved(UNKNOWN, 200, REMOVED, None)
    await store.commit([Change(CHECK, None, [gone])], 200)
    assert await store.open() == []
    assert await store.load() == []
    assert [row.what for row in await store.history(1)][-2:] == ["removed", "told:closed"]


async def test_nothing_of_a_failed_commit_stays(store: IncidentStore) -> None:
    bad = Change("u/a/x", ("too", "short"), [replace(moved(DOWN), check="u/a/x")])
    with pytest.raises(sqlite3.ProgrammingError):
        await store.commit([change(moved(DOWN)), bad], 100)
    assert await store.open() == []
    assert await store.load() == []
    assert await keys(store) == []


async def test_a_fault_in_the_message_does_not_lose_the_incident(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> Sequence[Message]:
        raise KeyError("a missing text")

    store = IncidentStore(database, broken)
    done = await store.commit([change(moved(DOWN))], 100)
    assert (done.opened, done.queued) == (1, 0)
    assert "messages of incident 1 could not be written" in caplog.text


async def test_compare_and_set(store: IncidentStore) -> None:
    """Somebody else moved the incident between reading and writing: nothing is written."""
    await store.commit([change(moved(DEGRADED, 100))], 100)
    [seen] = await store.open()
    await store.commit([change(moved(DOWN, 200))], 200)
    late = await store.database.write(
        lambda c: stored.write(c, seen, Action(Step.CLOSE, Notice.CLOSED), moved(OK, 300))
    )
    assert late is None
    assert [each.state for each in await store.open()] == [DOWN]
    second = await store.database.write(
        lambda c: stored.write(c, None, Action(Step.OPEN, Notice.OPENED), moved(DOWN, 300))
    )
    assert second is None, "a check has one open incident"


async def test_the_writer_decides_anew_where_the_incident_moved(
    store: IncidentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.commit([change(moved(DEGRADED, 100))], 100)
    stale = await store.open()
    await store.commit([change(moved(DOWN, 200))], 200)
    read = stored.open_incident
    answers = iter([stale[0]])
    monkeypatch.setattr(stored, "open_incident", lambda c, check: next(answers, None) or read(c, check))
    done = await store.commit([change(moved(OK, 300))], 300)
    assert done.closed == 1
    assert [row.what for row in await store.history(1)].count("close") == 1


async def test_a_note_needs_its_incident(store: IncidentStore) -> None:
    with pytest.raises(KeyError, match="no incident 5"):
        await store.note(5, "li", "?", 1)


async def test_an_event_knows_who_was_told_before(database: Database) -> None:
    seen: list[tuple[str, ...]] = []

    def record(event: Event) -> Sequence[Message]:
        seen.append(event.told)
        return [replace(each, thread=event.incident.thread) for each in compose(event)]

    store = IncidentStore(database, record)
    await store.commit([change(moved(DEGRADED, 100), moved(DOWN, 200), moved(OK, 300))], 300)
    assert seen == [(), ("a@example.org",), ("a@example.org",)]


async def test_a_full_outbox_drops_and_says_so(database: Database) -> None:
    store = IncidentStore(database, compose, outbox_limit=1)
    other = Change("u/b/c", None, [replace(moved(DOWN), check="u/b/c")])
    done = await store.commit([change(moved(DOWN)), other], 100)
    assert (done.opened, done.queued, done.dropped) == (2, 1, 1)
    assert (await store.history(2))[-1].detail == "0 queued, 1 dropped"


@pytest.mark.may_block
async def test_a_hundred_thousand_states_are_loaded_in_seconds(store: IncidentStore) -> None:
    rows = [to_row(CheckState(f"unit-{n}/asset/check", OK, Phase.STEADY)) for n in range(100_000)]
    await store.database.write(lambda c: states.save(c, rows))
    loaded = await store.load()
    assert len(loaded) == 100_000
    assert loaded[0].state is OK
