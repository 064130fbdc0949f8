"""Who mends what by when, and milestones that were reached, in the ledger; what they come to."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.gates.assigning import estimate_days
from monitor.gates.ledger import broken
from monitor.gates.standing import Standing
from monitor.people.refused import Refused
from monitor.place import place
from monitor.readiness.layered import Layered
from monitor.store.ledger import catch_up
from monitor.workspace import open_workspace
from tests.gates.home import Home


def plan_of(home: Home, unit: str = "hall") -> dict[str, Any]:
    """Return the unit's part of the plan, judged now."""
    where = place(home.directory / "muster.toml")
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    [result] = workspace.results([unit], Layered(None, home.readings), "go-live", home.now)
    return workspace.planner("go-live").result(result, home.now)


def row(document: dict[str, Any], key: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in document["open"] if each["item"] == key)
    return found


def assign(home: Home, item: str = "drill", **more: Any) -> dict[str, Any]:
    return home.ask("plan.assign", item=item, **more)


def test_owner_date_and_estimate_with_history(home: Home) -> None:
    home.measured()
    assign(home, owner="wang", due="2026-12-01", estimate="4h", note="the bureau lends its room")
    assign(home, due="2026-12-03")
    found = row(plan_of(home), "drill")
    assert (found["owner"], found["due"], found["estimate_days"]) == ("wang", "2026-12-03", 0.5)
    assert found["assigned_by"] == "li (unauthenticated)"
    entries = home.entries()
    assert [each.kind for each in entries] == ["plan.assign", "plan.assign"]
    assert broken(entries) == ""
    standing = Standing()
    standing.take(entries)
    history = standing.assignments["go-live", "hall", "", "drill"]
    assert [each.body["due"] for each in history] == ["2026-12-01", "2026-12-03"]


def test_the_forecast_follows(home: Home) -> None:
    home.measured()
    before = plan_of(home)["forecast"]
    assert (before["status"], before["earliest_ready"]) == ("at_risk", None)
    assert [each["code"] for each in before["reasons"]] == ["unowned"]
    assign(home, "drill", owner="wang", due="2026-12-04")
    assign(home, "report", owner="zhao", due="2026-12-08")
    after = plan_of(home)["forecast"]
    assert (after["status"], after["earliest_ready"], after["slack"]) == ("on_track", "2026-12-08", 8)
    assign(home, "report", due="2026-12-16")
    assert plan_of(home)["forecast"]["status"] == "at_risk"
    assign(home, "report", due="2026-12-21")
    late = plan_of(home)["forecast"]
    assert (late["status"], late["slack"]) == ("late", -1)
    assert late["reasons"][0]["text"] == "what is open will be done by 2026-12-21, 1 workday too late"
    home.now += 14 * 86_400
    assert [each["code"] for each in plan_of(home)["forecast"]["reasons"]][:1] == ["dates_after"]


def test_a_request_for_a_waiver_is_a_decision_that_is_waited_for(home: Home) -> None:
    home.measured(rtt_ms=99)
    home.drilled()
    home.reported()
    assign(home, "fast", owner="wang", due="2026-11-24")
    assert plan_of(home)["forecast"]["earliest_ready"] == "2026-11-24"
    home.waive()
    found = plan_of(home)["forecast"]
    assert (found["decided_by"], found["earliest_ready"]) == ("approval", "2026-11-26")
    home.ask("waive.approve", "boss", waiver="w4")
    found = plan_of(home)["forecast"]
    assert [each["code"] for each in found["reasons"]] == ["waiver_ends"]


def test_signed_is_on_track(home: Home) -> None:
    home.measured()
    home.drilled()
    home.reported()
    subject = home.ask("sign.look")["shown"]["subject"]
    home.ask("sign", "boss", subject=subject)
    found = plan_of(home)
    assert [each["code"] for each in found["forecast"]["reasons"]] == ["signed"]
    states = {each["id"]: each["state"] for each in found["milestones"]}
    assert (states["go-live"], states["survey"]) == ("reached", "overdue")


