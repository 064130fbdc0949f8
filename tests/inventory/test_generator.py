"""The generated inventories are valid, as large as asked for, and the same for the same seed."""

from __future__ import annotations

import ipaddress
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import inventories
from benchmarks.inventories import Options
from inventory import load
from monitor import plan


@pytest.mark.parametrize("units", [1, 2, 3, 8, 200])
def test_valid_and_of_the_right_size(tmp_path: Path, units: int) -> None:
    inventories.write(tmp_path, Options(units=units, assets=7))
    inventory, _, made = plan.read(tmp_path / "inventory", [tmp_path / "profiles"])
    assert len(inventory.units) == units
    assert {len(unit.assets) for unit in inventory} == {7}
    assert made.uncovered == ()
    assert all(unit.name_zh and unit.due() for unit in inventory)


def test_a_real_tree(tmp_path: Path) -> None:
    inventory = load.load(inventories.write(tmp_path, Options(units=300, assets=2)))
    levels = Counter(unit.level for unit in inventory)
    assert levels["province"] == 1
    assert levels["province"] < levels["municipal"] < levels["county"] < levels["hall"]
    assert {unit.level for unit in inventory.subtree("gd")} == set(levels)
    assert len(list(inventory.subtree("gd"))) == 300


def test_seed() -> None:
    assert list(inventories.files(Options(units=30))) == list(inventories.files(Options(units=30)))
    assert list(inventories.files(Options(units=30, seed=2))) != list(inventories.files(Options(units=30)))


def test_addresses_stay_in_their_network(tmp_path: Path) -> None:
    network = ipaddress.ip_network("127.8.0.0/24")
    inventory = load.load(inventories.write(tmp_path, Options(units=40, network=str(network))))
    addresses = [asset.address for unit in inventory for asset in unit.assets]
    assert len(addresses) == 800
    assert all(ipaddress.ip_address(address) in network for address in addresses)
    assert len(set(addresses)) == 254


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inventories.main(["--units", "3", "--assets", "2", "--every", "5s", "-o", str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path / 'inventory'}\n"
    made = plan.read(tmp_path / "inventory", [tmp_path / "profiles"])[2]
    assert {job.every for job in made.jobs.values()} == {5.0}
    with pytest.raises(SystemExit):
        inventories.main(["--units", "0", "-o", str(tmp_path)])
