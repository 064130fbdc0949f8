"""Checklists as files: inheritance, what an overlay may do, and what bad input gets."""
# ruff: noqa: E501 - YAML reads better unbroken

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inventory.load import load as load_inventory
from inventory.problems import ConfigError, Problem
from monitor.paths import shipped
from monitor.readiness import consistency
from monitor.readiness.checklist import Checklist
from monitor.readiness.checklists import load, load_calendars
from monitor.readiness.dependencies import by_asset
from monitor.readiness.expectation import parse
from monitor.readiness.overlay import tightens
from monitor.readiness.waivers import load as load_waivers
from probes.api import FactDef, MetricDef
from tests.readiness.world import INVENTORY, NOW, Registry, World

RTT = """
version: 1
id: base
max_waivers: 3
items:
  - {id: rtt, category: network, severity: major, title: {en: RTT, zh: 时延}, select: {kind: channel},
     check: icmp, expect: {rtt_ms: "<= 40"}, max_age: 15 min, soak: {window: 24h, max_gap: 1h}, waivable: false}
"""


def overlay(changes: str, more: str = "") -> str:
    return f"\nversion: 1\nid: hall\nextends: [base]\n{more}items:\n  - {{id: rtt, {changes}}}\n"


def loaded(directory: Path, *texts: str) -> dict[str, Checklist]:
    (directory / "lists.yaml").write_text("\n---".join(texts), "utf-8")
    return load([directory], registry=Registry())


def refused(directory: Path, *texts: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(directory, *texts)
    return [f"{each.line}:{each.key}: {each.message}; {each.suggestion}" for each in caught.value.problems]


def test_an_overlay_inherits_and_tightens(tmp_path: Path) -> None:
    lists = loaded(
        tmp_path, RTT,
        overlay('expect: {rtt_ms: "<= 30", loss_pct: "<= 1"}, severity: blocker, max_age: 5 min', "max_waivers: 1\n"),
    )  # fmt: skip
    item = lists["hall"].items["rtt"]
    assert [f"{name} {condition}" for name, condition in item.expect] == ["rtt_ms <= 30", "loss_pct <= 1"]
    assert (item.severity, item.max_age, item.title_zh) == ("blocker", 300, "时延")
    assert item.sources == ("base", "hall")
    assert lists["hall"].max_waivers == 1
    assert lists["base"].items["rtt"].severity == "major"
    assert lists["hall"].digest != lists["base"].digest


def test_what_can_t_be_compared_must_both_hold(tmp_path: Path) -> None:
    item = loaded(tmp_path, RTT, overlay('expect: {rtt_ms: ">= 1"}'))["hall"].items["rtt"]
    assert str(item.expect[0][1]) == "(<= 40 and >= 1)"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ("severity: minor", "severity"),
        ("max_age: 1h", "max_age"),
        ("waivable: true", "waivable"),
        ("optional: true", "optional"),
        ("soak: {window: 12h, max_gap: 1h}", "soak.window"),
        ("soak: {window: 24h, max_gap: 2h}", "soak.max_gap"),
        ("soak: {window: 24h}", "soak.max_gap"),
        ("soak: {window: 24h, max_gap: 1h, min_pass: 0.5}", "soak.min_pass"),
        ('expect: {rtt_ms: "<= 50"}', "expect.rtt_ms"),
        ("select: {kind: host}", "select"),
        ("check: tcp", "check"),
        ('applies_when: {unit.level: "hall"}', "applies_when"),
    ],
)
def test_relaxing_is_refused(tmp_path: Path, changes: str, key: str) -> None:
    problems = refused(tmp_path, RTT, overlay(changes))
    assert any(f"items[0].{key}: " in each and re.search("relax|about", each) for each in problems), problems


