"""The shipped profiles, checklists and calendars hold together, and with the probes there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inventory.load import load as load_inventory
from inventory.profiles import load as load_profiles
from monitor.paths import shipped
from monitor.plan import build
from monitor.readiness import consistency
from monitor.readiness.checklist import Checklist
from monitor.readiness.checklists import load, load_calendars
from monitor.readiness.dependencies import by_asset
from monitor.readiness.judging import Judge
from monitor.readiness.layered import Layered
from monitor.readiness.measuring import Requirements
from monitor.readiness.results import ItemResult
from monitor.readiness.verdict import Status, Verdict
from probes import registry
from probes.api import Outcome, Reading
from tests.readiness.needs import Needs

CONFIG = shipped("config")
NOW = 1_795_500_000.0
INVENTORY = """
version: 1
units:
  - id: gz
    name: Guangzhou bureau
    level: municipal
    profile: municipal-data-centre
    assets:
      - {id: core, kind: channel, role: core, address: 10.1.0.1}
      - {id: dc1, kind: host, tags: [managed, ntp], address: 10.1.0.10, ssh: {user: ops, key: "secret:dc"}, hardware: {cpu_cores: 4}}
      - {id: dns1, kind: middleware, tags: [resolver], address: 10.1.0.53, checks: [{probe: dns, name: portal.example}]}
      - id: portal
        kind: application
        tags: [login, query, tls, closed-ports]
        address: portal.example
        checks:
          - {id: login, scheme: https}
          - {id: query, scheme: https, path: "/customers?no=1", body_matches: found}
          - {id: closed-ports, probe: tcp, port: 23, closed: true, control_port: 443}
  - id: hall
    name: Tianhe hall
    parent: gz
    level: hall
    profile: service-hall
    assets:
      - {id: uplink, kind: channel, role: primary, address: 10.1.2.1, depends_on: [gz/core]}
      - {id: pc1, kind: host, tags: [counter, ntp], address: 10.1.2.11}
      - {id: dns1, kind: middleware, tags: [resolver], address: 10.1.0.53, checks: [{probe: dns, name: portal.example}]}
      - id: portal
        kind: application
        tags: [login, query, tls, closed-ports]
        address: portal.example
        checks:
          - {id: login, scheme: https}
          - {id: query, scheme: https, path: "/customers?no=1", body_matches: found}
          - {id: closed-ports, probe: tcp, port: 23, closed: true, control_port: 443}
