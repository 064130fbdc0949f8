"""Facts against manifests: what is as released, what drifted, how far and since when, what nobody knows."""

from __future__ import annotations

import time

import pytest

from monitor.readiness.verdict import Status, Verdict
from monitor.releases.drift import Drift, Standing
from monitor.releases.matrix import State
from monitor.releases.words import told
from tests.readiness.world import NOW
from tests.releases.world import INVENTORY, RELEASES, Yard, release

DAY = 86400.0
DUE = 1_793_462_400.0
"""2026-11-01 00:00 +0800, when r3 was released where the hall is."""


def test_all_nodes_as_released(yard: Yard) -> None:
    matrix = yard.runs("n1").runs("n2").matrix("gz", "hall")
    assert [(cell.asset, cell.state, cell.found) for cell in matrix.cells()] == [
        ("n1", State.RELEASED, "2.10"), ("n2", State.RELEASED, "2.10"),
    ]  # fmt: skip
    assert [(line.unit, line.release, line.state) for line in matrix.lines] == [
        ("gz", "r3", None), ("hall", "r3", State.RELEASED),
    ]  # fmt: skip
    assert matrix.exit_status() == 0


@pytest.mark.parametrize(
    ("facts", "standing"),
    [
        ({"version": "2.0", "sum": "bb"}, Standing("behind", 1, "r2")),
        ({"version": "1.0", "sum": "aa"}, Standing("behind", 2, "r1")),
        ({"version": "3.0", "sum": "dd"}, Standing("ahead", 1, "r4")),
        ({"version": "2.0.1", "sum": "ee"}, Standing("beside", None, "r2-fix")),
        ({"version": "2.0", "sum": "zz"}, Standing("behind", 1, "r2", rebuilt=True)),
        ({"sum": "zz"}, Standing("same", 0, "r3", rebuilt=True)),
        ({"charset": "GBK"}, Standing("same", 0, "r3")),
        ({"version": "2.9"}, Standing("behind")),
        ({"version": "2.11"}, Standing("ahead")),
        ({"version": "nightly"}, Standing("none")),
        ({"version": "2.1"}, Standing("behind")),
    ],
)
def test_how_far_it_is(yard: Yard, facts: dict[str, str], standing: Standing) -> None:
    cell = yard.runs("n1", **facts).runs("n2").cell()
    assert cell.state is State.DRIFT
    assert cell.drift is not None
    assert cell.drift.standing == standing
    assert yard.matrix().exit_status() == 3


@pytest.mark.parametrize(
    ("facts", "standing", "said"),
    [
        ({"version": "2.0"}, Standing("behind", 1, "r2"), "1 release behind (r2), since "),
        ({"version": "2.10", "charset": "GBK"}, Standing("same", 0, "r3"), "charset not as released, since "),
        ({"sum": "cc", "charset": "GBK"}, Standing("unknown"), "charset not as released, since "),
        ({"charset": "GBK"}, Standing("unknown"), "charset not as released, since "),
    ],
)
def test_what_is_not_reported_is_not_said_to_be_wrong(
    yard: Yard, facts: dict[str, str], standing: Standing, said: str
) -> None:
    yard.ok("n1/version", **facts)
    drift = yard.cell().drift
    assert drift is not None
    assert drift.standing == standing
    assert yard.row().detail.startswith(said)


def test_a_condition_over_a_window_has_no_name_of_a_fact() -> None:
    drift = Drift(Standing("same", 0), (), None, None)
    assert told(drift, "UTC") == "not as released"
    assert told(drift, "UTC", "zh") == "与发布清单不符"


@pytest.mark.parametrize("facts", [{"sum": "zz"}, {"charset": "GBK"}, {"sum": "zz", "charset": "GBK"}])
def test_what_is_found_is_the_version_whatever_is_wrong(yard: Yard, facts: dict[str, str]) -> None:
    cell = yard.runs("n1", **facts).cell()
    assert (cell.state, cell.found) == (State.DRIFT, "2.10")


def test_since_when_the_fact_changed(yard: Yard) -> None:
    yard.runs("n1", 5 * DAY).runs("n1", 4 * DAY, version="2.0").runs("n1", 60, version="2.0").runs(
        "n1", version="1.0"
    )
    drift = yard.cell().drift
    assert drift is not None
    assert (drift.since, drift.found_since) == (NOW - 4 * DAY, NOW - 30)
    assert drift.differs == ("version",)


