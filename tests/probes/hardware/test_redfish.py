"""Redfish: the emulator of sushy-tools as a real peer, and trees as makers' services have them."""

from __future__ import annotations

import asyncio
import logging
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Context, Outcome, Reading
from probes.errors import ProberFault
from probes.hardware import _redfish_parts as parts
from probes.hardware._redfish_parts import Machine
from probes.hardware._redfish_tree import MOST, _local
from probes.hardware.redfish import PROBE, chosen
from tests.probes.hardware.redfish_trees import MAKERS, V1, Tree, changed, ibmc, idrac9, ilo5
from tests.probing import run_once, shared_here
from tests.servers.hostile import HTTP, closes, garbage, silent, tcp_server
from tests.servers.redfish import USER, controller, sushy

MARKER = "marker-Pa55w0rd"
FAKE = {
    "uuid": "27946b59-9e44-4fa7-8e91-f3527a1ef094", "name": "fake", "power_state": "On",
    "external_notifier": False, "nics": [{"mac": "02:fc:00:00:00:01", "ip": "192.0.2.1"}],
}  # fmt: skip
WANTED = {
    "cpu_cores": 40, "cpu_model": "gold 6230", "memory": 64 * 2**30, "memory_modules": 2,
    "disks": [{"count": 2, "size": 480 * 10**9, "model": "MZ7LH480"}], "macs": ["02-fc-00-00-00-02"],
}  # fmt: skip
SERIALS = {"Dell iDRAC 9": "7CE733P", "Dell iDRAC 10": "7CE733P", "HPE iLO 5": "CZJ00512GX",
           "Huawei iBMC": "2102311XBSN0J8000015", "Lenovo XCC": "J300A1B2"}  # fmt: skip


async def ask(tree: Tree, **more: Any) -> Reading:
    serving = {name: more.pop(name) for name in ("forbidden", "pause") if name in more}
    async with controller(tree, MARKER, **serving) as bmc, shared_here(secrets={"bmc": MARKER}) as shared:
        asked: dict[str, Any] = {
            "port": bmc.port,
            "tls": "off",
            "user": USER,
            "password": "secret:bmc",
        } | more
        return await run_once("redfish", "127.0.0.1", shared=shared, **asked)


async def test_the_emulator_over_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    other = FAKE | {"uuid": "37946b59-9e44-4fa7-8e91-f3527a1ef094", "name": "other", "power_state": "Off"}
    async with (
        sushy(tmp_path, "sesam", [FAKE, other]) as port,
        shared_here(secrets={"right": "sesam", "wrong": MARKER}) as shared,
    ):
        context = Context(shared, 20.0, trace=[])
        place: dict[str, Any] = {"shared": shared, "port": port, "user": USER, "ca": str(tmp_path / "ca.pem")}
        asked = place | {"context": context, "timeout": 20.0, "password": "secret:right"}
        one = await run_once("redfish", "127.0.0.1", **asked, system=FAKE["uuid"],
                             hardware={"nics": [{"mac": "02:fc:00:00:00:01"}],
                                       "disks": [{"size": 8 * 10**11, "serial": "1234570"}]})  # fmt: skip
        two = await run_once("redfish", "127.0.0.1", **asked, system=other["uuid"])
        both = await run_once("redfish", "127.0.0.1", **asked)
        wrong = await run_once("redfish", "127.0.0.1", **place, password="secret:wrong")
        unknown = await run_once("redfish", "127.0.0.1", **asked | {"ca": None})
    assert (one.outcome, one.detail) == (Outcome.OK, "")
    assert one.metrics["powered_on"] == one.metrics["health_ok"] == 1
    assert (one.metrics["fans"], one.metrics["fans_bad"]) == (2, 0)
    assert (one.metrics["temperatures"], one.metrics["temperatures_bad"]) == (3, 0)
    assert (one.metrics["drives"], one.metrics["drives_bad"]) == (1, 0), one
    assert one.metrics["tls_ms"] > 0
    assert one.metrics["hardware_mismatches"] == 0
    assert one.facts["manufacturer"] == "Sushy Emulator"
    assert "memory_modules: HTTP 404" in one.facts["not_told"]
    assert "volumes: HTTP 501" in one.facts["not_told"]
    assert not {"psus", "volumes"} & one.metrics.keys()
    assert two.metrics["powered_on"] == 0
    assert (both.outcome, both.kind) == (Outcome.ERROR, "prober_error")
    assert both.detail.startswith("several systems: choose one by system: ")
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "auth")
    assert wrong.detail.startswith("wrong_password: HTTP 401")
    assert (unknown.outcome, unknown.kind) == (Outcome.FAILED, "tls")
    assert MARKER not in f"{one}{wrong}{context.trace}{caplog.text}"


