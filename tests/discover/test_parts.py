"""Which addresses are asked, what is made of what they say, and that it is always an inventory."""

# ruff: noqa: E501 - one case a line

from __future__ import annotations

import asyncio
import ipaddress
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.importers import writing
from inventory.load import load
from inventory.models import Inventory
from monitor import plan
from monitor.discover import ranges
from monitor.discover.evidence import PORTS, Evidence, Open, System
from monitor.discover.guess import guess, vendor
from monitor.discover.propose import propose
from monitor.discover.ranges import Known, RangeRefused
from monitor.discover.sweep import Pacer, ports
from monitor.paths import shipped

BY_NUMBER = {port.number: port for port in PORTS}
SNMP = {"version": "2c", "community": "secret:hall_snmp"}


def opened(*numbers: int, **said: str) -> list[Open]:
    return [Open(BY_NUMBER[number], said.get(f"p{number}", "")) for number in numbers]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["10.0.0.0/16"], "65,534 addresses are many; write smaller ranges, or --yes if all are meant"),
        (["10.0.0.0/8"], "16,777,214 addresses are too many; sweep at most 65,536 at a time: /16, or /112"),
        (["fd00::/64"], "18,446,744,073,709,551,616 addresses are too many; sweep at most 65,536 at a time: /16, or /112"),
        (["8.8.8.0/24"], "8.8.8.0/24 is a public range; write --yes if it is your own"),
        (["10.1.2.3/24"], "10.1.2.3/24 begins inside a range; write 10.1.2.0/24, or one address without /"),
        (["224.0.0.0/28"], "224.0.0.0/28 holds no hosts; write a range of hosts' own addresses"),
        (["hall.example"], '"hall.example" is no range; write it as 10.1.2.0/24, or one address'),
        (["10.1.2.0/33"], '"10.1.2.0/33" is no range; write it as 10.1.2.0/24, or one address'),
    ],
)  # fmt: skip
def test_a_range_that_is_not_swept(words: list[str], said: str) -> None:
    with pytest.raises(RangeRefused) as caught:
        ranges.parse(words, confirmed=False)
    assert f"{caught.value}; {caught.value.hint}" == said


def test_what_is_meant_may_be_large_or_public_but_never_more_than_all() -> None:
    assert ranges.parse(["10.0.0.0/16"], confirmed=True)
    assert ranges.parse(["8.8.8.8"], confirmed=True)
    with pytest.raises(RangeRefused, match="too many"):
        ranges.parse(["10.0.0.0/15"], confirmed=True)


@given(st.integers(20, 32), st.integers(0, 2**32 - 1), st.sets(st.integers(0, 4095), max_size=5))
def test_only_the_ranges_hosts_are_asked_each_once(prefix: int, base: int, left_out: set[int]) -> None:
    network = ipaddress.ip_network((base, prefix), strict=False)
    known = Known(frozenset(str(network[index]) for index in left_out if index < network.num_addresses))
    found = list(ranges.addresses([network, network], known))
    assert len(found) == len(set(found))
    assert all(ipaddress.ip_address(each) in network for each in found)
    assert not known.addresses & set(found)
    assert len(found) >= ranges.size(network) - len(known.addresses)
    if prefix < 31:
        assert not {str(network[0]), str(network[-1])} & set(found)