def test_milestones_have_dates_from_four_places(home: Home) -> None:
    found = {each["id"]: each for each in plan_of(home)["milestones"]}
    told = {key: (each["due"], each["source"], each["owner"]) for key, each in found.items()}
    assert told == {
        "survey": ("2026-10-23", "offset", "li"),
        "install": ("2026-12-01", "plan", "wang"),
        "interfaces": ("2026-11-27", "offset", "li"),
        "rehearsal": ("2026-12-10", "wave", "li"),
        "go-live": ("2026-12-18", "inventory", "li"),
        "hypercare": ("2027-01-18", "offset", "li"),
    }
    workspace = open_workspace(place(home.directory / "muster.toml"))
    assert {key: day.isoformat() for key, day in workspace.inventory.dates("hall").items()} == {
        "install": "2026-12-01", "rehearsal": "2026-12-10", "go-live": "2026-12-18"
    }  # fmt: skip


def test_a_moved_date_is_not_another_unit(home: Home) -> None:
    before = home.judge().unit_digest
    text = (home.directory / "plan.yaml").read_text("utf-8")
    home.write("plan.yaml", text.replace("2026-12-01", "2026-12-02"))
    assert home.judge().unit_digest == before


def test_a_milestone_is_reached(home: Home) -> None:
    home.ask("plan.reach", gate="survey", on="2026-10-20", note="by car")
    [survey] = [each for each in plan_of(home)["milestones"] if each["id"] == "survey"]
    assert (survey["state"], survey["reached_on"]) == ("reached", "2026-10-20")


@pytest.mark.parametrize(
    ("do", "request_", "text"),
    [
        ("plan.assign", {"item": "drill"}, "assign what? write --owner, --due, --estimate or --note"),
        ("plan.assign", {"item": "dril", "owner": "x"}, "did you mean drill"),
        ("plan.assign", {"item": "answers", "owner": "x"}, "is pass: there is nothing to mend"),
        ("plan.assign", {"item": "answers", "asset": "pc2", "owner": "x"}, "write --asset pc1"),
        ("plan.assign", {"item": "drill", "asset": "pc2", "owner": "x"}, "leave --asset out"),
        ("plan.assign", {"item": "drill", "due": "1.12.2026"}, "write a date such as 2027-01-15"),
        ("plan.assign", {"item": "drill", "due": "2026-11-20"}, "is past"),
        ("plan.assign", {"item": "drill", "due": "2126-11-20"}, "is the year right?"),
        ("plan.assign", {"item": "drill", "estimate": "soon"}, 'write working time such as "3d"'),
        ("plan.assign", {"item": "drill", "estimate": "9999w"}, "write working time"),
        ("plan.reach", {"gate": "survey", "on": "2027-01-01"}, "is still to come"),
        ("plan.reach", {"gate": "go-live", "on": "2026-11-01"}, "reached by muster sign hall"),
        ("plan.reach", {"gate": "surveys", "on": "2026-11-01"}, "did you mean survey"),
    ],
)  # fmt: skip
def test_what_is_refused(home: Home, do: str, request_: dict[str, Any], text: str) -> None:
    home.measured()
    with pytest.raises(Refused, match="^.*" + text.replace("?", r"\?")):
        home.ask(do, **request_)
    assert home.entries() == []


def test_a_viewer_here_assigns_nothing(home: Home) -> None:
    with pytest.raises(Refused, match="viewer at hall"):
        home.ask("plan.assign", "elsewhere", item="drill", owner="x")


def test_estimates() -> None:
    found = [estimate_days(text) for text in ("3d", "4h", "2w", "0.5 d", "0d", "3", "-1d", "1e3d", "")]
    assert found == [3.0, 0.5, 10.0, 0.5, None, None, None, None, None]