@pytest.mark.parametrize("maker", MAKERS)
async def test_each_maker_tells_the_same_machine(maker: str) -> None:
    reading = await ask(MAKERS[maker](), hardware=WANTED | {"serial": SERIALS[maker]}, firmware=True)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert {name: reading.metrics.get(name) for name in (
        "powered_on", "health_ok", "psus", "psus_bad", "fans_bad", "temperatures_bad", "processors_bad",
        "memory_modules", "memory_modules_bad", "controllers", "controllers_bad", "drives", "drives_bad",
        "volumes", "volumes_bad", "memory_bytes", "hardware_mismatches")} == {
        "powered_on": 1, "health_ok": 1, "psus": 2, "psus_bad": 0, "fans_bad": 0, "temperatures_bad": 0,
        "processors_bad": 0, "memory_modules": 2, "memory_modules_bad": 0, "controllers": 1,
        "controllers_bad": 0, "drives": 2, "drives_bad": 0, "volumes": 1, "volumes_bad": 0,
        "memory_bytes": 64 * 2**30,
        "hardware_mismatches": 1 if maker == "HPE iLO 5" else 0}  # fmt: skip
    one_socket = maker == "HPE iLO 5"
    differences = "cpu_cores: expected 40, found 20" if one_socket else "none"
    assert reading.facts["hardware_differences"] == differences
    assert 21 <= reading.metrics["inlet_c"] <= 24
    assert reading.facts["bad"] == "none"
    assert reading.facts["bmc_version"]
    assert reading.facts["firmware"]
    assert "2.10.0" not in reading.facts["firmware"]
    assert {*reading.metrics} <= {metric.name for metric in PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in PROBE.facts}
    assert "not_told" not in reading.facts


CHASSIS = f"{V1}/Chassis/System.Embedded.1"
SYSTEM = f"{V1}/Systems/System.Embedded.1"
DISK = f"{SYSTEM}/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.1"
WORSE = {
    "a supply without mains": (
        (f"{CHASSIS}/Power", "PowerSupplies", 1, "LineInputStatus"), "LossOfInput", "psus_bad",
        "PS2 Status: LossOfInput"),
    "a fan that fails": (
        (f"{CHASSIS}/Thermal", "Fans", 0, "Status"), {"State": "Enabled", "Health": "Critical"}, "fans_bad",
        "System Board Fan1A: Critical"),
    "a disk that will fail": ((DISK, "FailurePredicted"), True, "drives_bad",
        "Disk S45NNA0M1: failure predicted"),
    "a disk that is gone": (
        (DISK, "Status"), {"State": "UnavailableOffline"}, "drives_bad",
        "Disk S45NNA0M1: UnavailableOffline"),
    "an array that is degraded": (
        (f"{SYSTEM}/Storage/RAID.Integrated.1-1/Volumes/Disk.Virtual.0", "Status"),
        {"State": "Enabled", "Health": "Warning"}, "volumes_bad", "Virtual Disk 0: Warning"),
    "a module that errs": (
        (f"{SYSTEM}/Memory/DIMM.Socket.A1", "Status"), {"State": "Enabled", "Health": "Critical"},
        "memory_modules_bad", "DIMM A1: Critical"),
    "a temperature too high": (
        (f"{CHASSIS}/Thermal", "Temperatures", 0, "ReadingCelsius"), 47, "temperatures_bad",
        "System Board Inlet Temp: 47 C of 47"),
    "redundancy that is lost": (
        (f"{CHASSIS}/Power", "Redundancy", 0, "Status"), {"State": "Enabled", "Health": "Critical"},
        "redundancy_bad", "System Board PS Redundancy: Critical"),
}  # fmt: skip


@pytest.mark.parametrize("what", WORSE)
async def test_each_fault_is_its_own_figure(what: str) -> None:
    (path, *keys), value, metric, said = WORSE[what]
    reading = await ask(changed(idrac9(), path, *keys, to=value))  # type: ignore[arg-type]
    assert reading.facts["bad"] == said
    assert {name: n for name, n in reading.metrics.items() if name.endswith("_bad") and n} == {metric: 1}


async def test_a_supply_that_is_pulled_is_missing() -> None:
    tree = changed(ilo5(), f"{V1}/Chassis/1/Power", "PowerSupplies", 1, to={"Status": {"State": "Absent"}})
    assert (await ask(tree)).metrics["psus"] == 1


