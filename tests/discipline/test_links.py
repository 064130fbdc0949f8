"""Which lines a test loads, by the inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory.models import Inventory
from monitor import plan
from monitor.child.wire import Packer, card
from monitor.discipline.links import Lines
from monitor.units import Units
from tests.discipline.world import written

TEXT = """
version: 1
timezone: Asia/Shanghai
units:
  - {id: prov, name: P, level: province, timezone: UTC, assets: [
      {id: backbone, kind: channel, address: 10.0.0.9, contracted: {up: 10 Gbit/s, down: 1 Gbit/s}}]}
  - {id: gz, name: B, level: municipal, parent: prov, timezone: Asia/Shanghai, assets: [
      {id: core, kind: channel, address: 10.0.0.1, depends_on: [prov/backbone]},
      {id: db, kind: database, address: 10.0.0.2}]}
  - {id: empty, name: E, level: county, parent: gz}
  - {id: h1, name: H, level: hall, parent: gz, timezone: Europe/Berlin, assets: [
      {id: up, kind: channel, address: 10.1.0.1, depends_on: [gz/core], contracted: {up: 10 Mbit/s}},
      {id: lte, kind: channel, address: 10.1.0.2, depends_on: []},
      {id: pc, kind: host, address: 10.1.0.3},
      {id: desk, kind: host, address: 10.1.0.4, depends_on: [pc]},
      {id: stand, kind: host, address: 10.1.0.5, depends_on: []},
      {id: report, kind: application, address: 10.1.0.6, depends_on: [gz/db]}]}
  - {id: h2, name: H, level: hall, parent: empty, assets: [
      {id: up, kind: channel, address: 10.2.0.1},
      {id: a, kind: channel, address: 10.2.0.2, depends_on: [], shares: [h3/b], contracted: {down: 4 Mbit/s, up: 8 Mbit/s}}]}
  - {id: h3, name: H, level: hall, parent: gz, assets: [
      {id: b, kind: channel, role: backup, address: 10.3.0.1, depends_on: [], contracted: {down: 6 Mbit/s, up: 8 Mbit/s}},
      {id: c, kind: channel, address: 10.3.0.2, role: primary, depends_on: [], shares: [b]},
      {id: d, kind: channel, address: 10.3.0.3, depends_on: []},
      {id: pc, kind: host, address: 10.3.0.4}]}
  - {id: lone, name: L, level: hall, assets: [{id: pc, kind: host, address: 10.4.0.1}]}
"""  # noqa: E501


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return written(tmp_path / "i.yaml", TEXT)


def ids(inventory: Inventory, unit: str, asset: str) -> list[str]:
    return [line.id for line in Lines(inventory).route(unit, asset).lines]


@pytest.mark.parametrize(
    ("asset", "lines"),
    [
        ("h1/up", ["h1/up", "gz/core", "prov/backbone"]),
        ("gz/core", ["gz/core", "prov/backbone"]),
        ("prov/backbone", ["prov/backbone"]),
        ("h1/lte", ["h1/lte"]),
        ("h1/pc", ["h1/up", "h1/lte", "gz/core", "prov/backbone"]),
        ("h1/desk", ["h1/up", "h1/lte", "gz/core", "prov/backbone"]),
        ("h1/stand", ["h1/stand"]),
        ("h1/report", ["gz/core", "prov/backbone"]),
        ("h2/up", ["h2/up", "gz/core", "prov/backbone"]),
        ("h2/a", ["h2/a"]),
        ("h3/b", ["h2/a"]),
        ("h3/c", ["h2/a"]),
        ("h3/pc", ["h2/a", "h3/d"]),
        ("lone/pc", ["lone/pc"]),
    ],
)
def test_the_way_to_the_monitors_side(inventory: Inventory, asset: str, lines: list[str]) -> None:
    assert ids(inventory, *asset.split("/")) == lines


def test_rates_and_zones(inventory: Inventory) -> None:
    lines = Lines(inventory)
    up = lines.route("h1", "up")
    assert (up.up_bps, up.down_bps) == (10e6, None)
    assert [(line.zone, line.bps) for line in up.lines] == [
        ("Europe/Berlin", 10e6), ("Asia/Shanghai", None), ("UTC", 1e9),
    ]  # fmt: skip
    shared = lines.route("h3", "b")
    assert (shared.up_bps, shared.down_bps) == (8e6, 6e6)
    assert shared.lines[0].bps == 6e6, "of several contracts on one line the largest, in its slower direction"
    assert lines.route("h3", "pc").up_bps is None, "the primary channel's, where nothing is said"


def test_routes_cross_the_pipe_and_only_where_they_are_needed(tmp_path: Path) -> None:
    text = TEXT.replace(
        "{id: up, kind: channel, address: 10.1.0.1,",
        "{id: up, kind: channel, address: 10.1.0.1, checks: [{probe: icmp}, {probe: tcp, port: 22}],",
    ).replace(
        "{id: pc, kind: host, address: 10.1.0.3",
        "{id: pc, kind: host, address: 10.1.0.3, checks: [{probe: tcp, port: 22}]",
    )
    inventory = written(tmp_path / "i.yaml", text)
    jobs = plan.build(inventory, {}).jobs
    wire = Packer().wire(card(inventory, "h1"), [job for job in jobs.values() if job.unit == "h1"])
    units = Units()
    units.apply(wire)
    found = {job.check if job.asset == "up" else job.asset: job.route for job in units.jobs()}
    assert found["icmp"] == Lines(inventory).route("h1", "up")
    assert found["icmp"] is found["tcp"]
    assert found["pc"] is None
    other = text.replace("contracted: {up: 10 Mbit/s}", "contracted: {up: 11 Mbit/s}")
    changed = written(tmp_path / "i.yaml", other)
    jobs = plan.build(changed, {}).jobs
    again = Packer().wire(card(changed, "h1"), [job for job in jobs.values() if job.unit == "h1"])
    assert again.digest != wire.digest
    assert {job.check for job in units.apply(again).put} == {"icmp", "tcp"}
