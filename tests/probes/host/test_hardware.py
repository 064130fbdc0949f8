"""Expected hardware against what was found."""

from __future__ import annotations

import pytest

from probes.host._hardware import HardwareParams, compare
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
