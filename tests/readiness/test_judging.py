"""From readings to items: the six rules, one test or more for each sentence."""

from __future__ import annotations

import pytest

from monitor.readiness.verdict import Status, Verdict
from tests.readiness.world import CHECKLIST, INVENTORY, NOW, World


def soaking(world: World, soak: str) -> World:
    world.checklist = CHECKLIST.replace('{rtt_ms: "<= 40"}', '{rtt_ms: "<= 40"}, soak: ' + soak)
    return world


def windowed(world: World, expect: str) -> World:
    world.checklist = CHECKLIST.replace('{rtt_ms: "<= 40"}', expect)
    return world


def test_a_good_hall_is_ready(world: World) -> None:
    result = world.good().judge()
    assert (result.verdict, result.reasons) == (Verdict.READY, ())
    row = result.items[0]
    assert (row.id, row.asset, row.status) == ("rtt", "uplink", Status.PASS)
    assert (row.expected, row.actual, row.value, row.unit) == ("rtt_ms <= 40", "rtt_ms = 12", 12.0, "ms")
    assert (row.check, row.vantage, row.collected_at) == ("hall/uplink/icmp", "hub", NOW - 30)
    assert row.expires_at == NOW - 30 + 900
    assert result.coverage == 1.0


def test_no_reading_is_not_measured(world: World) -> None:
    result = world.judge()
    assert result.verdict is Verdict.UNKNOWN
    assert {row.reason for row in result.items} == {"not_measured"}
    assert result.coverage == 0.0


def test_ok_is_judged_by_the_expectation(world: World) -> None:
    row = world.good().ok("uplink/icmp", 10, rtt_ms=41, loss_pct=0).item("rtt")
    assert (row.status, row.reason, row.value) == (Status.FAIL, "expectation", 41.0)


def test_failed_is_fail_with_its_kind(world: World) -> None:
    row = world.good().failed("pc1/http", "refused", 10).item("page")
    assert (row.status, row.reason, row.detail) == (Status.FAIL, "refused", "no answer")


def test_an_attempt_that_measured_nothing_does_not_displace_a_measurement(world: World) -> None:
    row = world.good().error("uplink/icmp", age=10).item("rtt")
    assert (row.status, row.collected_at, row.attempted_at) == (Status.PASS, NOW - 30, NOW - 10)


def test_a_measured_failure_displaces_at_once(world: World) -> None:
    row = world.good().failed("pc1/http", "timeout", 10).error("pc1/http", age=5).item("page")
    assert (row.status, row.reason) == (Status.FAIL, "timeout")


def test_when_the_measurement_has_expired_the_newer_attempt_s_kind_is_the_reason(world: World) -> None:
    row = world.ok("uplink/icmp", 1000, rtt_ms=12).error("uplink/icmp", "permission", 10).item("rtt")
    assert (row.status, row.reason, row.value) == (Status.UNKNOWN, "permission", 12.0)


def test_an_error_without_any_measurement_is_unknown_with_its_kind(world: World) -> None:
    assert world.error("uplink/icmp", "missing_driver").item("rtt").reason == "missing_driver"


def test_not_run_is_unknown_with_its_reason(world: World) -> None:
    assert world.not_run("uplink/icmp", "overload").item("rtt").reason == "overload"


@pytest.mark.parametrize(
    ("age", "status"), [(899, Status.PASS), (900, Status.UNKNOWN), (901, Status.UNKNOWN)]
)
def test_now_at_the_expiry_is_stale(world: World, age: float, status: Status) -> None:
    row = world.ok("uplink/icmp", age, rtt_ms=12).item("rtt")
    assert row.status is status
    assert row.value == 12.0
    assert row.reason == ("" if status is Status.PASS else "stale")


def test_a_host_s_reading_counts_for_an_hour(world: World) -> None:
    assert world.ok("pc1/http", 3599, status=200).item("page").status is Status.PASS


def test_a_slow_check_counts_for_two_runs(world: World) -> None:
    world.profile = world.profile.replace("every: 60s, timeout: 10s", "every: 2h, timeout: 10s")
    assert world.ok("uplink/icmp", 14000, rtt_ms=12).item("rtt").status is Status.PASS
    assert world.item("rtt", now=NOW + 1000).reason == "stale"


def test_an_explicit_age_counts(world: World) -> None:
    world.checklist = CHECKLIST.replace("check: icmp,", "check: icmp, max_age: 2 min,")
    assert world.ok("uplink/icmp", 130, rtt_ms=12).item("rtt").reason == "stale"


