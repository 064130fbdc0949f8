"""Files of business functions: what they say, what replaces what, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from inventory.problems import ConfigError
from monitor.capacity.derive import Demand, Use, derive
from monitor.capacity.functions import ASSUMPTION, KINDS, FunctionsFile, Network, load
from monitor.capacity.requirements import solve
from monitor.paths import shipped
from monitor.readiness.schema import render

SHIPPED = shipped("config") / "functions"
POS = """\
version: 1
functions:
  pos:
    tx_per_user_hour: 20
    turns: 1
    request: {mean: 0.5 kB}
    response: {mean: 0.5 kB}
    target: 2 s
    server: {mean: 0.8 s}
"""


def written(directory: Path, text: str, name: str = "f.yaml") -> Path:
    path = directory / name
    path.write_text(text, "utf-8")
    return path


def complaints(directory: Path, text: str) -> list[str]:
    path = written(directory, text)
    with pytest.raises(ConfigError) as caught:
        load([path])
    return str(caught.value).replace(f"{path}:", "").splitlines()


def test_left_out_percentiles_are_those_of_the_gamma_distributions(tmp_path: Path) -> None:
    pos = load([written(tmp_path, POS)]).functions["pos"]
    assert pos.request.high == pytest.approx(500 * 2.372, rel=1e-3)
    assert pos.server.high == pytest.approx(0.8 * 1.938, rel=1e-3)
    assert (pos.source, pos.setup_round_trips) == (ASSUMPTION, 2)


def test_an_own_entry_replaces_the_shipped_one_and_the_network_key_by_key(tmp_path: Path) -> None:
    own = written(tmp_path, POS.replace("20", "33") + "network: {rtt: 40 ms}\n")
    found, before = load([SHIPPED, own]), load([SHIPPED])
    assert found.functions["pos"].tx_per_user_hour == 33
    assert found.functions["kiosk"] == before.functions["kiosk"]
    assert found.network == Network(mss=1400, overhead=1.10, headroom=0.25, rtt=0.04)


def test_a_directory_is_one_layer_whose_files_must_not_repeat(tmp_path: Path) -> None:
    written(tmp_path, POS + "network: {mss: 1300}\n", "a.yaml")
    written(tmp_path, POS + "network: {mss: 1200}\n", "b.yaml")
    with pytest.raises(ConfigError) as caught:
        load([tmp_path])
    first = tmp_path / "a.yaml"
    assert str(caught.value).replace(f"{tmp_path / 'b.yaml'}:", "").splitlines() == [
        f"3:3: functions.pos: is already given in {first}; write it in one place",
        f"10:11: network.mss: is already given in {first}; write it in one place",
    ]


def test_all_problems_at_once_with_line_key_and_suggestion(tmp_path: Path) -> None:
    text = (
        POS.replace("target: 2 s", "targt: 2 s").replace("0.8 s", "0.8 sec").replace("turns: 1", "turns: 0")
    )
    text += (
        "network: {headroom: 1.5}\nrealtme: {}\nbulk: {b: {direction: sideways, bytes: 5 MB, period: 1 h}}\n"
    )
    assert complaints(tmp_path, text) == [
        "3:3: functions.pos.target: a required key is missing",
        "5:5: functions.pos.turns: must be at least 1",
        '8:5: functions.pos.targt: unknown key; did you mean "target"?',
        '9:14: functions.pos.server.mean: "sec" is no unit of a duration; did you mean "0.8 s"?',
        "10:11: network.headroom: must be at most 0.9",
        '11:1: realtme: unknown key; did you mean "realtime"?',
        '12:12: bulk.b.direction: unknown value "sideways"; known are down, up',
    ]


def test_a_target_below_the_servers_own_time_is_refused_with_its_line(tmp_path: Path) -> None:
    (found,) = complaints(tmp_path, POS.replace("{mean: 0.8 s}", "{mean: 1 s, p95: 2.1 s}"))
    assert found == (
        "9:25: functions.pos.server.p95: the server alone takes 2.1 s (p95), and the target is 2 s: "
        "no channel can meet it; raise the target, or make the server faster first"
    )
    assert complaints(tmp_path, POS.replace("0.8 s", "1.2 s"))[0].startswith(
        "9:14: functions.pos.server.mean: the server alone takes 2.326 s (p95)"
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ("{mean: 5 kB, p95: 4 kB}", "the 95th percentile is below the mean; write the larger"),
        ("{mean: 5 kB, p95: 30 kB}", "the 95th percentile is over 5 times the mean, which no one kind"),
    ],
)
def test_percentiles_that_no_transaction_has(tmp_path: Path, size: str, text: str) -> None:
    (found,) = complaints(tmp_path, POS.replace("request: {mean: 0.5 kB}", f"request: {size}"))
    assert found.startswith(f"6:27: functions.pos.request.p95: {text}")


@pytest.mark.parametrize(
    "wrong",
    [
        "mean: 0 kB",
        "mean: -1 kB",
        "mean: .inf",
        "mean: .nan",
        "mean: 5 s",
        "mean: true",
        "mean: []",
        "mean: x",
    ],
)
def test_sizes_that_are_none(tmp_path: Path, wrong: str) -> None:
    assert len(complaints(tmp_path, POS.replace("request: {mean: 0.5 kB}", f"request: {{{wrong}}}"))) == 1


@pytest.mark.parametrize("number", ["true", '"20"', ".inf", "0", "-3"])
def test_numbers_that_are_none(tmp_path: Path, number: str) -> None:
    (found,) = complaints(tmp_path, POS.replace("tx_per_user_hour: 20", f"tx_per_user_hour: {number}"))
    assert found.startswith("4:5: functions.pos.tx_per_user_hour: must be ")


def test_a_file_that_is_not_there_and_one_that_is_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the file can't be read"):
        load([SHIPPED, tmp_path / "none.yaml"])
    assert complaints(tmp_path, "version: 1\nfunctions: {") != []
    assert complaints(tmp_path, "version: 2\n") == ["1:1: version: unknown version; write version: 1"]


def test_the_shipped_functions_have_both_names_and_say_where_they_come_from() -> None:
    found = load([SHIPPED])
    wanted = {
        "counter-query",
        "charge-collection",
        "new-connection",
        "bill-pdf",
        "pos",
        "kiosk",
        "remote-desktop",
    }
    assert wanted <= found.functions.keys()
    assert "meter-upload" in found.bulk
    assert "hotline-voice" in found.realtime
    for kind in KINDS:
        for name, each in found.known(kind).items():
            assert each.name, name
            assert any("\u4e00" <= letter <= "\u9fff" for letter in each.name_zh), name
            assert ASSUMPTION in each.source or "ITU-T" in each.source, name
    for written_out in SHIPPED.glob("*.yaml"):
        whole = yaml.safe_load(written_out.read_text("utf-8"))
        assert all("source" in each for kind in KINDS for each in whole.get(kind, {}).values())


def test_each_shipped_function_can_be_served() -> None:
    known = load([SHIPPED])
    for name, each in known.functions.items():
        demand = Demand((Use(name, each, 1),), network=known.network)
        assert derive(demand).impossible == ""
        assert solve(demand).factor <= 1


def test_the_schema_knows_every_block() -> None:
    text = render(FunctionsFile)
    assert all(f'"{kind}"' in text for kind in (*KINDS, "network"))
