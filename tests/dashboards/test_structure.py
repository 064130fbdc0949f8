"""What every dashboard keeps: they are current, whole, readable without colour, and lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any, cast

import pytest

from monitor.dashboards.__main__ import files
from monitor.paths import shipped
from monitor.settings import Web
from monitor.web.app import build
from monitor.web.view import View
from tests.dashboards.shown import SOURCES, dashboards

BOARDS = [(source, name) for source in SOURCES for name in dashboards(source)]
BUILT_IN = re.compile(r"__\w+|v\.\w+")
each_board = pytest.mark.parametrize(("source", "name"), BOARDS, ids=[f"{s}/{n}" for s, n in BOARDS])


def test_what_is_checked_in_is_what_the_code_makes() -> None:
    made = files()
    for path, text in made.items():
        assert (shipped("dashboards") / path).read_text("utf-8") == text, (
            f"{path} is not current: python -m monitor.dashboards"
        )
    there = {path.relative_to(shipped("dashboards")) for path in shipped("dashboards").glob("*/*.json")}
    assert there == set(made), "nothing else is there"


def test_all_sources_have_the_same_dashboards_under_ids_of_their_own() -> None:
    assert len({frozenset(dashboards(source)) for source in SOURCES}) == 1
    uids = [dashboards(source)[name]["uid"] for source, name in BOARDS]
    assert len(set(uids)) == len(uids) == 27
    assert all(len(uid) <= 40 for uid in uids), "Grafana takes no longer ones"


@each_board
def test_panels_have_ids_of_their_own_and_do_not_overlap(source: str, name: str) -> None:
    panels = dashboards(source)[name]["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids) > 3
    titles = [panel["title"] for panel in panels]
    assert len(set(titles)) == len(titles)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert apart, (one, other)


@each_board
def test_every_panel_says_what_it_is_and_in_which_unit(source: str, name: str) -> None:
    for panel in dashboards(source)[name]["panels"]:
        if panel["type"] == "text":
            continue
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


@each_board
def test_variables_are_used_and_what_is_used_is_a_variable(source: str, name: str) -> None:
    board = dashboards(source)[name]
    known = [each["name"] for each in board["templating"]["list"]]
    assert len(set(known)) == len(known)
    used = set()
    for text in _texts({key: board[key] for key in ("panels", "annotations", "templating", "links")}):
        used |= set(re.findall(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)", text))
    names = {first or second for first, second in used}
    asked = {each for each in names if not each.startswith("__")}
    assert asked == set(known)


@each_board
def test_places_cascade(source: str, name: str) -> None:
    asked = {
        each["name"]: str(each["query"])
        for each in dashboards(source)[name]["templating"]["list"]
        if each["type"] == "query"
    }
    assert "province" in asked["bureau"]
    assert "bureau" in asked["unit"]
    assert "province" in asked["unit"]
    if "channel" in asked:
        assert "unit" in asked["channel"]


def _routes() -> list[re.Pattern[str]]:
    app = build(cast("View", None), Web())
    paths = [str(each.resource.canonical) for each in app.router.routes() if each.resource is not None]
    return [re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$") for path in paths]


@each_board
def test_links_lead_to_pages_of_muster(source: str, name: str) -> None:
    routes, found = _routes(), 0
    for panel in dashboards(source)[name]["panels"]:
        for link in panel["fieldConfig"]["defaults"].get("links") or ():
            path = link["url"].removeprefix("${muster}")
            assert path != link["url"], "below the address of Muster"
            plain = re.sub(r"\$\{[^}]+\}", "x1", path)
            plain = plain.replace("/incidents/x1", "/incidents/1")
            assert any(route.match(plain) for route in routes), path
            found += 1
    assert found >= (1 if name in ("own", "versions") else 3)
    urls = [link.get("url") for link in dashboards(source)[name]["links"]]
    assert "${muster}/" in urls


def _mappings(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        yield from panel["fieldConfig"]["defaults"].get("mappings") or ()
        for override in panel["fieldConfig"].get("overrides") or ():
            for each in override["properties"]:
                if each["id"] == "mappings":
                    yield from each["value"]


@each_board
def test_colour_is_never_alone(source: str, name: str) -> None:
    for mapping in _mappings(dashboards(source)[name]):
        for result in mapping["options"].values():
            assert result["text"][0] in "✔◐✖?⋯", "a sign first"
            assert len(result["text"]) > 3, "then a word"


def test_thresholds_are_those_of_the_checklists() -> None:
    def steps(source: str, board: str, title: str) -> list[float | None]:
        panel = next(each for each in dashboards(source)[board]["panels"] if each["title"] == title)
        return [each.get("value") for each in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]

    found = steps("influx", "hosts", "Processor")
    assert found[0] is None
    assert found[1:] == pytest.approx([70], abs=1.1)
    assert steps("prometheus", "hosts", "Processor")[1:] == pytest.approx([0.7], abs=0.011)
    assert steps("influx", "services", "Replicas behind")[1:] == pytest.approx([10], abs=1.1)
    assert steps("influx", "services", "Consumers") == [None, 1]
    assert len(steps("influx", "hosts", "Clock against its source")) == 3, "halls may be off by more"


def test_every_source_has_every_panel() -> None:
    only = {
        source: {
            f"{name}: {panel['title']}"
            for name in dashboards(source)
            for panel in dashboards(source)[name]["panels"]
        }
        for source in SOURCES
    }
    assert len(only["prometheus"]) > 130
    assert only["victoriametrics"] == only["prometheus"]
    assert only["prometheus"] < only["influx"], "which has events besides"