def test_since_when_the_release_was_due(yard: Yard) -> None:
    yard.runs("n1", NOW - DUE + 50 * DAY, version="2.0", sum="bb").runs("n1", version="2.0", sum="bb")
    drift = yard.cell().drift
    assert drift is not None
    assert (drift.since, drift.found_since) == (DUE, DUE - 50 * DAY)


def test_a_metric_has_no_history(yard: Yard) -> None:
    yard.releases = release("r3", "2026-11-01", "", "parameters: {limit: '>= 65536'}")
    drift = yard.ok("n1/version", limit=1024).cell().drift
    assert drift is not None
    assert (drift.since, drift.standing.direction, drift.differs) == (None, "same", ("limit",))


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("version", "not_measured"), ("sum", "not_measured"), ("charset", "not_measured")],
)
def test_a_fact_that_is_not_reported_is_unknown(yard: Yard, missing: str, reason: str) -> None:
    facts = {"version": "2.10", "sum": "cc", "charset": "UTF8"}
    del facts[missing]
    yard.ok("n1/version", **facts).runs("n2")
    assert (yard.cell().state, yard.cell().reason) == (State.UNKNOWN, reason)
    assert yard.cell().found == facts.get("version", "")
    assert yard.matrix().exit_status() == 5


def test_what_is_wrong_outweighs_what_is_not_reported(yard: Yard) -> None:
    yard.ok("n1/version", version="2.0")
    assert yard.cell().state is State.DRIFT


def test_stale_keeps_the_version_but_is_unknown(yard: Yard) -> None:
    cell = yard.runs("n1", 2 * DAY).cell()
    assert (cell.state, cell.reason, cell.found) == (State.UNKNOWN, "stale", "2.10")


@pytest.mark.parametrize("how", ["failed", "error", "not_run", "never"])
def test_who_does_not_answer_has_not_drifted(yard: Yard, how: str) -> None:
    if how != "never":
        getattr(yard, how)("n1/version")
    assert yard.cell().state is State.UNKNOWN
    assert yard.matrix().exit_status() == 5


def test_a_failure_after_a_drift_hides_it(yard: Yard) -> None:
    yard.runs("n1", 90, version="2.0").failed("n1/version", "refused")
    assert (yard.cell().state, yard.cell().reason) == (State.UNKNOWN, "refused")


def test_a_probe_that_failed_an_expectation_of_its_own_is_no_drift(yard: Yard) -> None:
    yard.failed("n1/version", "expectation")
    assert yard.cell().state is State.UNKNOWN


def test_no_such_asset_is_unknown_unless_optional(yard: Yard) -> None:
    yard.inventory = INVENTORY.replace("billing", "other")
    (cell,) = yard.matrix().cells()
    assert (cell.asset, cell.state, cell.reason) == (None, State.UNKNOWN, "not_measured")
    yard.releases = RELEASES.replace("severity: blocker,", "severity: blocker, optional: true,")
    assert list(yard.matrix().cells()) == []
    assert yard.matrix().exit_status() == 5, "nothing compared is no success"


def test_an_asset_without_the_check_is_unknown(yard: Yard) -> None:
    yard.profile = yard.profile.replace("id: version", "id: other")
    assert 'has no check "version"' in yard.cell().detail


def test_a_unit_without_a_release_is_unknown(yard: Yard) -> None:
    yard.inventory = INVENTORY.replace("    release: r3\n", "")
    matrix = yard.matrix("gz", "hall")
    assert [line.state for line in matrix.lines] == [State.UNKNOWN, State.UNKNOWN]
    assert matrix.exit_status() == 5
    yard.default = "r3"
    assert yard.matrix("hall").lines[0].release == "r3"


def test_the_nearest_unit_above_decides(yard: Yard) -> None:
    yard.inventory = INVENTORY.replace("profile: hall", "profile: hall\n    release: r2")
    cell = yard.runs("n1", version="2.0", sum="bb").cell()
    assert (cell.state, yard.matrix().lines[0].release) == (State.RELEASED, "r2")


def test_compared_with_another_release(yard: Yard) -> None:
    cell = yard.runs("n1").cell(wanted="r4")
    assert cell.drift is not None
    assert cell.drift.standing == Standing("behind", 1, "r3")


