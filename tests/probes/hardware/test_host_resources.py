"""host_resources: net-snmp's own agent on this machine, recorded hosts, and what rows of tables come to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome, Reading
from probes.hardware._host_rows import (
    DEVICES,
    FIXED,
    RAM,
    STORAGE,
    SYSTEMS,
    devices,
    disks,
    memory,
    processors,
    volumes,
)
from tests.probing import run_once, shared_here
from tests.servers.ports import free_port
from tests.servers.recordings import asked
from tests.servers.snmpd import snmpd

VIEW = (
    "view muster included .1.3.6.1.2.1.1",
    "view muster included .1.3.6.1.2.1.25",
    "rocommunity marker-community 127.0.0.1 -V muster",
)


async def ask(port: int, **given: Any) -> Reading:
    async with shared_here(secrets={"c": "marker-community"}) as shared:
        block = {"community": "secret:c", "port": port, "max_repetitions": 20}
        return await run_once("host_resources", "127.0.0.1", timeout=20, shared=shared, snmp=block, **given)


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[int]:
    async with snmpd(tmp_path, *VIEW) as port:
        yield port


@pytest.mark.may_block
async def test_this_machine_by_net_snmp(agent: int) -> None:
    reading = await ask(agent)
    assert reading.outcome is Outcome.OK, reading.detail
    total = psutil.virtual_memory().total
    assert reading.metrics["memory_total_bytes"] == pytest.approx(total, rel=0.01)
    assert 0 < reading.metrics["memory_used_pct"] < 100
    assert "processors" in reading.metrics or "it shows no processors" in reading.facts["not_told"]
    assert reading.metrics["processes"] > 1
    assert reading.metrics["uptime_s"] > 0
    assert 0 < reading.phases["query"] == reading.metrics["query_ms"]
    assert "marker-community" not in repr(reading)


@pytest.mark.may_block
async def test_a_view_without_it_is_no_success(tmp_path: Path) -> None:
    async with snmpd(tmp_path, "rocommunity marker-community 127.0.0.1 .1.3.6.1.2.1.1") as port:
        reading = await ask(port)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail.startswith("not_shown: nothing of HOST-RESOURCES-MIB")


async def test_a_wrong_community_is_silence() -> None:
    async with shared_here(secrets={"c": "marker-community"}) as shared:
        block = {"community": "secret:c", "port": free_port(), "timeout": 0.2}
        reading = await run_once("host_resources", "127.0.0.1", timeout=2, shared=shared, snmp=block)
    assert reading.kind in ("timeout", "refused")
    assert "marker-community" not in repr(reading)


RECORDED: dict[str, dict[str, float]] = {
    "os/windows/XP": {"disks": 2, "disk_used_pct": 96.5, "memory_used_pct": 61.1, "processes": 33},
    "os/linux/slackware": {"disks": 3, "disk_used_pct": 94.24, "processor_max_pct": 13, "users": 15},
    "os/linux/ibm-power-chrp": {"disk_used_pct": 96.63, "processors": 32},
    "os/linux/unknown-006": {"memory_used_pct": 7.67, "disks": 6, "processor_avg_pct": 1.25},
    "network/firewall/paloalto-pa-5000": {"swap_used_pct": 28.95, "disk_used_pct": 82.66},
    "network/router/juniper-mx960-12-3r6-6": {"disk_used_pct": 32.59},
}


@pytest.mark.parametrize("name", RECORDED)
async def test_recorded_hosts(name: str) -> None:
    reading = await asked(name, "host_resources")
    assert reading.outcome is Outcome.OK, reading.detail
    told = {key: reading.metrics.get(key) for key in RECORDED[name]}
    assert told == {key: pytest.approx(value, abs=0.01) for key, value in RECORDED[name].items()}


async def test_file_systems_by_name() -> None:
    reading = await asked("os/linux/slackware", "host_resources", without="^/export$")
    assert reading.facts["fullest"] == "/usr/local"
    reading = await asked("os/linux/slackware", "host_resources", select="^/nowhere$")
    assert "disk_used_pct" not in reading.metrics
    assert "disk_used_pct: it shows no file systems as asked for" in reading.facts["not_told"]


async def test_what_has_grown_beyond_the_mib_is_named_and_left_out() -> None:
    reading = await asked("storage/isilon-onefs", "host_resources")
    assert "size of /ifs" in reading.facts["not_told"]


def storage(**rows: tuple[str, int, int, int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for index, (name, (kind, unit, size, used)) in enumerate(rows.items(), 1):
        cells = {2: kind, 3: name.replace("_", " ").encode(), 4: unit, 5: size, 6: used}
        values |= {f"{STORAGE}.{column}.{index}": value for column, value in cells.items()}
    return values


OTHER = "1.3.6.1.2.1.25.2.1.1"


@pytest.mark.parametrize(
    ("more", "used_pct"),
    [
        ({}, 90),
        (
            {
                "Memory_buffers": (OTHER, 1, 1000, 100),
                "Cached_memory": (OTHER, 1, 300, 300),
            },
            50,
        ),
        ({"Available_memory": (OTHER, 1, 650, 0)}, 35),
        ({"Cached_memory": (OTHER, 1, 950, 950)}, 90),
    ],
)
def test_what_caches_files_is_not_in_use(more: dict[str, Any], used_pct: float) -> None:
    found, _ = volumes(storage(Physical_memory=(RAM, 1, 1000, 900), **more))
    assert memory(found)["memory_used_pct"] == pytest.approx(used_pct)


def test_read_only_file_systems_are_always_full_and_do_not_count() -> None:
    values = storage(root=(FIXED, 1024, 100, 40), image=(FIXED, 1024, 100, 100))
    values |= {f"{SYSTEMS}.5.9": 2, f"{SYSTEMS}.7.9": 2}
    metrics, _ = disks(volumes(values)[0], lambda _: True)
    assert (metrics["disks"], metrics["disk_used_pct"]) == (1, 40)


def test_devices_that_are_down_are_named_network_interfaces_aside() -> None:
    values: dict[str, Any] = {}
    for index, (kind, state) in enumerate([(3, 2), (5, 5), (6, 3), (4, 5)], 1):
        values |= {
            f"{DEVICES}.2.{index}": f"1.3.6.1.2.1.25.3.1.{kind}",
            f"{DEVICES}.3.{index}": f"d{index}".encode(),
            f"{DEVICES}.5.{index}": state, f"{DEVICES}.6.{index}": 3,
        }  # fmt: skip
    metrics, facts = devices(values)
    assert metrics == {"devices_down": 1, "devices_warning": 1, "device_errors": 9}
    assert facts["devices_bad"] == "d2: down; d3: warning"


COLUMNS = [f"{STORAGE}.{column}.{index}" for column in (2, 3, 4, 5, 6) for index in (1, 2)]
VALUES = st.one_of(
    st.sampled_from([RAM, FIXED]), st.integers(-(2**31), 2**32), st.binary(max_size=9), st.floats()
)


@given(st.dictionaries(st.sampled_from(COLUMNS), VALUES))
def test_shares_are_shares_whatever_the_agent_says(values: dict[str, Any]) -> None:
    found, _ = volumes(values)
    metrics = disks(found, lambda _: True)[0] | memory(found) | processors(values)
    for name, value in metrics.items():
        assert not name.endswith("_pct") or 0 <= value <= 100
