"""Requirements of units: shared, cached, and None where nothing is asked for."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from pathlib import Path
from unittest import mock

import pytest

from inventory.load import load as load_inventory
from inventory.models import Inventory
from inventory.problems import ConfigError
from monitor.capacity import requirements
from monitor.capacity.cache import FILE, MAX_ENTRIES, Cache
from monitor.capacity.demand import demand_of, problems
from monitor.capacity.functions import Functions, load
from monitor.capacity.need import Need
from monitor.capacity.requirements import Requirements, Solved
from monitor.capacity.simulate import minimum_factor
from monitor.paths import shipped
from monitor.place import place
from monitor.workspace import open_workspace
from tests.capacity import example

SHIPPED = load([shipped("config") / "functions"])
HALLS = """\
version: 1
units:
  - {id: gz, name: Bureau, level: municipal, network: {rtt: 60 ms, mss: 1360}}
  - {id: a, name: A, level: hall, functions: {pos: {users: 3}, kiosk: {users: 1}}, bulk: [meter-upload]}
  - {id: b, name: B, level: hall, bulk: [meter-upload], functions: {kiosk: {users: 1}, pos: {users: 3}}}
  - {id: far, name: F, level: hall, parent: gz, functions: {pos: {users: 3}}, network: {rtt: 80 ms}}
  - {id: below, name: L, level: hall, parent: gz, functions: {pos: {users: 3}}}
  - {id: none, name: N, level: hall, bulk: [meter-upload], realtime: [hotline-voice]}
  - {id: nobody, name: N, level: hall, functions: {pos: {users: 0}}}
  - {id: mixed, name: M, level: hall, functions: {pos: {users: 0}, kiosk: {users: 2}}, realtime: {hotline-voice: {streams: 4}}}
"""  # noqa: E501 - YAML reads better unbroken


@pytest.fixture
def halls() -> Inventory:
    return example.inventory(HALLS)


def test_the_seam_has_the_figures_of_the_example() -> None:
    found = Requirements(example.inventory(example.UNIT), SHIPPED).need("gz-tianhe")
    assert found is not None
    assert [round(each.required_bps / 1e6, 2) for each in (found.up, found.down)] == [6.75, 7.01]
    assert found.up.mean_bps < found.up.minimum_bps < found.up.capacity_bps < found.up.required_bps
    assert found.up.minimum_bps / found.up.capacity_bps == found.down.minimum_bps / found.down.capacity_bps
    assert (found.unit, found.packets_per_loss, found.impossible) == ("gz-tianhe", 432, "")
    assert found.loss_max == 1 / 432
    assert round(found.rtt_at(math.inf, math.inf).ms, 1) == 58.3
    assert found.rtt_at(6e6, 6e6).ms < 58.3


@pytest.mark.parametrize("unit", ["none", "nobody"])
def test_no_functions_is_no_requirement(halls: Inventory, unit: str) -> None:
    found = Requirements(halls, SHIPPED)
    assert found.need(unit) is None
    assert found.digest(unit) == ""


BUREAU = """\
version: 1
units:
  - {id: gz, name: Bureau, level: municipal, functions: {pos: {users: 1}}, network: {carries: below}}
  - {id: a, name: A, level: hall, parent: gz, functions: {pos: {users: 3}}, bulk: [meter-upload]}
  - {id: county, name: C, level: county, parent: gz}
  - id: b
    name: B
    level: hall
    parent: county
    functions: {kiosk: {users: 2}, pos: {users: 4}}
    bulk: [meter-upload]
    realtime: {hotline-voice: {streams: 4}}