def test_a_reading_from_the_future_is_not_believed(world: World) -> None:
    row = world.ok("uplink/icmp", -3600, rtt_ms=12).item("rtt")
    assert (row.status, row.reason) == (Status.UNKNOWN, "inconclusive")


def test_a_metric_that_was_not_reported_is_not_measured(world: World) -> None:
    row = world.ok("uplink/icmp", 30, loss_pct=0).item("rtt")
    assert (row.status, row.reason) == (Status.UNKNOWN, "not_measured")
    assert row.detail == "the check did not report rtt_ms"


# Rule 3


def test_a_dead_host_is_one_cause_and_blocks_its_other_checks(world: World) -> None:
    world.good().failed("pc1/icmp", "timeout", 10)
    row = world.item("page")
    assert (row.status, row.reason, row.blocked_by) == (Status.UNKNOWN, "blocked", "hall/pc1/icmp")


def test_a_host_that_only_drops_pings_blocks_nothing(world: World) -> None:
    world.good().failed("pc1/icmp", "timeout", 10).ok("pc1/http", 5, status=200)
    assert world.item("page").status is Status.PASS


def test_a_dead_channel_blocks_the_unit_behind_it(world: World) -> None:
    world.good().failed("uplink/icmp", "timeout", 10)
    assert world.item("rtt").status is Status.FAIL
    row = world.item("page")
    assert (row.reason, row.blocked_by) == ("blocked", "hall/uplink/icmp")


def test_the_root_farthest_up_is_named(world: World) -> None:
    world.good().failed("gz/core/icmp", "unreachable", 10).failed("uplink/icmp", "timeout", 10)
    assert {row.blocked_by for row in world.judge().items} == {"gz/core/icmp"}


def test_any_living_channel_serves_by_default(world: World) -> None:
    second = "      - {id: backup, kind: channel, role: backup, address: 10.1.3.1}\n"
    world.inventory = INVENTORY + second
    world.good().ok("backup/icmp", rtt_ms=30).failed("uplink/icmp", "timeout", 10)
    assert world.item("page").status is Status.PASS
    world.failed("backup/icmp", "timeout", 5)
    assert world.item("page").blocked_by == "hall/uplink/icmp"


def test_an_expired_failure_blocks_nothing(world: World) -> None:
    world.good().failed("gz/core/icmp", "timeout", 5000)
    world.readings = [each for each in world.readings if each.check != "gz/core/icmp" or each.kind]
    assert world.item("page").status is Status.PASS


def test_items_depend_on_items(world: World) -> None:
    world.checklist = CHECKLIST.replace("check: http,", "check: http, depends_on: [rtt],")
    row = world.good().ok("uplink/icmp", 10, rtt_ms=99).item("page")
    assert (row.reason, row.blocked_by) == ("blocked", "hall/uplink/icmp")


# Rule 4

WAIVER = """
version: 1
waivers:
  - {{id: w-1, unit: hall, asset: pc1, item: page, reason: r, risk: r, compensating_action: c,
     requested_by: ann, approved_by: bob, effective_at: 2026-11-01T00:00:00+08:00,
     expires_at: {expires}, covers_unknown: {unknown}}}
"""
LATER = "2026-12-20T18:00:00+08:00"


def test_a_waiver_maps_fail_to_waived_and_keeps_the_reason(world: World) -> None:
    world.waivers = WAIVER.format(expires=LATER, unknown="false")
    result = world.good().failed("pc1/http", "refused", 10).judge()
    row = next(each for each in result.items if each.id == "page")
    assert (row.status, row.reason, result.verdict) == (Status.WAIVED, "refused", Verdict.CONDITIONAL)
    assert row.waiver is not None
    assert (row.waiver["id"], row.waiver["approved_by"]) == ("w-1", "bob")
    assert result.waivers_used == (("w-1", "pc1", "page"),)
    assert result.coverage == 1.0


def test_a_waiver_never_touches_a_pass(world: World) -> None:
    world.waivers = WAIVER.format(expires=LATER, unknown="true")
    assert world.good().item("page").status is Status.PASS


@pytest.mark.parametrize(("unknown", "status"), [("false", Status.UNKNOWN), ("true", Status.WAIVED)])
def test_unknown_is_covered_only_where_the_waiver_says_so(world: World, unknown: str, status: Status) -> None:
    world.waivers = WAIVER.format(expires=LATER, unknown=unknown)
    row = world.ok("uplink/icmp", rtt_ms=1).item("page")
    assert (row.status, row.reason, row.measured) == (status, "not_measured", False)


