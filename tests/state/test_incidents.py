"""What a decision does to an incident: the steps in a real database, the messages, and who is told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.incidents.incident import (
    NOTIFY,
    REMOVED,
    UNDECIDED,
    Change,
    Event,
    Incident,
    Join,
    Leave,
    Member,
    Notice,
    Open,
    Recover,
    Residue,
    Severity,
    Shut,
)
from monitor.messages.message import Message
from monitor.state import CheckState, Phase, State, to_row
from monitor.store import incident_rows as rows
from monitor.store import states
from monitor.store.database import Database
from monitor.store.incidents import IncidentStore
from monitor.store.outbox import OutboxTable

OK, DEGRADED, DOWN, UNKNOWN, SHADOWED = State
CHECK = "u/a/c"


def member(state: State = DOWN, check: str = CHECK, at: float = 100.0) -> Member:
    return Member(check, state, "timeout", at - 60, at)


def opening(state: State = DOWN, root: str = CHECK, at: float = 100.0, follows: str = "") -> Open:
    return Open(root, state, "timeout", "why", at - 60, "{}", member(state, CHECK, at), at, False, follows)


def compose(event: Event) -> Sequence[Message]:
    incident = event.incident
    key = f"{incident.id}:{event.notice}:{incident.worst}"
    return [Message(key, incident.thread, "a@example.org", key, "", f"<{key}@x>", 1.0, 1e12)]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await asyncio.to_thread(Database, tmp_path / "state.db")
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> IncidentStore:
    return IncidentStore(database, compose)


async def keys(store: IncidentStore) -> list[str]:
    def read(connection: sqlite3.Connection) -> list[str]:
        return [row[0] for row in connection.execute("SELECT key FROM outbox ORDER BY id")]

    return await store.database.read(read)


async def test_one_incident_from_opening_to_closing(store: IncidentStore) -> None:
    done = await store.apply([opening(DEGRADED)], 100)
    assert (done.opened, done.closed, done.queued) == (1, 0, 1)
    await store.apply([Join(CHECK, (member(DOWN, at=200),), 200)], 200)
    [now] = await store.open()
    assert (now.state, now.worst, now.severity, now.began_at) == (DOWN, DOWN, Severity.CRITICAL, 40)
    await store.note(now.id, "li", "the provider is told", 250)
    done = await store.apply([Leave(CHECK, CHECK, 290), Recover(CHECK, 290), Shut(CHECK, 600)], 600)
    assert (done.opened, done.closed) == (0, 1)
    assert await store.open() == []
    [closed] = await store.recent(0)
    assert (closed.state, closed.worst, closed.recovered_at, closed.closed_at) == (OK, DOWN, 290, 600)
    assert [row.what for row in await store.history(1)] == [
        "open", "told:opened", "update", "told:worse", "note", "recovered", "close", "told:closed",
    ]  # fmt: skip
    assert await keys(store) == ["1:opened:DEGRADED", "1:worse:DOWN", "1:closed:DOWN"]


async def test_what_got_worse_says_by_what(store: IncidentStore) -> None:
    slow = replace(opening(DEGRADED), kind="degradation", detail="rtt_ms 96 ms, usually 38 (jump)")
    await store.apply([slow], 100)
    dead = replace(member(DOWN, at=200), kind="timeout")
    await store.apply([Join(CHECK, (dead,), 200, "no answer within 5 s")], 200)
    [now] = await store.open()
    assert (now.worst, now.kind, now.detail) == (DOWN, "timeout", "no answer within 5 s")
    behind = replace(member(DEGRADED, "u/a/d", 300), kind="expectation")
    await store.apply([Join(CHECK, (behind,), 300, "x")], 300)
    [now] = await store.open()
    assert (now.kind, now.detail) == ("timeout", "no answer within 5 s"), (
        "what lies behind it is not its cause"
    )


async def test_members_join_leave_and_come_back(store: IncidentStore) -> None:
    other = member(SHADOWED, "u/b/c", 110)
    await store.apply([opening(), Join(CHECK, (other,), 110), Leave(CHECK, "u/b/c", 120)], 120)
    inside, total = await store.database.read(lambda c: rows.members(c, 1, 10))
    assert ([each.check for each in inside], total) == ([CHECK], 1)
    await store.apply([Join(CHECK, (replace(other, joined_at=130.0),), 130)], 130)
    inside, total = await store.database.read(lambda c: rows.members(c, 1, 1))
    assert ([each.check for each in inside], total) == ([CHECK], 2), "worst first, the rest counted"
    assert await keys(store) == ["1:opened:DOWN"], "who joins later joins silently"


async def test_it_is_as_bad_as_the_worst_that_is_left(store: IncidentStore) -> None:
    await store.apply([opening(), Join(CHECK, (member(DEGRADED, "u/b/c"),), 110)], 110)
    await store.apply([Leave(CHECK, CHECK, 120)], 120)
    [now] = await store.open()
    assert (now.state, now.worst) == (DEGRADED, DOWN)


async def test_a_new_incident_names_the_one_just_before(store: IncidentStore) -> None:
    for at, end in ((100, 200), (300, 400), (9000, 9100)):
        await store.apply([opening(at=at), Shut(CHECK, end)], end)
    found = sorted(await store.recent(0), key=lambda each: each.id)
    assert [(each.id, each.previous) for each in found] == [(1, None), (2, 1), (3, None)]


async def test_opening_twice_is_one_incident_and_one_message(store: IncidentStore) -> None:
    for _ in range(3):
        await store.apply([opening()], 100)
    assert len(await store.open()) == 1
    assert await keys(store) == ["1:opened:DOWN"]


async def test_what_is_no_longer_in_the_inventory_ends_as_it_was(store: IncidentStore) -> None:
    await store.apply([opening()], 100)
    await store.apply([Shut(CHECK, 200, REMOVED)], 200)
    [closed] = await store.recent(0)
    assert (closed.state, closed.closed_at) == (DOWN, 200)
    assert [row.what for row in await store.history(1)][-2:] == ["removed", "told:closed"]


async def test_unknown_is_told_only_where_the_settings_ask_for_it(database: Database) -> None:
    quiet, loud = IncidentStore(database, compose), IncidentStore(database, compose, NOTIFY | {UNKNOWN})
    await quiet.apply([opening(UNKNOWN)], 100)
    assert await keys(quiet) == []
    await quiet.apply([Join(CHECK, (member(DOWN),), 150)], 150)
    assert await keys(quiet) == ["1:opened:DOWN"], "of the worst it is told"
    await loud.apply([opening(UNKNOWN, "u/x/c")], 200)
    assert await keys(loud) == ["1:opened:DOWN", "2:opened:UNKNOWN"]


async def test_a_cause_that_could_not_be_told_is_unknown_and_told(store: IncidentStore) -> None:
    await store.apply([replace(opening(UNKNOWN), kind=UNDECIDED)], 100)
    await store.apply([Join(CHECK, (member(DOWN),), 150)], 150)
    [now] = await store.open()
    assert (now.state, now.severity) == (UNKNOWN, Severity.WARNING)
    assert await keys(store) == ["1:opened:UNKNOWN"]


async def test_an_absorbed_one_ends_silently_and_its_people_hear_of_the_cause(database: Database) -> None:
    seen: list[tuple[Notice, tuple[str, ...]]] = []

    def record(event: Event) -> Sequence[Message]:
        seen.append((event.notice, event.told))
        return compose(event)

    store = IncidentStore(database, record)
    await store.apply([opening(), opening(root="hub/core", at=200)], 200)
    await store.apply([Shut(CHECK, 201, into="hub/core"), Shut("hub/core", 900)], 900)
    assert [notice for notice, _ in seen] == [Notice.OPENED, Notice.OPENED, Notice.CLOSED]
    assert seen[-1][1] == ("a@example.org",)
    leaf = next(each for each in await store.recent(0) if each.root == CHECK)
    assert leaf.absorbed_by == 2


async def test_a_residue_is_the_beginning_of_what_is_left(store: IncidentStore) -> None:
    await store.apply([opening(root="hub/core")], 100)
    await store.apply([opening(at=300, follows="hub/core"), Residue("hub/core", (CHECK,), 300)], 300)
    await store.apply([Shut("hub/core", 900), Shut(CHECK, 1000)], 1000)
    assert await keys(store) == ["1:opened:DOWN", "1:residual:DOWN", "1:closed:DOWN", "2:closed:DOWN"]


async def test_a_root_without_an_incident_is_lost(store: IncidentStore) -> None:
    done = await store.apply([Leave("nobody", CHECK, 1), Shut("nobody", 2)], 2)
    assert done.lost == ["nobody", "nobody"]


async def test_a_decision_that_cannot_be_recorded_keeps_no_other_back(
    store: IncidentStore, caplog: pytest.LogCaptureFixture
) -> None:
    bad = replace(opening(root="u/a/x"), detail="half a sign: \ud800")
    done = await store.apply([opening(), bad, opening(root="u/a/y")], 100)
    assert (done.opened, done.queued, done.left_out) == (2, 2, 1)
    assert [each.root for each in await store.open()] == [CHECK, "u/a/y"]
    assert "left out, as it can't be recorded" in caplog.text


async def test_nothing_of_a_commit_that_the_disk_refuses_stays(
    store: IncidentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(connection: sqlite3.Connection, *_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(rows, "add_history", full)
    with pytest.raises(sqlite3.OperationalError):
        await store.apply([opening(), opening(root="u/a/y")], 100)
    assert await store.open() == []
    assert await keys(store) == []


async def test_states_are_saved_and_forgotten(store: IncidentStore) -> None:
    await store.commit([Change(CHECK, to_row(CheckState(CHECK, DOWN, Phase.STEADY)))])
    [state] = await store.load()
    assert (state.check, state.state) == (CHECK, DOWN)
    await store.commit([Change(CHECK, None)])
    assert await store.load() == []


async def test_a_fault_in_the_message_does_not_lose_the_incident(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> Sequence[Message]:
        raise KeyError("a missing text")

    done = await IncidentStore(database, broken).apply([opening()], 100)
    assert (done.opened, done.queued) == (1, 0)
    assert "messages of incident 1 could not be written" in caplog.text


async def test_compare_and_set(store: IncidentStore) -> None:
    """Somebody else moved the incident between reading and writing: nothing is written."""
    await store.apply([opening(DEGRADED)], 100)
    [seen] = await store.open()
    await store.apply([Join(CHECK, (member(DOWN),), 200)], 200)
    late = await store.database.write(lambda c: rows.update(c, seen, state=OK))
    assert late is None
    assert [each.state for each in await store.open()] == [DOWN]


async def test_the_writer_reads_anew_where_the_incident_moved(
    store: IncidentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.apply([opening(DEGRADED)], 100)
    [stale] = await store.open()
    await store.apply([Join(CHECK, (member(DOWN),), 200)], 200)
    read = rows.open_incident
    answers = iter([stale])
    monkeypatch.setattr(rows, "open_incident", lambda c, root: next(answers, None) or read(c, root))
    done = await store.apply([Shut(CHECK, 300)], 300)
    assert done.closed == 1
    assert [row.what for row in await store.history(1)].count("close") == 1


async def test_what_is_due_is_told_and_planned_anew(database: Database) -> None:
    def due(incident: Incident, now: float) -> tuple[Notice, int] | None:
        return (Notice.ESCALATED, 2) if incident.tier < 2 else None

    def next_at(incident: Incident, now: float) -> float | None:
        return None if incident.tier >= 2 else incident.opened_at + 1800

    store = IncidentStore(database, compose, due=due, next_at=next_at)
    await store.apply([opening()], 100)
    assert (await store.tell_what_is_due(1000)).queued == 0
    assert (await store.tell_what_is_due(1900)).queued == 1
    [now] = await store.open()
    assert (now.tier, now.next_at) == (2, None)
    assert (await store.tell_what_is_due(9999)).queued == 0


async def test_a_policy_that_never_moves_on_is_not_asked_at_every_tick(database: Database) -> None:
    store = IncidentStore(database, compose, next_at=lambda incident, now: 0.0)
    await store.apply([opening()], 100)
    await store.tell_what_is_due(200)
    assert (await store.open())[0].next_at == 205


async def test_a_note_needs_its_incident(store: IncidentStore) -> None:
    with pytest.raises(KeyError, match="no incident 5"):
        await store.note(5, "li", "?", 1)


async def test_a_full_outbox_drops_and_says_so(database: Database) -> None:
    store = IncidentStore(database, compose, outbox_limit=1)
    done = await store.apply([opening(), opening(root="u/b/c")], 100)
    assert (done.opened, done.queued, done.dropped) == (2, 1, 1)
    assert (await store.history(2))[-1].detail == "0 queued, 1 dropped"


async def test_messages_reach_the_outbox(store: IncidentStore) -> None:
    await store.apply([opening()], 100)
    [claimed] = await OutboxTable(store.database).claim(1e9, 60, 100)
    assert claimed.message.key == "1:opened:DOWN"


async def test_old_incidents_are_forgotten_with_all_that_belongs_to_them(store: IncidentStore) -> None:
    await store.apply([opening(at=100), Shut(CHECK, 200), opening(at=300), Shut(CHECK, 400)], 400)
    await store.apply([opening(at=500)], 500)
    assert await store.prune(450) == 2
    [left] = await store.recent(0)
    assert (left.id, left.previous) == (3, None)
    count = "SELECT (SELECT count(*) FROM incident_member), (SELECT count(*) FROM incident_history)"
    assert await store.database.read(lambda c: tuple(c.execute(count).fetchone())) == (1, 2)


async def test_a_rule_stays_as_it_was_whatever_happens_later(store: IncidentStore) -> None:
    await store.apply([replace(opening(), rule='{"check": "u/a/c"}'), Shut(CHECK, 200)], 200)
    [closed] = await store.recent(0)
    assert closed.rule == "", "lists do without"
    assert (await store.database.read(lambda c: rows.with_rule(c, closed))).rule == '{"check": "u/a/c"}'


@pytest.mark.may_block
async def test_a_hundred_thousand_states_are_loaded_in_seconds(store: IncidentStore) -> None:
    known = [to_row(CheckState(f"unit-{n}/asset/check", OK, Phase.STEADY)) for n in range(100_000)]
    await store.database.write(lambda c: states.save(c, known))
    loaded = await store.load()
    assert len(loaded) == 100_000
    assert loaded[0].state is OK
