"""What carriers promised against what their lines carry."""

from __future__ import annotations

import json

import pytest

from inventory.load import load
from monitor.capacity.contracts import Channel, Holds, Provider, Side, providers
from monitor.cli.contracts import document
from monitor.readiness.conditions import Statistic
from monitor.readiness.dependencies import by_asset
from monitor.readiness.expectation import parse
from monitor.readiness.layered import Layered
from probes.api import MetricDef
from tests.readiness.world import NOW, World

INVENTORY = """
version: 1
units:
  - {id: a, name: A, level: hall, profile: hall, assets: [{id: up, kind: channel, address: 10.0.0.1,
     contracted: {down: 20 Mbit/s, up: 10 Mbit/s, provider: Red, circuit: R-1}}]}
  - {id: b, name: B, level: hall, profile: hall, assets: [{id: up, kind: channel, address: 10.0.0.2,
     contracted: {down: 20 Mbit/s, provider: Blue}}]}
  - {id: c, name: C, level: hall, profile: hall, assets: [{id: up, kind: channel, address: 10.0.0.3,
     contracted: {down: 20 Mbit/s, provider: Blue}}]}
  - {id: d, name: D, level: hall, assets: [{id: up, kind: channel, address: 10.0.0.4,
     contracted: {down: 4 Mbit/s}}]}
  - {id: e, name: E, level: hall, profile: hall, assets: [{id: up, kind: channel, address: 10.0.0.5}]}
"""
PROFILE = """
version: 1
id: hall
checks:
  - {id: throughput, for: {kind: channel}, probe: throughput, every: 15 min, timeout: 60s}
"""
DAY = parse({"q05": ">= 0", "over": "24h"}, metric=MetricDef("rate", "bit/s"))


@pytest.fixture
def world(world: World) -> World:
    world.inventory, world.profile = INVENTORY, PROFILE
    return world


def compared(world: World, only: str | None = None) -> list[Provider]:
    assert isinstance(DAY, Statistic)
    inventory = load(world.write("inventory.yaml", world.inventory))
    jobs = by_asset(world.plan().jobs.values())
    return providers(inventory, jobs, Layered(None, world.readings), DAY, NOW, only=only)


def channel(world: World, unit: str) -> Channel:
    several = [each for provider in compared(world) for each in provider.channels if each.unit == unit]
    assert len(several) == 1
    return several[0]


def side(world: World, unit: str = "b") -> Side:
    return channel(world, unit).sides[-1]


def carried(world: World, unit: str, *values: float | None, metric: str = "capacity_down_bps") -> World:
    return world.every(f"{unit}/up/throughput", values, metric, every=900)


@pytest.mark.parametrize(
    ("rate", "verdict"),
    [(20e6, Holds.HOLDS), (19.0e6, Holds.HOLDS), (18.9e6, Holds.SHORT), (5e6, Holds.SHORT)],
)
def test_a_line_holds_what_it_carries_but_for_headers_and_errors(
    world: World, rate: float, verdict: Holds
) -> None:
    found = side(carried(world, "b", *[rate] * 96))
    assert (found.verdict, found.n, found.median) == (verdict, 96, rate)
    assert found.coverage == pytest.approx(1)
    assert found.lower == found.upper == found.q05 == rate


def test_few_readings_tell_nothing(world: World) -> None:
    found = side(carried(world, "b", *[5e6] * 58))
    assert (found.verdict, found.why) == (Holds.UNKNOWN, "58 readings, and the bounds need 59")


def test_nothing_measured_tells_nothing(world: World) -> None:
    found = side(world)
    assert (found.verdict, found.why, found.n) == (Holds.UNKNOWN, "not measured in this time", 0)
    assert (found.median, found.q05) == (None, None)
    assert side(world, "d").why == "no check of this channel measures its rate"


def test_an_outage_is_no_slow_line(world: World) -> None:
    carried(world, "b", *[20e6] * 90, *[None] * 6)
    assert side(world).verdict is Holds.HOLDS
    carried(world, "c", *[20e6] * 60, *[None] * 36)
    found = side(world, "c")
    assert (found.verdict, found.n) == (Holds.UNKNOWN, 60)
    assert found.why.endswith("90% is needed")


def test_at_least_what_is_contracted_holds_and_at_least_less_tells_nothing(world: World) -> None:
    carried(world, "b", *[19.5e6] * 96, metric="capacity_down_at_least_bps")
    carried(world, "c", *[10e6] * 96, metric="capacity_down_at_least_bps")
    assert side(world, "b").verdict is Holds.HOLDS
    assert side(world, "c").verdict is Holds.UNKNOWN


def test_a_channel_is_as_good_as_its_worse_direction(world: World) -> None:
    for index in range(96):
        world.ok("a/up/throughput", 30 + 900 * index, capacity_up_bps=5e6, capacity_down_bps=20e6)
    found = channel(world, "a")
    assert [(each.way, each.verdict) for each in found.sides] == [("up", Holds.SHORT), ("down", Holds.HOLDS)]
    assert (found.verdict, found.circuit, found.check) == (Holds.SHORT, "R-1", "a/up/throughput")


def test_the_evidence_names_the_slowest_readings(world: World) -> None:
    found = side(carried(world, "b", *[20e6] * 94, 1e6, 2e6))
    assert found.slowest[:2] == ((NOW - 930, 1e6), (NOW - 30, 2e6))
    assert len(found.slowest) == 5


def test_the_worst_carrier_and_its_worst_line_come_first(world: World) -> None:
    carried(world, "b", *[18e6] * 96)
    carried(world, "c", *[9e6] * 96)
    found = compared(world)
    assert [each.name for each in found] == ["Blue", "(no provider)", "Red"]
    assert [each.unit for each in found[0].channels] == ["c", "b"]
    assert found[0].counts == {Holds.SHORT: 2, Holds.UNKNOWN: 0, Holds.HOLDS: 0}


def test_one_carrier_only(world: World) -> None:
    assert [each.name for each in compared(world, "Red")] == ["Red"]
    assert compared(world, "Green") == []


def test_a_channel_without_a_contract_is_not_compared(world: World) -> None:
    units = {each.unit for provider in compared(world) for each in provider.channels}
    assert units == {"a", "b", "c", "d"}


def test_the_document_is_plain_json(world: World) -> None:
    assert isinstance(DAY, Statistic)
    found = document(compared(carried(world, "b", *[18e6] * 96)), DAY, NOW)
    data = json.loads(json.dumps(found, allow_nan=False))
    assert (data["schema"], data["over"], data["calendar"]) == ("muster.contracts/1", "24h", "24x7")
    line = data["providers"][0]["channels"][0]["down"]
    assert (line["contracted_bps"], line["verdict"], line["q05_upper_bps"], line["n"]) == (
        20e6,
        "short",
        18e6,
        96,
    )
    assert line["slowest"][0]["bps"] == 18e6
