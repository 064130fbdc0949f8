"""The benchmark's own province, small: all rows pass, each thing is read once, and a round stays cheap."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import judging
from monitor.place import place
from monitor.readiness.remembered import MOST, Remembered
from monitor.readiness.verdict import Verdict
from monitor.store.api import Latest
from monitor.store.engine import Store
from monitor.store.ledger import catch_up
from monitor.workspace import open_workspace
from tests.readiness.world import World

UNITS = 12


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("province")
    judging.write(directory, UNITS)
    where = place(directory / "muster.toml")
    asyncio.run(judging.fill(where, open_workspace(where), time.time()))
    return directory / "muster.toml"


def test_all_66_rows_of_a_unit_pass(province: Path) -> None:
    found = judging.rounds(province, 2)
    assert (found.items, found.other) == (66, 0)


@pytest.mark.alone
def test_a_unit_takes_little_of_the_processor(province: Path) -> None:
    """Five times what 2 s for 1,000 units allow, on whatever machine this is."""
    where = place(province)
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    spent = []
    for _ in range(4):
        started = time.process_time()
        with closing(Store.read_only(where.state_dir)) as store:
            results = list(workspace.results(workspace.inventory.units, store, "go-live", time.time()))
        spent.append(time.process_time() - started)
        assert {each.verdict for each in results} == {Verdict.READY}
    assert min(spent) / UNITS < 0.010


@pytest.mark.timeout(120)
@pytest.mark.may_block
def test_a_fresh_run_tells_how_far_it_is(tmp_path: Path) -> None:
    """64 checks from nothing: never back, never another number in all, and at the end all of them."""
    found = judging.fresh(tmp_path, 4)
    assert found.units == 4
    assert found.honest
    assert found.told[-1][:2] == (64, 64)


@pytest.mark.parametrize("told", [[], [(1, 2, 0.1)], [(2, 2, 0.1), (1, 2, 0.2)], [(1, 2, 0.1), (3, 3, 0.2)]])
def test_what_is_no_honest_progress(told: list[tuple[int, int, float]]) -> None:
    assert not judging.Fresh(1.0, 1, told).honest


def test_what_is_beside_a_check_is_what_asking_for_each_gives(province: Path) -> None:
    where = place(province)
    with closing(Store.read_only(where.state_dir)) as store:
        checks = sorted(store.checks())
        remembered = Remembered(store)
        assert {check: remembered.latest(check) for check in checks} == {
            check: store.latest(check) for check in checks
        }
        assert remembered.latest("u0/nothing/icmp") is None
        assert store.latest_beside("u0/nothing/icmp") == {}


def test_each_check_is_asked_for_once_in_a_round(world: World) -> None:
    asked = Counter[str]()

    class Counting:
        def latest(self, check: str) -> Latest | None:
            asked[check] += 1
            return None

    remembered = Remembered(Counting())  # type: ignore[arg-type]
    for _ in range(3):
        assert remembered.latest("a") is None
    assert asked == {"a": 1}
    for number in range(MOST + 2):
        remembered.latest(str(number))
    remembered.latest("a")
    assert asked["a"] == 2, "more than it remembers are forgotten"
