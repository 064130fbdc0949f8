"""One test or more for each rule of judging (`rules.py`); here those that stand nowhere else."""

from __future__ import annotations

import ast
import asyncio
import inspect
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inventory.problems import ConfigError
from monitor.gates.ledger import Entry
from monitor.gates.rights import ROLES, Right, role_of
from monitor.people.refused import Refused
from monitor.readiness.checklist import SEVERITIES, Severity
from monitor.readiness.judging import Judge
from monitor.readiness.soak import Mark, Soak, evaluate
from monitor.readiness.verdict import Status, Verdict, exit_status, verdict
from monitor.store.engine import Store
from monitor.store.paths import Keep
from probes.api import Reading
from tests.conformance.rules import HERE, RULES
from tests.gates.home import CHECKLIST as HOME_CHECKLIST
from tests.gates.home import DAY, Home
from tests.readiness.world import CHECKLIST, NOW, World

TESTS = Path(__file__).parent.parent
UNTIL = "2026-12-20T18:00:00+08:00"
WAIVER = f"""
version: 1
waivers:
  - {{id: w, unit: hall, asset: pc1, item: page, reason: r, risk: r, compensating_action: c, requested_by: a,
     approved_by: b, effective_at: 2026-11-01T00:00:00+08:00, expires_at: {UNTIL}}}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def defined(path: Path) -> set[str]:
    """Return the names of a file's tests."""
    tree = ast.parse(path.read_text("utf-8"))
    found = (each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name for each in found if each.name.startswith("test_")}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_a_test_that_is_there(rule: str) -> None:
    assert RULES[rule], rule
    for each in RULES[rule]:
        file, _, name = each.partition("::")
        assert name in defined(TESTS / file), each


def test_each_test_here_is_about_a_rule() -> None:
    named = {each.partition("::")[2] for several in RULES.values() for each in several if HERE in each}
    own = {name for name in defined(TESTS / HERE) if not name.startswith("test_each_")}
    assert own == named


@pytest.mark.parametrize("kind", ["missing_driver", "permission", "inconclusive", "prober_error"])
@pytest.mark.parametrize("value", [12, 99])
def test_1_no_attempt_that_measured_nothing_displaces_a_measurement(
    world: World, kind: str, value: int
) -> None:
    row = world.good().ok("uplink/icmp", 20, rtt_ms=value).error("uplink/icmp", kind, 10).item("rtt")
    assert row.status is (Status.PASS if value <= 40 else Status.FAIL)
    assert (row.collected_at, row.attempted_at) == (NOW - 20, NOW - 10)
    again = world.not_run("uplink/icmp", "overload", 5).item("rtt")
    assert (again.status, again.value) == (row.status, row.value)


def test_1_one_failed_reading_fails_and_one_good_one_passes(world: World) -> None:
    """Three in a row make an alert; an item is judged by its last reading, and Judge is told no states."""
    world.good().every("pc1/http", [200.0] * 20, "status").failed("pc1/http", "refused", 5)
    assert world.item("page").status is Status.FAIL
    world.readings = [each for each in world.readings if each.check != "hall/pc1/http"]
    world.every("pc1/http", [None] * 20, "status").ok("pc1/http", 5, status=200)
    assert world.item("page").status is Status.PASS
    assert not {"states", "watch", "incidents"} & set(inspect.signature(Judge).parameters)


@pytest.mark.parametrize(("days", "status"), [(29.99, Status.PASS), (30, Status.UNKNOWN)])
def test_2_a_statement_counts_for_thirty_days(home: Home, days: float, status: Status) -> None:
    home.write("checklists/hall.yaml", HOME_CHECKLIST.replace(", every: 30 d", ""))
    home.drilled()
    home.now += days * DAY
    assert home.row("drill").status is status


