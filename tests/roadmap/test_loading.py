"""The plan's file: what is wrong in it, with its place; its own milestones; rows that have to soak."""

from __future__ import annotations

import pytest

from inventory.problems import ConfigError
from monitor.place import place
from monitor.workspace import open_workspace
from tests.gates.home import CHECKLIST, Home
from tests.roadmap.test_assigning import assign, plan_of, row


def problems(home: Home, text: str) -> list[str]:
    home.write("plan.yaml", text)
    with pytest.raises(ConfigError) as caught:
        open_workspace(place(home.directory / "muster.toml"))
    start = f"{home.directory}/plan.yaml:"
    return [str(each).removeprefix(start) for each in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\ncalendar: chin\n", '2:1: calendar: unknown calendar "chin"; did you mean "china"?'),
        (
            "version: 1\nunits:\n  hal: {owner: li}\n",
            '3:3: units.hal: there is no unit "hal"; did you mean "hall"?',
        ),
        ("version: 1\nwaves:\n  w2: {owner: li}\n", '3:3: waves.w2: no unit is of wave "w2"; known are w1'),
        (
            "version: 1\nunits:\n  hall: {gates: {surve: 2026-12-01}}\n",
            '3:18: units.hall.gates.surve: unknown milestone "surve"; did you mean "survey"?',
        ),
        ("version: 1\nunits: {hall: {gates: {survey: soon}}}\n", "2:24: units.hall.gates.survey:"),
        ("version: 1\nunits: {hall: {ownr: li}}\n", 'did you mean "owner"?'),
        ("version: 1\nbuffer: 1.5\n", "2:1: buffer:"),
        ("version: 1\n---\nversion: 1\n", "1:1: a plan is one document; leave out the others"),
        (
            "version: 1\nmilestones: [{id: survey, title: {en: S}}]\n",
            'there is no milestone "go-live"; every plan leads to it',
        ),
        (
            "version: 1\nmilestones: [{id: go-live, title: {en: S}}, {id: go-live, title: {en: T}}]\n",
            'milestone "go-live" is given twice; leave one out',
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(home: Home, text: str, told: str) -> None:
    assert any(told in each for each in problems(home, text)), problems(home, text)


def test_milestones_of_ones_own(home: Home) -> None:
    home.write(
        "plan.yaml",
        "version: 1\ncalendar: 24x7\nmilestones:\n"
        "  - {id: pilot, offset: -7, title: {en: Pilot, zh: 试点}}\n"
        "  - {id: go-live, title: {en: Go-live}}\n",
    )
    found = [(each["id"], each["due"], each["title_zh"]) for each in plan_of(home)["milestones"]]
    assert found == [("pilot", "2026-12-11", "试点"), ("go-live", "2026-12-18", "Go-live")]


def test_no_plan_at_all(home: Home) -> None:
    (home.directory / "plan.yaml").unlink()
    made = plan_of(home)
    assert [each["id"] for each in made["milestones"]][:2] == ["survey", "install"]
    assert (made["owner"], made["forecast"]["go_live"]) == ("", "2026-12-18")


SOAKS = CHECKLIST.replace('expect: {received: ">= 1"}}', 'expect: {received: ">= 1"}, soak: {window: 72h}}')


def test_what_soaks_needs_nobody_and_takes_its_time(home: Home) -> None:
    home.write("checklists/hall.yaml", SOAKS)
    home.measured()
    home.drilled()
    home.reported()
    made = plan_of(home)
    soaking = row(made, "answers")
    assert (soaking["reason"], made["counts"]["unassigned"]) == ("soaking", 0)
    found = made["forecast"]
    assert (found["status"], found["decided_by"]) == ("on_track", "soak")
    assert found["earliest_ready"] == "2026-11-26", "0.9 of 72 h, from 06:40 on the 24th"


def test_what_is_mended_soaks_then(home: Home) -> None:
    home.write("checklists/hall.yaml", SOAKS)
    assign(home, "answers", owner="wang", due="2026-12-04")
    assign(home, "fast", owner="wang", due="2026-12-01")
    home.drilled()
    home.reported()
    found = plan_of(home)["forecast"]
    assert (found["decided_by"], found["earliest_ready"]) == ("remediation", "2026-12-07")


def test_a_soak_in_counter_hours_takes_days(home: Home) -> None:
    home.write("checklists/hall.yaml", SOAKS.replace("window: 72h", "window: 20h, calendar: china"))
    home.measured()
    home.drilled()
    home.reported()
    assert plan_of(home)["forecast"]["earliest_ready"] == "2026-11-27", "18 h at 7 h a day"
