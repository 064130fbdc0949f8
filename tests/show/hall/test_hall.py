"""A hall of real and simulated peers is READY; each planted fault is flagged by its item alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.servers.accounts import needs_root
from tests.show import judging
from tests.show.fault import Fault
from tests.show.hall.faults import FAULTS
from tests.show.hall.hall import HERE, Hall, hall

DOCUMENT = (judging.DOCS / "hall.md").read_text("utf-8")

pytestmark = [needs_root, pytest.mark.show, pytest.mark.timeout(120)]
one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    async for running in judging.complete(hall(tmp_path_factory.mktemp("hall"))):
        yield running


@one_loop
async def test_the_hall_is_ready_by_the_command_line(shown: Hall) -> None:
    await judging.ready_by_the_command_line(shown)


@one_loop
@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.name)
async def test_a_fault_is_flagged_by_its_item_and_nothing_else(shown: Hall, fault: Fault[Hall]) -> None:
    await judging.flagged_by_its_item_alone(shown, fault)


@one_loop
async def test_a_fault_is_3_by_the_command_line_and_undone_all_is_ready(shown: Hall) -> None:
    [fault] = [each for each in FAULTS if each.name == "half_duplex"]
    await judging.not_ready_by_the_command_line(shown, fault, "full_duplex = 0")


def test_there_are_30_faults_and_more() -> None:
    assert len({each.name for each in FAULTS}) == len(FAULTS) >= 30
    assert len({each.item for each in FAULTS}) >= 25


def test_the_documentation_lists_these_faults_and_no_others() -> None:
    judging.documented(DOCUMENT, FAULTS)


def test_what_the_documentation_shows_is_what_runs() -> None:
    judging.shown_is_what_runs(DOCUMENT, HERE)


def test_items_of_the_shipped_checklists_weigh_the_same_here() -> None:
    ours = HERE / "checklists" / "hall.yaml"
    judging.weigh_the_same(ours, "service-hall.yaml", "municipal-data-centre.yaml", least=15)