@pytest.mark.parametrize(
    ("parent", "child", "verdict"),
    [
        ("<= 40", "<= 40", True), ("<= 40", "< 40", True), ("< 40", "<= 40", False), ("<= 40", "<= 41", False),
        (">= 4", ">= 5", True), (">= 4", ">= 3", False), (">= 4", "<= 5", None), ("== 4", "<= 4", None),
        ("between 1 and 5", "between 2 and 5", True), ("between 1 and 5", "between 0 and 5", False),
        ("in [1, 2]", "in [1]", True), ("in [1]", "in [1, 2]", False),
        ({"p95": "<= 40", "over": "24h"}, {"p95": "<= 30", "over": "24h"}, True),
        ({"p95": "<= 40", "over": "24h"}, {"p95": "<= 50", "over": "24h"}, False),
        ({"p95": "<= 40", "over": "24h"}, {"p95": "<= 40", "over": "1h"}, None),
    ],
)  # fmt: skip
def test_tightness(parent: object, child: object, verdict: bool | None) -> None:
    metric = MetricDef("x", "ms")
    assert tightens(parse(parent, metric=metric), parse(child, metric=metric)) is verdict


def test_versions_tighten_as_versions() -> None:
    fact = FactDef("v", type="version")
    assert tightens(parse(">= 9.6", metric=fact), parse(">= 15", metric=fact)) is True
    assert tightens(parse(">= 15", metric=fact), parse(">= 9.6", metric=fact)) is False


ITEM = "{id: x, category: network, title: {en: x, zh: x}, select: {kind: channel}, check: icmp, expect: {rtt_ms: '<= 4'}}"


def with_item(old: str, new: str) -> str:
    assert old in ITEM
    return "\nversion: 1\nid: a\nitems:\n  - " + ITEM.replace(old, new) + "\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("expect: {rtt_ms: '<= 4'}", "expect: {}", '5:items[0]: item "x" expects nothing, and an empty expectation'),
        (", expect: {rtt_ms: '<= 4'}", "", 'item "x" expects nothing'),
        ("'<= 4'", "''", "items[0].expect.rtt_ms: an empty expectation asserts nothing"),
        ("rtt_ms", "rtt", 'probe "icmp" reports no "rtt"; did you mean "rtt_ms"?'),
        ("check: icmp", "check: a, probe: [icmp, tcp]", 'probe "tcp" reports no "rtt_ms"'),
        ("check: icmp", "check: a, probe: [icmp, tpc]", 'items[0].probe: unknown probe "tpc"'),
        ("check: icmp", "check: icpm", 'items[0].check: unknown probe "icpm"; did you mean "icmp"?'),
        ("select: {kind: channel}, ", "", 'item "x" selects no assets'),
        ("category: network, ", "", 'item "x" has no category'),
        ("category: network", "category: netwrok", 'unknown value "netwrok"; did you mean "network"?'),
        ("title: {en: x, zh: x}", "title: {en: x}", "items[0].title.zh: a required key is missing"),
        ("category", "categroy: x, category", 'unknown key; did you mean "category"?'),
        ("check: icmp", "check: icmp, severity: fatal", 'unknown value "fatal"'),
        ("check: icmp", "check: icmp, depends_on: [y]", 'items[0].depends_on[0]: unknown item "y"'),
        ("check: icmp", "check: icmp, depends_on: [x]", '"x" depends on itself; break the ring'),
        ("check: icmp", "check: icmp, soak: {window: 30d}", "reaches past the 14 days"),
        ("check: icmp", "check: icmp, soak: {window: 1h, calendar: 24x6}", 'unknown calendar "24x6"'),
        ("'<= 4'", "{p95: '<= 4', over: 15d}", "reaches past the 14 days"),
        ("'<= 4'", "{p95: '<= 4', over: 1d, calendar: 24x6}", 'unknown calendar "24x6"'),
        ("'<= 4'", "'>= requirement'", "rtt_ms is the better the less it is"),
        ("'<= 4'", "{p50: '<= requirement', over: 1d}", "p50 hides the tail that the requirement is about"),
        ("'<= 4'", "{mean: '<= 4', over: 1d}", "a mean is never judged"),
        ("check: icmp", "check: icmp, applies_when: {unit.levle: hall}", 'did you mean "unit.level"?'),
        ("check: icmp, expect: {rtt_ms: '<= 4'}", "attest: {role: operator}, max_age: 1h", "an item that is not measured has no max_age"),
        ("check: icmp", "check: icmp, attest: {role: operator}", "must be either measured or attested"),
        ("kind: channel", "kind: chanel", 'did you mean "channel"?'),
    ],
)  # fmt: skip
def test_bad_items(tmp_path: Path, old: str, new: str, message: str) -> None:
    problems = refused(tmp_path, with_item(old, new))
    assert any(message in each for each in problems), problems