"""


def test_a_channel_may_carry_all_units_below() -> None:
    bureau, own = (
        demand_of(example.inventory(text), "gz", SHIPPED)
        for text in (BUREAU, BUREAU.replace("carries: below", "carries: own"))
    )
    assert bureau is not None
    assert own is not None
    assert {use.id: use.users for use in bureau.uses} == {"kiosk": 2, "pos": 8}
    assert [each.id for each in bureau.bulk] == ["meter-upload", "meter-upload"]
    assert {each.id: each.count for each in bureau.realtime} == {"hotline-voice": 4}
    assert {use.id: use.users for use in own.uses} == {"pos": 1}
    assert not own.bulk


def test_carrying_is_not_inherited() -> None:
    hall = demand_of(example.inventory(BUREAU), "county", SHIPPED)
    assert hall is None, "the county has no functions of its own"


def test_a_unit_that_there_is_not(halls: Inventory) -> None:
    with pytest.raises(KeyError):
        Requirements(halls, SHIPPED).need("x")


def test_units_with_the_same_functions_share_one_simulation(halls: Inventory) -> None:
    found = Requirements(halls, SHIPPED)
    with mock.patch.object(requirements, "minimum_factor", wraps=minimum_factor) as simulated:
        a, b = found.need("a"), found.need("b")
        assert found.need("a") == a
    assert simulated.call_count == 1
    assert isinstance(a, Need)
    assert isinstance(b, Need)
    assert dataclasses.replace(b, unit="a") == a
    assert found.digest("a") == found.digest("b") != found.digest("mixed")


def test_the_network_of_a_unit_is_its_own_else_of_the_nearest_above(halls: Inventory) -> None:
    networks = {
        key: demand.network
        for key in ("a", "far", "below")
        if (demand := demand_of(halls, key, SHIPPED)) is not None
    }
    assert (networks["a"].rtt, networks["a"].mss) == (0.025, 1400)
    assert (networks["far"].rtt, networks["far"].mss) == (0.08, 1360)
    assert (networks["below"].rtt, networks["below"].mss) == (0.06, 1360)
    found = Requirements(halls, SHIPPED)
    assert found.digest("far") != found.digest("below")


def test_users_and_streams_are_taken_from_the_unit(halls: Inventory) -> None:
    demand = demand_of(halls, "mixed", SHIPPED)
    assert demand is not None
    assert [(each.id, each.users) for each in demand.uses] == [("kiosk", 2)]
    assert [(each.id, each.count) for each in demand.realtime] == [("hotline-voice", 4)]


def test_another_design_rtt_is_another_digest(halls: Inventory) -> None:
    slower = dataclasses.replace(SHIPPED, network=dataclasses.replace(SHIPPED.network, rtt=0.05))
    assert Requirements(halls, SHIPPED).digest("a") != Requirements(halls, slower).digest("a")


def test_the_file_spares_the_simulation(halls: Inventory, tmp_path: Path) -> None:
    first = Requirements(halls, SHIPPED, Cache(tmp_path / FILE)).need("a")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    with mock.patch.object(requirements, "minimum_factor", side_effect=AssertionError):
        assert Requirements(halls, SHIPPED, Cache(tmp_path / FILE)).need("a") == first


@pytest.mark.parametrize(
    "content",
    [
        "", "no json", "[]", "{}", '{"model": 0, "factors": {"x": 1.0}}', '{"model": 1}',
        '{"model": 1, "factors": []}', '{"model": 1, "factors": {"x": "a", "y": -1.0, "z": NaN}}', "[" * 5000,
    ],
)  # fmt: skip
def test_a_file_that_is_spoilt_is_written_anew(tmp_path: Path, content: str) -> None:
    file = tmp_path / FILE
    file.write_text(content, "utf-8")
    cache = Cache(file)
    assert all(cache.get(key) is None for key in ("x", "y", "z"))
    cache.put("k", 0.8)
    cache.put("never", math.inf)
    again = Cache(file)
    assert (again.get("k"), again.get("never")) == (0.8, math.inf)


def test_the_file_is_bounded(tmp_path: Path) -> None:
    cache = Cache(tmp_path / FILE)
    with mock.patch("monitor.capacity.cache._write"):
        for index in range(MAX_ENTRIES + 10):
            cache.put(f"k{index}", 1.0)
    cache.put("last", 1.0)
    kept = json.loads((tmp_path / FILE).read_bytes())["factors"]
    assert len(kept) == MAX_ENTRIES
    assert "k0" not in kept
    assert "last" in kept


def test_nothing_is_written_where_there_is_no_state_directory(halls: Inventory, tmp_path: Path) -> None:
    assert Requirements(halls, SHIPPED, Cache(tmp_path / "none" / FILE)).need("a") is not None
    assert not (tmp_path / "none").exists()


def test_a_simulation_that_never_meets_a_target_is_told() -> None:
    text = Solved(example.derivation(), math.inf).impossible
    assert text == "the simulation misses a target even at 16 times what the formulas give"
    assert Solved(example.derivation(), 1.0).impossible == ""


def test_a_thousand_halls_of_twenty_kinds(tmp_path: Path) -> None:
    lines = [
        f"  - {{id: h{i}, name: H, level: hall, functions: {{counter-query: {{users: {4 + i % 20}}}, "
        f"bill-pdf: {{users: {4 + i % 20}}}, pos: {{users: {4 + i % 20}}}}}, bulk: [meter-upload]}}"
        for i in range(1000)
    ]
    inventory = example.inventory("\n".join(["version: 1", "units:", *lines]))
    spent = []
    for _ in range(2):
        found = Requirements(inventory, SHIPPED, Cache(tmp_path / FILE))
        start = time.process_time()
        needs = [found.need(unit.id) for unit in inventory]
        spent.append(time.process_time() - start)
        assert None not in needs
    assert spent[0] < 10
    assert spent[1] < 0.5


UNKNOWN = """\
version: 1
units:
  - id: a
    name: A
    level: hall
    functions:
      counter-qery: {users: 3}
      something-else: {users: 1}
    bulk: [meter-upload, meter-uplod]
    realtime: {hotline-voic: {streams: 2}}
