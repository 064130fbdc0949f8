"""What changed between two inventories."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import inventories
from inventory import load, profiles
from inventory.diff import Difference, diff
from inventory.models import Inventory
from inventory.profiles import Profile

BASE = """\
version: 1
units:
  - id: a
    name: A
    level: hall
    profile: p
    assets:
      - {id: up, kind: channel, address: 10.0.0.1}
      - {id: pc, kind: host, address: 10.0.0.2}
  - {id: b, name: B, level: hall, assets: [{id: pc, kind: host, address: 10.0.1.2}]}
"""
PROFILE = "version: 1\nid: p\nchecks: [{probe: tcp, port: 22, for: {kind: channel}}]\n"


def read(directory: Path, text: str, profile: str = PROFILE) -> tuple[Inventory, dict[str, Profile]]:
    directory.mkdir(exist_ok=True)
    (directory / "p.yaml").write_text(profile)
    (directory / "i.txt").write_text(text)
    return load.load(directory / "i.txt"), dict(profiles.load([directory]))


def test_nothing(tmp_path: Path) -> None:
    inventory, known = read(tmp_path, BASE)
    assert diff(inventory, inventory, known) == []


def test_each_kind(tmp_path: Path) -> None:
    old, known = read(tmp_path / "old", BASE)
    text = BASE.replace("name: A", "name: AA").replace("10.0.0.2}", "10.0.0.2, checks: [{probe: web}]}")
    new, _ = read(tmp_path / "new", text.replace("id: b", "id: c").replace("10.0.0.1", "10.0.0.9"))
    assert diff(old, new, known) == [
        Difference("changed", "unit", "a", (("name", "A", "AA"),)),
        Difference("changed", "asset", "a/up", (("address", "10.0.0.1", "10.0.0.9"),)),
        Difference("added", "check", "a/pc/web"),
        Difference("added", "unit", "c"),
        Difference("added", "asset", "c/pc"),
        Difference("removed", "unit", "b"),
        Difference("removed", "asset", "b/pc"),
    ]


def test_a_profile_changes_checks(tmp_path: Path) -> None:
    inventory, old = read(tmp_path, BASE)
    _, new = read(tmp_path, BASE, PROFILE.replace("22", "23"))
    assert diff(inventory, inventory, new, old) == [
        Difference("changed", "check", "a/up/tcp", (("port", 22, 23),))
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 3))
def test_forth_and_back(tmp_path: Path, first: int, second: int, seed: int) -> None:
    found = []
    for name, units in (("a", first), ("b", second)):
        directory = tmp_path / f"{name}{units}-{seed}"
        inventories.write(directory, inventories.Options(units=units, assets=3, seed=seed))
        found.append(load.load(directory / "inventory"))
    known = profiles.load([directory / "profiles"])
    there, back = diff(found[0], found[1], known), diff(found[1], found[0], known)
    mirrored = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(each.kind, each.id, mirrored[each.change]) for each in there} == {
        (each.kind, each.id, each.change) for each in back
    }