def test_names_in_the_inventory_are_counted_not_resolved(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    file.write_text(
        "version: 1\nunits: [{id: a, name: A, level: hall, assets: [{id: x, kind: host, address: 10.0.0.1},"
        ' {id: y, kind: host, address: "2001:DB8::1"}, {id: z, kind: host, address: a.example}, {id: q, kind: host}]}]\n'
    )
    assert ranges.known(load(file)) == Known(frozenset(("10.0.0.1", "2001:db8::1")), 1)


@pytest.mark.parametrize(
    ("found", "kinds", "tags"),
    [
        (Evidence("10.0.0.1", 0.4, opened(22, p22="SSH-2.0-OpenSSH_9.2p1 Debian-2")), ["host"], {"linux"}),
        (Evidence("10.0.0.1", 0.4, opened(445, 3389)), ["host"], {"windows"}),
        (Evidence("10.0.0.1", 0.4, opened(22, 80, 443, 5432, 9092)),
         ["host", "application", "application", "database", "middleware"], set()),
        (Evidence("10.0.0.1", 0.4, opened(80, 631, 9100)), ["peripheral"], {"printer"}),
        (Evidence("10.0.0.1", 0.4, opened(80, 554)), ["peripheral"], {"camera"}),
        (Evidence("10.0.0.1", None, opened(502)), ["peripheral"], {"modbus"}),
        (Evidence("10.0.0.1", 0.4, opened(22, 443), System("Huawei AR651 VRP", "1.3.6.1.4.1.2011.2.224.1", "cpe", 6)),
         ["host"], {"network", "snmp"}),
        (Evidence("10.0.0.1", 0.4, [], System("APC Web/SNMP Management Card", ".1.3.6.1.4.1.318.1.3.27", "ups", 72)),
         ["peripheral"], {"ups", "snmp"}),
        (Evidence("10.0.0.1", 0.4, [], System("Linux pc 6.1", "1.3.6.1.4.1.8072.3.2.10", "pc", 72)), ["host"],
         {"linux", "snmp"}),
    ],
)  # fmt: skip
def test_guess(found: Evidence, kinds: list[str], tags: set[str]) -> None:
    made = list(guess(found))
    assert ([each.kind for each in made], set(made[0].tags)) == (kinds, tags)


@pytest.mark.parametrize(
    "object_id", ["", "1.3.6", "1.3.6.1.4.1", "1.3.6.1.4.1.x", "1.3.6.1.2.1.9", "x" * 99]
)
def test_no_vendor(object_id: str) -> None:
    assert vendor(object_id) == ("", "")


def proposal(tmp_path: Path, *found: Evidence) -> Inventory:
    networks = ranges.parse(["10.0.0.0/24"], confirmed=False)
    file = tmp_path / "found.yaml"
    file.write_text(writing.written(propose(networks, found, SNMP)), "utf-8")
    return load(file)


def test_what_is_proposed_can_be_planned(tmp_path: Path) -> None:
    everything = [each.number for each in PORTS]
    proposal(
        tmp_path,
        Evidence("10.0.0.1", 0.4, opened(*everything)),
        Evidence(
            "10.0.0.2", 0.4, opened(22, 443, 5432, 8080), System("Linux", "1.3.6.1.4.1.8072.3.2.10", "pc", 72)
        ),
        Evidence("10.0.0.3", 0.4, [], System("", "1.3.6.1.4.1.318.1", "ups", 72)),
        Evidence("10.0.0.4", 0.4, [], System("", "1.3.6.1.4.1.9.1", "sw", 2)),
    )
    inventory, _, made = plan.read(tmp_path / "found.yaml", [shipped("config") / "profiles"])
    unit = inventory.units["found-10-0-0-0-24"]
    assert not made.uncovered
    assert [asset.id for asset in unit.assets] == [
        "at-10-0-0-1", "pc", "pc-https", "pc-postgresql", "pc-http-8080", "ups", "sw",
    ]  # fmt: skip
    assert [each.probe for each in unit.assets[-2].checks] == ["icmp", "ups"]


def test_names_are_sanitised_and_stay_apart(tmp_path: Path) -> None:
    evil = 'x: {a}\n  - id: gz # "${vars}" \x1b[31m' + "y" * 500
    said = Open(BY_NUMBER[22], evil)
    unit = next(iter(proposal(
        tmp_path,
        Evidence("10.0.0.1", 0.4, [said], System(evil, evil, "Core.Switch 1 (hall)", 2)),
        Evidence("10.0.0.2", 0.4, [], System("", "", "Core.Switch 1 (hall)", 2)),
        Evidence("10.0.0.3", 0.4, [], System("", "", evil, 2)),
        Evidence("10.0.0.4", 0.4, [], System("", "", "核心交换机", 2)),
    )))  # fmt: skip
    assert [asset.id for asset in unit.assets][:2] == ["core.switch-1-hall", "core.switch-1-hall-2"]
    assert unit.assets[3].id == "at-10-0-0-4"
    assert unit.assets[3].name == "核心交换机"
    text = (tmp_path / "found.yaml").read_text("utf-8")
    assert "\x1b" not in text
    assert "others say the same name: one device with several addresses?" in text


TEXTS = st.text(max_size=40)
SYSTEMS = st.none() | st.builds(System, TEXTS, TEXTS, TEXTS, st.integers())


@given(
    st.lists(
        st.tuples(
            SYSTEMS, st.lists(st.tuples(st.sampled_from(PORTS), TEXTS), max_size=4, unique_by=lambda x: x[0])
        ),
        max_size=4,
    )
)
def test_whatever_targets_say_the_proposal_is_an_inventory(tmp_path_factory: Any, said: list[Any]) -> None:
    found = [
        Evidence(f"10.0.0.{index}", 0.1, [Open(*each) for each in opens], system)
        for index, (system, opens) in enumerate(said, 1)
    ]
    networks = ranges.parse(["10.0.0.0/24"], confirmed=False)
    draft = propose(networks, found, SNMP)
    if not found:
        assert writing.written(draft) == "version: 1\nunits: []\n"
        return
    made = draft.finish()
    file = tmp_path_factory.mktemp("found") / "found.yaml"
    file.write_text(writing.written(draft), "utf-8")
    assert load(file) == made


def test_ports_by_number() -> None:
    assert [port.service for port in ports([22, 4711, 22])] == ["ssh", "port-4711"]


@pytest.mark.alone
async def test_the_pace_is_kept() -> None:
    pacer, start = Pacer(200), time.perf_counter()
    await asyncio.gather(*(pacer.turn() for _ in range(41)))
    assert time.perf_counter() - start >= 0.199
