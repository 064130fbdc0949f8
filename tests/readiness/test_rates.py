"""A channel's rate against the requirement: enough, without headroom, too little, or not to be told."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.job import Job
from monitor.readiness import rates
from monitor.readiness.conditions import Statistic, Truth
from monitor.readiness.expectation import parse
from monitor.readiness.measuring import settled
from monitor.readiness.rates import Rates
from monitor.readiness.results import ItemResult
from monitor.readiness.sampling import Span
from monitor.readiness.verdict import Status, Verdict
from monitor.store.api import Window
from probes.api import MetricDef, Target
from tests.readiness.needs import M_DOWN, NEED, R_DOWN, R_UP, Needs, impossible
from tests.readiness.world import CHECKLIST, NOW, SPECS, AnyParams, World

CHECK = "uplink/throughput"
DOWN = '{tcp_down_bps: {q05: ">= requirement", over: 24h}}'
BOTH = '{tcp_up_bps: {q05: ">= requirement", over: 24h}, tcp_down_bps: {q05: ">= requirement", over: 24h}}'
ENOUGH = 8e6
SLACK = (M_DOWN + R_DOWN) / 2
POOR = 4e6


@pytest.fixture
def world(world: World) -> World:
    world.profile += (
        "  - {id: throughput, for: {kind: channel}, probe: throughput, every: 15 min, timeout: 60s}\n"
    )
    world.requirements = Needs()
    return asked(world, DOWN)


def asked(world: World, expect: str, check: str = "throughput") -> World:
    world.checklist = (
        CHECKLIST.replace('{rtt_ms: "<= 40"}', expect)
        .replace("check: icmp", f"check: {check}")
        .replace("select: {kind: channel}", "select: {id: uplink}")
    )
    return world


def rated(world: World, *values: float | None, metric: str = "tcp_down_bps") -> World:
    return world.every(CHECK, values, metric, every=900)


def row(world: World) -> ItemResult:
    return world.item("rtt")


def test_enough_for_a_day_passes(world: World) -> None:
    found = row(rated(world, *[ENOUGH] * 96))
    assert (found.status, found.severity, found.declared_severity) == (Status.PASS, "blocker", None)
    assert found.expected == "tcp_down_bps q05 >= 7.01 Mbit/s over 24h"
    assert found.actual == "q05 = 8 Mbit/s, 95 % bounds 8 Mbit/s..8 Mbit/s, n = 96, coverage 100%"
    assert (found.value, found.unit) == (ENOUGH, "bit/s")


def test_one_slow_test_of_96_is_allowed_and_two_are_not(world: World) -> None:
    """For n = 96 the lower bound of q05 is the second smallest."""
    assert row(rated(world, *[ENOUGH] * 95, POOR)).status is Status.PASS
    world.readings.clear()
    assert row(rated(world, *[ENOUGH] * 94, POOR, POOR)).status is Status.UNKNOWN


def test_less_than_the_least_fails_and_says_who_needs_it(world: World) -> None:
    found = row(rated(world, *[POOR] * 96))
    assert (found.status, found.reason, found.severity) == (Status.FAIL, "expectation", "blocker")
    assert found.detail == "bill-pdf needs at least 5.2 Mbit/s, and 7.01 Mbit/s with headroom"


def test_between_it_works_without_headroom_and_weighs_as_minor(world: World) -> None:
    found = row(rated(world, *[SLACK] * 96))
    assert (found.status, found.severity, found.declared_severity) == (Status.FAIL, "minor", "blocker")
    assert found.actual.endswith("coverage 100%: works, without headroom")
    assert found.plain()["severity"] == "minor"
    assert found.plain()["declared_severity"] == "blocker"


def test_the_verdict_counts_the_effective_severity(world: World) -> None:
    result = rated(world.good(), *[SLACK] * 96).judge()
    assert (result.verdict, result.reasons) == (Verdict.CONDITIONAL, ("1 minor fails",))


def test_what_works_without_headroom_blocks_nothing_and_what_does_not_work_does(world: World) -> None:
    world.checklist = world.checklist.replace("check: http,", "check: http, depends_on: [rtt],")
    assert rated(world.good(), *[SLACK] * 96).item("page").status is Status.PASS
    world.readings.clear()
    assert rated(world.good(), *[POOR] * 96).item("page").reason == "blocked"


def test_an_info_item_stays_one(world: World) -> None:
    world.checklist = world.checklist.replace("severity: blocker", "severity: info")
    found = row(rated(world, *[SLACK] * 96))
    assert (found.status, found.severity, found.declared_severity) == (Status.FAIL, "info", None)


@pytest.mark.parametrize("value", [ENOUGH, SLACK, POOR])
def test_nothing_is_judged_below_59_readings(world: World, value: float) -> None:
    world.checklist = world.checklist.replace("over: 24h", "over: 870 min")
    found = row(rated(world, *[value] * 58))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert found.detail == "58 readings, and the bounds need 59"


@pytest.mark.parametrize("value", [ENOUGH, SLACK, POOR])
def test_nothing_is_judged_with_a_seventh_missing(world: World, value: float) -> None:
    found = row(rated(world, *[value] * 83))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert found.detail == "86% of the window is measured, and 90% is needed"


def test_a_reading_without_the_rate_is_missing(world: World) -> None:
    """An ok reading that could not decide the rate covers nothing."""
    rated(world, *[ENOUGH] * 80)
    for index in range(80, 96):
        world.ok(CHECK, 30 + 900 * index, capacity_down_bps=ENOUGH)
    found = row(world)
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert "coverage 8" in found.actual


def floors(world: World, exact: Iterable[float], known: Iterable[float]) -> World:
    world.readings.clear()
    values = [*((value, "tcp_down_bps") for value in exact), *((v, "tcp_down_at_least_bps") for v in known)]
    for index, (value, metric) in enumerate(values):
        world.ok(CHECK, 30 + 900 * index, **{metric: value})
    return world


def test_at_least_as_much_as_is_required_supports_a_pass(world: World) -> None:
    found = row(floors(world, [ENOUGH] * 40, [R_DOWN] * 56))
    assert found.status is Status.PASS
    assert "n = 96" in found.actual


def test_all_at_least_enough_is_enough(world: World) -> None:
    assert row(floors(world, [], [ENOUGH] * 96)).status is Status.PASS


@pytest.mark.parametrize("floor", [POOR, SLACK])
def test_at_least_something_less_is_neither_pass_nor_fail(world: World, floor: float) -> None:
    found = row(floors(world, [], [floor] * 96))
    assert (found.status, found.reason, found.value) == (Status.UNKNOWN, "not_measured", None)
    assert found.detail.startswith("96 readings could only say that the rate is at least so much")


def test_a_few_that_only_know_less_hold_a_pass_back(world: World) -> None:
    found = row(floors(world, [ENOUGH] * 90, [POOR] * 6))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert "6 readings could only say" in found.detail
    assert "n = 90" in found.actual


def test_a_few_that_only_know_less_hold_a_failure_back(world: World) -> None:
    """Nine poor ones of 87 fail; with nine more that may be good they are nine of 96, and may not."""
    exact = [*[ENOUGH] * 78, *[POOR] * 9]
    assert row(floors(world, exact, [])).status is Status.FAIL
    found = row(floors(world, exact, [POOR] * 9))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")


@given(st.lists(st.sampled_from([ENOUGH, SLACK, POOR]), min_size=59, max_size=96), st.data())
def test_knowing_less_never_decides_otherwise(values: list[float], data: st.DataObject) -> None:
    """Exact rates hidden behind lower bounds may leave it undecided, and never turn a judgement round."""
    part = parse({"q05": ">= requirement", "over": "24h"}, metric=MetricDef("tcp_down_bps", "bit/s"))
    assert isinstance(part, Statistic)
    hidden = data.draw(st.sets(st.sampled_from(range(len(values)))))
    job = Job("u/a/c", "u", "a", "c", SPECS["throughput"], Target("10.0.0.1"), AnyParams(), 900, 60)
    span = Span.of(part, NOW, "UTC")
    exact = rates.judged(part, known(values, set()), NEED.down, job, "tcp_down_bps", span)
    less = rates.judged(part, known(values, hidden), NEED.down, job, "tcp_down_bps", span)
    assert less.truth in (Truth.UNKNOWN, exact.truth)
    assert not less.light or exact.light


def known(values: list[float], hidden: set[int]) -> Rates:
    """The values are true; of those hidden only half is known."""
    true = np.array(values)
    mask = np.isin(np.arange(len(values)), list(hidden))
    times = NOW - 30 - 900 * np.arange(len(values), dtype=float)[::-1]
    window = Window(times, np.where(mask, np.nan, true), np.zeros(len(values), dtype=np.uint8))
    return Rates(window, np.where(mask, true / 2, np.nan))


def test_a_failed_test_counts_as_no_rate_at_all(world: World) -> None:
    found = row(rated(world, *[ENOUGH] * 94, None, None))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert "95 % bounds no answer..8 Mbit/s" in found.actual
    world.readings.clear()
    assert row(rated(world, *[None] * 20, *[ENOUGH] * 76)).status is Status.FAIL


def test_without_headroom_one_way_and_unknown_the_other_is_unknown(world: World) -> None:
    """A small failure that is known must not stand for a great one that is not."""
    asked(world, BOTH)
    found = row(rated(world, *[SLACK] * 96))
    assert (found.status, found.reason, found.severity) == (Status.UNKNOWN, "not_measured", "blocker")
    assert world.good().judge().verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("up", "down", "status", "severity"),
    [
        (ENOUGH, ENOUGH, Status.PASS, "blocker"),
        (ENOUGH, SLACK, Status.FAIL, "minor"),
        (SLACK, SLACK, Status.FAIL, "minor"),
        (POOR, SLACK, Status.FAIL, "blocker"),
        (SLACK, POOR, Status.FAIL, "blocker"),
    ],
)
def test_both_ways(world: World, up: float, down: float, status: Status, severity: str) -> None:
    asked(world, BOTH)
    for index in range(96):
        world.ok(CHECK, 30 + 900 * index, tcp_up_bps=up, tcp_down_bps=down)
    found = row(world)
    assert (found.status, found.severity) == (status, severity)
    assert (
        found.expected == "tcp_up_bps q05 >= 6.75 Mbit/s over 24h; tcp_down_bps q05 >= 7.01 Mbit/s over 24h"
    )


def test_a_direction_is_judged_by_its_own_requirement(world: World) -> None:
    asked(world, '{tcp_up_bps: {q05: ">= requirement", over: 24h}}')
    between = (R_UP + R_DOWN) / 2
    assert row(rated(world, *[between] * 96, metric="tcp_up_bps")).status is Status.PASS


def test_a_requirement_without_a_window_is_about_a_day(world: World) -> None:
    asked(world, '{tcp_down_bps: ">= requirement"}')
    found = row(rated(world, *[ENOUGH] * 96))
    assert (found.status, found.expected) == (Status.PASS, "tcp_down_bps q05 >= 7.01 Mbit/s over 24h")
    world.readings.clear()
    assert row(rated(world, ENOUGH)).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("value", "status"), [(ENOUGH, Status.PASS), (SLACK, Status.FAIL), (POOR, Status.FAIL)]
)
def test_the_worst_of_a_few_nights(world: World, value: float, status: Status) -> None:
    """A cross-check by an extreme needs no 59 readings, and the same coverage."""
    world.profile = world.profile.replace("every: 15 min", "every: 24h")
    asked(world, '{transfer_down_bps: {min: ">= requirement", over: 3 d}}')
    world.every(CHECK, [ENOUGH, value, ENOUGH], "transfer_down_bps", every=86400)
    found = row(world)
    assert found.status is status
    assert found.severity == ("minor" if value == SLACK else "blocker")


def test_no_functions_is_not_measured_and_says_what_to_write(world: World) -> None:
    world.requirements = Needs(NEED, "another")
    found = row(rated(world, *[ENOUGH] * 96))
    assert (found.status, found.reason) == (Status.UNKNOWN, "not_measured")
    assert "write functions: {counter-query: {users: 12}}" in found.detail


def test_no_model_is_not_measured(world: World) -> None:
    world.requirements = None
    assert row(rated(world, *[ENOUGH] * 96)).reason == "not_measured"


SENTENCE = "counter-query: 3 s are not enough for 1.94 s of the server and 9 round trips of 200 ms"


@pytest.mark.parametrize("readings", [0, 1, 96])
def test_what_no_channel_can_meet_fails_whatever_is_measured(world: World, readings: int) -> None:
    world.requirements = impossible(SENTENCE)
    found = row(rated(world, *[ENOUGH] * readings))
    assert (found.status, found.reason, found.severity) == (Status.FAIL, "expectation", "blocker")
    assert (found.actual, found.detail) == ("no channel would do", SENTENCE)


def test_the_requirement_is_part_of_what_a_unit_is(world: World) -> None:
    one = world.judge().unit_digest
    world.requirements = None
    assert world.judge().unit_digest != one


def test_a_rate_tested_at_night_only_covers_no_business_hours(world: World) -> None:
    """NOW is Tuesday 14:00 in Shanghai; the calendar has 38 h a week."""
    business(world)
    found = row(rated(world, *[ENOUGH] * 40))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    world.readings.clear()
    found = row(rated(world, *[ENOUGH] * 480))
    assert found.status is Status.PASS
    assert "n = 96" in found.actual
    assert found.expected == "tcp_down_bps q05 >= 7.01 Mbit/s over 24h of counter-hours"


def test_slow_nights_are_no_matter_of_business_hours(world: World) -> None:
    business(world)
    for index in range(480):
        age = 30 + 900 * index
        hour = (NOW - age + 8 * 3600) % 86400 / 3600
        world.ok(CHECK, age, tcp_down_bps=ENOUGH if 8 <= hour < 18 else POOR)
    assert row(world).status is Status.PASS


def business(world: World) -> None:
    world.calendars = """
    version: 1
    id: counter-hours
    open: {mon-fri: ["08:30-12:00", "14:00-17:30"], sat: ["09:00-12:00"]}
    """
    asked(world, '{tcp_down_bps: {q05: ">= requirement", over: 24h, calendar: counter-hours}}')


# Round trip time


RTT = '{rtt_ms: {p95: "<= requirement", over: 24h}}'


def both(world: World, up: float, down: float) -> World:
    for index in range(96):
        world.ok(CHECK, 30 + 900 * index, tcp_up_bps=up, tcp_down_bps=down)
    return world


def pinged(world: World, rtt: float) -> World:
    return world.every("uplink/icmp", [rtt] * 288, every=300)


@pytest.fixture
def ping(world: World) -> World:
    world.profile = world.profile.replace("every: 60s", "every: 5 min")
    return asked(world, RTT, "icmp")


@pytest.mark.parametrize(("rtt", "status"), [(58.0, Status.PASS), (59.0, Status.FAIL)])
def test_rtt_at_the_full_rate(ping: World, rtt: float, status: Status) -> None:
    found = row(pinged(both(ping, 20e6, 20e6), rtt))
    assert (found.status, found.expected) == (status, "rtt_ms p95 <= 58.3 over 24h")
    if status is Status.FAIL:
        assert found.detail == "kiosk binds, at 6.75 Mbit/s up and 7.01 Mbit/s down"


def test_a_slower_line_allows_less(ping: World) -> None:
    found = row(pinged(both(ping, 20e6, 0.8 * R_DOWN), 50.0))
    assert (found.status, found.expected) == (Status.FAIL, "rtt_ms p95 <= 29.2 over 24h")


def test_rtt_without_a_measured_rate_is_not_measured(ping: World) -> None:
    found = row(pinged(ping, 5.0))
    assert (found.status, found.reason, found.value) == (Status.UNKNOWN, "not_measured", 5.0)
    assert found.detail == (
        "the ceiling depends on tcp_up_bps, which has no lower bound yet: no reading over 24h"
    )


def test_rtt_with_too_few_rates_is_not_measured(ping: World) -> None:
    for index in range(58):
        ping.ok(CHECK, 30 + 900 * index, tcp_up_bps=20e6, tcp_down_bps=20e6)
    assert "58 readings, and the bounds need 59" in row(pinged(ping, 5.0)).detail


def test_rtt_with_a_rate_one_way_only_is_not_measured(ping: World) -> None:
    found = row(pinged(rated(ping, *[ENOUGH] * 96), 5.0))
    assert (found.status, found.reason) == (Status.UNKNOWN, "not_measured")


def test_rtt_where_no_check_measures_a_rate(ping: World) -> None:
    ping.profile = ping.profile[: ping.profile.index("  - {id: throughput")]
    found = row(pinged(ping, 5.0))
    assert found.detail == "no check of this asset reports tcp_up_bps, and the ceiling depends on it"


def test_a_rate_too_low_for_any_rtt_is_not_blamed_on_the_rtt(ping: World) -> None:
    found = row(pinged(both(ping, 3e6, 3e6), 5.0))
    assert (found.status, found.reason) == (Status.UNKNOWN, "inconclusive")
    assert "mend the rate first" in found.detail


def test_what_the_model_says_nothing_of_is_not_measured(world: World) -> None:
    asked(world, '{jitter_ms: {p95: "<= requirement", over: 24h}}', "icmp")
    found = row(world.every("uplink/icmp", [1.0] * 1440, "jitter_ms"))
    assert (found.status, found.reason) == (Status.UNKNOWN, "not_measured")
    assert found.detail == "the capacity model requires nothing of jitter_ms"


TRUTHS = (Truth.PASS, Truth.FAIL, Truth.UNKNOWN)


@pytest.mark.parametrize("strict", TRUTHS)
@pytest.mark.parametrize("lenient", TRUTHS)
def test_what_is_light_is_a_fail_that_would_pass(strict: Truth, lenient: Truth) -> None:
    truth, light = settled(strict, lenient)
    assert light is (strict is Truth.FAIL and lenient is Truth.PASS)
    assert truth is (strict if strict is lenient or light else Truth.UNKNOWN)