@pytest.mark.parametrize("covers", [False, True])
@pytest.mark.parametrize("last", ["good", "failed", "error", "nothing"])
def test_4_a_waiver_by_all_statuses(world: World, last: str, covers: bool) -> None:
    world.waivers = WAIVER.replace("}}", "}").replace(
        UNTIL, f"{UNTIL}, covers_unknown: {str(covers).lower()}"
    )
    world.ok("gz/core/icmp", rtt_ms=1).ok("uplink/icmp", rtt_ms=12).ok("pc1/icmp", rtt_ms=2)
    if last == "good":
        world.ok("pc1/http", status=200)
    elif last != "nothing":
        getattr(world, last)("pc1/http")
    raw = {"good": Status.PASS, "failed": Status.FAIL}.get(last, Status.UNKNOWN)
    covered = raw is Status.FAIL or (raw is Status.UNKNOWN and covers)
    row = world.item("page")
    assert row.status is (Status.WAIVED if covered else raw)
    assert row.raw is (raw if covered else None)
    assert (row.waiver is not None) is covered


def test_4_a_check_whose_row_is_waived_is_probed_all_the_same(world: World) -> None:
    jobs = set(world.plan().jobs)
    world.waivers = WAIVER
    assert world.good().failed("pc1/http", "refused", 10).item("page").status is Status.WAIVED
    assert set(world.plan().jobs) == jobs
    row = world.ok("pc1/http", 1, status=200).item("page")
    assert (row.status, row.collected_at) == (Status.PASS, NOW - 1)


@pytest.mark.parametrize("end", ["", f"expires_at: {UNTIL[:-6]}", "expires_at: 2026-12-20"])
def test_4_no_waiver_without_an_end_and_its_offset(world: World, end: str) -> None:
    world.waivers = WAIVER.replace(f"expires_at: {UNTIL}", end).replace(", }", "}")
    with pytest.raises(ConfigError, match="expires_at"):
        world.judge()


def test_5_no_reading_makes_a_row_not_applicable(world: World) -> None:
    for add in (world.good, lambda: world.failed("pc1/http"), lambda: world.error("pc1/http")):
        add()
        assert world.judge().counts[Status.NOT_APPLICABLE] == 0
    world.checklist = CHECKLIST.replace("check: http,", 'check: http, applies_when: {http.status: "200"},')
    with pytest.raises(ConfigError, match="applies_when"):
        world.judge()


@pytest.mark.parametrize(
    ("missing", "bad", "holds"),
    [(0, 0, True), (130, 0, True), (160, 0, False), (0, 6, True), (0, 9, False), (130, 9, False)],
)
def test_6_the_edges_of_coverage_and_passing(missing: int, bad: int, holds: bool) -> None:
    """Of 1,440 minutes 90 % are 1,296, and 99.5 % of all are 1,432.8; none lie beside one another."""
    marks = np.full(1440, Mark.GOOD, dtype=np.uint8)
    marks[10 : 10 + 8 * missing : 8] = Mark.NONE
    marks[14 : 14 + 160 * bad : 160] = Mark.BAD
    times: NDArray[np.float64] = NOW - 30 - 60.0 * np.arange(1440, dtype=np.float64)[::-1]
    assert evaluate(Soak(DAY), times, marks, now=NOW, every=60, timeout=10).holds is holds


def test_6_a_soak_that_reaches_past_raw_retention_is_a_load_error(world: World) -> None:
    for window, wrong in (("13 d", False), ("15 d", True)):
        world.checklist = CHECKLIST.replace("check: icmp,", f"check: icmp, soak: {{window: {window}}},")
        if wrong:
            with pytest.raises(ConfigError, match="raw"):
                world.judge()
        else:
            world.judge()


def test_6_a_statistic_soaks_by_coverage_and_gaps_only(world: World) -> None:
    """One value in twenty is bad: p95 holds, and a share of passing readings would not."""
    values = [99.0 if index % 50 == 0 else 12.0 for index in range(1440)]
    world.good().every("uplink/icmp", values)
    world.checklist = CHECKLIST.replace(
        '{rtt_ms: "<= 40"}', '{rtt_ms: {p95: "<= 40", over: 24h}}, soak: {window: 24h}'
    )
    assert world.item("rtt").status is Status.PASS
    world.checklist = CHECKLIST.replace('{rtt_ms: "<= 40"}', '{rtt_ms: "<= 40"}, soak: {window: 24h}')
    assert world.item("rtt").reason == "soaking"


