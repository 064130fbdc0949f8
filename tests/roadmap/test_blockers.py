"""Blockers by cause, waves, the burn-down and its picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.models import Unit
from monitor.roadmap.blockers import document, grouped, normalised
from monitor.roadmap.burndown import Tally, burndown, planned
from monitor.roadmap.document import document as plan_document
from monitor.roadmap.document import expired, waves_at_risk
from monitor.roadmap.picture import burndown as picture
from monitor.roadmap.plan import Roadmap, Title, Wave
from monitor.roadmap.waves import waves
from tests.roadmap.making import NOW, assigned, hall, planner, row, unit

MTU = "network.path-mtu"


def documents(count: int = 112) -> list[dict[str, Any]]:
    """Return halls whose path MTU fails, each in its own words; two of them are somebody's."""
    halls = [hall(f"hall{n}", "w1" if n % 2 else "w2") for n in range(count)]
    standing = assigned(
        ("hall0", MTU, "uplink", "li", "2026-12-01"), ("hall1", MTU, "uplink", "wang", "2026-12-03")
    )
    makes = planner(*halls, standing=standing)
    return [
        makes.unit(
            each.id,
            unit(
                each.id,
                row(MTU, detail=f"{each.id}/uplink: 10.1.{n}.1 took {1400 + n} octets", title="path MTU"),
            ),
            NOW,
        )
        for n, each in enumerate(halls)
    ]


def test_112_halls_path_mtu() -> None:
    found = document("go-live", "2026-11-24T06:40:00.000Z", documents())
    [cause] = found["causes"]
    assert cause["text"] == "112 halls: path MTU"
    assert cause["text_zh"].startswith("112 个营业厅：")
    assert (cause["units"], cause["rows"], cause["failing"], found["units_open"]) == (112, 112, 112, 112)
    assert cause["owners"] == [{"owner": "li", "rows": 1}, {"owner": "wang", "rows": 1}]
    assert (cause["unowned"], cause["undated"], cause["unestimated"]) == (110, 110, 110)
    assert (cause["due_first"], cause["due_last"]) == ("2026-12-01", "2026-12-03")
    assert cause["estimate_days"] == 4.0
    assert cause["waves"] == [{"wave": "w1", "units": 56}, {"wave": "w2", "units": 56}]


def test_by_owner_and_nobodys() -> None:
    [mine] = grouped(documents(), "li")
    assert (mine["units"], mine["unit_ids"]) == (1, ["hall0"])
    [nobodys] = grouped(documents(), "-")
    assert nobodys["units"] == 110


def test_consequences_are_not_counted_and_what_is_blocked_elsewhere_is_one_cause() -> None:
    makes = planner(hall("a"), hall("b"))
    own = row("network.link", check="a/uplink/icmp", reason="unreachable", detail="no answer")
    behind = row("app.login", "unknown", reason="blocked", blocked_by="a/uplink/icmp")
    elsewhere = row("app.login", "unknown", reason="blocked", blocked_by="gz/core/icmp")
    more = row("app.query", "unknown", reason="blocked", blocked_by="gz/core/icmp")
    units = [makes.unit("a", unit("a", own, behind), NOW), makes.unit("b", unit("b", elsewhere, more), NOW)]
    found = {each["text"]: each["rows"] for each in grouped(units)}
    assert found == {"1 hall: network.link": 1, "1 hall: behind gz/core/icmp": 2}


def test_a_consequence_belongs_to_whoever_mends_the_cause() -> None:
    standing = assigned(
        ("a", "network.link", "uplink", "li", "2026-12-01"),
        ("gz", "network.up", "core", "chen", "2026-12-09"),
    )
    makes = planner(Unit(id="gz", name="gz", level="municipal"), hall("a"), standing=standing)
    rows = [
        row("network.link", check="a/uplink/icmp"),
        row("app.login", "unknown", reason="blocked", blocked_by="a/uplink/icmp"),
        row("app.query", "unknown", reason="blocked", blocked_by="gz/core/icmp"),
    ]
    made = makes.unit("a", unit("a", *rows), NOW)
    assert [(each["owner"], each["due"]) for each in made["open"]] == [
        ("li", "2026-12-01"), ("li", "2026-12-01"), ("chen", "2026-12-09"),
    ]  # fmt: skip
    assert made["counts"]["unassigned"] == 0


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("gz-tianhe/uplink took 1400 octets", "* took # octets"),
        ("10.1.2.1 did not answer within 2.5 s", "* did not answer within # s"),
        ("fe80::1 is down; gz-tianhe-2 is not", "* is down; gz-tianhe-# is not"),
        ("ORA-00257: archiver\n\n error", "ORA-#: archiver error"),
        ("", ""),
    ],
)
def test_details_without_what_differs(detail: str, expected: str) -> None:
    assert normalised(detail, "gz-tianhe", "uplink") == expected


@given(st.text(max_size=3000), st.text(max_size=20), st.none() | st.text(max_size=20))
def test_any_detail_is_normalised(detail: str, key: str, asset: str | None) -> None:
    found = normalised(detail, key, asset)
    assert len(found) <= 200
    assert not any(each.isascii() and each.isdigit() for each in found)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y"]), st.booleans()), max_size=12))
