"""Disks and arrays: what the tools print taken apart, and a host asked over a real sshd with real sudo."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome, ProbeSettings, Reading
from probes.hardware import _raid
from probes.hardware._raid import Arrays
from probes.hardware._shell import Part, sections
from probes.hardware._smart import disk
from probes.hardware.smart import PROBE, told
from tests.probes.hardware import disks
from tests.probes.hardware.disks import printed
from tests.probes.hardware.test_servers_docs import blocks
from tests.probing import run_once, shared_here
from tests.servers.accounts import account_sshd, needs_root
from tests.servers.process import program


def parts(*documents: Any, **others: str) -> list[Part]:
    """Return the sections of a host with these disks and these answers of other tools."""
    found = [
        Part("disk", (f"/dev/sd{chr(97 + n)}", "sat"), printed(each)) for n, each in enumerate(documents)
    ]
    return [*found, Part("scanned", (), ""), *(Part(name, (), text) for name, text in others.items())]


def test_disks_that_are_well() -> None:
    metrics, facts = told(parts(disks.ata("A"), disks.nvme("B"), disks.sas("C"), mdstat=disks.MDSTAT))
    assert metrics == {
        "disks": 3, "disks_bad": 0, "reallocated_sectors": 0, "pending_sectors": 0, "uncorrectable_errors": 2,
        "wear_used_pct": 3, "spare_left_pct": 98, "temperature_c": 41, "power_on_hours": 22222, "arrays": 2,
        "arrays_degraded": 0, "arrays_rebuilding": 0,
    }  # fmt: skip
    assert facts["bad"] == "none"
    assert facts["disk_list"].startswith("/dev/sda 4.00 TB ST4000NM0035-1V4107 serial A, /dev/sdb 960 GB")
    assert "not_read" not in facts
    assert metrics.keys() <= {metric.name for metric in PROBE.metrics}
    assert facts.keys() <= {fact.name for fact in PROBE.facts}


BAD = {
    "its own verdict": (disks.FAILED, "/dev/sda: SMART: failed"),
    "an attribute": (disks.BELOW, "/dev/sda: Reallocated_Sector_Ct below its threshold"),
    "a warning of NVMe": (disks.nvme("N", warning=4), "/dev/sda: NVMe warning 0x04"),
    "used up": (disks.nvme("N", used=104), "/dev/sda: 104 % of its endurance used"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_disk_that_is_bad(what: str) -> None:
    document, said = BAD[what]
    metrics, facts = told(parts(document, disks.ata("A")))
    assert metrics["disks_bad"] == 1
    assert facts["bad"] == said


def test_wear_and_sectors_are_figures_and_no_verdict() -> None:
    metrics, _ = told(parts(disks.SSD_WORN, disks.SECTORS))
    assert (metrics["wear_used_pct"], metrics["disks_bad"]) == (88, 0)
    assert (metrics["reallocated_sectors"], metrics["pending_sectors"]) == (24, 8)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (disks.STANDBY, "Device is in STANDBY mode, exit(2)"),
        (disks.DENIED, "Smartctl open device: /dev/sda failed: Permission denied"),
        (disks.NO_HEALTH, "it tells no health"),
    ],
)
def test_a_disk_that_tells_nothing_is_not_taken_to_be_well(document: disks.Json, said: str) -> None:
    metrics, facts = told(parts(document, disks.ata("A")))
    assert metrics["disks"] == 2
    assert "disks_bad" not in metrics
    assert facts["not_read"] == f"/dev/sda: {said}"
    metrics, _ = told(parts(document, disks.FAILED))
    assert metrics["disks_bad"] == 1


def test_a_list_that_is_refused_or_too_long_is_no_list() -> None:
    metrics, facts = told([Part("unscanned", (), ""), Part("mdstat", (), disks.MDSTAT)])
    assert not {"disks", "disks_bad"} & metrics.keys()
    assert facts["not_read"] == "smartctl: it may not list the disks"
    metrics, facts = told([*parts(disks.ata("A")), Part("more", (), "")])
    assert not {"disks", "disks_bad"} & metrics.keys()
    assert facts["not_read"] == "smartctl: there are more than 64 disks"


def test_a_disk_with_several_paths_is_one() -> None:
    denied = disks.DENIED | {"serial_number": "A"}
    metrics, _ = told(parts(denied, disks.ata("A"), disks.ata("A")))
    assert (metrics["disks"], metrics["disks_bad"]) == (1, 0)


def test_arrays_of_md() -> None:
    metrics, facts = told(parts(mdstat=disks.MDSTAT_DEGRADED))
    assert (metrics["arrays"], metrics["arrays_degraded"], metrics["arrays_rebuilding"]) == (2, 2, 0)
    assert facts["bad"] == "md0: 1 failed, md127: inactive"
    metrics, facts = told(parts(mdstat=disks.MDSTAT_REBUILDING))
    assert (metrics["arrays_degraded"], metrics["arrays_rebuilding"]) == (2, 2)
    assert facts["bad"] == "md0: 1 of 2 disks, md2: 1 of 2 disks"
    assert facts["rebuilding"] == "md0: recovery 12.6%, md2: resync DELAYED"


@pytest.mark.parametrize(
    ("states", "degraded", "rebuilding", "bad_disks", "bad"),
    [
        ({}, 0, 0, 0, "none"),
        ({"vd": "Dgrd", "pd": "Failed"}, 1, 0, 1, "c0 0/0: Dgrd, c0 32:1: Failed"),
        ({"vd": "Dgrd", "pd": "Rbld"}, 1, 1, 0, "c0 0/0: Dgrd"),
        ({"vd": "OfLn", "pd": "UBad"}, 1, 0, 1, "c0 0/0: OfLn, c0 32:1: UBad"),
        ({"pd": "UGood"}, 0, 0, 0, "none"),
        ({"battery": "Failed"}, 0, 0, 0, "c0 BBU: Failed"),
    ],
)
def test_controllers_of_broadcom_and_dell(
    states: dict[str, str], degraded: int, rebuilding: int, bad_disks: int, bad: str
) -> None:
    metrics, facts = told(parts(storcli=json.dumps(disks.storcli(**states))))
    assert (metrics["arrays"], metrics["raid_disks"]) == (1, 2)
    assert (metrics["arrays_degraded"], metrics["arrays_rebuilding"]) == (degraded, rebuilding)
    assert (metrics["raid_disks_bad"], metrics["raid_batteries_bad"]) == (bad_disks, "battery" in states)
    assert facts["bad"] == bad


@pytest.mark.parametrize(
    ("array", "disk", "degraded", "rebuilding", "bad"),
    [
        ("OK", "OK", 0, 0, "none"),
        ("Interim Recovery Mode", "Failed", 1, 0,
         "logicaldrive 1: Interim Recovery Mode, physicaldrive 1I:1:2: Failed"),
        ("Recovering, 12% complete", "Rebuilding", 1, 2, "logicaldrive 1: Recovering"),
        ("OK", "Predictive Failure", 0, 0, "physicaldrive 1I:1:2: Predictive Failure"),
    ],
)  # fmt: skip
def test_controllers_of_hpe(array: str, disk: str, degraded: int, rebuilding: int, bad: str) -> None:
    metrics, facts = told(parts(ssacli=disks.ssacli(array, disk)))
    assert (metrics["arrays"], metrics["raid_disks"]) == (1, 3)
    assert (metrics["arrays_degraded"], metrics["arrays_rebuilding"]) == (degraded, rebuilding)
    assert facts["bad"] == bad


def test_a_cache_that_has_no_battery() -> None:
    metrics, facts = told(parts(ssacli=disks.ssacli(), ssacli_status=disks.SSACLI_STATUS))
    assert metrics["raid_batteries_bad"] == 1
    assert facts["bad"] == "Battery/Capacitor: Failed (Replace Batteries)"


@pytest.mark.parametrize(
    "answer", [{"storcli": json.dumps(disks.STORCLI_REFUSED)}, {"storcli": ""}, {"ssacli": "Error: root"}]
)
def test_a_tool_that_is_refused_says_nothing_of_arrays(answer: dict[str, str]) -> None:
    metrics, facts = told(parts(disks.ata("A"), mdstat="Personalities :\nunused devices: <none>\n", **answer))
    assert not {"arrays", "arrays_degraded"} & metrics.keys()
    assert facts["not_read"] == next(iter(answer))


TOOL = """#!/bin/sh
case "$*" in
--scan) printf '/dev/sda -d scsi # x\\n/dev/nvme0 -d nvme # x\\n/dev/bus/0 -d megaraid,8 # x\\n';;
"-j -i -H -A -n standby -d auto /dev/sda") cat /usr/share/smartctl/ata;;
"-j -i -H -A -n standby -d nvme /dev/nvme0") cat /usr/share/smartctl/nvme;;
"-j -i -H -A -n standby -d megaraid,8 /dev/bus/0") [ "$(id -u)" = 0 ] && cat /usr/share/smartctl/sas;;
*) echo "not as documented: $*" >&2; exit 1;;
esac
"""


def _tool(directory: Path) -> dict[str, Path]:
    tool, shown = directory / "smartctl", directory / "shown"
    tool.write_text(TOOL.replace("/usr/share/smartctl", str(shown)))
    tool.chmod(0o755)
    shown.mkdir()
    for name, document in (("ata", disks.ata("A")), ("nvme", disks.nvme("B")), ("sas", disks.sas("C"))):
        (shown / name).write_text(printed(document))
    for each in (directory, *directory.parents):
        if each.stat().st_uid == 0 and str(each).startswith("/tmp/"):
            each.chmod(each.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    return {program("smartctl"): tool}


async def over_ssh(directory: Path, sudoers: list[str], **params: Any) -> Reading:
    async with account_sshd(sudoers=sudoers, over=_tool(directory)) as server:
        settings = ProbeSettings(known_hosts=server.known_hosts)
        async with shared_here(settings, {"key": server.private_key}) as shared:
            ssh = {"user": server.user, "port": server.port, "key": "secret:key"}
            return await run_once("smart", server.host, shared=shared, timeout=20, ssh=ssh, **params)


@needs_root
async def test_a_host_is_asked_by_the_documented_lines(tmp_path: Path) -> None:
    """By real sudo; in the place of smartctl is one that answers as recorded."""
    lines = [line.removeprefix("muster ") for block in blocks("sudoers") for line in block.splitlines()]
    reading = await over_ssh(tmp_path, lines, sudo=True)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert (reading.metrics["disks"], reading.metrics["disks_bad"]) == (3, 0), reading
    assert {"login", "command"} <= reading.phases.keys()


@needs_root
async def test_without_the_right_a_disk_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    plain = await over_ssh(tmp_path / "one", [])
    assert plain.metrics["disks"] == 3
    assert "disks_bad" not in plain.metrics
    assert plain.facts["not_read"] == "/dev/bus/0: smartctl gave no answer"
    (tmp_path / "two").mkdir()
    refused = await over_ssh(tmp_path / "two", [], sudo=True, devices=[{"device": "/dev/sda"}])
    assert refused.facts["not_read"] == "/dev/sda: smartctl gave no answer"
    (tmp_path / "three").mkdir()
    unlisted = await over_ssh(tmp_path / "three", [], sudo=True)
    assert "disks" not in unlisted.metrics
    assert "smartctl: it may not list the disks" in unlisted.facts.get("not_read", "") + unlisted.detail


async def test_the_real_smartctl_is_understood() -> None:
    """There is no disk with SMART here: what the real one says is that it can't tell."""
    program("smartctl")
    async with shared_here() as shared:
        devices = [{"device": "/dev/null", "type": "scsi"}, {"device": "/dev/muster-none"}]
        reading = await run_once("smart", "local", shared=shared, timeout=20, devices=devices)
        scanned = await run_once("smart", "local", shared=shared, timeout=20)
    assert reading.outcome is Outcome.OK
    assert reading.metrics["disks"] == 2
    assert "disks_bad" not in reading.metrics
    assert "/dev/null" in reading.facts["not_read"]
    assert "no answer" not in reading.facts["not_read"]
    assert "disks" in scanned.metrics


