"""Which units a run is about."""
# ruff: noqa: E501 - YAML reads better unbroken

from __future__ import annotations

from datetime import date

import pytest

from inventory.load import load
from monitor.readiness.selection import BadSelection, Selection, select
from tests.readiness.world import World

UNITS = """
version: 1
units:
  - {id: p, name: province, level: province}
  - {id: gz, name: gz, level: municipal, parent: p, go_live: 2027-01-15, wave: w1}
  - {id: hall, name: hall, level: hall, parent: gz, gates: {rehearsal: 2026-12-20, go-live: 2027-02-01}, wave: w2}
  - {id: sz, name: sz, level: municipal, parent: p, go_live: 2027-03-01, wave: w2}
"""


def selected(world: World, **wanted: object) -> list[str]:
    inventory = load(world.write("inventory.yaml", UNITS))
    return select(inventory, Selection(**wanted), ["audit"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "units"),
    [
        ({}, ["p", "gz", "hall", "sz"]),
        ({"units": ["hall", "p"]}, ["p", "hall"]),
        ({"subtree": "gz"}, ["gz", "hall"]),
        ({"subtree": "gz", "units": ["sz"]}, ["gz", "hall", "sz"]),
        ({"wave": "w2"}, ["hall", "sz"]),
        ({"due_before": date(2027, 2, 1)}, ["p", "gz"]),  # p has no date, and is never left out
        ({"due_before": date(2027, 2, 2), "wave": "w2"}, ["hall"]),
        ({"due_before": date(2026, 12, 21), "gate": "rehearsal", "units": ["hall", "sz"]}, ["hall", "sz"]),
        ({"gate": "audit", "units": ["p"]}, ["p"]),
    ],
)
def test_selects(world: World, wanted: dict[str, object], units: list[str]) -> None:
    assert selected(world, **wanted) == units


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"units": ["hal"]}, 'unknown unit "hal"; did you mean "hall"?'),
        ({"subtree": "gx"}, 'unknown unit "gx"; known are gz, hall, p, sz'),
        ({"wave": "w3"}, 'no unit is selected: no unit is of wave "w3"; known are w1, w2'),
        ({"units": ["gz"], "wave": "w2"}, "no unit is selected; widen --wave or --due-before"),
        ({"units": ["sz"], "due_before": date(2027, 1, 1)}, "no unit is selected; widen"),
        ({"gate": "go-life"}, 'unknown gate "go-life"; did you mean "go-live"?'),
    ],
)
def test_refuses(world: World, wanted: dict[str, object], message: str) -> None:
    with pytest.raises(BadSelection) as caught:
        selected(world, **wanted)
    assert message in str(caught.value)