def test_expiry_restores_the_raw_status(world: World) -> None:
    world.waivers = WAIVER.format(expires="2026-11-24T09:00:00+08:00", unknown="false")
    world.good().failed("pc1/http", "refused", 10)
    assert world.item("page", now=1_795_482_000.0 - 1).status is not Status.FAIL
    assert world.item("page").status is Status.FAIL


def test_too_many_waivers_are_not_ready(world: World) -> None:
    world.waivers = WAIVER.format(expires=LATER, unknown="false")
    world.checklist = CHECKLIST.replace("items:", "max_waivers: 0\nitems:")
    assert world.good().failed("pc1/http", "refused", 10).judge().verdict is Verdict.NOT_READY


# Rule 5


def test_not_applicable_by_the_inventory_only(world: World) -> None:
    world.checklist = CHECKLIST.replace("check: http,", 'check: http, applies_when: {asset.tags: "kiosk"},')
    result = world.good().judge()
    assert result.counts[Status.NOT_APPLICABLE] == 1
    world.checklist = CHECKLIST.replace("check: http,", 'check: http, applies_when: {asset.tags: "counter"},')
    assert world.item("page").status is Status.PASS


# Rule 6


def test_soak_says_what_is_left(world: World) -> None:
    row = soaking(world.good(), "{window: 1h}").item("rtt")
    assert (row.status, row.reason) == (Status.UNKNOWN, "soaking")
    assert "left" in row.detail


def test_soak_holds(world: World) -> None:
    assert (
        soaking(world.good().every("uplink/icmp", [12.0] * 60), "{window: 1h}").item("rtt").status
        is Status.PASS
    )


def test_soak_starts_again_after_a_hard_down(world: World) -> None:
    values: list[float | None] = [12.0] * 60
    values[40:42] = [None, None]
    assert soaking(world.every("uplink/icmp", values), "{window: 1h}").item("rtt").reason == "soaking"


def test_a_fail_while_soaking_is_a_fail(world: World) -> None:
    row = soaking(world.every("uplink/icmp", [12.0] * 59 + [50.0]), "{window: 1h}").item("rtt")
    assert row.status is Status.FAIL


# Windows


@pytest.mark.parametrize(
    ("values", "status", "reason"),
    [
        ([12.0] * 60, Status.PASS, ""),
        ([12.0] * 58, Status.UNKNOWN, "inconclusive"),  # below the least n
        ([12.0] * 59 + [50.0], Status.UNKNOWN, "inconclusive"),
        ([50.0] * 60, Status.FAIL, "expectation"),
        ([12.0] * 30 + [None] * 30, Status.FAIL, "expectation"),  # failed readings count on the failing side
    ],
)
def test_a_quantile_is_judged_by_its_bounds(
    world: World, values: list[float | None], status: Status, reason: str
) -> None:
    windowed(world, '{rtt_ms: {p95: "<= 40", over: 1h}}')
    row = world.every("uplink/icmp", values).item("rtt")
    assert (row.status, row.reason) == (status, reason)
    assert row.expected == "rtt_ms p95 <= 40 over 1h"
    assert row.actual.startswith("p95 = ")
    assert f"n = {len(values)}" in row.actual


def test_a_window_with_too_little_coverage_is_inconclusive(world: World) -> None:
    windowed(world, '{rtt_ms: {p95: "<= 40", over: 2h}}')
    row = world.every("uplink/icmp", [12.0] * 100).item("rtt")
    assert (row.reason, row.detail) == ("inconclusive", "84% of the window is measured, and 90% is needed")


def test_many_readings_at_once_do_not_stand_for_the_hours_without(world: World) -> None:
    windowed(world, '{rtt_ms: {p95: "<= 40", over: 1h}}')
    row = world.every("uplink/icmp", [12.0] * 100, every=1).item("rtt")
    assert row.reason == "inconclusive"


def test_the_last_failed_reading_does_not_decide_a_window(world: World) -> None:
    windowed(world, '{rtt_ms: {p50: "<= 40", over: 1h}}')
    assert world.every("uplink/icmp", [12.0] * 59 + [None]).item("rtt").status is Status.PASS


@pytest.mark.parametrize(
    ("bound", "status"), [("<= 40", Status.PASS), ("<= 11", Status.FAIL), (">= 11", Status.PASS)]
)
def test_extremes(world: World, bound: str, status: Status) -> None:
    name = "min" if ">" in bound else "max"
    windowed(world, f'{{rtt_ms: {{{name}: "{bound}", over: 1h}}}}')
    assert world.every("uplink/icmp", [12.0] * 60).item("rtt").status is status
