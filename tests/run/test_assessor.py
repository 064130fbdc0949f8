"""Rounds of judgements on a real database: what a store that refuses does to them, and what is forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.assessor import GATE, Assessor
from monitor.child.clerk import ClerkFault, Judged
from monitor.noticing import Noticing
from monitor.readiness.audit import Use
from monitor.store import audit
from monitor.store.database import Database
from monitor.store.detectors import DetectorStore
from monitor.store.verdicts import Verdicts, pack
from monitor.units import Units
from tests.run.test_wire import wires
from tests.web.views import item, judged

USE = Use(1.0, "w1", "terms", GATE, "u1", "", "a", "waived", "", "daemon")


class Judge:
    """Judges the units it is given, or fails."""

    def __init__(self) -> None:
        self.units, self.fault = ["u1", "u2", "gone"], ""

    async def judge(self, gate: str) -> AsyncIterator[Judged]:
        if self.fault:
            raise ClerkFault(self.fault)
        for unit in self.units:
            packed = pack(gate, unit, time.time(), judged(unit, "READY", item("a")))
            yield Judged(packed, (USE,) if unit == "u1" else (), unit)


class Bench:
    def __init__(self, directory: Path) -> None:
        self.database, self.judge = Database(directory / "state.db"), Judge()
        units = Units()
        for wire in wires(directory).values():
            units.apply(wire)
        self.verdicts = Verdicts(self.database)
        noticing = Noticing(DetectorStore(self.database))
        self.assessor = Assessor(self.judge, units, self.database, self.verdicts, noticing)
        self.assessor.rounds.done_at = 0.0

    async def do(self, statement: str) -> None:
        await self.database.write(lambda connection: connection.execute(statement))

    async def kept(self) -> tuple[list[str], int]:
        uses = await self.database.read(audit.read)
        return [row.unit for row in await self.verdicts.board(GATE)], len(uses)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = await asyncio.to_thread(Bench, tmp_path)
    yield bench
    await asyncio.to_thread(bench.database.close)


async def test_a_round_is_kept_but_for_units_that_are_gone(bench: Bench) -> None:
    await bench.assessor.round()
    assert await bench.kept() == (["u1", "u2"], 1)
    assert bench.assessor.rounds.done_at > 0


@pytest.mark.parametrize("table", ["verdicts", "waiver_use"])
async def test_a_store_that_refuses_costs_the_round_and_nothing_else(bench: Bench, table: str) -> None:
    await bench.do(
        f"CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    await bench.assessor.round()
    assert bench.assessor.rounds.done_at == 0.0, "no sign of life says that all is well"
    await bench.do("DROP TRIGGER full")
    await bench.assessor.round()
    assert await bench.kept() == (["u1", "u2"], 1)
    assert bench.assessor.rounds.done_at > 0


async def test_a_clerk_that_fails_costs_the_round_alone(bench: Bench) -> None:
    bench.judge.fault = "it went away"
    await bench.assessor.round()
    assert bench.assessor.rounds.done_at == 0.0


async def test_units_that_are_gone_lose_their_judgements_sooner_or_later(bench: Bench) -> None:
    await bench.assessor.round()
    bench.assessor.units.remove("u2")
    await bench.do("CREATE TRIGGER full BEFORE DELETE ON verdicts BEGIN SELECT RAISE(ABORT, 'full'); END")
    await bench.assessor.adopt()
    assert (await bench.kept())[0] == ["u1", "u2"]
    await bench.do("DROP TRIGGER full")
    await bench.assessor.adopt()
    assert (await bench.kept())[0] == ["u1"]
