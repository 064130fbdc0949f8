"""Loss by the sequential test over recorded bursts: decisions, how often they err, and which counts now."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.readiness.losses import Bursts, origin, replayed
from monitor.readiness.results import ItemResult
from monitor.readiness.statistics import LossTest
from monitor.readiness.verdict import Status
from probes.api import Outcome, Reading
from tests.readiness.needs import NEED, L, Needs, impossible
from tests.readiness.world import CHECKLIST, World

CHECK = "uplink/icmp"


@pytest.fixture
def world(world: World) -> World:
    world.requirements = Needs()
    return asked(world, '{loss_pct: "<= requirement"}')


def asked(world: World, expect: str, check: str = "icmp", more: str = "max_age: 4 h,") -> World:
    world.checklist = CHECKLIST.replace('{rtt_ms: "<= 40"}', expect).replace(
        "check: icmp,", f"check: {check}, {more}"
    )
    return world


def lossy(world: World, lost: Iterable[int], sent: int = 20, newest: float = 30) -> World:
    several = list(lost)
    for index, each in enumerate(several):
        age = newest + 60 * (len(several) - 1 - index)
        world.ok(CHECK, age, sent=sent, received=sent - each, loss_pct=100 * each / sent)
    return world


def row(world: World) -> ItemResult:
    return world.item("rtt", "uplink")


def test_enough_packets_without_a_loss_pass(world: World) -> None:
    """L = 432 takes 422 packets: 22 bursts of 20."""
    assert LossTest.of(L).least_packets == 422
    found = row(lossy(world, [0] * 22))
    assert (found.status, found.value, found.unit) == (Status.PASS, 0.0, "%")
    assert found.expected == "loss_pct at most 1 loss in 432 packets"
    assert found.actual == "440 packets, 0 lost, L = 432, passes <= 0, fails >= 5"


def test_fewer_are_inconclusive_and_say_how_many_it_takes(world: World) -> None:
    found = row(lossy(world, [0] * 21))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert found.detail == "not decided yet: without a loss it takes 422 packets"
    assert found.actual == "420 packets, 0 lost, L = 432, passes at none yet, fails >= 5"


def test_one_burst_never_passes(world: World) -> None:
    assert row(lossy(world, [0])).status is Status.UNKNOWN


def test_losses_fail(world: World) -> None:
    found = row(lossy(world, [0, 1, 2]))
    assert (found.status, found.reason) == (Status.FAIL, "expectation")
    assert found.actual.startswith("60 packets, 3 lost, L = 432")


def test_the_latest_decision_counts(world: World) -> None:
    assert row(lossy(world, [*[0] * 22, 0, 5])).status is Status.FAIL
    world.readings.clear()
    assert row(lossy(world, [0, 5, *[0] * 22])).status is Status.PASS


def test_a_test_under_way_does_not_displace_a_decision(world: World) -> None:
    found = row(lossy(world, [*[0] * 22, 1, 1]))
    assert (found.status, found.actual.split(",")[0]) == (Status.PASS, "440 packets")


@pytest.mark.parametrize(("hours", "status"), [(3.9, Status.PASS), (4.1, Status.UNKNOWN)])
def test_a_decision_counts_as_long_as_the_item_says(world: World, hours: float, status: Status) -> None:
    lossy(world, [0] * 22, newest=hours * 3600)
    found = row(lossy(world, [0]))
    assert found.status is status
    if status is Status.UNKNOWN:
        assert found.detail.endswith("the last decision is 4.1 h old")


def test_what_stays_undecided_for_10000_packets_is_inconclusive(world: World) -> None:
    """One in 200: between what is allowed and four times that."""
    world.profile = world.profile.replace("every: 60s", "every: 30s")
    several = [1 if index % 10 == 0 else 0 for index in range(500)]
    for index, lost in enumerate(several):
        world.ok(CHECK, 30 + 30 * index, sent=20, received=20 - lost)
    found = row(world)
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert found.detail == "not decided after 10000 packets: the loss lies close to what is allowed"


def test_less_loss_than_10000_packets_can_show_says_so(world: World) -> None:
    world.requirements = Needs(replace(NEED, packets_per_loss=150_000.0))
    found = row(lossy(world, [0] * 60))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert found.detail.startswith("10000 packets can't show so little loss: without a loss it takes 14")


def test_short_runs_are_taken_as_twelve(world: World) -> None:
    world.requirements = Needs(replace(NEED, packets_per_loss=3.0))
    found = row(lossy(world, [0] * 2))
    assert (found.status, found.expected) == (Status.PASS, "loss_pct at most 1 loss in 12 packets")


def test_a_lost_burst_fails_and_what_was_not_measured_does_not(world: World) -> None:
    lossy(world, [0] * 22, newest=120)
    assert row(world.error(CHECK, age=60).not_run(CHECK, age=40)).status is Status.PASS
    for age in (35, 34, 33, 32, 31):
        world.failed(CHECK, "timeout", age)
    assert row(world).status is Status.FAIL


def test_a_check_that_counts_no_packets_is_not_measured(world: World) -> None:
    found = row(world.ok(CHECK, loss_pct=0))
    assert (found.status, found.reason) == (Status.UNKNOWN, "not_measured")
    assert found.detail == "the check reports no packet counts (sent) to test"


def test_no_functions_and_impossible_ones_are_not_measured(world: World) -> None:
    """That no channel would do is no loss: the rate says it."""
    lossy(world, [0] * 22)
    world.requirements = Needs(NEED, "another")
    assert row(world).reason == "not_measured"
    world.requirements = impossible("no bandwidth suffices")
    assert (row(world).status, row(world).detail) == (Status.UNKNOWN, "no bandwidth suffices")


# Each way, and in events


@pytest.fixture
def echo(world: World) -> World:
    world.profile += "  - {id: echo, for: {kind: channel}, probe: echo, every: 60s, timeout: 10s}\n"
    return asked(world, '{loss_pct: "<= requirement"}', "echo")


def echoed(world: World, **values: float) -> World:
    for index in range(70):
        world.ok("uplink/echo", 30 + 60 * index, **values)
    return world


def test_losses_in_one_event_are_one(echo: World) -> None:
    """Twelve packets lost in one go are one event, and do not fail."""
    echoed(echo, sent=10, received=10, loss_pct=0, loss_events=0)
    echo.ok("uplink/echo", 30 + 60 * 70, sent=100, received=88, loss_pct=12, loss_events=1)
    found = row(echo)
    assert found.status is Status.PASS
    echo.readings.clear()
    echo.ok("uplink/echo", 40, sent=100, received=88, loss_pct=12, loss_events=1)
    assert row(echo).actual.startswith("100 packets, 12 lost in 1 event, L = 432")


def test_a_dead_link_is_no_single_event(echo: World) -> None:
    """However much loss is allowed, bursts without an answer fail, also where each is told as one event."""
    echo.requirements = Needs(replace(NEED, packets_per_loss=12.0))
    lost = {"sent": 20.0, "received": 0.0, "loss_pct": 100.0, "loss_events": 1.0}
    for index in range(70):
        echo.add(Reading(Outcome.FAILED, "timeout", metrics=dict(lost)), "uplink/echo", 30 + 60 * index)
    assert row(echo).status is Status.FAIL
    assert "20 lost" in row(echo).actual


@pytest.mark.parametrize(("way", "status"), [("up", Status.PASS), ("down", Status.FAIL)])
def test_each_way_by_itself(echo: World, way: str, status: Status) -> None:
    """One of ten packets is lost on its way to the unit."""
    asked(echo, f'{{loss_{way}_pct: "<= requirement"}}', "echo")
    echoed(echo, sent=10, received=9, loss_pct=10, loss_down_pct=10, loss_up_pct=0)
    found = row(echo)
    assert found.status is status
    if way == "up":
        assert found.actual.startswith("423 packets, 0 lost")


# The replay itself


def bursts(lost: list[int], sent: int) -> Bursts:
    values = np.array(lost, dtype=float)
    return Bursts(60.0 * np.arange(len(lost), dtype=float), np.full(len(lost), float(sent)), values, values)


@pytest.mark.parametrize(("times", "right"), [(1.0, True), (4.0, False)])
@pytest.mark.parametrize("sent", [10, 20])
def test_it_errs_as_rarely_as_it_says(times: float, right: bool, sent: int) -> None:
    """Simulated: at p0 and at p1 at most one decision in twenty is wrong, truncated ones left out."""
    rng, test = np.random.default_rng(3), LossTest.of(100)
    decided = wrong = 0
    for _ in range(1500):
        lost = rng.binomial(sent, times / 100, size=10_000 // sent)
        first = _first(lost.tolist(), sent, test)
        decided += first is not None
        wrong += first is not None and first is not right
    assert decided > 1450
    assert wrong / decided <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)


def _first(lost: list[int], sent: int, test: LossTest) -> bool | None:
    packets = losses = 0
    for each in lost:
        packets, losses = packets + sent, losses + each
        if (held := test.passes(packets, losses)) is not None:
            return held
    return None


@given(st.lists(st.integers(0, 3), max_size=300), st.sampled_from([10, 20]))
def test_the_replay_restarts_after_each_decision(lost: list[int], sent: int) -> None:
    """What came before a decision does not matter for the next."""
    test = LossTest.of(50)
    ended, running = replayed(bursts(lost, sent), test)
    if ended is None:
        assert running.packets == sent * len(lost)
        return
    rest = lost[round(ended.at / 60) + 1 :]
    assert (running.packets, running.lost) == (sent * len(rest), sum(rest))
    assert replayed(bursts(rest, sent), test)[0] is None


@given(st.floats(1.7e9, 1.9e9), st.floats(0, 12 * 3600), st.floats(60, 3 * 86400))
def test_the_start_of_the_replay_moves_once_a_day(now: float, later: float, max_age: float) -> None:
    one, two = origin(now, max_age), origin(now + later, max_age)
    assert one % 86400 == 0
    assert two in (one, one + 86400)
    assert now - one >= max(86400, max_age)
