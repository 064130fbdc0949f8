"""entity: what recorded devices say they are, and differences from what was ordered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome
from probes.hardware._entity import ROOT, ModuleParams, OrderedParams, against, facts, parts
from probes.hardware._identity import places, vendor, version
from probes.hardware._shown import number, said, within
from tests.servers.recordings import asked

RECORDED: dict[str, dict[str, str]] = {
    "network/switch/huawei-s12704": {
        "vendor": "Huawei",
        "serial": "2102114480P0J7000105",
        "version": "5.170",
    },
    "network/switch/h3c-e528-2": {"model": "H3C Switch E528", "serial": "210235A0GKC158000929"},
    "network/switch/cisco-c3750": {
        "model": "WS-C3750G-12S-S",
        "serial": "FDO1622Y10H",
        "version": "12.2(50)SE5",
    },
    "network/switch/dcrs-5980-28t-dc": {"serial": "GOSWE120F327000001", "model": "DCRS-5980-28T-DC"},
    "network/switch/hpe-procurve-516733-b21": {"vendor": "Hewlett-Packard", "serial": "3C421900TX"},
    "network/switch/ruijie-s5750-24gt12sfp": {"serial": "9017EHC410215", "model": "RG-S5750-24GT/12SFP"},
    "network/switch/zte-zxr10-5250": {"vendor": "ZTE", "version": "2.05.11B19"},
    "network/firewall/paloalto-pa-5000": {"model": "PA-5050", "serial": "0009C100761", "version": "8.0.1"},
    "network/wifi/aruba-7210": {"model": "A7210", "serial": "CV0008612"},
    "network/appliance/empirical-hw-mgmt": {"model": "RH5885 V3", "serial": "2102311JWG10H4000737"},
    "bmc/hp-onboard-administrator": {"model": "BladeSystem c7000 Enclosure G2", "serial": "6CU250TV5C"},
    "storage/netapp-fas3270": {"model": "FAS3270", "serial": "940001051000", "version": "8.2.3"},
    "UPS/apc-8932": {"vendor": "APC", "model": "AP8932", "serial": "3F503A169043"},
    "UPS/eaton-93e-80": {"vendor": "EATON", "model": "EATON 93E 80", "serial": "4K234LXX06"},
    "iot/geist-temperature-sensor": {"vendor": "Geist", "serial": "TB19020610"},
}


@pytest.mark.parametrize("name", RECORDED)
async def test_recorded_devices_say_what_they_are(name: str) -> None:
    reading = await asked(name, "entity")
    assert reading.outcome is Outcome.OK, reading.detail
    assert {key: reading.facts.get(key) for key in RECORDED[name]} == RECORDED[name]


async def test_what_is_not_told_is_named() -> None:
    reading = await asked("os/linux/slackware", "entity")
    assert reading.outcome is Outcome.OK
    assert "serial" not in reading.facts
    assert "serial: neither" in reading.facts["not_told"]


async def test_who_says_nothing_of_itself_is_no_success() -> None:
    reading = await asked("unclassified/03", "entity")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")


SWITCH = "network/switch/cisco-c3750"


@pytest.mark.parametrize(
    ("ordered", "count", "says"),
    [
        ({"model": "ws-c3750g", "serial": "fdo1622y10h"}, 0, "none"),
        ({"serial": "FDO0000XXXX"}, 1, "serial: ordered FDO0000XXXX, installed FDO1622Y10H"),
        (
            {"model": "WS-C3850", "firmware": "12.2(50)"},
            1,
            "model: ordered WS-C3850, installed WS-C3750G-12S-S",
        ),
        ({"modules": [{"count": 1, "model": "GLC-LH"}]}, 0, "none"),
        ({"modules": [{"serial": "LIT16140TR8"}, {"serial": "fns17282el1"}]}, 0, "none"),
        (
            {"modules": [{"count": 3, "model": "GLC-LH"}]},
            1,
            "modules: ordered 3 x GLC-LH, installed 1 among [",
        ),
    ],
)
async def test_what_is_installed_against_what_was_ordered(
    ordered: dict[str, Any], count: int, says: str
) -> None:
    reading = await asked(SWITCH, "entity", hardware=ordered)
    assert reading.metrics["hardware_mismatches"] == count
    assert reading.facts["hardware_differences"].startswith(says)


async def test_a_serial_number_that_can_not_be_read_is_no_match() -> None:
    reading = await asked("os/linux/slackware", "entity", hardware={"serial": "X1", "vendor": "Dell"})
    assert "hardware_mismatches" not in reading.metrics
    assert reading.facts["hardware_unreadable"] == "vendor, serial"


def stack(*serials: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for index, serial in enumerate(serials, 1):
        values |= {f"{ROOT}.5.{index}": 3, f"{ROOT}.11.{index}": serial.encode(), f"{ROOT}.13.{index}": b"M1"}
    return values


def test_a_stack_has_a_serial_number_for_each_member() -> None:
    found = parts(stack("A1", "A2"))
    told = facts(found)
    assert (told["serial"], told["serials"]) == ("A1", "A1, A2")
    assert against(OrderedParams(serials=("a1", "A2")), told, found).count == 0
    assert against(OrderedParams(serial="A2"), told, found).count == 0
    assert against(OrderedParams(serials=("A1", "A3")), told, found).mismatches == (
        "serial: ordered A3, installed A1, A2",
    )


def test_modules_of_a_device_that_tells_none_are_unreadable() -> None:
    compared = against(OrderedParams(modules=(ModuleParams(model="X"),)), {}, [])
    assert (compared.count, compared.unreadable) == (None, ("modules",))


@pytest.mark.parametrize(
    ("firmware", "description", "found"),
    [
        ("Version 5.170 V200R012C00SPC500", "", "5.170"),
        (
            "",
            "Cisco IOS Software, C3560 Software, Version 12.2(55)SE3, RELEASE SOFTWARE (fc1)",
            "12.2(55)SE3",
        ),
        ("NetApp Release 8.2.3 7-Mode: Thu Jan 15", "", "8.2.3"),
        ("INV: 2.08.0011", "", "2.08.0011"),
        ("", "Wac", ""),
        ("", "VENUS VSOS-V0600R0705B20180507", "0600R0705B20180507"),
    ],
)
def test_versions(firmware: str, description: str, found: str) -> None:
    assert version(firmware, description) == found


def test_agents_of_no_maker_are_asked_for_all() -> None:
    assert vendor("1.3.6.1.4.1.2011.2.23") == "Huawei"
    assert vendor("1.3.6.1.4.1.8072.3.2.10") == ""
    assert vendor("") == vendor("1.3.6.1") == vendor("1.3.6.1.4.1.99999999999.1") == ""
    assert len(places("1.3.6.1.4.1.8072.3.2.10")["serial"]) > len(places("1.3.6.1.4.1.9.1.516")["serial"])


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"  two \r\n lines\0\0", "two lines"),
        ("广州".encode("gb18030"), "广州"),
        ("广州".encode(), "广州"),
        (b"\x00\x1a\xff\x00", "00:1a"),
        (b"ABC123\xff\xff\xff", "ABC123"),
        (b"N/A", ""),
        (b"", ""),
    ],
)
def test_texts_as_devices_write_them(octets: bytes, text: str) -> None:
    assert said(octets) == text


@given(st.one_of(st.binary(max_size=300), st.integers(), st.floats(), st.text(max_size=300)))
def test_texts_and_numbers_are_bounded(value: Any) -> None:
    assert len(said(value)) <= 200
    assert said(value).isprintable()
    figure = within(value, -60, 200)
    assert figure is None or -60 <= figure <= 200
    assert number(value) is None or isinstance(number(value), float)