"""


def test_unknown_names_are_reported_where_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    file.write_text(UNKNOWN, "utf-8")
    found = [str(each).replace(f"{file}:", "") for each in problems(load_inventory(file), SHIPPED)]
    known = ", ".join(sorted(SHIPPED.functions))
    words = ("business function", "business function", "bulk transfer", "real-time function")
    names = ("counter-qery", "something-else", "meter-uplod", "hotline-voic")
    places = (
        "7:7: units[0].functions.counter-qery", "8:7: units[0].functions.something-else",
        "9:26: units[0].bulk[1]", "10:16: units[0].realtime.hotline-voic",
    )  # fmt: skip
    meant = ["counter-query", "", "meter-upload", "hotline-voice"]
    hints = [f'did you mean "{each}"?' if each else f"known are {known}" for each in meant]
    assert found == [
        f'{place}: unknown {word} "{name}"; {hint}'
        for place, word, name, hint in zip(places, words, names, hints, strict=True)
    ]
    nothing = problems(load_inventory(file), Functions())
    assert nothing[0].suggestion == "define it in a file given by functions = in the settings"


def test_the_settings_name_own_functions_and_a_change_of_them_is_watched(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("version: 1\nnetwork: {rtt: 33 ms}\n", "utf-8")
    (tmp_path / "i.yaml").write_text(HALLS, "utf-8")
    settings = tmp_path / "muster.toml"
    settings.write_text('[daemon]\ninventory = "i.yaml"\nfunctions = "own.yaml"\nstate_dir = "s"\n', "utf-8")
    where = place(settings)
    assert own in where.watched
    workspace = open_workspace(where)
    solved = workspace.requirements.solved("a")
    assert solved is not None
    assert solved.derivation.demand.network.rtt == 0.033
    own.write_text("version: 1\nnetwork: {rtt: soon}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"own.yaml:2:11: network.rtt: not a duration"):
        open_workspace(where)
    assert place(settings, functions=tmp_path / "other.yaml").functions == tmp_path / "other.yaml"
