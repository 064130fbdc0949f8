"""A test of 50 links at once: one at a time on each line, within the budgets, and everyone gets an answer.

The probe loads nothing; it claims bytes (`tests.discipline.world`).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from inventory.models import Inventory
from monitor.discipline import budget
from monitor.discipline.budget import Amount, Ledger
from monitor.discipline.rules import Rules
from monitor.job import Line, Route
from monitor.store.database import Database
from probes.api import Outcome, Reading
from tests.discipline.world import (
    LISTEN,
    Ground,
    echo,
    fifty_and_fifty,
    ground,
    halls,
    job,
    overlapping,
    written,
)

MB = 1_000_000
CORE = "gz/core"


async def read(state: Path, line: str, rules: Rules, zone: str = "Asia/Shanghai") -> Amount:
    database = Database(state, read_only=True)
    try:
        (account,) = budget.accounts(Route((Line(line, zone),)), rules, time.time())
        return await Ledger(database).used(account)
    finally:
        await asyncio.to_thread(database.close)


def by_check(readings: list[Reading]) -> dict[str, Reading]:
    found = {reading.check: reading for reading in readings}
    assert len(found) == len(readings)
    return found


async def test_all_run_one_at_a_time_on_each_line(tmp_path: Path) -> None:
    inventory = await asyncio.to_thread(written, tmp_path / "i.yaml", fifty_and_fifty())
    async with ground(tmp_path / "state.db") as yard:
        yard.start(halls(inventory, yard.spec(), seconds=0.02))
        readings = by_check(await yard.settled(100))
    assert {reading.outcome for reading in readings.values()} == {Outcome.OK}
    assert not overlapping(yard.intervals)
    behind = [each for each in yard.intervals if CORE in each.lines]
    alone = [each for each in yard.intervals if CORE not in each.lines]
    assert (len(behind), len(alone)) == (50, 50)
    order = [each.check for each in sorted(behind, key=lambda each: each.start)]
    assert order == [f"a{n}/uplink/claim" for n in sorted(range(50), key=str)], "first come, first served"
    together = max(sum(a.start <= b.start < a.end for a in alone) for b in alone)
    assert together > 5, "lines that have nothing in common are tested at once"
    last = readings[order[-1]]
    assert 49 * 20 < last.phases["turn"] < 10_000
    assert last.duration_ms < 500, "the wait is no part of the run"
    assert last.lag_ms < 200, "the wait is no lateness of ours"
    assert {each.bytes for each in yard.intervals} == {100_000}


async def test_the_budgets_hold_to_the_byte(tmp_path: Path) -> None:
    inventory = await asyncio.to_thread(written, tmp_path / "i.yaml", fifty_and_fifty())
    rules = Rules(bytes_per_day=2_380_000, share_per_day=0.0, bytes_per_run=400_000)
    async with ground(tmp_path / "state.db", rules) as yard:
        for _ in range(2):
            yard.start(halls(inventory, yard.spec(), bytes=500_000, seconds=0.005, steps=1))
            await yard.settled(len(yard.readings) + 100)
    spent: dict[str, int] = {}
    for each in yard.intervals:
        for line in each.lines:
            spent[line] = spent.get(line, 0) + each.bytes
    assert spent[CORE] == 5 * 400_000 + 380_000 == rules.bytes_per_day
    assert max(spent.values()) <= rules.bytes_per_day
    for line in (CORE, "a0/uplink", "b7/uplink"):
        assert (await read(tmp_path / "state.db", line, rules)).bytes == spent.get(line, 0)
    refused = [reading for reading in yard.readings if reading.kind == "budget"]
    assert len(refused) == 100 - 6
    assert all(CORE in reading.detail for reading in refused)
    assert yard.tests.counters.refused["budget"] == 94
    stopped = [reading for reading in yard.readings if reading.kind == "stopped"]
    assert len(stopped) + len(refused) == 200
    assert {reading.detail for reading in stopped} == {
        "all 400000 bytes of this run are spent", "all 380000 bytes of this run are spent",
    }  # fmt: skip


async def test_who_gets_no_turn_in_time_says_so(tmp_path: Path) -> None:
    inventory = await asyncio.to_thread(written, tmp_path / "i.yaml", fifty_and_fifty())
    async with ground(tmp_path / "state.db") as yard:
        yard.start(halls(inventory, yard.spec(), every=1.0, seconds=0.05))
        readings = by_check(await yard.settled(100))
    ran = {each.check for each in yard.intervals}
    assert not overlapping(yard.intervals)
    assert all((readings[check].outcome is Outcome.OK) == (check in ran) for check in readings)
    busy = {check: each for check, each in readings.items() if check not in ran}
    assert {(each.outcome, each.kind) for each in busy.values()} == {(Outcome.NOT_RUN, "busy")}
    assert all(check.startswith("a") for check in busy)
    assert 30 < len(busy) < 50
    assert "no turn within 0.5 s; still before it: " in next(iter(busy.values())).detail
    assert yard.tests.waiting == 0
    assert yard.runner.in_flight == 0


async def test_a_restart_keeps_the_days_budget_even_when_killed(tmp_path: Path) -> None:
    inventory = await asyncio.to_thread(written, tmp_path / "i.yaml", fifty_and_fifty())
    rules = Rules(bytes_per_day=MB, share_per_day=0.0, bytes_per_run=400_000)
    state = tmp_path / "state.db"
    async with ground(state, rules) as yard:
        one = next(each for each in halls(inventory, yard.spec(), bytes=100_000) if each.unit == "a0")
        yard.start([one])
        await yard.settled(1)
        assert (await read(state, CORE, rules)).bytes == 100_000
        yard.start([job(yard.spec(), "a0/uplink", one.route, seconds=5.0)])
        async with asyncio.timeout(5):
            while not yard.tests.vitals.under_test(CORE):
                await asyncio.sleep(0.005)
        killed = await read(state, CORE, rules)
        assert killed.bytes == 500_000, "what is under way is charged in full: a kill gives nothing back"
    assert (await read(state, CORE, rules)).bytes == 120_000, "cut short, but settled"
    async with ground(state, rules) as yard:
        many = [each for each in halls(inventory, yard.spec(), bytes=400_000) if each.unit.startswith("a")]
        yard.start(many)
        await yard.settled(50)
    assert [each.bytes for each in yard.intervals] == [400_000, 400_000]
    assert (await read(state, CORE, rules)).bytes == 920_000
    said = next(reading.detail for reading in yard.readings if reading.kind == "budget")
    assert said.startswith("gz/core has used 0.9 of 1.0 MB and ")


async def listening(yard: Ground, inventory: Inventory) -> None:
    """Let every hall be listened to, with a quiet hour behind it."""
    for each in list(halls(inventory, yard.spec())):
        ears = job(LISTEN, f"{each.unit}/uplink", each.route)
        for _ in range(10):
            yard.tests.on_reading(ears, echo(12.0))


async def test_a_risen_rtt_of_a_sibling_ends_the_test_at_once(tmp_path: Path) -> None:
    inventory = await asyncio.to_thread(written, tmp_path / "i.yaml", fifty_and_fifty())
    async with ground(tmp_path / "state.db") as yard:
        spec = yard.spec()
        tests = {each.unit: each for each in halls(inventory, spec, seconds=10.0, steps=2000)}
        ears = {unit: job(LISTEN, f"{unit}/uplink", each.route) for unit, each in tests.items()}
        await yard.tests.adopt([*tests.values(), *ears.values()])
        await listening(yard, inventory)
        yard.start([tests["a0"], tests["b0"]])
        async with asyncio.timeout(5):
            while yard.tests.under_way < 2 or not yard.tests.vitals.under_test("b0/uplink"):
                await asyncio.sleep(0.005)
        yard.tests.on_reading(ears["a7"], echo(30.0))
        yard.tests.on_reading(ears["a7"], echo(300.0, duration_ms=60_000))
        await asyncio.sleep(0.05)
        assert not yard.readings, "neither a small rise nor what was measured before the test ends it"
        start = time.perf_counter()
        yard.tests.on_reading(ears["a7"], echo(70.0))
        while not yard.readings:
            await asyncio.sleep(0.001)
        took = time.perf_counter() - start
        (reading,) = yard.readings
        assert (reading.check, reading.kind) == ("a0/uplink/claim", "stopped")
        assert reading.detail == "a7/uplink/icmp: rtt 70.0 ms, usually 12.0 ms"
        assert took < 0.1
        assert yard.tests.counters.stopped == {"rtt": 1, "bytes": 0, "time": 0}
        assert yard.tests.vitals.under_test("b0/uplink"), "what shares nothing goes on"


async def test_what_does_not_stop_is_ended(tmp_path: Path) -> None:
    async def deaf(*_: object) -> Reading:
        await asyncio.sleep(20)
        return Reading.ok()

    inventory = await asyncio.to_thread(written, tmp_path / "i.yaml", fifty_and_fifty())
    async with ground(tmp_path / "state.db") as yard:
        spec = yard.spec()
        route = next(halls(inventory, spec)).route
        spec = replace(spec, name="deaf", run=deaf)
        unhearing = job(spec, "a0/uplink", route, timeout=30.0)
        ears = job(LISTEN, "a0/uplink", route)
        await yard.tests.adopt([unhearing, ears])
        await listening(yard, inventory)
        yard.start([unhearing])
        async with asyncio.timeout(5):
            while not yard.tests.vitals.under_test(CORE):
                await asyncio.sleep(0.005)
        yard.tests.on_reading(ears, echo(500.0))
        (reading,) = await yard.settled(1, 5)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail == "ended: a0/uplink/icmp: rtt 500.0 ms, usually 12.0 ms"
    assert 900 < reading.duration_ms < 3000
