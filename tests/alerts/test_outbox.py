"""The outbox on a real database, with a delivery that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.outbox import Outbox, Retry
from monitor.messages.message import Message, TransportError
from monitor.store.outbox import OutboxTable
from tests.alerts.messages import message
from tests.alerts.messages import table as opened

Deliver = Callable[[Message], Awaitable[None]]
QUICK = Retry(first=0.02, cap=0.1, attempts=4)


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[OutboxTable]:
    database, table = await asyncio.to_thread(opened, tmp_path)
    yield table
    await asyncio.to_thread(database.close)


@asynccontextmanager
async def running(outbox: Outbox, deliver: Deliver) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run(deliver))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(check: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.01)


class Postman:
    """Delivers into a list; raises what is prepared for a recipient first."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.faults: dict[str, list[Exception]] = {}

    async def __call__(self, message: Message) -> None:
        faults = self.faults.get(message.recipient)
        if faults:
            raise faults.pop(0)
        self.came.append(message.key)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_to_the_cap_and_are_never_nothing(attempt: int, chance: float) -> None:
    retry = Retry()
    pause = retry.pause(attempt, chance)
    assert retry.first / 2 <= pause <= retry.cap
    assert retry.pause(attempt + 1, chance) >= pause


async def test_a_key_is_queued_once(table: OutboxTable) -> None:
    postman, outbox = Postman(), Outbox(table)
    await outbox.enqueue([message("1"), message("1"), message("2")])
    await outbox.enqueue([message("1")])
    async with running(outbox, postman):
        await until(lambda: len(postman.came) == 2)
        await outbox.enqueue([message("1")])
        await asyncio.sleep(0.1)
    assert sorted(postman.came) == ["1:li@example.org", "2:li@example.org"]
    assert (outbox.counters.queued, outbox.counters.sent) == (2, 2)
    assert await table.counts() == {"queued": 0, "sending": 0, "sent": 2, "dead": 0, "folded": 0}


async def test_trying_again_until_it_works(table: OutboxTable) -> None:
    postman, outbox = Postman(), Outbox(table, QUICK)
    postman.faults["li@example.org"] = [TransportError("later"), TransportError("later"), OSError("ours")]
    await outbox.enqueue([message()])
    async with running(outbox, postman):
        await until(lambda: outbox.counters.sent == 1)
    assert (outbox.counters.failed, outbox.counters.dead) == (3, 0)


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ([TransportError("550 no such user", permanent=True)], "550 no such user"),
        ([TransportError("451 later")] * 9, "451 later"),
    ],
)
async def test_dead_letters_are_kept_and_shown(table: OutboxTable, faults: list[Exception], why: str) -> None:
    postman, outbox = Postman(), Outbox(table, QUICK)
    postman.faults["no@example.org"] = faults
    await outbox.enqueue([message("1", "no@example.org"), message("1", "li@example.org")])
    async with running(outbox, postman):
        await until(lambda: outbox.counters.dead == 1 and outbox.counters.sent == 1)
    [letter] = await table.dead_letters()
    assert (letter.recipient, letter.error, letter.subject) == ("no@example.org", why, "subject 1")


async def test_what_is_too_old_is_not_sent_any_more(table: OutboxTable) -> None:
    postman, outbox = Postman(), Outbox(table, clock=lambda: 1000.0)
    await outbox.enqueue([message("old", expires_at=999.0), message("new")])
    async with running(outbox, postman):
        await until(lambda: outbox.counters.sent == 1)
    assert postman.came == ["new:li@example.org"]
    [letter] = await table.dead_letters()
    assert letter.error == "expired; "
    assert outbox.counters.dead == 1


async def test_the_end_never_arrives_before_the_beginning(table: OutboxTable) -> None:
    postman, outbox = Postman(), Outbox(table, Retry(first=0.2, cap=0.2))
    postman.faults["li@example.org"] = [TransportError("later")]
    await outbox.enqueue([message("open", thread="i1")])
    async with running(outbox, postman):
        await until(lambda: outbox.counters.failed == 1)
        await outbox.enqueue([message("close", thread="i1"), message("else", thread="i2")])
        await outbox.enqueue([message("close", "other@example.org", thread="i1")])
        await until(lambda: outbox.counters.sent == 4)
    mine = [key for key in postman.came if key.endswith("li@example.org")]
    assert mine == ["else:li@example.org", "open:li@example.org", "close:li@example.org"]


async def test_a_lease_that_ran_out_is_taken_up_again(table: OutboxTable) -> None:
    await table.enqueue([message()], 0.0)
    assert len(await table.claim(10.0, 60.0, 5)) == 1
    assert await table.claim(69.0, 60.0, 5) == []
    assert await table.next_due() == 70.0
    [again] = await table.claim(70.0, 60.0, 5)
    assert again.attempts == 2


async def test_what_a_process_that_is_gone_was_sending_is_taken_up_at_the_start(table: OutboxTable) -> None:
    await table.enqueue([message()], 0.0)
    await table.claim(1e9, 1e9, 5)
    postman, outbox = Postman(), Outbox(table)
    async with running(outbox, postman):
        await until(lambda: outbox.counters.sent == 1)


async def test_stopping_lets_what_is_under_way_end(table: OutboxTable) -> None:
    began, came = asyncio.Event(), []

    async def slow(message: Message) -> None:
        began.set()
        await asyncio.sleep(0.2)
        came.append(message.key)

    outbox = Outbox(table)
    await outbox.enqueue([message()])
    async with running(outbox, slow):
        await began.wait()
    assert came == ["1:li@example.org"]
    assert (await table.counts())["sent"] == 1


async def test_stopping_does_not_wait_for_ever(table: OutboxTable) -> None:
    began = asyncio.Event()

    async def stuck(message: Message) -> None:
        began.set()
        await asyncio.sleep(3600)

    outbox = Outbox(table, grace=0.1)
    await outbox.enqueue([message()])
    async with running(outbox, stuck):
        await began.wait()
    assert (await table.counts())["sending"] == 1


class FullDisk(OutboxTable):
    """Can't record that something was sent, the first time."""

    refused = False

    async def sent(self, id_: int, now: float) -> None:
        if not self.refused:
            self.refused = True
            raise OSError("no space left on device")
        await super().sent(id_, now)


async def test_what_the_disk_could_not_record_is_not_sent_twice(
    table: OutboxTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.alerts.outbox._BROKEN_STORE", 0.05)
    postman = Postman()
    full = FullDisk(table._database)
    outbox = Outbox(full, lease=0.2)
    await outbox.enqueue([message()])
    async with running(outbox, postman):
        await until(lambda: full.refused)
        async with asyncio.timeout(10):
            while (await table.counts())["sent"] != 1:
                await asyncio.sleep(0.02)
    assert postman.came == ["1:li@example.org"]
    assert outbox.counters.store_errors == 1


async def test_a_full_outbox_drops_and_counts(table: OutboxTable) -> None:
    small = Outbox(OutboxTable(table._database, limit=3))
    await small.enqueue([message(str(n)) for n in range(5)])
    assert (small.counters.queued, small.counters.dropped) == (3, 2)


async def test_old_letters_are_forgotten(table: OutboxTable) -> None:
    await table.enqueue([message(str(n), f"{n}@example.org") for n in range(3)], 0.0)
    one, two, _ = await table.claim(1.0, 60.0, 5)
    await table.sent(one.id, 100.0)
    await table.dead(two.id, 100.0, "no")
    assert await table.prune(sent_before=101.0, dead_before=50.0) == 1
    assert await table.prune(sent_before=101.0, dead_before=101.0) == 1
    assert (await table.counts())["sending"] == 1
