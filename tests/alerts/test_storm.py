"""Too many messages: what is folded into a summary, in the table itself, over restarts, with real mail."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.alerts import digest_texts
from monitor.alerts.mail import Mailer
from monitor.alerts.outbox import Outbox, Retry
from monitor.messages.message import Message, TransportError
from monitor.messages.storm import MOST_LISTED, Limits, Traffic, folds
from monitor.store.database import Database
from monitor.store.outbox import OutboxTable, recipients
from tests.alerts.messages import message, secret, settings
from tests.servers.smtp import smtp_server

LI, WU = "li@example.org", "wu@example.org"
SUMMARY = digest_texts.summary
CALM = Limits(per_recipient=1000, storm=5)
FEW = Limits(per_recipient=3, storm=1000)
NOW = 1_800_000_000.0


def told(number: int, notice: str, to: str = LI, **more: object) -> Message:
    made = message(f"{number}:{notice}", to, thread=f"incident:{number}:1.000")
    return replace(made, notice=notice, subject=f"{notice} {number}", date=NOW, **more)  # type: ignore[arg-type]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "state.db")
    yield database
    database.close()


async def drained(table: OutboxTable, now: float) -> list[Message]:
    """Claim and take all that is due."""
    taken: list[Message] = []
    while claimed := await table.claim(now, 60.0, 10):
        for one in claimed:
            taken.append(one.message)
            await table.sent(one.id, now)
    return taken


async def test_beyond_the_limit_problems_go_into_one_summary_and_ends_are_told_singly(
    database: Database,
) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=CALM)
    for number in range(20):
        await table.enqueue([told(number, "opened")], NOW + number)
    singly = await drained(table, NOW + 20)
    assert [each.subject for each in singly] == [f"opened {n}" for n in range(5)]
    [summary] = await drained(table, NOW + 5 + 60)
    assert summary.subject == "Muster: 15 messages in one"
    assert [f"- opened {n}" in summary.body for n in range(5, 20)] == [True] * 15
    await table.enqueue([told(number, "closed") for number in range(20)], NOW + 100)
    ends = await drained(table, NOW + 100)
    assert sorted(each.subject for each in ends) == sorted(f"closed {n}" for n in range(20))


async def test_whoever_is_told_by_a_summary_is_told_of_the_end(database: Database) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=CALM)
    await table.enqueue([told(n, "opened", to) for n in range(10) for to in (LI, WU)], NOW)
    found = await database.read(lambda c: recipients(c, "incident:9:1.000"))
    assert set(found) == {LI, WU}


async def test_nobody_was_told_by_a_summary_that_could_not_be_sent(database: Database) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=replace(CALM, storm=1))
    await table.enqueue([told(1, "opened"), told(2, "opened")], NOW)
    await drained(table, NOW)
    [summary] = await table.claim(NOW + 60, 60, 1)
    await table.dead(summary.id, NOW + 61, "550 no such user")
    assert await database.read(lambda c: recipients(c, "incident:2:1.000")) == ()
    assert await table.revive(NOW + 70, 3600.0) == 1
    [again] = await table.claim(NOW + 70, 60, 1)
    assert again.message == summary.message
    assert await database.read(lambda c: recipients(c, "incident:2:1.000")) == (LI,)


async def test_what_ends_while_its_beginning_is_gathered_goes_into_the_same_summary(
    database: Database,
) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=replace(CALM, storm=1))
    await table.enqueue([told(1, "opened"), told(2, "opened")], NOW)
    await drained(table, NOW)
    await table.enqueue([told(2, "closed")], NOW + 30)
    assert await drained(table, NOW + 59) == []
    [summary] = await drained(table, NOW + 60)
    assert "- opened 2\n- closed 2" in summary.body


async def test_an_end_never_overtakes_a_summary_that_waits_for_its_server(database: Database) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=replace(CALM, storm=1))
    await table.enqueue([told(1, "opened"), told(2, "opened")], NOW)
    await drained(table, NOW)
    [summary] = await table.claim(NOW + 60, 60, 1)
    await table.retry(summary.id, NOW + 500, "451 later")
    await table.enqueue([told(2, "closed"), told(1, "closed")], NOW + 90)
    assert [each.subject for each in await drained(table, NOW + 100)] == ["closed 1"]
    [again, closed] = await drained(table, NOW + 500)
    assert again == summary.message
    assert closed.subject == "closed 2"


async def test_a_recipient_gets_so_many_an_hour_and_the_others_notice_nothing(database: Database) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=replace(FEW, by_channel={"phone": 1}))
    batch = [told(n, "closed", LI) for n in range(6)] + [told(n, "closed", WU) for n in range(2)]
    batch += [told(n, "opened", "phone", channel="phone") for n in range(3)]
    await table.enqueue(batch, NOW)
    count = Counter(each.recipient for each in await drained(table, NOW + 1))
    assert count == {LI: 3, WU: 2, "phone": 1}
    summaries = await drained(table, NOW + 60)
    assert sorted((each.recipient, each.channel) for each in summaries) == [(LI, "mail"), ("phone", "phone")]
    await table.enqueue([told(7, "closed", LI)], NOW + 3700)
    [single] = await drained(table, NOW + 3700)
    assert single.subject == "closed 7"


async def test_summaries_keep_a_distance(database: Database) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=replace(CALM, storm=1))
    sent: list[float] = []
    for minute in range(60):
        at = NOW + 60 * minute
        await table.enqueue([told(minute, "opened")], at)
        sent += [at for each in await drained(table, at) if each.notice == "summary"]
    gaps = [later - sooner for sooner, later in pairwise(sent)]
    assert len(sent) >= 5
    assert min(gaps) >= 600


async def test_a_storm_survives_a_restart(tmp_path: Path) -> None:
    first = await asyncio.to_thread(Database, tmp_path / "state.db")
    await OutboxTable(first, summarise=SUMMARY, limits=CALM).enqueue(
        [told(n, "opened") for n in range(8)], NOW
    )
    await asyncio.to_thread(first.close)
    second = await asyncio.to_thread(Database, tmp_path / "state.db")
    table = OutboxTable(second, summarise=SUMMARY, limits=CALM)
    await table.enqueue([told(n, "opened") for n in range(12)], NOW + 10)
    assert await table.counts() == {"queued": 6, "sending": 0, "sent": 0, "dead": 0, "folded": 7}
    await drained(table, NOW + 10)
    [summary] = await drained(table, NOW + 60)
    assert summary.subject == "Muster: 7 messages in one"
    await asyncio.to_thread(second.close)


async def test_a_long_list_is_cut_and_says_so(database: Database) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=replace(CALM, storm=1))
    await table.enqueue([told(n, "opened", language="zh") for n in range(302)], NOW)
    await drained(table, NOW)
    [summary] = await drained(table, NOW + 60)
    assert summary.subject == "Muster：301 条消息汇总"
    assert summary.body.count("\n- ") == MOST_LISTED
    assert "另有 101 条" in summary.body


def test_both_languages_say_the_same_things() -> None:
    assert digest_texts.TEXTS["en"].keys() == digest_texts.TEXTS["zh"].keys()


async def test_what_no_incident_causes_is_never_folded(database: Database) -> None:
    table = OutboxTable(database, summarise=SUMMARY, limits=Limits(per_recipient=1, storm=1))
    await table.enqueue([told(n, "") for n in range(5)] + [told(9, "digest")], NOW)
    assert len(await drained(table, NOW)) == 6


async def test_who_knows_of_something_open_is_remembered_for_as_long_as_it_is_open(
    database: Database,
) -> None:
    table = OutboxTable(database)
    await table.enqueue([told(1, "opened"), told(12, "opened")], NOW)
    await drained(table, NOW)
    await database.write(lambda c: c.execute(
        "INSERT INTO incident (version, root, kind, detail, state, worst, began_at, opened_at, notified)"
        " VALUES (1, 'gz/core/icmp', '', '', 'DOWN', 'DOWN', 1, 1, 1)"
    ))  # fmt: skip
    assert await table.prune(NOW + 1e9, NOW + 1e9) == 1
    assert await database.read(lambda c: recipients(c, "incident:1:1.000")) == (LI,)


EVENTS = st.tuples(
    st.integers(0, 12), st.sampled_from(["opened", "closed", "reminder"]), st.sampled_from([LI, WU]),
    st.integers(0, 400),
)  # fmt: skip


@hypothesis_settings(max_examples=50)
@given(st.lists(EVENTS, max_size=60), st.integers(1, 5), st.integers(1, 12), st.integers(60, 900))
def test_every_message_is_told_exactly_once_singly_or_in_a_summary(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[int, str, str, int]],
    hourly: int,
    storm: int,
    window: int,
) -> None:
    limits = Limits(hourly, storm, window)
    database = Database(tmp_path_factory.mktemp("storm") / "state.db")
    table = OutboxTable(database, summarise=SUMMARY, limits=limits)

    async def live() -> list[Message]:
        now, out = NOW, list[Message]()
        for number, notice, to, wait in events:
            now += wait
            await table.enqueue([told(number, notice, to)], now)
            out += await drained(table, now)
        return out + await drained(table, now + 1e6)

    try:
        out = asyncio.run(live())
    finally:
        database.close()
    wanted = {(to, f"{notice} {number}") for number, notice, to, _ in events}
    single = [(each.recipient, each.subject) for each in out if each.notice != "summary"]
    summaries = [each for each in out if each.notice == "summary"]
    lines = [(each.recipient, line) for each in summaries for line in each.body.splitlines()]
    listed = [(to, line.removeprefix("- ")) for to, line in lines if line.startswith("- ")]
    assert sorted(single + listed) == sorted(wanted)


@given(
    st.sampled_from(["opened", "closed", "", "summary"]),
    st.integers(0, 500),
    st.integers(0, 500),
    st.booleans(),
)
def test_the_decision(notice: str, problems: int, to_recipient: int, gathering: bool) -> None:
    folded = folds(Limits(), notice, "mail", Traffic(problems, to_recipient, gathering))
    if notice in ("", "summary"):
        assert not folded
    elif notice == "closed":
        assert folded == (gathering or to_recipient >= 60)
    else:
        assert folded == (gathering or to_recipient >= 60 or problems >= 100)


async def test_real_mail_in_a_storm_with_a_server_that_comes_and_goes(database: Database) -> None:
    limits = Limits(per_recipient=1000, storm=4, storm_window=600, summary_after=0.3, summary_every=0.3)
    table = OutboxTable(database, summarise=SUMMARY, limits=limits)
    async with smtp_server() as server:
        server.mailbox.answers.extend(["450 greylisted, come again"] * 3)
        outbox = Outbox(table, Retry(first=0.05, cap=0.1))
        running = asyncio.create_task(outbox.run(Mailer(settings(server), secret).deliver))
        await outbox.enqueue([replace(told(n, "opened"), date=NOW) for n in range(12)])
        async with asyncio.timeout(20):
            while outbox.counters.sent < 5:
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        subjects = [str(each.mail["Subject"]) for each in server.mailbox.received]
    assert sorted(subjects) == ["Muster: 8 messages in one", *(f"opened {n}" for n in range(4))]
    assert outbox.counters.failed == 3


async def test_a_slow_recipient_and_a_broken_channel_keep_nobody_waiting(database: Database) -> None:
    table, came = OutboxTable(database), list[str]()
    stuck = asyncio.Event()

    async def deliver(message: Message) -> None:
        if message.channel == "phone":
            raise TransportError("no answer")
        if message.recipient == "slow@example.org":
            await stuck.wait()
        came.append(message.key)

    outbox = Outbox(table, Retry(first=0.01, cap=0.02), at_once=2, grace=0.1)
    batch = [told(n, "opened", "phone", channel="phone") for n in range(50)]
    batch += [told(n, "opened", "slow@example.org") for n in range(50)]
    batch += [told(n, "opened", WU) for n in range(5)]
    await outbox.enqueue(batch)
    running = asyncio.create_task(outbox.run(deliver))
    async with asyncio.timeout(20):
        while len(came) < 5:
            await asyncio.sleep(0.01)
    trouble = {each.recipient: each for each in await table.troubles()}
    stuck.set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert {key.rpartition(":")[2] for key in came[:5]} == {WU}
    assert trouble["phone"].error == "no answer"
    assert outbox.counters.channels["mail", "sent"] >= 5
    assert outbox.counters.channels["phone", "failed"] >= 1
