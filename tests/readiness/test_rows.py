"""The rows a unit has: of the checklists, of the inventory itself, and for whatever nobody asks about."""

from __future__ import annotations

import pytest

from inventory.load import load
from monitor.readiness.judging import Judge
from monitor.readiness.layered import Layered
from monitor.readiness.verdict import Status, Verdict
from tests.readiness.world import CHECKLIST, INVENTORY, NOW, World


def test_own_expectations_are_blockers(world: World) -> None:
    own = "tags: [counter], expect: {server: '>= 1.20', http.total_ms: {is: '<= 40', severity: minor}}"
    world.inventory = INVENTORY.replace("tags: [counter]", own)
    result = world.good().ok("pc1/http", 10, status=200, total_ms=50, server="1.18.0").judge()
    rows = {row.id: row for row in result.items}
    version, time = rows["expect.http.server"], rows["expect.http.total_ms"]
    assert (version.severity, version.status, version.category) == ("blocker", Status.FAIL, "hardware")
    assert (time.severity, time.status) == ("minor", Status.FAIL)
    assert result.reasons == ("1 blocker fails", "1 minor fails")


def test_a_check_nobody_asks_about_must_be_answered(world: World) -> None:
    world.inventory = (
        INVENTORY + "      - {id: tv, kind: peripheral, address: 10.1.2.50, checks: [{probe: tcp}]}\n"
    )
    assert world.good().item("answers.tcp").reason == "not_measured"
    world.failed("tv/tcp", "refused")
    assert world.item("answers.tcp").status is Status.FAIL
    world.ok("tv/tcp", 5, connect_ms=1)
    assert world.item("answers.tcp").status is Status.PASS


def test_an_asset_without_checks_is_an_unknown_blocker(world: World) -> None:
    world.inventory = INVENTORY + "      - {id: tv, kind: peripheral, address: 10.1.2.50}\n"
    row = world.good().item("monitored")
    assert (row.asset, row.severity, row.status, row.reason) == (
        "tv",
        "blocker",
        Status.UNKNOWN,
        "not_measured",
    )
    assert world.judge().verdict is Verdict.UNKNOWN


def test_a_selector_that_matches_nothing(world: World) -> None:
    world.checklist = CHECKLIST.replace("select: {kind: host}", "select: {kind: database}")
    row = world.good().item("page")
    assert (row.asset, row.status, row.reason) == (None, Status.UNKNOWN, "not_measured")
    assert row.detail == "this unit has no asset with kind database"
    assert row.remediation.endswith("an asset with kind database.")
    assert "kind database" in row.remediation_zh
    world.checklist = world.checklist.replace(
        "select: {kind: database}", "select: {kind: database}, optional: true"
    )
    assert "page" not in [each.id for each in world.judge().items]


def test_an_asset_without_the_item_s_check_is_not_measured(world: World) -> None:
    world.checklist = CHECKLIST.replace("check: http", "check: tcp").replace(
        "status: 200", "connect_ms: '<= 1 s'"
    )
    row = world.good().item("page")
    assert (row.reason, row.detail) == ("not_measured", 'this asset has no check "tcp"')


def test_attested_items_are_unknown_until_attested(world: World) -> None:
    world.checklist = (
        CHECKLIST + "  - {id: drill, category: operations, title: {en: d, zh: d}, attest: {role: operator}}\n"
    )
    assert world.good().item("drill").reason == "not_attested"


def test_a_unit_s_roll_up_does_not_change_its_verdict(world: World) -> None:
    result = world.ok("gz/core/icmp", rtt_ms=1).judge("gz")
    assert result.verdict is Verdict.READY
    assert result.rollup.worst is Verdict.UNKNOWN
    assert result.rollup.counts[Verdict.READY] == 1


def test_another_gate_asks_other_things(world: World) -> None:
    assert [row.id for row in world.good().judge(gate="rehearsal").items] == [
        "answers.icmp", "answers.icmp", "answers.http",
    ]  # fmt: skip


def test_the_unit_digest_changes_with_the_unit_only(world: World) -> None:
    before = world.good().judge().unit_digest
    world.inventory = INVENTORY.replace("10.1.0.1", "10.9.9.9")
    assert world.judge().unit_digest == before
    world.inventory = INVENTORY.replace("10.1.2.11", "10.1.2.12")
    assert world.judge().unit_digest != before
    world.inventory, world.checklist = INVENTORY, CHECKLIST.replace("<= 40", "<= 41")
    assert world.judge().unit_digest != before


@pytest.mark.parametrize(
    ("rtt", "least", "status"),
    [
        (12, "READY", Status.PASS),
        (99, "READY", Status.FAIL),
        (None, "READY", Status.UNKNOWN),
        (12, "CONDITIONAL", Status.PASS),
    ],
)
def test_an_item_may_ask_for_the_parent_s_verdict(
    world: World, rtt: float | None, least: str, status: Status
) -> None:
    """The parent is asked for the round trip time of its one channel."""
    world.checklist = CHECKLIST.replace(
        "applies_to: {profile: hall}", "applies_to: {level: [hall, municipal]}"
    )
    world.checklist = world.checklist.replace("check: http,", "check: http, optional: true,")
    world.checklist += (
        "  - {id: parent, category: operations, title: {en: p, zh: p}, "
        f"parent: {least}, applies_when: {{unit.level: hall}}}}\n"
    )
    world.readings.clear()
    world.ok("uplink/icmp", rtt_ms=1)
    if rtt is not None:
        world.ok("gz/core/icmp", rtt_ms=rtt)
    assert world.item("parent").status is status


def test_each_unit_is_judged_once_a_round(world: World) -> None:
    world.good().judge()
    inventory, plan = load(world.directory / "inventory.yaml"), world.plan()
    judge = Judge(inventory, plan, world.lists(), Layered(None, world.readings), now=NOW)
    assert [each.id for each in judge.units(["gz", "hall"])] == ["hall", "gz"]


def test_an_item_that_names_a_probe_is_answered_by_whatever_check_it_makes(world: World) -> None:
    world.checklist = CHECKLIST.replace("check: http", "probe: http")
    world.profile = world.profile.replace("{id: http, for", "{id: portal, for")
    row = world.good().ok("pc1/portal", 10, status=200).item("page")
    assert (row.status, row.check) == (Status.PASS, "hall/pc1/portal")
    world.profile += "  - {id: shop, for: {kind: host}, probe: http, every: 60s, timeout: 10s}\n"
    row = world.item("page")
    assert row.reason == "not_measured"
    assert row.detail.startswith('checks "portal" and "shop" are both made by http')
    world.profile += "  - {id: http, for: {kind: host}, probe: http, every: 60s, timeout: 10s}\n"
    assert world.ok("pc1/http", 5, status=500).item("page").check == "hall/pc1/http"
    world.checklist = CHECKLIST.replace("check: http", "probe: tcp").replace(
        "status: 200", "connect_ms: '<= 4'"
    )
    assert world.item("page").detail == "this asset has no check made by tcp"
