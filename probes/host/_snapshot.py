"""What is known of a host at one moment, wherever it came from, and the names it is reported under."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from probes._hardware import Drive
from probes.api import FactDef, MetricDef

REAL_FILE_SYSTEMS = frozenset({
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "reiserfs", "vfat", "xfs", "zfs",
    "ntfs", "ntfs3", "overlay", "exfat", "ubifs",
})  # fmt: skip
"""File systems that hold data and can fill up; overlay only as the root of a container."""
MAX_LISTED = 50
"""Most disks, interfaces or units named in one fact."""


@dataclass(slots=True)
class Counters:
    """Counters since boot; `at` is the host's own clock in seconds, so that the way here plays no part."""

    at: float
    cpu_busy: float
    cpu_iowait: float
    cpu_steal: float
    cpu_total: float
    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_errors: int = 0
    tx_errors: int = 0
    interfaces: frozenset[str] = frozenset()


@dataclass(slots=True)
class Disk:
    """A mounted file system; sizes in bytes, inodes None where it has none to count."""

    mount: str
    kind: str
    total: int
    used_pct: float
    inode_used_pct: float | None = None
    read_only: bool = False


@dataclass(slots=True)
class Snapshot:
    """A host now. What could not be read is absent (None, or not in the mapping), never zero."""

    counters: Counters | None = None
    gauges: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    disks: list[Disk] = field(default_factory=list)
    failed_units: list[str] | None = None
    cores: int | None = None
    threads: int | None = None
    memory_total: int | None = None
    macs: dict[str, str] = field(default_factory=dict)
    speeds: dict[str, float] = field(default_factory=dict)
    """Of interfaces that are up, in bit/s."""
    drives: list[Drive] | None = None
    modules: list[int] | None = None
    """Memory modules that are fitted, in bytes."""


HOST_METRICS = (
    MetricDef("cpu_pct", "%", "lower", 0.01, "CPU time not idle, over the time since the run before"),
    MetricDef("cpu_iowait_pct", "%", "lower", 0.01, "CPU time idle with input or output pending"),
    MetricDef("cpu_steal_pct", "%", "lower", 0.01, "CPU time the hypervisor gave to others"),
    MetricDef("load1", "count", "lower", 0.01, "load average of 1 minute"),
    MetricDef("load5", "count", "lower", 0.01, "load average of 5 minutes"),
    MetricDef("load15", "count", "lower", 0.01, "load average of 15 minutes"),
    MetricDef("load_per_core", "count", "lower", 0.001, "load average of 5 minutes by logical processor"),
    MetricDef("memory_used_pct", "%", "lower", 0.01, "memory not available to new work"),
    MetricDef("memory_total_bytes", "bytes", "higher", 1, "memory the system sees"),
    MetricDef("memory_available_bytes", "bytes", "higher", 4096, "memory available to new work"),
    MetricDef("swap_total_bytes", "bytes", "none", 1, "swap space"),
    MetricDef("swap_used_pct", "%", "lower", 0.01, "swap space in use; 0 where there is none"),
    MetricDef("disk_used_pct", "%", "lower", 0.01, "the fullest real file system, as df counts it"),
    MetricDef("disk_total_bytes", "bytes", "higher", 1024, "all real file systems together"),
    MetricDef("inode_used_pct", "%", "lower", 0.01, "the real file system shortest of inodes"),
    MetricDef("read_only_disks", "count", "lower", 1, "real file systems mounted read-only"),
    MetricDef("uptime_s", "s", "none", 1, "time since boot"),
    MetricDef("rx_bytes_per_s", "bytes/s", "none", 1, "received by all interfaces but loopback"),
    MetricDef("tx_bytes_per_s", "bytes/s", "none", 1, "sent by all interfaces but loopback"),
    MetricDef("rx_errors_per_s", "count", "lower", 0.001, "receive errors of all interfaces"),
    MetricDef("tx_errors_per_s", "count", "lower", 0.001, "send errors of all interfaces"),
    MetricDef("processes", "count", "none", 1, "processes"),
    MetricDef("failed_units", "count", "lower", 1, "systemd units that failed; absent without systemd"),
)
"""What `host` reports, and `exporter` with a preset under the same names."""

