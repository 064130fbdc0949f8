"""Expected hardware against what was found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes._hardware import DiskParams, Drive, HardwareParams
from probes.host._hardware import compare
from probes.host._proc import parse_files
from probes.host._snapshot import Disk, Snapshot

GIB = 2**30
FOUND = Snapshot(
    cores=4, threads=8, memory_total=int(7.6 * GIB), macs={"eth0": "02:fc:00:00:00:01"},
    disks=[Disk("/", "ext4", 230 * GIB, 10.0)],
    facts={"cpu_model": "Intel(R) Xeon(R) Gold 6230", "architecture": "x86_64", "virtualization": "none"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "mismatches"),
    [
        ({"cpu_cores": 4}, []),
        ({"cpu_cores": 2}, []),
        ({"cpu_cores": 8}, ["cpu_cores: expected 8, found 4"]),
        ({"cpu_threads": 8}, []),
        ({"memory": 8 * GIB}, []),
        ({"memory": 16 * GIB}, ["memory: expected 16.0 GiB, found 7.6 GiB"]),
        ({"disk": 250 * GIB}, []),
        ({"disk": 500 * GIB}, ["disk: expected 500.0 GiB, found 230.0 GiB"]),
        ({"macs": ["02-FC-00-00-00-01"]}, []),
        ({"macs": ["02:fc:00:00:00:02"]}, ["mac: expected 02:fc:00:00:00:02, found 02:fc:00:00:00:01"]),
        ({"cpu_model": "xeon"}, []),
        ({"architecture": "aarch64"}, ["architecture: expected aarch64, found x86_64"]),
        ({"architecture": "x86"}, ["architecture: expected x86, found x86_64"]),
        ({"nics": 1}, []),
        ({}, []),
    ],
)
def test_differences(expected: dict[str, object], mismatches: list[str]) -> None:
    outcome = compare(HardwareParams.model_validate(expected), FOUND)
    assert list(outcome.mismatches) == mismatches
    assert outcome.count == len(mismatches)


def test_a_virtual_machine_is_counted_in_processors() -> None:
    virtual = Snapshot(cores=2, threads=4, facts={"virtualization": "kvm"})
    assert compare(HardwareParams(cpu_cores=4), virtual).count == 0


def test_what_could_not_be_read_is_no_evidence() -> None:
    outcome = compare(HardwareParams(serial="ABC", memory=8 * GIB), FOUND)
    assert outcome.count is None
    assert outcome.unreadable == ("serial",)


def test_a_difference_counts_whatever_else_could_not_be_read() -> None:
    outcome = compare(HardwareParams(serial="ABC", memory=16 * GIB), FOUND)
    assert outcome.count == 1


LSBLK = """NAME="sda" TYPE="disk" RM="0" SIZE="480103981056" MODEL="SAMSUNG MZ7LH480" SERIAL="S45NNA0M1"
NAME="sdb" TYPE="disk" RM="0" SIZE="480103981056" MODEL="SAMSUNG MZ7LH480" SERIAL="S45NNA0M2"
NAME="sdc" TYPE="disk" RM="0" SIZE="4000787030016" MODEL="ST4000NM0035-1V4" SERIAL="ZC1A"
NAME="sde" TYPE="disk" RM="0" SIZE="4000787030016" MODEL="ST4000NM0035-1V4" SERIAL="ZC1A"
NAME="sdd" TYPE="disk" RM="1" SIZE="32000000000" MODEL="Cruzer" SERIAL="U1"
NAME="sr0" TYPE="rom" RM="1" SIZE="1073741312" MODEL="DVD" SERIAL=""
NAME="zram0" TYPE="disk" RM="0" SIZE="1073741312" MODEL="" SERIAL=""
end
"""
SPEEDS = "eth0 1000\neth1 10000\neth2 -1\n"
DMIDECODE = """# dmidecode 3.4
Getting SMBIOS data from sysfs.

Handle 0x1100, DMI type 17, 84 bytes
Memory Device
\tTotal Width: 72 bits
\tSize: 16 GB
\tLocator: A1

Handle 0x1101, DMI type 17, 84 bytes
Memory Device
\tSize: No Module Installed
\tLocator: A2