@dataclass(frozen=True)
class Line:
    severity: Severity
    status: Status
    measured: bool


CELLS = [
    Line(severity, status, measured)
    for severity, status in itertools.product(SEVERITIES, Status)
    for measured in {
        Status.PASS: (True,), Status.FAIL: (True,), Status.WAIVED: (True, False)
    }.get(status, (False,))
]  # fmt: skip


def said(lines: list[Line], most: int | None) -> Verdict:
    """The paragraph, one sentence a line."""
    grave = [each for each in lines if each.severity in {"blocker", "major"}]
    waived = [each for each in lines if each.status is Status.WAIVED]
    sentences = (
        (most is not None and len(waived) > most, Verdict.NOT_READY),
        (not [each for each in grave if each.measured], Verdict.UNKNOWN),
        (any(each.status is Status.FAIL for each in grave), Verdict.NOT_READY),
        (any(each.status is Status.UNKNOWN for each in grave), Verdict.UNKNOWN),
        (bool(waived), Verdict.CONDITIONAL),
        (any(each.severity == "minor" and each.status.value in {"fail", "unknown"} for each in lines),
         Verdict.CONDITIONAL),
    )  # fmt: skip
    return next((found for holds, found in sentences if holds), Verdict.READY)


def test_verdict_every_presence_of_severity_and_status() -> None:
    """Blocker and major weigh alike, so all 2^18 presences of the cells of three severities are enough."""
    cells = [each for each in CELLS if each.severity != "blocker"]
    assert len(cells) == 18
    seen: set[tuple[Verdict, int | None]] = set()
    for mask in range(1 << len(cells)):
        lines = [each for bit, each in enumerate(cells) if mask >> bit & 1]
        for most in (None, 1):
            found = verdict(lines, most)[0]
            assert found is said(lines, most), (lines, most)
            seen.add((found, most))
    assert len(seen) == 2 * len(Verdict)
    for severity in ("blocker", "major"):
        for cell in (each for each in CELLS if each.severity == "blocker"):
            line = Line(severity, cell.status, cell.measured)
            assert verdict([line])[0] is verdict([cell])[0]


@pytest.mark.parametrize(
    ("lines", "most", "expected"),
    [
        ([Line("minor", Status.WAIVED, True)], 0, Verdict.NOT_READY),
        ([], 0, Verdict.UNKNOWN),
        ([Line("minor", Status.PASS, True), Line("info", Status.PASS, True)], None, Verdict.UNKNOWN),
        ([Line("major", Status.WAIVED, False)], None, Verdict.UNKNOWN),
        ([Line("blocker", Status.NOT_APPLICABLE, False)], None, Verdict.UNKNOWN),
        ([Line("major", Status.FAIL, True), Line("blocker", Status.UNKNOWN, False)], 3, Verdict.NOT_READY),
        ([Line("major", Status.PASS, True), Line("blocker", Status.UNKNOWN, False)], 3, Verdict.UNKNOWN),
        ([Line("major", Status.PASS, True), Line("info", Status.WAIVED, True)], 1, Verdict.CONDITIONAL),
        ([Line("major", Status.PASS, True), Line("minor", Status.FAIL, True)], None, Verdict.CONDITIONAL),
        ([Line("major", Status.PASS, True), Line("info", Status.FAIL, True)], None, Verdict.READY),
    ],
)
def test_verdict_the_order_of_the_paragraph(lines: list[Line], most: int | None, expected: Verdict) -> None:
    assert verdict(lines, most)[0] is expected