def test_every_row_is_in_one_cause(rows: list[tuple[str, str, bool]]) -> None:
    makes = planner(*map(hall, "abc"))
    made: dict[str, list[dict[str, Any]]] = {key: [] for key in "abc"}
    for n, (key, item, fails) in enumerate(rows):
        made[key].append(row(item, "fail" if fails else "unknown", asset=str(n)))
    units = [makes.unit(key, unit(key, *found), NOW) for key, found in made.items()]
    found = document("go-live", "", units)
    assert found["rows"] == sum(each["rows"] for each in found["causes"]) == len(rows)
    assert [each["units"] for each in found["causes"]] == sorted(
        (each["units"] for each in found["causes"]), reverse=True
    )


def test_waves_at_risk() -> None:
    roadmap = Roadmap(waves={"w1": Wave(owner="zhao", title=Title(en="First", zh="第一批"))})
    makes = planner(
        hall("a", go_live=date(2026, 12, 18)), hall("b", "w2", go_live=date(2026, 11, 20)),
        hall("c", "w3", go_live=date(2026, 12, 18)), hall("d", "w4"),
        hall("e", "w1", go_live=date(2026, 12, 1)),
        roadmap=roadmap,
    )  # fmt: skip
    units = [makes.unit("a", unit("a", row("x")), NOW), makes.unit("b", unit("b", row("x")), NOW)]
    units += [makes.unit(key, unit(key, verdict="READY"), NOW) for key in "cde"]
    found = {each["id"]: each for each in waves(units)}
    assert {key: each["status"] for key, each in found.items()} == {
        "w1": "at_risk", "w2": "late", "w3": "on_track", "w4": None
    }  # fmt: skip
    first = found["w1"]
    assert (first["title_zh"], first["owner"], first["units"], first["open"]) == ("第一批", "zhao", 2, 1)
    assert (first["go_live_first"], first["go_live_last"]) == ("2026-12-01", "2026-12-18")
    plan = plan_document("go-live", "", units, (), date(2026, 11, 24))
    assert [each["id"] for each in waves_at_risk(plan)] == ["w2", "w1"]
    assert plan["counts"] == {"late": 1, "at_risk": 1, "on_track": 2, "undated": 1}


def test_a_good_verdict_without_evidence_is_nobody_can_say() -> None:
    made = planner(hall("a", go_live=date(2026, 12, 18))).unit("a", unit("a", verdict="READY"), NOW)
    assert made["forecast"]["status"] == "on_track"
    old = expired(made)
    assert (old["verdict"], old["forecast"]["status"]) == ("UNKNOWN", "at_risk")
    assert (old["forecast"]["earliest_ready"], old["forecast"]["reasons"][0]["code"]) == (None, "stale")


def test_nobody_judged_it() -> None:
    made = planner(hall("a", go_live=date(2026, 12, 18))).unit("a", None, NOW)
    assert (made["verdict"], made["forecast"]["status"], made["forecast"]["earliest_ready"]) == (
        "UNKNOWN", "at_risk", None,
    )  # fmt: skip


TODAY = date(2026, 11, 24)


def test_the_burn_down_keeps_what_was_known() -> None:
    def day(n: int) -> date:
        return TODAY - timedelta(days=n)

    tallies = [
        Tally("a", day(5), 3, 2, "NOT_READY"), Tally("b", day(4), 1, 0, "NOT_READY"),
        Tally("a", day(2), 1, 0, "NOT_READY"), Tally("b", day(0), 0, 0, "READY"),
    ]  # fmt: skip
    found = burndown(tallies, TODAY)
    assert [(each.open, each.units, each.units_open, each.judged) for each in found] == [
        (5, 1, 1, 1), (6, 2, 2, 1), (6, 2, 2, 0), (2, 2, 2, 1), (2, 2, 2, 0), (1, 2, 1, 1),
    ]  # fmt: skip
    assert [each.day for each in burndown(tallies, TODAY, day(1))] == [day(1), TODAY]
    assert burndown([], TODAY) == []


def test_what_is_planned_leaves_what_has_no_date() -> None:
    units = [{"open": [{"due": "2026-11-30"}, {"due": None}, {"due": "2026-11-24"}, {"due": "2026-11-01"}]}]
    assert planned(units, TODAY) == [
        {"day": "2026-11-24", "open": 4}, {"day": "2026-11-25", "open": 3}, {"day": "2026-12-01", "open": 2}
    ]  # fmt: skip
    assert planned([], TODAY) == []


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 500), st.integers(0, 500)), max_size=20),
    st.lists(st.none() | st.integers(-5, 60), max_size=10), st.sampled_from(["en", "zh"]),
)  # fmt: skip
def test_the_picture_is_sound_for_anything(
    given_: list[tuple[int, int, int]], due: list[int | None], language: Any
) -> None:
    tallies = [Tally("a", TODAY - timedelta(days=n), f, u, "NOT_READY") for n, f, u in given_]
    rows = [{"due": None if n is None else (TODAY + timedelta(days=n)).isoformat()} for n in due]
    points = [each.plain() for each in burndown(tallies, TODAY)]
    drawn = picture(points, planned([{"open": rows}], TODAY), language)
    if drawn:
        root = ET.fromstring(drawn)
        assert root.attrib["role"] == "img"
        assert "style" not in drawn
        assert "nan" not in drawn
