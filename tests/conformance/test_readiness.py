"""Absent evidence never counts as success: each case named after the tool in which it was seen to."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from inventory.problems import ConfigError
from monitor.readiness.conditions import Statistic
from monitor.readiness.expectation import ExpectationError, Truth, parse
from monitor.readiness.results import Run
from monitor.readiness.verdict import Status, Verdict, exit_status
from monitor.readiness.waivers import load as load_waivers
from monitor.reports.render import render
from probes.api import FactDef, MetricDef
from tests.readiness.world import CHECKLIST, INVENTORY, NOW, World

TEXT, NUMBER = FactDef("vlan"), MetricDef("x", unit="ms")
PAGE = "select: {kind: host},\n     check: http,"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def lines(world: World) -> ET.Element:
    run = Run("go-live", "stored", NOW, NOW, [world.judge()])
    return ET.fromstring(render(run, "junit"))


def test_napalm_a_skipped_getter_counts_against_compliance(world: World) -> None:
    world.good()
    world.readings = [each for each in world.readings if each.check != "hall/pc1/http"]
    row = world.not_run("pc1/http", "skipped").item("page")
    assert (row.status, row.reason) == (Status.UNKNOWN, "skipped")
    assert world.judge().verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("nothing", ["", None, {}, {"all": []}, {"any": []}])
def test_goss_an_empty_expectation_is_a_configuration_error(world: World, nothing: object) -> None:
    with pytest.raises(ExpectationError):
        parse(nothing, metric=TEXT)
    world.checklist = CHECKLIST.replace("expect: {status: 200}", "expect: {}")
    with pytest.raises(ConfigError, match="an empty expectation asserts nothing"):
        world.judge()


def test_hdf_passed_and_not_reviewed_is_not_passed(world: World) -> None:
    world.checklist = CHECKLIST + (
        "  - {id: drill, category: operations, title: {en: d, zh: d}, attest: {role: operator}}\n"
    )
    result = world.good().judge()
    assert result.counts[Status.PASS] >= 2
    assert result.verdict is Verdict.UNKNOWN


def test_hdf_a_failing_info_item_is_a_fail_and_not_not_applicable(world: World) -> None:
    world.checklist = CHECKLIST.replace("severity: major", "severity: info")
    row = world.good().failed("pc1/http", "refused", 5).item("page")
    assert row.status is Status.FAIL
    assert world.judge().counts[Status.NOT_APPLICABLE] == 0


def test_inspec_3412_a_missing_file_is_no_skip(world: World) -> None:
    """A check that answers, but without the fact that is asked for, says nothing of it."""
    world.checklist = CHECKLIST.replace("expect: {status: 200}", 'expect: {server: ">= 1.20"}')
    row = world.good().item("page")
    assert (row.status, row.reason) == (Status.UNKNOWN, "not_measured")


def test_golden_config_421_empty_against_empty_is_not_compliant(world: World) -> None:
    world.inventory = INVENTORY.replace("    profile: hall\n", "")
    result = world.judge()
    assert result.verdict is not Verdict.READY
    assert {row.id for row in result.items} == {"monitored"}
    assert parse("!= x", metric=TEXT).judge(None) is Truth.UNKNOWN
    assert parse({"not": {"any": ["a", "b"]}}, metric=TEXT).judge(None) is Truth.UNKNOWN


def test_golden_config_421_a_unit_of_which_nothing_is_asked_is_unknown(world: World) -> None:
    head, _, _ = INVENTORY.partition("    assets:\n      - {id: core")
    world.inventory = head
    result = world.judge("gz")
    assert (result.verdict, result.reasons) == (Verdict.UNKNOWN, ("no item is asked of this unit",))
    assert result.coverage == 0.0


def test_ansible_63962_unreachable_hosts_stay_in_the_junit_file(world: World) -> None:
    world.good().failed("pc1/icmp", "timeout", 5)
    root = lines(world)
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["answers.icmp [pc1]"].find("failure") is not None
    error = cases["page [pc1]"].find("error")
    assert error is not None
    assert error.get("type") == "blocked"


def test_ansible_63962_and_so_do_hosts_that_were_never_reached(world: World) -> None:
    world.inventory = INVENTORY + "      - {id: tv, kind: peripheral, address: 10.1.2.50}\n"
    names = {case.get("name"): case for case in lines(world.good()).iter("testcase")}
    assert names["monitored [tv]"].find("error") is not None


def test_testinfra_356_an_unreachable_host_is_one_fact(world: World) -> None:
    world.good().failed("pc1/icmp", "timeout", 5)
    result = world.judge()
    fails = [row for row in result.items if row.status is Status.FAIL]
    assert [row.check for row in fails] == ["hall/pc1/icmp"]
    assert {row.blocked_by for row in result.items if row.asset == "pc1"} == {None, "hall/pc1/icmp"}


@pytest.mark.parametrize("kind", ["failed", "error", "not_run"])
def test_troubleshoot_1131_what_the_screen_shows_is_what_the_status_says(world: World, kind: str) -> None:
    world.good()
    world.readings = [each for each in world.readings if each.check != "hall/pc1/http"]
    getattr(world, kind)("pc1/http")
    result = world.judge()
    text = render(Run("go-live", "stored", NOW, NOW, [result]), "table")
    status = exit_status([result.verdict])
    assert status == (3 if kind == "failed" else 5)
    assert ("NOT_READY" in text) is (status == 3)
    assert ("UNKNOWN" in text) is (status == 5)


def test_chef_automate_4342_an_expired_waiver_is_not_shown_as_waived(world: World) -> None:
    world.waivers = """
    version: 1
    waivers:
      - {id: w, unit: hall, asset: pc1, item: page, reason: r, risk: r, compensating_action: c,
         requested_by: ann, approved_by: bob, effective_at: 2026-11-01T00:00:00+08:00,
         expires_at: 2026-11-24T14:00:00+08:00, covers_unknown: true}
    """
    expiry = 1_795_500_000.0
    world.good().failed("pc1/http", "refused", 5)
    assert world.item("page", now=expiry - 1).status is Status.WAIVED
    row = world.item("page", now=expiry)
    assert (row.status, row.waiver, row.reason) == (Status.FAIL, None, "refused")
    assert world.judge(now=expiry).counts[Status.WAIVED] == 0


@pytest.mark.parametrize(
    "content", ["waivers: [", "version: 1\nwaivers:\n  - {id: w}\n", "", "version: 1\nwaiver: []\n"]
)
def test_heimdall2_5675_an_unreadable_waiver_is_never_passed_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError):
        load_waivers(path, units={}, checklists={})


@pytest.mark.parametrize("text", ["Vlan5", "== Vlan5", "in [Vlan5, Vlan6]"])
def test_napalm_2029_matching_is_exact_unless_a_regex_is_asked_for(text: str) -> None:
    assert parse(text, metric=TEXT).judge("Vlan5") is Truth.PASS
    assert parse(text, metric=TEXT).judge("Vlan5554") is Truth.FAIL
    assert parse("/Vlan5/", metric=TEXT).judge("Vlan5554") is Truth.PASS


def test_goss_742_a_second_assertion_does_not_overwrite_the_first(world: World) -> None:
    parts = parse({"p50": "<= 5", "p95": "<= 40", "over": "24h"}, metric=NUMBER).parts()
    assert [part.name for part in parts if isinstance(part, Statistic)] == ["p50", "p95"]
    world.checklist = CHECKLIST.replace("{status: 200}", '{total_ms: "<= 10", total_ms: "<= 99"}')
    with pytest.raises(ConfigError, match="total_ms"):
        world.judge()


def test_goss_742_nor_does_the_same_item_in_an_overlay(world: World) -> None:
    world.checklist = CHECKLIST + (
        "---\nversion: 1\nid: over\nextends: [hall]\napplies_to: {profile: hall}\n"
        'items: [{id: rtt, expect: {loss_pct: "<= 1"}}]\n'
    )
    row = world.good().ok("uplink/icmp", 5, rtt_ms=99, loss_pct=0).item("rtt")
    assert row.expected == "rtt_ms <= 40; loss_pct <= 1"
    assert row.status is Status.FAIL


def test_stale_evidence_is_no_evidence(world: World) -> None:
    result = world.good().judge(now=NOW + 30 * 86400)
    assert result.verdict is Verdict.UNKNOWN
    assert all(row.status is not Status.PASS for row in result.items)
    assert result.coverage == 0.0


def test_a_prober_that_times_out_is_not_the_target_s_success(world: World) -> None:
    world.error("uplink/icmp", "prober_error")
    assert world.item("rtt").reason == "prober_error"
    assert world.judge().verdict is Verdict.UNKNOWN
