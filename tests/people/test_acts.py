"""What people do about an incident: each a step in the real store, with its history, and what follows."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.incidents.incident import Incident, Notice, Shut
from monitor.store import people
from monitor.store.database import Database
from monitor.store.incident_views import Whole, numbers, whole
from monitor.store.incidents import IncidentStore
from monitor.store.people import Act, Moved
from tests.opened import CHECK, apply, opening, told

T0 = 10_000.0
Step = Callable[[sqlite3.Connection], Incident]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "state.db")
    await apply(database, opening(T0), now=T0)
    yield database
    database.close()


def act(at: float = T0 + 60, number: int = 1, version: int | None = None) -> Act:
    return Act(number, "li (unauthenticated)", at, version)


async def seen(database: Database, number: int = 1) -> Whole:
    return await database.read(lambda c: whole(c, number))


async def test_an_acknowledgement_with_comment_and_end(database: Database) -> None:
    before = (await seen(database)).incident
    after = await database.write(lambda c: people.acknowledge(c, act(), "calling them", T0 + 3660))
    assert after.version == before.version + 1
    assert (after.acked_by, after.acked_at, after.ack_until) == ("li (unauthenticated)", T0 + 60, T0 + 3660)
    assert after.next_at == T0 + 60, "the policy looks again at once"
    found = await seen(database)
    assert replace(found.incident, rule="") == after
    row = found.history[-1]
    assert (row.at, row.actor, row.what) == (T0 + 60, "li (unauthenticated)", "ack")
    assert row.detail == "calling them (until 1970-01-01T03:47:40Z)"


async def test_who_gives_it_back_leaves_it_waiting_from_then(database: Database) -> None:
    with pytest.raises(Moved, match="not acknowledged"):
        await database.write(lambda c: people.unacknowledge(c, act()))
    await database.write(lambda c: people.acknowledge(c, act()))
    after = await database.write(lambda c: people.unacknowledge(c, act(T0 + 100), "not ours"))
    assert (after.acked_by, after.ack_comment, after.ack_until) == ("", "", T0 + 100)
    assert [row.what for row in (await seen(database)).history][-2:] == ["ack", "unack"]


async def test_snooze_keeps_quiet_without_taking_over(database: Database) -> None:
    after = await database.write(lambda c: people.snooze(c, act(), T0 + 7260))
    assert (after.snoozed_until, after.acked_by) == (T0 + 7260, "")


STEPS: dict[str, Step] = {
    "ack": lambda c: people.acknowledge(c, act()),
    "unack": lambda c: people.unacknowledge(c, act()),
    "snooze": lambda c: people.snooze(c, act(), T0 + 600),
    "close": lambda c: people.close(c, act(), "why"),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_what_is_closed_is_not_acted_on(database: Database, step: Step) -> None:
    await apply(database, Shut(CHECK, T0 + 30), now=T0 + 30)
    before = await seen(database)
    with pytest.raises(Moved, match="was closed at 1970-01-01T02:47:10Z"):
        await database.write(step)
    assert await seen(database) == before


async def test_a_note_may_still_be_written_then(database: Database) -> None:
    await apply(database, Shut(CHECK, T0 + 30), now=T0 + 30)
    await database.write(lambda c: people.note(c, act(), "it was the excavator"))
    found = await seen(database)
    assert (found.history[-1].what, found.history[-1].detail) == ("note", "it was the excavator")
    assert found.incident.next_at is None


async def test_an_incident_that_is_not_there(database: Database) -> None:
    for step in (
        lambda c: people.acknowledge(c, act(number=7)),
        lambda c: people.note(c, act(number=7), "x"),
        lambda c: people.close(c, act(number=7), "x"),
    ):
        with pytest.raises(KeyError):
            await database.write(step)
    assert await database.read(numbers) == [1]


async def test_of_two_who_saw_the_same_version_one_acts(database: Database) -> None:
    version = (await seen(database)).incident.version
    await database.write(lambda c: people.acknowledge(c, act(version=version)))
    with pytest.raises(Moved, match="has changed since you looked at it"):
        await database.write(lambda c: people.close(c, act(version=version), "done"))
    assert (await seen(database)).incident.closed_at is None


async def test_a_step_that_fails_leaves_nothing(database: Database) -> None:
    before = await seen(database)

    def broken(connection: sqlite3.Connection) -> None:
        people.acknowledge(connection, act())
        raise RuntimeError("the disk")

    with pytest.raises(RuntimeError):
        await database.write(broken)
    assert await seen(database) == before


@pytest.mark.parametrize("until", [T0, T0 + 60])
async def test_an_end_in_the_past_is_refused(database: Database, until: float) -> None:
    for step in (
        lambda c: people.acknowledge(c, act(), "", until),
        lambda c: people.snooze(c, act(), until),
    ):
        with pytest.raises(ValueError, match="is past; write a later time"):
            await database.write(step)


async def test_texts_are_bounded_and_needed(database: Database) -> None:
    await database.write(lambda c: people.note(c, act(), "x" * 10_000))
    assert len((await seen(database)).history[-1].detail) <= people.MOST_TEXT + 1
    for step in (lambda c: people.note(c, act(), " "), lambda c: people.close(c, act(), "")):
        with pytest.raises(ValueError, match="write"):
            await database.write(step)


async def test_closing_by_hand_claims_nothing_and_is_told_once(database: Database) -> None:
    closed = await database.write(lambda c: people.close(c, act(), "a false alarm"))
    assert (closed.state, closed.closed_at, closed.next_at) == ("DOWN", T0 + 60, T0 + 60)
    store = IncidentStore(database, told)
    done = await store.tell_what_is_due(T0 + 61)
    assert done.queued == 1
    assert (await store.tell_what_is_due(T0 + 120)).queued == 0
    found = await seen(database)
    assert [each.notice for each in found.told] == [Notice.OPENED, Notice.CLOSED]
    assert [row.what for row in found.history][-2:] == ["close:by_hand", "told:closed"]
    assert [member.left_at for member in found.members] == [T0 + 60]
    assert found.incident.next_at is None


async def test_what_still_fails_then_opens_a_new_incident(database: Database) -> None:
    await database.write(lambda c: people.close(c, act(), "a false alarm"))
    await apply(database, opening(T0 + 200), now=T0 + 200)
    assert (await seen(database, 2)).incident.previous == 1


async def test_nobody_is_told_of_the_end_of_what_nobody_was_told_of(tmp_path: Path) -> None:
    database = Database(tmp_path / "quiet.db")
    store = IncidentStore(database, lambda _: [])
    await store.apply([opening(T0)], T0)
    await database.write(lambda c: people.close(c, act(), "x"))
    assert (await IncidentStore(database, told).tell_what_is_due(T0 + 61)).queued == 0
    database.close()


ACTS = st.sampled_from(["ack", "unack", "snooze", "note", "close"])


def _do(connection: sqlite3.Connection, what: str, at: float) -> Incident:
    by = act(at)
    match what:
        case "ack":
            return people.acknowledge(connection, by, "", at + 60)
        case "unack":
            return people.unacknowledge(connection, by)
        case "snooze":
            return people.snooze(connection, by, at + 60)
        case "note":
            return people.note(connection, by, "n")
    return people.close(connection, by, "c")


@settings(max_examples=30)
@given(st.lists(ACTS, max_size=12))
def test_whatever_people_do_each_act_is_one_line_or_changes_nothing(acts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Database(Path(folder) / "state.db")) as database:
        opened = IncidentStore(database, lambda _: [])
        database.write_now(lambda c: opened.applied(c, [opening(T0)], T0))
        before = database.read_now(lambda c: whole(c, 1))
        for at, what in enumerate(acts, 1):
            try:
                database.write_now(partial(_do, what=what, at=T0 + at))
                done = 1
            except Moved:
                done = 0
            after = database.read_now(lambda c: whole(c, 1))
            assert len(after.history) == len(before.history) + done
            was_open = before.incident.closed_at is None
            assert after.incident.version == before.incident.version + (done if was_open else 0)
            assert after.incident.closed_at == before.incident.closed_at or what == "close"
            assert was_open or done == 0 or what == "note"
            before = after