def test_a_directory_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent"):
        load([tmp_path / "absent"])


def test_any_of_several_probes_may_make_the_check(tmp_path: Path) -> None:
    text = with_item(
        "check: icmp, expect: {rtt_ms: '<= 4'}",
        "check: login, probe: [postgresql, redis], expect: {connect_ms: '<= 4'}",
    )
    (tmp_path / "lists.yaml").write_text(text, "utf-8")
    item = load([tmp_path])["a"].items["x"]
    assert (item.check, item.probes) == ("login", ("postgresql", "redis"))


def test_bad_checklists(tmp_path: Path) -> None:
    head = "\nversion: 1\nid: a\n"
    assert 'unknown checklist "b"' in refused(tmp_path, head + "extends: [b]\n")[0]
    assert '"b" extends itself' in "".join(
        refused(tmp_path, head + "extends: [b]\n", "\nversion: 1\nid: b\nextends: [a]\n")
    )
    assert 'checklist "a" is already defined' in refused(tmp_path, head, head)[0]
    assert "is written twice" in refused(tmp_path, f"{head}items:\n  - {ITEM}\n  - {ITEM}\n")[0]
    assert "unknown version" in refused(tmp_path, "\nversion: 2\nid: a\n")[0]


def test_a_window_of_business_hours_reaches_back_by_the_calendar(tmp_path: Path) -> None:
    """76 h of the shipped 38 h a week are two weeks; a minute more reaches past raw retention."""
    calendars = load_calendars([shipped("config") / "calendars"])
    for over, good in (("76h", True), ("4561 min", False)):
        written = f"{{p95: '<= 4', over: {over}, calendar: counter-hours}}"
        (tmp_path / "lists.yaml").write_text(with_item("'<= 4'", written), "utf-8")
        if good:
            [checklist] = load([tmp_path], calendars=calendars, registry=Registry()).values()
            assert str(checklist.items["x"].expect[0][1]) == "p95 <= 4 over 76h of counter-hours"
        else:
            with pytest.raises(ConfigError, match="reaches past the 14 days"):
                load([tmp_path], calendars=calendars, registry=Registry())


def test_another_calendar_is_asked_besides() -> None:
    calendars = load_calendars([shipped("config") / "calendars"])
    metric = MetricDef("rtt_ms", "ms")
    always = parse({"p95": "<= 4", "over": "24h"}, metric=metric)
    business = parse(
        {"p95": "<= 3", "over": "24h", "calendar": "counter-hours"}, metric=metric, calendars=calendars
    )
    assert tightens(always, business) is None
    assert tightens(business, business) is True


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = with_item("'<= 4'", "'fast'").replace("severity", "x") + "  - {id: y}\n"
    assert len(refused(tmp_path, text)) >= 3


CONFLICT = """
version: 1
id: other
items:
  - {id: rtt, category: network, title: {en: R, zh: R}, select: {kind: channel}, check: icmp, expect: {rtt_ms: "<= 1"}}
"""


def problems(world: World, checklist: str) -> list[Problem]:
    world.checklist = checklist
    inventory, plan = load_inventory(world.write("inventory.yaml", INVENTORY)), world.plan()
    return consistency.problems(inventory, plan, world.lists(), by_asset(plan.jobs.values()))


def test_the_same_item_in_two_checklists_is_an_error(world: World) -> None:
    found = problems(world, RTT + "---" + CONFLICT)
    assert 'unit "gz": item "rtt" is in the checklists "base" and "other"; extend one' in str(found[0])


def test_an_overlay_replaces_what_it_overlays(world: World) -> None:
    assert problems(world, RTT + "---" + overlay("severity: blocker", "applies_to: {level: hall}\n")) == []


def test_an_age_below_every_and_timeout_is_a_load_error(world: World) -> None:
    [problem] = problems(world, RTT.replace("max_age: 15 min", "max_age: 1 min"))
    assert str(problem).endswith(
        'max_age 1 min of item "rtt" is below every + timeout of gz/core/icmp, 1.167 min; '
        "write at least 1.167 min, or run the check more often"
    )
    assert problem.line == 7


