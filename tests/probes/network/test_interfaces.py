"""interfaces: real snmpd, recordings of real switches, and recordings that change between two runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from probes.api import Outcome, Reading
from probes.network._if_rows import COLUMNS, NAME, TYPE, UPTIME
from probes.network.interfaces import PROBE
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.snmpd import snmpd
from tests.servers.snmpsim import recorded, snmpsim

SUBTREES = ("1.3.6.1.2.1.1", "1.3.6.1.2.1.2", "1.3.6.1.2.1.31", "1.3.6.1.2.1.10.7")
TAGS = {"speed": 66, "high_speed": 66, "changed": 67, "discontinuity": 67, "in64": 70, "out64": 70,
        "admin": 2, "oper": 2, "duplex": 2, "packets_in64": 70, "packets_out64": 70}  # fmt: skip
BASE = {
    "admin": 1, "oper": 1, "changed": 500, "speed": 1_000_000_000, "high_speed": 1000, "duplex": 3,
    "discontinuity": 0, "in32": 10**9, "out32": 2 * 10**9, "in64": 10**12, "out64": 2 * 10**12,
    "discards_in": 10, "errors_in": 0, "discards_out": 0, "errors_out": 5,
    "packets_in32": 7, "packets_out32": 7, "packets_in64": 10**9, "packets_out64": 10**9,
}  # fmt: skip
Port = Mapping[str, int]


def write(directory: Path, community: str, uptime: int, ports: Mapping[str, tuple[str, Port]]) -> None:
    """Write a recording of these ports, by index: name and what differs from `BASE` (None: not there)."""
    lines = {UPTIME: f"67|{uptime}"}
    for index, (name, differs) in ports.items():
        lines |= {f"{NAME}.{index}": f"4|{name}", f"{TYPE}.{index}": "2|6"}
        values = BASE | dict(differs)
        for column, oid in COLUMNS.items():
            if values[column] is not None:
                lines[f"{oid}.{index}"] = f"{TAGS.get(column, 65)}|{values[column]}"
    ordered = sorted(lines, key=lambda oid: tuple(map(int, oid.split("."))))
    (directory / f"{community}.snmprec").write_text("".join(f"{oid}|{lines[oid]}\n" for oid in ordered))


MINUTE = 6000
MOVED = {
    "in64": 10**12 + 75_000_000, "out64": 2 * 10**12 + 150_000_000, "discards_in": 16, "errors_out": 5,
    "packets_in64": 10**9 + 59_994,
}  # fmt: skip
LATER: dict[str, tuple[int, dict[str, tuple[str, Any]]]] = {
    "moved": (10_000 + MINUTE, {"1": ("gi1", MOVED), "2": ("gi2", {})}),
    "rebooted": (700, {"1": ("gi1", {"in64": 5, "out64": 6}), "2": ("gi2", {})}),
    "renumbered": (10_000 + MINUTE, {"7": ("gi1", MOVED), "8": ("gi2", {})}),
    "discontinued": (10_000 + MINUTE, {"1": ("gi1", {"in64": 7, "discontinuity": 12_000}), "2": ("gi2", {})}),
    "flapped": (
        10_000 + MINUTE,
        {"1": ("gi1", {"changed": 12_000}), "2": ("gi2", {"oper": 2, "changed": 15_000})},
    ),
    "reset": (10_000 + MINUTE, {"1": ("gi1", {"in64": 7}), "2": ("gi2", {})}),
    "gone": (10_000 + MINUTE, {"1": ("gi1", MOVED)}),
    "half": (10_000 + MINUTE, {"1": ("gi1", {"duplex": 2}), "2": ("gi2", {"admin": 2, "oper": 2})}),
    "silent": (10_000 + MINUTE, {"1": ("gi1", {"oper": None}), "2": ("gi2", {"errors_in": None})}),
}  # fmt: skip


@asynccontextmanager
async def device(directory: Path, *later: str) -> AsyncIterator[tuple[int, SharedHere]]:
    """Serve the recording `base` and these later ones; which one is asked is the value of the secret."""
    write(directory, "base", 10_000, {"1": ("gi1", {}), "2": ("gi2", {})})
    for name in later:
        write(directory, name, *LATER[name])
    async with snmpsim(directory) as port, shared_here(secrets={"c": "base"}) as shared:
        yield port, shared


async def run(port: int, shared: SharedHere, **params: Any) -> Reading:
    block = {"community": "secret:c", "port": port, "timeout": 2, **params.pop("snmp", {})}
    return await run_once("interfaces", "127.0.0.1", shared=shared, timeout=20, snmp=block, **params)


async def twice(port: int, shared: SharedHere, later: str, **params: Any) -> Reading:
    """Run on the first recording, then on the later one."""
    shared._secrets["c"] = "base"
    assert (await run(port, shared, **params)).outcome is Outcome.OK
    shared._secrets["c"] = later
    return await run(port, shared, **params)


async def test_two_samples_make_rates_and_what_spoils_them_is_named(tmp_path: Path) -> None:
    async with device(tmp_path, *LATER) as (port, shared):
        first = await run(port, shared, names=["gi1", "gi2"])
        assert first.outcome is Outcome.OK, first.detail
        assert {n: first.metrics[n] for n in ("interfaces", "not_up", "speed_bps", "full_duplex")} == {
            "interfaces": 2, "not_up": 0, "speed_bps": 1e9, "full_duplex": 1,
        }  # fmt: skip
        assert first.facts["no_rates"] == "first sample: all"
        assert not [name for name in first.metrics if "rate" in name or "utilisation" in name]

        moved = await twice(port, shared, "moved", names=["gi1", "gi2"], each=True)
        assert moved.metrics["rate_in_bps"] == pytest.approx(10e6)
        assert moved.metrics["utilisation_out_pct"] == pytest.approx(2.0)
        assert moved.metrics["discards_in_per_s"] == pytest.approx(0.1)
        assert moved.metrics["discards_in_pct_gi1"] == pytest.approx(0.01)
        assert "discards_in_pct" not in moved.metrics, "gi2 had no packets, and so no share"
        assert moved.metrics["utilisation_in_pct_gi2"] == 0
        assert (moved.metrics["flaps"], moved.metrics["restarted"]) == (0, 0)
        assert moved.facts["busiest_in"] == "gi1"

        for later, why in (
            ("rebooted", "restarted: all"),
            ("renumbered", "renumbered: all"),
            ("discontinued", "discontinuity: gi1"),
            ("reset", "counters ambiguous or reset: gi1"),
        ):
            spoiled = await twice(port, shared, later, names=["gi1", "gi2"])
            assert spoiled.facts["no_rates"] == why
            assert "rate_in_bps" not in spoiled.metrics
            assert "rate_in_bps" in spoiled.facts["not_told"]
            assert spoiled.metrics["restarted"] == (later == "rebooted")


async def test_states_are_told_only_where_all_are_known(tmp_path: Path) -> None:
    async with device(tmp_path, *LATER) as (port, shared):
        flapped = await twice(port, shared, "flapped", names=["gi1", "gi2"])
        assert (flapped.metrics["flaps"], flapped.metrics["not_up"]) == (2, 1)
        assert flapped.facts["not_up_names"] == "gi2"
        assert flapped.metrics["unchanged_s"] == pytest.approx(10)

        gone = await twice(port, shared, "gone", names=["gi1", "gi2"])
        assert (gone.metrics["missing"], gone.metrics["not_up"]) == (1, 1)
        assert gone.facts["missing_names"] == "gi2"
        assert "speed_bps" not in gone.metrics

        half = await twice(port, shared, "half")
        assert (half.metrics["full_duplex"], half.metrics["admin_down"], half.metrics["not_up"]) == (0, 1, 0)
        assert (half.facts["half_duplex_names"], half.facts["admin_down_names"]) == ("gi1", "gi2")

        silent = await twice(port, shared, "silent")
        assert "not_up" not in silent.metrics
        assert {"not_up", "errors_in_per_s"} <= set(silent.facts["not_told"].split(", "))


async def test_what_is_not_there_is_no_success(tmp_path: Path) -> None:
    async with device(tmp_path) as (port, shared):
        none = await run(port, shared, names=["gi9", "/^te/"])
        assert (none.outcome, none.kind) == (Outcome.FAILED, "expectation")
        assert none.detail == "no_interface: none of gi9, /^te/ is there"
        by_pattern = await run(port, shared, names=["/^gi[12]$/"], indexes=[2, 3])
        assert (by_pattern.metrics["interfaces"], by_pattern.metrics["missing"]) == (2, 1)
        assert by_pattern.facts["missing_names"] == "index 3"


async def test_a_second_sample_where_it_is_asked_for(tmp_path: Path) -> None:
    async with snmpd(tmp_path, "rocommunity public") as port, shared_here(secrets={"c": "public"}) as shared:
        reading = await run(port, shared, names=["lo"], first_span=1.2)
    assert reading.outcome is Outcome.OK, reading.detail
    assert "rate_in_bps" in reading.metrics
    assert "no_rates" not in reading.facts


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_snmpd_tells_of_this_machine(tmp_path: Path, version: str) -> None:
    async with snmpd(tmp_path, "rocommunity public") as port, shared_here(secrets={"c": "public"}) as shared:
        reading = await run(port, shared, names=["lo"], snmp={"version": version})
        wrong = SharedHere(secrets={"c": "marker-wrong"})
        refused = await run(port, wrong, snmp={"timeout": 0.3})
    assert reading.outcome is Outcome.OK, reading.detail
    assert (reading.metrics["interfaces"], reading.metrics["not_up"]) == (1, 0)
    assert (refused.outcome, refused.kind) == (Outcome.FAILED, "timeout")
    assert "a wrong community" in refused.detail
    assert "marker-wrong" not in repr(refused)


DEVICES = {
    "network/switch/h3c-comware-7-1-075": (83, 61),
    "network/switch/huawei-s12704": (45, 31),
    "network/router/huawei-s5720": (33, 23),
    "network/switch/zte-zxr10-5250": (52, 24),
    "network/switch/ruijie-s5750-24gt12sfp": (24, 12),
    "network/switch/cisco-c3750": (12, 6),
}
"""Recordings of real devices: how many ports they have, and how many are wanted up and are not."""


async def test_recorded_switches_are_understood(tmp_path: Path) -> None:
    communities = {
        await asyncio.to_thread(recorded, name, tmp_path, *SUBTREES): told for name, told in DEVICES.items()
    }
    async with snmpsim(tmp_path) as port, shared_here(secrets={"c": ""}) as shared:
        found = {}
        for community in communities:
            shared._secrets["c"] = community
            reading = await run(port, shared)
            assert reading.outcome is Outcome.OK, (community, reading.detail)
            found[community] = (reading.metrics["interfaces"], reading.metrics["not_up"])
    assert found == communities


def test_parameters() -> None:
    block = {"community": "secret:c"}
    for wrong in (
        {"names": ["/(/"]},
        {"indexes": [0]},
        {"names": [""]},
        {"names": ["a"] * 300, "aliases": ["b"] * 300},
    ):
        with pytest.raises(ValidationError):
            PROBE.params.model_validate({"snmp": block, **wrong})
    assert PROBE.given({"each": True}).dynamic
