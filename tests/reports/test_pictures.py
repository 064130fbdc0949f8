"""Pictures show no thin evidence as good, and hold no text that isn't escaped."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from monitor.reports.pictures import heat_map, link_quality


def link(**more: Any) -> dict[str, Any]:
    row = {
        "name": "Hall <b>",
        "name_zh": "",
        "asset": "up",
        "measure": "rtt",
        "value": 20.0,
        "requirement": 40.0,
    }
    return row | {"contract": None, "state": "", "n": 100, "coverage": 1.0} | more


@pytest.mark.parametrize(
    ("more", "sign"),
    [
        ({}, "✔ 50%, n = 100"),
        ({"value": 60.0}, "✖ 150%, n = 100"),
        ({"state": "thin", "coverage": 0.3}, "? 50%, n = 100, 30%"),
        ({"state": "NO_DATA", "value": None, "n": 0}, "? NO_DATA"),
        ({"measure": "up", "value": 5e6, "requirement": None, "contract": 10e6}, "✖ 200%, n = 100"),
        ({"measure": "down", "value": 0.0, "requirement": 10e6}, "✖ 9999%, n = 100"),
    ],
)
def test_a_link_by_what_is_known_of_it(more: dict[str, Any], sign: str) -> None:
    text = link_quality([link(**more)])
    assert sign in [each.text for each in ET.fromstring(text).iter() if each.text]
    assert "<b>" not in text


def test_what_has_no_bound_is_left_out() -> None:
    assert link_quality([link(requirement=None)]) == ""
    assert heat_map([]) == ""


def test_the_worst_units_come_first() -> None:
    units = [
        {
            "id": verdict,
            "name": verdict,
            "name_zh": "",
            "verdict": verdict,
            "categories": {"network": verdict},
        }
        for verdict in ("READY", "UNKNOWN", "NOT_READY", "CONDITIONAL")
    ]
    text = heat_map(units)
    places = [text.index(f">{name}</text>") for name in ("NOT_READY", "UNKNOWN", "CONDITIONAL", "READY")]
    assert places == sorted(places)