def test_a_waiver_is_shown_as_such(yard: Yard) -> None:
    yard.releases = RELEASES.replace("severity: blocker,", "severity: major,")
    yard.waivers = """
        version: 1
        waivers:
          - {id: w-1, unit: hall, asset: n1, item: release.billing, reason: r, risk: r, compensating_action: c,
             requested_by: ann, approved_by: bob, effective_at: 2020-01-01T00:00:00+08:00, expires_at: 2099-01-01T00:00:00+08:00}
    """  # noqa: E501
    yard.runs("n1", version="2.0", sum="bb").runs("n2")
    cell = yard.cell()
    assert (cell.state, cell.drift is not None, yard.matrix().exit_status()) == (State.WAIVED, True, 4)


def test_drifted_leaves_only_what_drifted(yard: Yard) -> None:
    yard.runs("n1", version="2.0").runs("n2")
    left = yard.matrix("gz", "hall").drifted()
    assert [line.unit for line in left.lines] == ["hall"]
    assert [title.component for title in left.titles] == ["billing"]


def test_a_version_that_the_probe_declares_is_compared_as_one(yard: Yard) -> None:
    yard.inventory = INVENTORY.replace("tags: [billing]", "tags: [billing, web]")
    yard.releases = release("r3", "2026-11-01", "", 'version: "2.10", fact: server').replace(
        "check: version, probe: exec", "check: http"
    )
    yard.ok("n1/http", status=200.0, server="2.10.0 (Debian 1)").ok("n2/http", server="what")
    assert (yard.cell("n1").state, yard.cell("n2").state) == (State.RELEASED, State.UNKNOWN)


def test_drift_is_an_item_of_the_unit(yard: Yard) -> None:
    yard.runs("n1", version="2.0", sum="bb").runs("n2")
    result = yard.judged()
    row = yard.row()
    assert result.verdict is Verdict.NOT_READY
    assert (row.status, row.reason, row.severity, row.category) == (
        Status.FAIL, "expectation", "blocker", "application",
    )  # fmt: skip
    assert row.expected == "version = 2.10; sum = cc; charset = UTF8"
    assert row.actual.startswith("version = 2.0; sum = bb")
    assert row.detail.startswith("1 release behind (r2), since 2026-11-")
    assert yard.row("n2").status is Status.PASS
    assert ("release.r3" in {key for key, _ in result.checklists}) is True


def test_the_digest_of_the_unit_follows_its_release(yard: Yard) -> None:
    before = yard.judged().unit_digest
    other = yard.judged("gz").unit_digest
    yard.releases = RELEASES.replace("charset: UTF8", "charset: UTF16")
    assert yard.judged().unit_digest != before
    assert yard.judged("gz").unit_digest == other
    yard.releases = RELEASES.replace('"3.0"', '"3.1"')
    assert yard.judged().unit_digest == before, "a release that it should not run"


@pytest.mark.alone
def test_a_thousand_units_in_a_second(yard: Yard) -> None:
    count, components = 1000, 20
    yard.releases = "version: 1\nid: r3\nreleased: 2026-11-01\ncomponents:" + "".join(
        f"\n  - {{id: c{n}, title: {{en: C, zh: C}}, check: version, probe: exec, "
        f'select: {{id: n{n % 4}}}, version: "2.10", parameters: {{charset: UTF8}}}}'
        for n in range(components)
    )
    halls = "".join(
        f"  - {{id: h{n}, name: H, level: hall, release: r3, profile: hall, assets: ["
        + ", ".join(f"{{id: n{a}, kind: application, address: 10.0.0.1}}" for a in range(4))
        + "]}\n"
        for n in range(count)
    )
    yard.inventory = f"version: 1\nunits:\n{halls}"
    for n in range(count):
        for asset in range(4):
            yard.ok(f"h{n}/n{asset}/version", version="2.10" if n % 10 else "2.9", charset="UTF8")
    units, prepared, took = [f"h{n}" for n in range(count)], yard.prepare(), []
    for _ in range(5):
        start = time.process_time()
        matrix = prepared(units, None, NOW)
        took.append(time.process_time() - start)
    assert sum(1 for _ in matrix.cells()) == count * components
    assert sum(cell.state is State.DRIFT for cell in matrix.cells()) == count * components // 10
    assert min(took) < 1.0
