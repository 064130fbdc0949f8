"""When checks are due: phases, slots, lateness."""

from __future__ import annotations

import asyncio
import statistics
import time

from hypothesis import given
from hypothesis import strategies as st

from monitor.schedule import SLOT_S, Batch, Planned, Schedule, Timetable
from tests.run.jobs import job

NOW = 177_000_000_000


def fire(table: Timetable, start: int, seconds: int) -> list[tuple[int, str]]:
    """Tick once a second, and return (slot, check) of all that came due."""
    fired: list[tuple[int, str]] = []
    for second in range(seconds):
        now = start + second * 100
        for slot, planned in table.due(now, now + 250):
            fired += [(slot, p.job.id) for p in planned]
    return fired


@given(st.text("abc/", min_size=5).map(lambda s: f"u/a/{s.replace('/', '')}x"), st.integers(1, 100_000))
def test_a_phase_depends_on_the_id_alone(check: str, now: int) -> None:
    planned = Planned(job(check, every=60))
    first = planned.after(now)
    assert first > now
    assert first - now <= planned.slots
    assert planned.after(first) == first + planned.slots
    assert Planned(job(check, every=60)).after(now + 5) % planned.slots == first % planned.slots


def test_each_check_fires_once_a_period() -> None:
    table = Timetable()
    for number in range(500):
        table.put(job(f"u/a/c{number}", every=10), NOW)
    fired = fire(table, NOW, 60)
    counts = {check: sum(1 for _, c in fired if c == check) for _, check in fired}
    assert len(counts) == 500
    assert set(counts.values()) <= {6, 7}
    assert table.missed == 0


def test_phases_spread_over_the_period() -> None:
    table = Timetable()
    for number in range(6000):
        table.put(job(f"u/a/c{number}", every=60), NOW)
    per_second: dict[int, int] = {}
    for slot, _ in fire(table, NOW, 60):
        per_second[slot // 100] = per_second.get(slot // 100, 0) + 1
    assert max(per_second.values()) < 200


def test_a_reload_moves_no_other_phase_and_keeps_the_changed_ones() -> None:
    table = Timetable()
    for number in range(100):
        table.put(job(f"u/a/c{number}", every=10), NOW)
    before = {check: slot % 1000 for slot, check in fire(table, NOW, 12)}
    table.put(job("u/a/c7", every=10, timeout=0.5), NOW + 1200)
    table.remove("u/a/c9")
    table.put(job("u/a/new", every=10), NOW + 1200)
    after = {check: slot % 1000 for slot, check in fire(table, NOW + 1200, 22)}
    assert {c: p for c, p in after.items() if c != "u/a/new"} == {
        c: p for c, p in before.items() if c != "u/a/c9"
    }
    assert "u/a/new" in after


def test_a_check_never_measured_runs_within_a_minute_and_then_keeps_its_phase() -> None:
    table = Timetable()
    daily = job("u/a/tls", every=86_400)
    table.put(daily, NOW, soon=True)
    fired = fire(table, NOW, 61)
    assert len(fired) == 1
    later = table.due(NOW + 86_400 * 100, NOW + 86_400 * 100 + 1)
    assert later[0][0] % Planned(daily).slots == Planned(daily).phase


def test_checks_of_an_asset_that_run_together_meet_whenever_their_intervals_do() -> None:
    table = Timetable()
    for number in range(20):
        table.put(job(f"u/a/c{number}", every=(10, 30, 60)[number % 3], together=True), NOW)
    table.put(job("u/b/c0", every=10, together=True), NOW)
    slots: dict[int, list[str]] = {}
    for slot, check in fire(table, NOW, 60):
        slots.setdefault(slot, []).append(check)
    of_a = [checks for checks in slots.values() if checks[0].startswith("u/a/")]
    assert max(len(checks) for checks in of_a) == 20
    assert len(of_a) in (6, 7), "ten seconds apart, and nothing between"
    assert not any("u/b/c0" in checks for checks in of_a), "assets are spread as before"


def test_first_runs_of_checks_that_run_together_meet_too() -> None:
    table = Timetable()
    for number, every in enumerate((60, 300, 3600, 86_400)):
        table.put(job(f"u/a/c{number}", every=every, together=True), NOW, soon=True)
    fired = fire(table, NOW, 60)
    assert len(fired) >= 4
    assert len({slot for slot, _ in fired[:4]}) == 1


def test_a_late_tick_is_caught_up_and_whole_missed_periods_are_counted() -> None:
    table = Timetable()
    table.put(job(every=10), NOW)
    table.due(NOW, NOW + 1000)
    fired = table.due(NOW + 6000, NOW + 6000)
    assert sum(len(planned) for _, planned in fired) == 1
    assert table.missed in (4, 5)


def test_what_came_due_before_the_first_tick_is_neither_late_nor_missed() -> None:
    table = Timetable()
    table.put(job("u/a/often", every=10), NOW)
    table.put(job("u/a/daily", every=86_400), NOW, soon=True)
    table.begin(NOW + 9000)
    fired = fire(table, NOW + 9000, 61)
    assert min(slot for slot, _ in fired) > NOW + 9000
    assert {check for _, check in fired} == {"u/a/often", "u/a/daily"}
    assert table.missed == 0


async def test_batches_are_released_in_their_slot() -> None:
    released: list[tuple[float, float]] = []
    loop = asyncio.get_running_loop()

    def start(batch: Batch) -> None:
        released.extend((batch.due, loop.time()) for _ in batch.planned)

    schedule = Schedule(start)
    schedule.begin()
    schedule.put([job(f"u/a/c{n}", every=1) for n in range(50)])
    await asyncio.sleep(3.6)
    schedule.stop()
    count = len(released)
    assert 100 <= count <= 200
    assert all(now >= due - SLOT_S for due, now in released)
    assert sorted(now - due for due, now in released)[count // 2] < 0.05
    await asyncio.sleep(1.1)
    assert len(released) == count


async def test_what_comes_late_all_at_once_leaves_the_loop_its_turns() -> None:
    loop = asyncio.get_running_loop()
    gaps, last, started = [0.0], loop.time(), 0

    def start(batch: Batch) -> None:
        nonlocal started
        started += 1
        time.sleep(0.003)

    def beat() -> None:
        nonlocal last
        gaps.append(loop.time() - last)
        last = loop.time()
        loop.call_later(0.001, beat)

    schedule = Schedule(start)
    schedule._ticking = True
    loop.call_soon(beat)
    for number in range(100):
        loop.call_at(loop.time(), schedule._release, Batch(loop.time(), [Planned(job(f"u/a/c{number}"))]))
    async with asyncio.timeout(5):
        while started < 100:
            await asyncio.sleep(0.01)
    assert statistics.median(gaps[5:]) < 0.020, "300 ms of work, in turns of 5 ms"


async def test_calendar_work_runs() -> None:
    ran = asyncio.Event()

    async def work() -> None:
        ran.set()

    schedule = Schedule(lambda _: None)
    schedule.begin()
    schedule.every(0.05, "work", work)
    schedule.daily(3, 0, "nightly", work)
    await asyncio.wait_for(ran.wait(), 2)
    schedule.stop()


def test_draining_a_hundred_thousand_checks_a_minute_is_cheap() -> None:
    table = Timetable()
    for number in range(20_000):
        table.put(job(f"u/a/c{number}", every=60), NOW)
    start = time.thread_time()
    fired = fire(table, NOW, 60)
    assert (time.thread_time() - start) / len(fired) < 50e-6