@pytest.mark.parametrize(
    "device", ["/dev/sda; rm -rf /", "/dev/$(id)", "sda", "/dev/sd a", "/dev/sda\n", "/dev/`id`"]
)
def test_devices_that_are_none_are_refused(device: str) -> None:
    with pytest.raises(ValueError, match="devices"):
        PROBE.params.model_validate({"devices": [{"device": device}]})


async def test_no_way_in() -> None:
    reading = await run_once("smart", "192.0.2.1")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")


def test_sections_can_not_be_forged_by_what_is_run() -> None:
    found = sections("w0rd", "motd\nw0rd disk /dev/sda sat\n{}\nother end\nw0rd end\n")
    assert [(part.name, part.words) for part in found] == [("disk", ("/dev/sda", "sat")), ("end", ())]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
KEYS = ("smart_status", "passed", "ata_smart_attributes", "table", "raw", "value", "id", "name", "x",
        "Controllers", "nvme_smart_health_information_log", "Response Data", "VD LIST", "PD LIST",
        "State", "smartctl", "messages")  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.sampled_from(KEYS), JSON, st.text(max_size=200))
def test_what_anybody_prints_ends_well(document: disks.Json, key: str, value: Any, text: str) -> None:
    for each in (document, {key: [document, value]}, {key: {key: document}}):
        made = disk("/dev/sda", json.dumps(each))
        assert made.well in (True, False, None)
        assert all(isinstance(figure, float) for figure in made.figures.values())
        _raid.storcli(json.dumps(each), Arrays())
    disk("/dev/sda", text)
    for reader in (_raid.storcli, _raid.mdstat, _raid.ssacli, _raid.ssacli_status):
        reader(text, Arrays())
    _raid.mdstat(f"md0 : active raid1\n      {text}", Arrays())