async def test_health_that_is_not_told_is_no_good_health() -> None:
    tree = changed(
        ibmc(), f"{V1}/Chassis/1/Drives/HDDPlaneDisk1", "Status", to={"State": "Enabled", "Health": None}
    )
    tree[f"{V1}/Systems/1"]["Status"]["Health"] = None
    reading = await ask(tree)
    assert reading.metrics["drives"] == 2
    assert not {"drives_bad", "health_ok"} & reading.metrics.keys()
    assert reading.facts["not_told"] == "drives_bad: no health of Disk S45NNA0M1"


async def test_a_list_that_is_not_there_is_not_empty() -> None:
    tree = changed(ibmc(), f"{V1}/Chassis/1", "Power", to={"@odata.id": f"{V1}/Chassis/1/Other"})
    tree[f"{V1}/Chassis/1/Other"] = {"Name": "Power"}
    tree[f"{V1}/Chassis/1/Thermal"] = {"Name": "Thermal", "Fans": []}
    reading = await ask(tree)
    assert not {"psus", "temperatures"} & reading.metrics.keys()
    assert reading.metrics["fans"] == 0
    assert "fans_bad" not in reading.metrics


async def test_what_the_account_may_not_read_is_left_out() -> None:
    reading = await ask(ibmc(), forbidden=(f"{V1}/Chassis/1/Power",))
    assert reading.outcome is Outcome.OK
    assert "psus" not in reading.metrics
    assert reading.facts["not_told"].startswith("psus, power_w: missing_right: HTTP 403")
    systems = await ask(ibmc(), forbidden=(f"{V1}/Systems",))
    assert (systems.outcome, systems.kind) == (Outcome.ERROR, "permission")


async def test_a_service_without_a_system_of_that_name() -> None:
    reading = await ask(ibmc(), system="Blade9")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail == "no_such_system: the service has no system Blade9"
    with pytest.raises(ProberFault, match="system: a, b"):
        chosen([{"Id": "a"}, {"Id": "b"}], None)


async def test_a_session_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        controller(ibmc(), MARKER) as bmc,
        shared_here(secrets={"bmc": MARKER, "no": "wrong-Pa55"}) as shared,
    ):
        context = Context(shared, 5.0, trace=[])
        asked: dict[str, Any] = {
            "shared": shared,
            "port": bmc.port,
            "tls": "off",
            "user": USER,
            "session": True,
        }
        good = await run_once("redfish", "127.0.0.1", **asked, context=context, password="secret:bmc")
        left = set(bmc.tokens)
        bad = await run_once("redfish", "127.0.0.1", **asked, context=context, password="secret:no")
    assert (good.outcome, good.detail, good.metrics["psus"]) == (Outcome.OK, "", 2)
    assert (bmc.opened, left) == (1, set())
    assert {"login", "logout"} <= good.phases.keys()
    assert (bad.outcome, bad.kind) == (Outcome.ERROR, "auth")
    assert "***" in bad.detail
    for secret in (MARKER, "wrong-Pa55"):
        assert secret not in f"{good}{bad}{context.trace}{caplog.text}"


async def test_a_session_is_closed_where_the_run_is_broken_off() -> None:
    async with controller(ibmc(), MARKER, pause=0.1) as bmc:
        async with shared_here(secrets={"bmc": MARKER}) as shared:
            asked: dict[str, Any] = {"port": bmc.port, "tls": "off", "user": USER, "session": True}
            run = run_once("redfish", "127.0.0.1", shared=shared, timeout=60, password="secret:bmc", **asked)
            running = asyncio.create_task(run)
            while not bmc.tokens or len(bmc.asked) < 4:
                await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert bmc.opened == 1
        assert not bmc.tokens


async def test_members_come_with_their_collection_where_the_service_can() -> None:
    async with controller(idrac9(), MARKER) as bmc, shared_here(secrets={"bmc": MARKER}) as shared:
        await run_once(
            "redfish", "127.0.0.1", shared=shared, port=bmc.port, tls="off", user=USER, password="secret:bmc"
        )
    assert f"GET {SYSTEM}/Memory?$expand=.($levels=1)" in bmc.asked
    assert not [each for each in bmc.asked if "DIMM" in each]
    assert len(bmc.asked) == len(set(bmc.asked))


async def test_a_service_that_is_slow_is_told_as_such() -> None:
    reading = await ask(ilo5(), pause=0.1, timeout=1.5)
    assert reading.outcome is Outcome.OK
    assert "no time was left" in reading.facts["not_told"]
    assert "processors" not in reading.metrics


