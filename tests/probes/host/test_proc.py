"""From what the script prints to a snapshot: recorded text, broken text, any text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.host import _proc, _snapshot
from probes.host._snapshot import Counters

TEXT = """motd: welcome
@@muster:uptime
90061.50 12345.00
@@muster:stat
cpu  1000 200 300 8000 100 10 20 70 5 0
cpu0 500 100 150 4000 50 5 10 35 0 0
cpu1 500 100 150 4000 50 5 10 35 0 0
btime 1700000000
@@muster:netdev
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0
  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0
  eth1:500 10 0 0 0 0 0 0 700 20 0 0 0 0 0 0
@@muster:loadavg
0.50 1.00 1.50 2/345 678
@@muster:procs
123
@@muster:meminfo
MemTotal:        8000000 kB
MemFree:          100000 kB
MemAvailable:    6000000 kB
SwapTotal:       1000000 kB
SwapFree:         750000 kB
@@muster:mounts
sysfs /sys sysfs rw 0 0
/dev/sda1 / ext4 rw,relatime 0 0
/dev/sda1 /bind ext4 rw 0 0
/dev/sdb1 /srv/my\\040data xfs ro,relatime 0 0
/dev/loop3 /snap/x squashfs ro 0 0
tmpfs /run tmpfs rw 0 0
nas:/x /mnt nfs rw 0 0
@@muster:df
Filesystem     1024-blocks      Used Available Capacity Mounted on
/dev/sda1         10000000   4500000   5000000      48% /
/dev/sdb1          1000000    900000    100000      90% /srv/my data
tmpfs               800000    799999         1     100% /run
@@muster:dfi
Filesystem       Inodes   IUsed    IFree IUse% Mounted on
/dev/sda1       1000000  250000   750000   25% /
/dev/sdb1             0       0        0     - /srv/my data
@@muster:uname
Linux
5.10.0-30-amd64
x86_64
pc1
@@muster:osrelease
PRETTY_NAME="Kylin Linux Advanced Server V10 (Sword)"
NAME="Kylin Linux Advanced Server"
VERSION_ID="V10"
@@muster:cpuinfo
model name\t: Phytium  FT-2000+/64
flags\t\t: fpu vme hypervisor
@@muster:cores
1
@@muster:macs
eth0 02:fc:00:00:00:01
@@muster:dmi
sys_vendor=Inspur
product_name=NF5280M5
product_serial=
@@muster:timezone
/usr/share/zoneinfo/Asia/Shanghai
@@muster:virt
kvm
@@muster:failed
nginx.service loaded failed failed A web server
status=0
@@muster:end
"""


def test_a_recorded_host() -> None:
    now = _proc.snapshot(TEXT)
    metrics, facts = _snapshot.metrics(now), _snapshot.facts(now)
    assert metrics["uptime_s"] == 90061.5
    assert metrics["load_per_core"] == 0.5
    assert metrics["memory_used_pct"] == pytest.approx(25)
    assert metrics["swap_used_pct"] == pytest.approx(25)
    assert metrics["disk_used_pct"] == pytest.approx(90)
    assert metrics["inode_used_pct"] == pytest.approx(25)
    assert metrics["read_only_disks"] == 1
    assert metrics["disk_total_bytes"] == 11_000_000 * 1024
    assert metrics["failed_units"] == 1
    assert metrics["processes"] == 123
    assert facts["fullest_disk"] == "/srv/my data"
    assert facts["disks"] == "/ ext4 9.5 GiB, /srv/my data xfs 1.0 GiB"
    assert facts["failed_unit_names"] == "nginx.service"
    assert (facts["cpu_cores"], facts["cpu_threads"]) == ("1", "2")
    assert facts["nics"] == "eth0 02:fc:00:00:00:01"
    assert facts["os"] == "Kylin Linux Advanced Server"
    assert facts["cpu_model"] == "Phytium FT-2000+/64"
    assert facts["timezone"] == "Asia/Shanghai"
    assert facts["boot_time"] == "2023-11-14T22:13Z"
    assert facts["virtualization"] == "kvm"
    assert "serial" not in facts


def test_counters() -> None:
    found = _proc.snapshot(TEXT).counters
    assert found == Counters(90061.5, 1600, 100, 70, 9700, 1500, 2700, 1, 3, frozenset({"eth0", "eth1"}))


def test_a_text_that_breaks_off_is_no_host() -> None:
    with pytest.raises(_proc.BrokenOff):
        _proc.snapshot(TEXT.replace("@@muster:end", ""))


@pytest.mark.parametrize("name", ["meminfo", "df", "mounts", "loadavg", "stat", "uptime", "failed", "procs"])
def test_what_is_not_shown_is_absent_and_not_zero(name: str) -> None:
    whole = _snapshot.metrics(_proc.snapshot(TEXT))
    start = TEXT.index(f"@@muster:{name}\n")
    end = TEXT.index("@@muster:", start + 5)
    for section in ("", f"@@muster:{name}\n", f"@@muster:{name}\nsh: cat: not found\n"):
        part = _snapshot.metrics(_proc.snapshot(TEXT[:start] + section + TEXT[end:]))
        assert part.keys() < whole.keys()
        assert all(whole[key] == part[key] for key in part if key != "load_per_core")


def test_systemd_that_does_not_answer_tells_nothing() -> None:
    now = _proc.snapshot(TEXT.replace("status=0", "status=1"))
    assert "failed_units" not in _snapshot.metrics(now)


def test_rates() -> None:
    before = Counters(100.0, 50, 5, 0, 1000, 10, 20, 0, 0, frozenset({"eth0"}))
    now = Counters(110.0, 150, 15, 0, 2000, 1010, 2020, 5, 0, frozenset({"eth0"}))
    assert _snapshot.rates(before, now) == {
        "cpu_pct": 10.0, "cpu_iowait_pct": 1.0, "cpu_steal_pct": 0.0,
        "rx_bytes_per_s": 100.0, "tx_bytes_per_s": 200.0, "rx_errors_per_s": 0.5, "tx_errors_per_s": 0.0,
    }  # fmt: skip


def test_no_rate_over_a_reset_or_another_set_of_interfaces() -> None:
    before = Counters(100.0, 50, 5, 0, 1000, 1000, 20, 0, 0, frozenset({"eth0"}))
    reset = Counters(110.0, 150, 15, 0, 2000, 10, 30, 0, 0, frozenset({"eth0"}))
    assert "rx_bytes_per_s" not in _snapshot.rates(before, reset)
    more = Counters(110.0, 150, 15, 0, 2000, 2000, 30, 0, 0, frozenset({"eth0", "eth1"}))
    assert not [name for name in _snapshot.rates(before, more) if name.endswith("_per_s")]
    assert _snapshot.rates(before, before) == {"rx_bytes_per_s": 0.0} or not _snapshot.rates(before, before)


@given(st.text(max_size=400), st.sampled_from(TEXT.split("@@muster:")[1:]))
def test_any_section_gives_finite_figures(noise: str, section: str) -> None:
    name = section.partition("\n")[0]
    text = f"@@muster:{name}\n{noise}\n@@muster:end\n"
    now = _proc.snapshot(text)
    assert all(math.isfinite(value) for value in _snapshot.metrics(now).values())
    assert all(isinstance(value, str) for value in _snapshot.facts(now).values())


@given(st.data())
def test_any_line_replaced_gives_finite_figures(data: st.DataObject) -> None:
    lines = TEXT.splitlines()
    number = data.draw(st.integers(1, len(lines) - 2))
    lines[number] = data.draw(st.text(max_size=100) | st.just(lines[number].replace("1", "9" * 30)))
    try:
        now = _proc.snapshot("\n".join(lines) + "\n")
    except _proc.BrokenOff:
        return
    assert all(math.isfinite(value) for value in _snapshot.metrics(now).values())