HOST_FACTS = (
    FactDef("os", help="name of the operating system"),
    FactDef("os_version", "version", "its version"),
    FactDef("kernel", "version", "release of the kernel"),
    FactDef("hostname", help="the host's own name for itself"),
    FactDef("architecture", help="of the machine, as uname has it"),
    FactDef("cpu_model", help="the first processor's model"),
    FactDef("cpu_cores", help="physical cores"),
    FactDef("cpu_threads", help="logical processors"),
    FactDef("memory", help="memory the system sees, in GiB"),
    FactDef("disks", help="real file systems: mount point, type, size in GiB"),
    FactDef("fullest_disk", help="mount point behind disk_used_pct"),
    FactDef("nics", help="interfaces with their hardware addresses"),
    FactDef("vendor", help="maker of the machine (DMI)"),
    FactDef("product", help="model of the machine (DMI)"),
    FactDef("serial", help="serial number of the machine (DMI; only root may read it)"),
    FactDef("boot_time", "datetime", "when it booted"),
    FactDef("timezone", help="time zone of the system"),
    FactDef("drives", help="physical disks: name, size, model, serial; only where hardware is expected"),
    FactDef("memory_modules", help="memory modules that are fitted; only where hardware is expected"),
    FactDef("virtualization", help="hypervisor or container it runs in, or none"),
    FactDef("failed_unit_names", help="systemd units that failed"),
)


def rates(before: Counters, now: Counters) -> dict[str, float]:
    """Return what happened between two samples; nothing of what was reset, or changed its members."""
    span = now.at - before.at
    found: dict[str, float] = {}
    total = now.cpu_total - before.cpu_total
    parts = {
        "cpu_pct": now.cpu_busy - before.cpu_busy,
        "cpu_iowait_pct": now.cpu_iowait - before.cpu_iowait,
        "cpu_steal_pct": now.cpu_steal - before.cpu_steal,
    }
    if span > 0 and total > 0:
        found |= {name: min(100.0, 100 * part / total) for name, part in parts.items() if part >= 0}
    if span > 0 and now.interfaces == before.interfaces:
        for name in ("rx_bytes", "tx_bytes", "rx_errors", "tx_errors"):
            change = getattr(now, name) - getattr(before, name)
            if change >= 0:
                found[f"{name}_per_s"] = change / span
    return found


def metrics(now: Snapshot) -> dict[str, float]:
    """Return the metrics of one moment."""
    found = dict(now.gauges)
    if now.threads and "load5" in found:
        found["load_per_core"] = found["load5"] / now.threads
    if now.memory_total:
        found["memory_total_bytes"] = now.memory_total
        if "memory_available_bytes" in found:
            found["memory_used_pct"] = 100 * (1 - found["memory_available_bytes"] / now.memory_total)
    if now.disks:
        found["disk_used_pct"] = max(d.used_pct for d in now.disks)
        found["disk_total_bytes"] = sum(d.total for d in now.disks)
        found["read_only_disks"] = sum(d.read_only for d in now.disks)
        inodes = [d.inode_used_pct for d in now.disks if d.inode_used_pct is not None]
        if inodes:
            found["inode_used_pct"] = max(inodes)
    if now.failed_units is not None:
        found["failed_units"] = len(now.failed_units)
    return found


def facts(now: Snapshot) -> dict[str, str]:
    """Return the facts of one moment; lists are sorted, so that an unchanged host gives unchanged facts."""
    found = {name: value for name, value in now.facts.items() if value}
    if now.cores:
        found["cpu_cores"] = str(now.cores)
    if now.threads:
        found["cpu_threads"] = str(now.threads)
    if now.memory_total:
        found["memory"] = f"{now.memory_total / 2**30:.1f} GiB"
    if now.disks:
        found["fullest_disk"] = max(now.disks, key=lambda d: d.used_pct).mount
        found["disks"] = _listed(f"{d.mount} {d.kind} {d.total / 2**30:.1f} GiB" for d in now.disks)
    if now.macs:
        found["nics"] = _listed(f"{name} {mac}" for name, mac in now.macs.items())
    if now.drives:
        found["drives"] = _listed(map(str, now.drives))
    if now.modules:
        found["memory_modules"] = _listed(f"{size / 2**30:g} GiB" for size in now.modules)
    if now.failed_units:
        found["failed_unit_names"] = _listed(now.failed_units)
    return found


def _listed(items: Iterable[str]) -> str:
    texts = sorted(items)
    more = f", and {len(texts) - MAX_LISTED} more" if len(texts) > MAX_LISTED else ""
    return ", ".join(texts[:MAX_LISTED]) + more
