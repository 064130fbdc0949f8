"""A reload that fails halfway: what was read is run, nothing ends, and it is put right later."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from monitor.breaker import Breaker
from monitor.child.clerk import Clerk
from monitor.job import Job
from monitor.place import place
from monitor.reload import Reloader
from monitor.schedule import Schedule
from monitor.units import Units
from tests.run.test_wire import TEXT


class Bench:
    """A reloader with a real clerk, and a store that refuses while `broken`."""

    def __init__(self, directory: Path) -> None:
        self.inventory = directory / "inventory.yaml"
        self.inventory.write_text(TEXT, "utf-8")
        (directory / "muster.toml").write_text('[daemon]\ninventory = "inventory.yaml"\n', "utf-8")
        self.broken, self.adopted = "", list[list[str]]()
        self.schedule = Schedule(lambda _: None)
        self.clerk = Clerk(place(directory / "muster.toml"))
        self.reloader = Reloader(
            self.clerk, Units(), self.schedule, Breaker(), self._adopt, self._declare, lambda _: False
        )

    async def _adopt(self, jobs: Iterable[Job]) -> None:
        self._refuse("adopt")
        self.adopted.append([job.id for job in jobs])

    def _declare(self, job: Job) -> None:
        self._refuse(job.id)

    def _refuse(self, what: str) -> None:
        if what == self.broken:
            raise sqlite3.OperationalError("database or disk is full")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench, before = Bench(tmp_path), gc.get_threshold()
    yield bench
    await bench.clerk.close()
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.parametrize("broken", ["adopt", "u2/a/tcp"])
async def test_what_fails_halfway_is_run_and_put_right_later(bench: Bench, broken: str) -> None:
    bench.broken = broken
    await bench.reloader.try_reload()
    assert len(bench.schedule.timetable) == 3
    assert bench.reloader.error == "database or disk is full"
    assert (bench.adopted, bench.reloader.count) == ([], 0)
    bench.broken = ""
    await bench.reloader.settle()
    assert bench.adopted == [["u1/a/tcp", "u1/b/tcp", "u2/a/tcp"]]
    assert (bench.reloader.error, bench.reloader.count) == ("", 1)
    await bench.reloader.settle()
    assert (len(bench.adopted), bench.reloader.count) == (1, 1)


async def test_a_removed_unit_is_off_the_timetable_though_the_store_refuses(bench: Bench) -> None:
    assert await bench.reloader.reload() == 2
    bench.broken = "adopt"
    bench.inventory.write_text(TEXT[: TEXT.index("  - id: u2")], "utf-8")
    await bench.reloader.try_reload()
    assert len(bench.schedule.timetable) == 2