Handle 0x1102, DMI type 17, 84 bytes
Memory Device
\tSize: 16384 MB
\tVolatile Size: 16 GB
\tLocator: B1
"""


def _machine(**parts: str) -> Snapshot:
    now = Snapshot(macs={"eth0": "02:fc:00:00:00:01", "eth1": "02:fc:00:00:00:02"})
    parse_files(now, {"drives": LSBLK, "speeds": SPEEDS, "modules": DMIDECODE} | parts)
    return now


SSD = {"size": 480 * 10**9, "model": "MZ7LH480"}
ALL = "[sda 480 GB SAMSUNG MZ7LH480 serial S45NNA0M1, sdb 480 GB SAMSUNG MZ7LH480 serial S45NNA0M2, sdc 4.00 TB ST4000NM0035-1V4 serial ZC1A]"  # noqa: E501
NICS = "[eth0 02:fc:00:00:00:01 1 Gbit/s, eth1 02:fc:00:00:00:02 10 Gbit/s]"


@pytest.mark.parametrize(
    ("expected", "mismatches"),
    [
        ({"disks": [SSD | {"count": 2}, {"size": 4 * 10**12}]}, []),
        ({"disks": [{"count": 3}]}, []),
        ({"disks": [{"count": 4}]}, [f"disks: expected 4, found 3 of them among {ALL}"]),
        ({"disks": [SSD | {"count": 3}]},
         [f"disks: expected 3 x 480 GB MZ7LH480, found 2 of them among {ALL}"]),
        ({"disks": [{"serial": "s45nna0m2"}, {"serial": "s45nna0m1"}]}, []),
        ({"disks": [{"serial": "S45NNA0M1"}, {"serial": "GONE"}]},
         [f"disks: expected 1 x serial GONE, found 0 of them among {ALL}"]),
        ({"disks": [{"count": 2, "size": 10**11}, {"count": 1, "serial": "S45NNA0M1"}]}, []),
        ({"nics": [{"mac": "02-FC-00-00-00-02", "speed": 10**10}, {"speed": 10**9}]}, []),
        ({"nics": [{"speed": 10**10, "count": 2}]},
         [f"nics: expected 2 x 10 Gbit/s, found 1 of them among {NICS}"]),
        ({"nics": [{"mac": "02:fc:00:00:00:09"}]},
         [f"nics: expected 1 x 02:fc:00:00:00:09, found 0 of them among {NICS}"]),
        ({"nics": 2, "memory_modules": 2}, []),
        ({"memory_modules": 4}, ["memory_modules: expected 4, found 2"]),
    ],
)  # fmt: skip
def test_disks_interfaces_and_modules(expected: dict[str, object], mismatches: list[str]) -> None:
    outcome = compare(HardwareParams.model_validate(expected), _machine())
    assert list(outcome.mismatches) == mismatches
    assert outcome.count == len(mismatches)


@pytest.mark.parametrize(
    ("parts", "expected", "unreadable"),
    [
        ({"drives": ""}, {"disks": [{"count": 1}]}, "disks"),
        ({"drives": 'NAME="vda" TYPE="disk" RM="0" SIZE="1000" MODEL="" SERIAL=""\nend'},
         {"disks": [{"serial": "A"}]}, "disks"),
        ({"speeds": "eth0 -1\n"}, {"nics": [{"speed": 10**9}]}, "nics"),
        ({"modules": ""}, {"memory_modules": 1}, "memory_modules"),
    ],
)  # fmt: skip
def test_what_could_not_be_read_is_no_difference(
    parts: dict[str, str], expected: dict[str, object], unreadable: str
) -> None:
    metrics, facts = compare(HardwareParams.model_validate(expected), _machine(**parts)).report()
    assert metrics == {}
    assert facts == {"hardware_differences": "none", "hardware_unreadable": unreadable}


def test_what_root_may_read_is_read_by_sudo() -> None:
    now = _machine(modules="", modules_by_sudo=DMIDECODE, serial_by_sudo="# a comment\nCN7016\n")
    assert compare(HardwareParams(memory_modules=2, serial="cn7016"), now).count == 0


@given(st.text(max_size=300))
def test_what_a_host_prints_breaks_nothing(text: str) -> None:
    now = Snapshot()
    parse_files(now, {"drives": f"{text}\nend", "speeds": text, "modules": text, "serial_by_sudo": text})
    compare(HardwareParams(memory_modules=2, disks=(DiskParams(),)), now)


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.integers(1, 4))
def test_one_disk_serves_one_place(large: list[bool], wanted: int) -> None:
    drives = [Drive(f"d{number}", 10**12 if is_large else 10**9) for number, is_large in enumerate(large)]
    expected = HardwareParams(disks=(DiskParams(count=wanted), DiskParams(size=10**12)))
    fits = sum(large) >= 1 and len(large) >= wanted + 1
    assert (compare(expected, Snapshot(drives=drives)).count == 0) is fits