async def test_a_tree_without_end_is_left() -> None:
    tree = ibmc()
    tree[f"{V1}/Systems/1/Memory"] = {
        "Members": [{"@odata.id": f"{V1}/Systems/1/Memory/{n}"} for n in range(MOST + 1)]
    }
    tree |= {
        f"{V1}/Systems/1/Memory/{n}": {"Id": str(n), "CapacityMiB": 1, "Status": {"Health": "OK"}}
        for n in range(MOST + 1)
    }
    reading = await ask(tree, timeout=30)
    assert "memory_modules" not in reading.metrics
    assert f"memory_modules: more than {MOST} resources" in reading.facts["not_told"]


async def test_a_list_that_goes_on_is_read_on_and_a_ring_is_not() -> None:
    tree, path = ibmc(), f"{V1}/Systems/1/Memory"
    first, second = tree[path]["Members"]
    tree[path] = {"Members": [first], "Members@odata.nextLink": f"{path}?$skip=1"}
    assert (await ask(tree)).metrics["memory_modules"] == 1  # the query is not the tree's: the ring ends
    tree[path] = {"Members": [first], "Members@odata.nextLink": f"{path}2"}
    tree[f"{path}2"] = {"Members": [second], "Members@odata.nextLink": path}
    assert (await ask(tree)).metrics["memory_modules"] == 2


async def test_links_that_lead_elsewhere_are_not_followed() -> None:
    async with tcp_server(silent) as port:
        link = {"@odata.id": f"http://127.0.0.1:{port}/redfish/v1/Chassis/1/Power"}
        tree = changed(ibmc(), f"{V1}/Chassis/1", "Power", to=link)
        reading = await ask(tree)
    assert "psus" not in reading.metrics
    assert "1 links that lead to another service were not followed" in reading.facts["not_told"]


def test_which_links_are_its_own() -> None:
    own = "10.0.0.1:443"
    assert _local("/redfish/v1/Systems/1/", own) == "/redfish/v1/Systems/1/"
    assert _local("/redfish/v1/Chassis/1/Power#/PowerSupplies/0", own) == "/redfish/v1/Chassis/1/Power"
    assert _local("https://10.0.0.1/redfish/v1/Systems", own) == "/redfish/v1/Systems"
    for foreign in (
        "//evil.example/redfish/v1", "https://evil.example/redfish/v1", "http://10.0.0.1/redfish/v1",
        "/etc/passwd",
        "/redfish/../secret", "/redfish/v1/a b", "/redfish/v1/\r\nHost: x", "file:///redfish/v1",
        "/redfish/" + "x" * 1000,
        "https://10.0.0.1:444/redfish/v1", "http://[/redfish/v1",
    ):  # fmt: skip
        assert _local(foreign, own) is None, foreign


@pytest.mark.parametrize(
    ("handler", "kind"),
    [(silent, "timeout"), (garbage, "protocol"), (closes, "protocol"), (HTTP["endless_body"], "protocol")],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port, shared_here(secrets={"bmc": MARKER}) as shared:
        asked: dict[str, Any] = {"shared": shared, "tls": "off", "user": USER, "password": "secret:bmc"}
        reading = await run_once("redfish", "127.0.0.1", port=port, timeout=1.0, **asked)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


async def test_a_web_server_that_is_no_redfish_service() -> None:
    reading = await ask({V1: {"hello": "world"}})
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    reading = await ask({V1: ["hello"]})
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ("Status", "Health", "State", "Name", "PowerSupplies", "Fans", "Temperatures", "ReadingCelsius",
        "CapacityMiB", "SerialNumber", "UpperThresholdCritical", "Redundancy", "PowerControl",
        "StorageControllers", "TotalCores")  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.sampled_from(KEYS), JSON)
def test_resources_of_anybody_end_well(resource: Tree, key: str, value: Any) -> None:
    machine = Machine()
    for each in (resource, {key: [resource, value]}):
        parts.system(each, machine)
        parts.power(each, machine)
        parts.thermal(each, machine)
        parts.sensor(each, machine)
        parts.intake(each, machine)
        parts.memory([each], machine)
        parts.processors([each], machine)
        parts.drive(each, machine)
        parts.controllers(each, machine)
        parts.nics([each], machine)
        parts.versions([each])
    metrics, facts, _ = machine.report()
    assert all(isinstance(number, float) for number in metrics.values())
    assert all(isinstance(said, str) for said in facts.values())


@given(st.data())
async def test_a_tree_in_which_anything_may_stand_ends_well(data: st.DataObject) -> None:
    tree = deepcopy(ilo5())
    paths = data.draw(st.lists(st.sampled_from(sorted(tree)), min_size=1, max_size=3))
    for path in paths:
        tree[path] = data.draw(JSON) if data.draw(st.booleans()) else {"Members": data.draw(JSON)}
    reading = await ask(tree)
    assert reading.kind in ("", "protocol", "expectation", "prober_error"), reading
    assert " in redfish" not in reading.detail