def test_verdict_knows_no_score() -> None:
    """A thousand passes don't outweigh one unknown."""
    many = [Line("blocker", Status.PASS, True)] * 1000
    assert verdict([*many, Line("major", Status.UNKNOWN, False)])[0] is Verdict.UNKNOWN
    assert set(inspect.signature(verdict).parameters) == {"items", "max_waivers"}


def test_rollup_is_no_part_of_the_exit_status(world: World) -> None:
    result = world.ok("gz/core/icmp", rtt_ms=1).judge("gz")
    assert (result.verdict, result.rollup.worst) == (Verdict.READY, Verdict.UNKNOWN)
    assert exit_status([result.verdict]) == 0


def ready(home: Home) -> Home:
    home.drilled()
    home.reported()
    return home.measured()


def signed(home: Home, actor: str = "boss", **more: Any) -> Entry:
    subject = home.ask("sign.look", actor)["shown"]["subject"]
    return Entry(**home.ask("sign", actor, subject=subject, **more)["entry"])


def test_after_a_checklist_that_asks_more_is_drift(home: Home) -> None:
    entry = signed(ready(home))
    assert home.judge().unit_digest == entry.body["unit_digest"]
    home.write("checklists/hall.yaml", HOME_CHECKLIST.replace('"<= 40"', '"<= 39"'))
    assert home.judge().unit_digest != entry.body["unit_digest"]


def test_record_has_all_that_it_must(home: Home) -> None:
    entry = signed(ready(home))
    needed = {"gate", "unit", "verdict", "unit_digest", "checklists", "evidence_root", "waivers", "items"}
    assert needed <= set(entry.body)
    assert (entry.actor, entry.role, entry.at) == ("boss (unauthenticated)", "approver", home.now)
    assert entry.previous == home.entries()[-2].digest


def test_record_evidence_survives_retention(home: Home) -> None:
    """The day's file goes; what was signed by it stays, word for word."""
    entry = signed(ready(home))
    state = home.directory / "state"

    async def forget() -> list[Reading]:
        store = await asyncio.to_thread(Store.open, state, Keep(raw_days=1))
        for reading in home.readings:
            store.append(reading)
        await store.flush()
        await store.compact(today=0)
        days = len(store.info().days)
        for _ in range(days):
            await store.retain(int(home.now // DAY) + 20_000)
        assert store.info().days == []
        assert len(store.window("hall/pc1/icmp", "rtt_ms", 0, home.now).times) == 0
        kept = list(store.pinned(entry.digest))
        await store.aclose()
        assert days == 1
        return kept

    assert asyncio.run(forget()) == home.readings


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("unit", "here"), [("", True), ("gz", True), ("hall", True), ("other", False)])
def test_people_roles_by_subtree(role: Any, unit: str, here: bool) -> None:
    rights = (Right(user="chen", role=role, unit=unit),)
    found = role_of("chen (unauthenticated)", ("hall", "gz"), rights)
    assert found == (role if here else "viewer")
    assert role_of("root for Chen (unauthenticated)", ("hall", "gz"), rights) == found


def test_people_who_is_not_mapped_neither_approves_nor_signs(home: Home) -> None:
    ready(home).measured(rtt_ms=90, age=5)
    home.waive()
    for do, more in (("waive.approve", {"waiver": "w3"}), ("sign", {"subject": "x"})):
        with pytest.raises(Refused, match="takes an approver"):
            home.ask(do, "nobody", **more)
    with pytest.raises(Refused, match="takes an approver"):
        home.ask("waive.approve", "elsewhere", waiver="w3")


def test_people_every_record_says_unauthenticated(home: Home) -> None:
    ready(home).measured(rtt_ms=90, age=5)
    home.waive()
    home.ask("waive.approve", "boss", waiver="w3")
    signed(home)
    assert len(home.entries()) == 5
    assert all(each.actor.endswith("(unauthenticated)") for each in home.entries())
    row = home.row("fast").plain()
    assert row["waiver"]["approved_by"].endswith("(unauthenticated)")
    result = home.judge()
    assert result.signoff is not None
    assert result.signoff["by"].endswith("(unauthenticated)")