def test_calendars_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("version: 1\nid: office\nopen: {mon-fri: ['08:00-18:00']}\n", "utf-8")
    assert set(load_calendars([tmp_path])) == {"24x7", "office"}
    (tmp_path / "d.yaml").write_text("version: 1\nid: office\nopen: {mon: ['8-18']}\n", "utf-8")
    with pytest.raises(ConfigError, match="is no span of hours"):
        load_calendars([tmp_path])


GOOD_WAIVER = """version: 1
waivers:
  - {id: w, unit: hall, asset: uplink, item: rtt, reason: r, risk: r, compensating_action: c, requested_by: ann,
     approved_by: bob, effective_at: 2026-11-01T00:00:00+08:00, expires_at: 2026-12-20T18:00:00+08:00}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "approved_by: bob",
            "approved_by: Ann",
            "nobody approves what they asked for; write another approved_by",
        ),
        (
            "18:00:00+08:00",
            "18:00:00",
            "must be a date with time and offset; write it as 2027-01-15T18:00:00+08:00",
        ),
        ("2026-12-20T18:00:00+08:00", "2026-12-20", "must be a date with time and offset"),
        ("2026-12-20T18:00:00+08:00", "1800000000", "must be a date with time and offset"),
        (", expires_at: 2026-12-20T18:00:00+08:00", "", "expires_at: a required key is missing"),
        ("2026-12-20", "2026-10-20", "expires_at must be after effective_at"),
        ("unit: hall", "unit: hal", 'unknown unit "hal"; did you mean "hall"?'),
        ("item: rtt", "item: rt", 'unknown item "rt"'),
        ("reason: r", "reason: ''", "waivers[0].reason"),
        ("approved_by: bob, ", "", "approved_by: a required key is missing"),
    ],
)
def test_bad_waivers(tmp_path: Path, old: str, new: str, message: str) -> None:
    lists = loaded(tmp_path, RTT)
    path = tmp_path / "waivers.txt"
    path.write_text(GOOD_WAIVER.replace(old, new), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_waivers(path, units={"hall": 1}, checklists=lists)
    assert message in str(caught.value)


def test_a_blocker_is_waived_only_where_the_item_says_so(tmp_path: Path) -> None:
    lists = loaded(tmp_path, RTT.replace("severity: major", "severity: blocker"))
    path = tmp_path / "waivers.txt"
    path.write_text(GOOD_WAIVER, "utf-8")
    with pytest.raises(ConfigError, match='"rtt" is a blocker, and its item does not say waivable: true'):
        load_waivers(path, units={"hall": 1}, checklists=lists)


@pytest.mark.parametrize(
    ("days", "warning"), [(15, None), (14, 14), (8, 14), (7, 7), (2, 7), (1, 1), (0.1, 1), (0, None)]
)
def test_warnings_before_the_end(tmp_path: Path, days: float, warning: int | None) -> None:
    path = tmp_path / "waivers.txt"
    path.write_text(GOOD_WAIVER, "utf-8")
    found = load_waivers(path, units={"hall": 1}, checklists=loaded(tmp_path, RTT))
    [waiver] = found.all
    now = waiver.expires_at.timestamp() - days * 86400
    assert [each[1] for each in found.warnings(now)] == ([warning] if warning else [])
    assert now > NOW


def test_no_file_is_no_waiver_and_an_unreadable_one_an_error(tmp_path: Path) -> None:
    assert load_waivers(None, units={}, checklists={}).all == ()
    with pytest.raises(ConfigError, match="can't be read"):
        load_waivers(tmp_path / "none.yaml", units={}, checklists={})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("zh: 时延", "xx: 时延", "unknown key"), ("check: icmp", "check: nothing", "unknown probe")],
)
def test_one_mistake_is_told_once_and_not_again_of_all_that_extend_it(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in RTT
    found = refused(tmp_path, RTT.replace(old, new), overlay("severity: blocker"))
    assert any(message in each for each in found)
    assert not [each for each in found if "has no" in each or "unknown checklist" in each]
