"""The monitor's own machine, by psutil; blocking, for a thread."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from functools import cache
from pathlib import Path

import psutil

from probes.host import _proc
from probes.host._snapshot import Counters, Disk, Snapshot

DMI = Path("/sys/class/dmi/id")


def counters() -> Counters:
    """Return the counters now; the clock is the monotonic one."""
    times = psutil.cpu_times()
    steal, iowait = getattr(times, "steal", 0.0), getattr(times, "iowait", 0.0)
    busy = times.user + times.nice + times.system + times.irq + times.softirq + steal
    found = Counters(time.monotonic(), busy, iowait, steal, busy + times.idle + iowait)
    interfaces = {n: c for n, c in psutil.net_io_counters(pernic=True).items() if n != "lo"}
    for nic in interfaces.values():
        found.rx_bytes += nic.bytes_recv
        found.tx_bytes += nic.bytes_sent
        found.rx_errors += nic.errin
        found.tx_errors += nic.errout
    found.interfaces = frozenset(interfaces)
    return found


def snapshot(*, hardware: bool = False, sudo: bool = False) -> Snapshot:
    """Return this machine now, with its hardware where that is compared."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    now = Snapshot(counters=counters(), memory_total=memory.total)
    now.gauges = {
        "uptime_s": time.time() - psutil.boot_time(),
        "memory_available_bytes": memory.available,
        "swap_total_bytes": swap.total,
        "swap_used_pct": 100 * swap.used / swap.total if swap.total else 0.0,
        "processes": len(psutil.pids()),
    } | dict(zip(("load1", "load5", "load15"), psutil.getloadavg(), strict=True))
    now.threads, now.cores = psutil.cpu_count(), psutil.cpu_count(logical=False)
    now.disks, now.macs, now.failed_units = _disks(), _macs(), _failed_units()
    now.facts = _facts()
    if hardware:
        _proc.parse_files(now, _hardware(sudo))
    return now


def _hardware(sudo: bool) -> dict[str, str]:
    script = "".join(('s() { echo "', _proc.MARK, '$1"; }\n', _proc.HARDWARE_SCRIPT))
    script += (_proc.SUDO_SCRIPT if sudo else "") + _proc.END
    return _proc.sections(_output("/bin/sh", "-c", script) or f"{_proc.MARK}end")


def _disks() -> list[Disk]:
    found: dict[str, Disk] = {}
    for part in psutil.disk_partitions(all=True):
        if part.device in found or not _proc.is_real(part.device, part.mountpoint, part.fstype):
            continue
        try:
            usage, stat = psutil.disk_usage(part.mountpoint), os.statvfs(part.mountpoint)
        except OSError:
            continue
        if usage.total:
            inodes = 100 * (stat.f_files - stat.f_ffree) / stat.f_files if stat.f_files else None
            read_only = "ro" in part.opts.split(",")
            found[part.device] = Disk(
                part.mountpoint, part.fstype, usage.total, usage.percent, inodes, read_only
            )
    return list(found.values())


def _macs() -> dict[str, str]:
    return {
        name: _permanent(name) or address.address
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == psutil.AF_LINK and Path(f"/sys/class/net/{name}/device").exists()
    }


def _permanent(name: str) -> str:
    """Return the hardware address of a member of a bond, which shows the bond's own."""
    return _text(f"/sys/class/net/{name}/bonding_slave/perm_hwaddr")


def _failed_units() -> list[str] | None:
    if not Path("/run/systemd/system").is_dir():
        return None
    listed = _output("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager")
    return None if listed is None else [line.split()[0] for line in listed.splitlines() if line.split()]


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=5, text=True)  # noqa: S603, PLW1510
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 or command[0] == "systemd-detect-virt" else None


@cache
def _virtualization() -> str:
    return _output("systemd-detect-virt") or ""


def _facts() -> dict[str, str]:
    uname = platform.uname()
    part = Snapshot(facts={"os": uname.system})
    _proc.parse_files(part, {
        "osrelease": _text("/etc/os-release"),
        "cpuinfo": "\n".join(
            line for line in _text("/proc/cpuinfo").splitlines()[:40] if line.startswith(_proc.CPU_KEYS)
        ),
        "virt": _virtualization(),
        "timezone": os.path.realpath("/etc/localtime"),
        "dmi": "".join(f"{n}={_text(DMI / n)}\n" for n in ("sys_vendor", "product_name", "product_serial")),
    })  # fmt: skip
    return part.facts | {
        "kernel": uname.release,
        "architecture": uname.machine,
        "hostname": socket.gethostname(),
        "boot_time": _proc.boot_time(psutil.boot_time()),
    }


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except OSError:
        return ""
