"""A data centre of real servers is READY; each planted fault is flagged by its item, and by nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.servers.accounts import needs_root
from tests.show import judging
from tests.show.centre.data_centre import HERE, DataCentre, data_centre
from tests.show.centre.faults import FAULTS
from tests.show.fault import Fault

DOCUMENT = (judging.DOCS / "data-centre.md").read_text("utf-8")

pytestmark = [needs_root, pytest.mark.show, pytest.mark.timeout(300)]
one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def centre(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DataCentre]:
    async for running in judging.complete(data_centre(tmp_path_factory.mktemp("centre"))):
        yield running


@one_loop
async def test_the_centre_is_ready_by_the_command_line(centre: DataCentre) -> None:
    await judging.ready_by_the_command_line(centre)


@one_loop
@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.name)
async def test_a_fault_is_flagged_by_its_item_and_nothing_else(
    centre: DataCentre, fault: Fault[DataCentre]
) -> None:
    await judging.flagged_by_its_item_alone(centre, fault)


@one_loop
async def test_a_fault_is_3_by_the_command_line_and_undone_all_is_ready(centre: DataCentre) -> None:
    [fault] = [each for each in FAULTS if each.name == "no_consumer"]
    await judging.not_ready_by_the_command_line(centre, fault, "consumers = 0")


def test_there_are_25_faults_and_more() -> None:
    assert len({each.name for each in FAULTS}) == len(FAULTS) >= 25
    assert len({each.item for each in FAULTS}) >= 25


def test_the_documentation_lists_these_faults_and_no_others() -> None:
    judging.documented(DOCUMENT, FAULTS)


def test_what_the_documentation_shows_is_what_runs() -> None:
    judging.shown_is_what_runs(DOCUMENT, HERE)


def test_items_of_the_shipped_checklist_weigh_the_same_here() -> None:
    ours = HERE / "checklists" / "data-centre.yaml"
    judging.weigh_the_same(ours, "municipal-data-centre.yaml", least=10)
