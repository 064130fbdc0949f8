"""One cause, named once: what is behind what, and in which order it is probed."""
# ruff: noqa: E501 - YAML reads better unbroken

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from inventory.load import load
from inventory.models import Inventory
from monitor.job import Job
from monitor.readiness.dependencies import (
    Asset,
    Dependencies,
    by_asset,
    default_age,
    probe_order,
    with_dependencies,
)
from monitor.readiness.layered import Layered
from probes.api import Target
from tests.readiness.world import INVENTORY, NOW, SPECS, AnyParams, World

DATABASE = """
      - {id: db, kind: database, address: 10.1.2.20, depends_on: [pc1], checks: [{probe: tcp}, {id: sql, probe: http}]}
      - {id: app, kind: application, address: 10.1.2.30, depends_on: [db, uplink], checks: [{probe: http}]}
"""


def planned(world: World) -> tuple[Inventory, Mapping[Asset, tuple[Job, ...]]]:
    world.inventory = INVENTORY + DATABASE.lstrip("\n")
    plan = world.plan()
    return load(world.directory / "inventory.yaml"), by_asset(plan.jobs.values())


def blocked(world: World, now: float = NOW) -> dict[str, str]:
    inventory, jobs = planned(world)
    found = Dependencies(inventory, jobs, Layered(None, world.readings), now)
    several = [job for each in jobs.values() for job in each]
    return {job.id.removeprefix("hall/"): cause for job in several if (cause := found.blocked(job))}


def test_nothing_known_blocks_nothing(world: World) -> None:
    assert blocked(world) == {}


def test_a_dead_host_blocks_its_own_checks_and_all_behind_it(world: World) -> None:
    root = "hall/pc1/icmp"
    assert blocked(world.good().failed("pc1/icmp", "timeout", 5)) == {
        "pc1/http": root, "db/tcp": root, "db/sql": root, "app/http": root,
    }  # fmt: skip


def test_an_asset_of_which_everything_fails_blocks_what_needs_it(world: World) -> None:
    world.good().failed("db/tcp", "refused", 5).failed("db/sql", "protocol", 4)
    assert blocked(world) == {"app/http": "hall/db/tcp"}


def test_one_check_that_serves_is_a_living_asset(world: World) -> None:
    assert blocked(world.good().failed("db/tcp", "refused", 5).ok("db/sql", 4, status=200)) == {}


def test_an_answer_that_is_not_as_expected_is_an_answer(world: World) -> None:
    assert blocked(world.good().failed("db/tcp", "expectation", 5)) == {}


def test_what_was_not_measured_blocks_nothing(world: World) -> None:
    assert blocked(world.good().error("db/tcp", "prober_error", 5).not_run("db/sql", "overload", 4)) == {}


def test_no_route_is_a_dead_host_even_without_pings(world: World) -> None:
    assert blocked(world.good().failed("db/tcp", "unreachable", 5)) == {
        "db/sql": "hall/db/tcp", "app/http": "hall/db/tcp",
    }  # fmt: skip


def test_a_failure_blocks_until_it_expires(world: World) -> None:
    world.failed("db/tcp", "refused", 0)
    assert blocked(world, NOW + 899) == {"app/http": "hall/db/tcp"}
    assert blocked(world, NOW + 900) == {}


def test_the_order_of_probing(world: World) -> None:
    inventory, jobs = planned(world)
    order = probe_order(inventory, [job for several in jobs.values() for job in several])
    assert [[job.id.removeprefix("hall/") for job in stage] for stage in order] == [
        ["gz/core/icmp"], ["uplink/icmp"], ["pc1/icmp"], ["pc1/http"], ["db/tcp", "db/sql"], ["app/http"],
    ]  # fmt: skip


def test_a_run_of_one_unit_probes_what_it_hangs_on_too(world: World) -> None:
    inventory, jobs = planned(world)
    ids = [job.id for job in with_dependencies(inventory, jobs, ["hall"])]
    assert ids[-1] == "gz/core/icmp"
    assert len(ids) == len(set(ids)) == 7
    assert [job.id for job in with_dependencies(inventory, jobs, ["gz"])] == ["gz/core/icmp"]


@pytest.mark.parametrize(
    ("kind", "every", "loads", "age"),
    [
        ("channel", 60, False, 900),
        ("application", 60, False, 900),
        ("host", 60, False, 3600),
        ("interface", 60, False, 26 * 3600),
        ("channel", 600, False, 1210),
        ("channel", 900, True, 26 * 3600),
        ("channel", 86400, True, 172810),
    ],
)
def test_default_ages(kind: str, every: float, loads: bool, age: float) -> None:
    probe = replace(SPECS["icmp"], loads_link=loads)
    job = Job("u/a/c", "u", "a", "c", probe, Target("10.0.0.1"), AnyParams(), every, 10)
    assert default_age(kind, job) == age