"""  # noqa: E501


def lists() -> dict[str, Checklist]:
    return load([CONFIG / "checklists"], calendars=load_calendars([CONFIG / "calendars"]))


def judge(
    directory: Path,
    readings: list[Reading],
    requirements: Requirements | None = None,
    written: str = INVENTORY,
) -> Judge:
    path = directory / "inventory.yaml"
    path.write_text(written, "utf-8")
    inventory = load_inventory(path)
    plan = build(inventory, load_profiles([CONFIG / "profiles"]))
    assert consistency.problems(inventory, plan, lists(), by_asset(plan.jobs.values())) == []
    assert plan.uncovered == ()
    return Judge(inventory, plan, lists(), Layered(None, readings), now=NOW, requirements=requirements)


def test_all_are_there() -> None:
    assert set(lists()) == {"base", "service-hall", "municipal-data-centre"}
    assert set(load_profiles([CONFIG / "profiles"])) == {"base", "service-hall", "municipal-data-centre"}


@pytest.mark.parametrize("checklist", ["base", "service-hall", "municipal-data-centre"])
def test_every_item_says_what_to_do_in_both_languages(checklist: str) -> None:
    for item in lists()[checklist].items.values():
        assert item.title
        assert item.remediation
        for text in (item.title_zh, item.remediation_zh):
            assert re.search("[\u4e00-\u9fff]", text), item.id


@pytest.mark.parametrize("checklist", ["base", "service-hall", "municipal-data-centre"])
def test_what_remedies_name_is_told_by_a_probe_of_the_item(checklist: str) -> None:
    for item in lists()[checklist].items.values():
        specs = [registry.get(probe) for probe in item.probes]
        for name in set(re.findall(r"[a-z]+(?:_[a-z]+)+", item.remediation)) - {"fq_codel"}:
            assert any(spec.metric(name) or spec.fact(name) for spec in specs), (item.id, name)
            assert name in item.remediation_zh, (item.id, name)


def test_a_database_behind_odbc_is_asked_as_others_are() -> None:
    asked = lists()["municipal-data-centre"].items
    for key in ("answers-fast", "space", "backup", "replica-lag", "sessions", "no-invalid-objects"):
        assert "odbc" in asked[f"database.{key}"].probes, key


def test_base_can_be_told_from_the_last_reading() -> None:
    for item in lists()["base"].items.values():
        assert item.optional
        assert item.soak is None
        assert all(condition.instant for _, condition in item.expect)


def test_no_hall_is_ready_with_its_channel_unmeasured(tmp_path: Path) -> None:
    for unit in ("hall", "gz"):
        result = judge(tmp_path, []).unit(unit)
        assert result.verdict is Verdict.UNKNOWN
        rows = {row.id: row for row in result.items}
        for key in ("network.rate", "network.rtt", "network.loss"):
            assert (rows[key].severity, rows[key].status, rows[key].reason) == (
                "blocker",
                Status.UNKNOWN,
                "not_measured",
            )


def test_a_hall_that_answers_everything_still_lacks_its_channel(tmp_path: Path) -> None:
    """Good readings of all checks for a day leave exactly what is not measured or attested yet."""
    readings = []
    for check, metrics, facts in (
        ("uplink/icmp", {"sent": 20, "received": 20, "rtt_ms": 9.0, "loss_pct": 0.0, "jitter_ms": 1.0}, {}),
        ("uplink/path", {"hops": 4, "mtu": 1500}, {"route": "10.0.0.1 10.1.2.1"}),
        ("pc1/icmp-host", {"received": 3, "rtt_ms": 9.0}, {}),
        ("pc1/ntp", {"offset_ms": 1.0, "stratum": 3.0}, {}),
        ("dns1/dns", {"query_ms": 9.0}, {"rcode": "NOERROR"}),
        ("portal/login", {"status": 200.0, "first_byte_ms": 80.0}, {}),
        ("portal/query", {"status": 200.0, "total_ms": 180.0}, {}),
        ("portal/closed-ports", {}, {"family": "4"}),
        ("portal/tls", {"days_left": 200.0}, {"chain": "ok", "version": "TLSv1.3"}),
    ):
        for minute in range(1440):
            at = NOW - 30 - 60 * minute
            readings.append(
                Reading(Outcome.OK, metrics=dict(metrics), facts=dict(facts), check=f"hall/{check}", at=at)
            )
    result = judge(tmp_path, sorted(readings, key=lambda each: each.at)).unit("hall")
    lacking = {
        row.id: row.reason for row in result.items if row.status not in (Status.PASS, Status.NOT_APPLICABLE)
    }
    assert lacking == {
        "network.rate": "not_measured", "network.rtt": "not_measured", "network.loss": "not_measured",
        "network.rtt-under-load": "not_measured", "application.roles": "not_measured",
        **dict.fromkeys(("network.port-up", "network.port-duplex", "network.port-speed"), "not_measured"),
        **dict.fromkeys(("network.port-errors", "network.utilisation"), "not_measured"),
        **dict.fromkeys(("hardware.device-as-ordered", "hardware.ups"), "not_measured"),
        **dict.fromkeys(("peripheral.receipt-printer", "peripheral.printer-supplies"), "not_measured"),
        **dict.fromkeys(("peripheral.card-reader", "peripheral.pos"), "not_measured"),
        "hardware.cabling": "not_attested", "operations.test-mail": "not_attested",
        "operations.rollback-drill": "not_attested", "operations.on-call": "not_attested",
    }  # fmt: skip
    assert result.verdict is Verdict.UNKNOWN


REFLECTED = INVENTORY.replace(
    "{id: uplink, kind: channel, role: primary,",
    "{id: uplink, kind: channel, role: primary, tags: [reflector],",
)
CHANNEL = {
    "network.channel-answers", "network.rate", "network.transfer", "network.rtt", "network.loss",
    "network.route", "network.rtt-under-load", "network.path-mtu",
}  # fmt: skip


def measured(check: str, every: float, days: int, **metrics: float) -> list[Reading]:
    times = [NOW - 30 - every * index for index in range(int(days * 86400 / every))]
    return [Reading(Outcome.OK, metrics=metrics, check=f"hall/uplink/{check}", at=at) for at in times]


def a_week(rate: float, rtt: float = 9.0, **night: float) -> list[Reading]:
    ways = {f"{kind}_{way}_bps": rate for kind in ("capacity", "tcp") for way in ("up", "down")}
    several = [
        *measured("icmp", 60, 6, rtt_ms=rtt, sent=20, received=20, loss_pct=0, jitter_ms=1),
        *measured("echo", 60, 1, rtt_ms=rtt, sent=10, received=10, loss_pct=0),
        *measured("path", 900, 1, hops=4, rtt_ms=rtt, mtu=1500),
        *measured("throughput", 900, 6, **ways),
        *measured("transfer", 86400, 6, transfer_up_bps=rate, transfer_down_bps=rate, **night),
    ]
    return sorted(several, key=lambda each: each.at)


def channel_rows(directory: Path, readings: list[Reading]) -> dict[str, ItemResult]:
    found = judge(directory, readings, Needs(), REFLECTED).unit("hall")
    return {row.id: row for row in found.items if row.id.startswith("network.") and row.asset == "uplink"}


def test_a_channel_that_was_measured_for_a_week_passes_what_is_asked_of_it(tmp_path: Path) -> None:
    rows = channel_rows(tmp_path, a_week(20e6, rtt_load_ratio=1.4))
    assert {key for key, row in rows.items() if row.status is Status.PASS} == CHANNEL
    assert rows["network.rate"].expected.startswith("tcp_up_bps q05 >= 6.75 Mbit/s over 24h of counter-hours")
    assert rows["network.transfer"].severity == "minor"
    assert not [key for key, row in rows.items() if row.status is Status.UNKNOWN]


def test_a_deep_queue_fails_and_a_transfer_that_did_not_fill_the_line_passes_nothing(tmp_path: Path) -> None:
    deep = channel_rows(tmp_path, a_week(20e6, rtt_load_ratio=13.4))["network.rtt-under-load"]
    assert (deep.severity, deep.status, deep.reason) == ("major", Status.FAIL, "expectation")
    assert "13.4" in deep.actual
    without = channel_rows(tmp_path, a_week(20e6, rtt_idle_ms=9.0))["network.rtt-under-load"]
    assert (without.status, without.reason) == (Status.UNKNOWN, "not_measured")
    week = a_week(20e6, rtt_load_ratio=1.4)
    old = [each for each in week if "transfer" not in each.check or each.at < NOW - 3 * 86400]
    row = channel_rows(tmp_path, old)["network.rtt-under-load"]
    assert (row.status, row.reason) == (Status.UNKNOWN, "stale")


def test_a_slow_one_fails_by_its_rate_and_not_by_its_round_trip(tmp_path: Path) -> None:
    rows = channel_rows(tmp_path, a_week(3e6))
    fails = {key: row.severity for key, row in rows.items() if row.status is Status.FAIL}
    assert fails == {"network.rate": "blocker", "network.transfer": "minor"}
    assert rows["network.rtt"].detail.endswith("mend the rate first")


def test_one_without_headroom_weighs_little(tmp_path: Path) -> None:
    rows = channel_rows(tmp_path, a_week(6e6))
    fails = {key: row.severity for key, row in rows.items() if row.status is Status.FAIL}
    assert fails == {"network.rate": "minor", "network.transfer": "minor"}
    assert rows["network.rate"].declared_severity == "blocker"


@pytest.mark.parametrize("check", ["throughput", "icmp"])
def test_a_measurement_that_stopped_is_no_pass(tmp_path: Path, check: str) -> None:
    """A good week does not stand for the days after it."""
    readings = [each for each in a_week(20e6) if check not in each.check or each.at < NOW - 2 * 86400]
    rows = channel_rows(tmp_path, readings)
    wanted = {"throughput": ["network.rate", "network.rtt"], "icmp": ["network.rtt", "network.loss"]}[check]
    assert [rows[key].status for key in wanted] == [Status.UNKNOWN] * 2


def test_overlays_tighten() -> None:
    centre = lists()["municipal-data-centre"].items["system.time-source"]
    assert str(dict(centre.expect)["offset_ms"]) == "between -10 and 10"
    assert lists()["base"].items["system.time-source"].optional
    assert not centre.optional
