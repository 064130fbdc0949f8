"""Series of node_exporter and windows_exporter under the names that `host` reports.

node_exporter 1.x (default collectors, plus systemd and processes where they are on); windows_exporter 0.20
to 0.31 (docs/collector.*.md), whose names moved from `cs` and `os` to `memory` and `system`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from probes.host._mapping import FactMap, MetricMap

_REAL = (
    '{fstype=~"bcachefs|btrfs|ext[234]|f2fs|jfs|reiserfs|vfat|exfat|xfs|zfs|ntfs3?|ubifs",'
    'device!~"/dev/loop.*",mountpoint!~"/(var/lib/(docker|containers|kubelet)|run)/.*"}'
)
_NIC = '{device!="lo"}'
_VOLUME = '{volume=~"[A-Z]:"}'


@dataclass(frozen=True, slots=True)
class Preset:
    """The metrics and facts of one kind of exporter, and its usual port."""

    port: int
    metrics: dict[str, MetricMap]
    facts: dict[str, FactMap]


def _preset(port: int, metrics: dict[str, Any], facts: dict[str, tuple[str, str]]) -> Preset:
    return Preset(
        port,
        {name: MetricMap.model_validate(how) for name, how in metrics.items()},
        {name: FactMap(of=of, label=label) for name, (of, label) in facts.items()},
    )


def _share(of: str, per: str, **more: Any) -> dict[str, Any]:
    return {"of": of, "per": per, "scale": 100, **more}


def _used(of: str, per: str, **more: Any) -> dict[str, Any]:
    return _share(of, per, complement=True, **more)


def _sum_rate(of: str) -> dict[str, Any]:
    return {"of": of, "rate": True, "reduce": "sum"}


_NODE_CPU = "node_cpu_seconds_total"
_SIZE, _FREE, _AVAILABLE = (f"node_filesystem_{what}_bytes{_REAL}" for what in ("size", "free", "avail"))
_WINDOWS_TOTAL = "windows_memory_physical_total_bytes or windows_cs_physical_memory_bytes"
_WINDOWS_AVAILABLE = "windows_memory_available_bytes or windows_os_physical_memory_free_bytes"
_WINDOWS_PAGES = "windows_pagefile_limit_bytes or windows_os_paging_limit_bytes"

PRESETS: dict[str, Preset] = {
    "node_exporter": _preset(
        9100,
        {
            "cpu_pct": _used(_NODE_CPU + '{mode=~"idle|iowait"}', _NODE_CPU, rate=True),
            "cpu_iowait_pct": _share(_NODE_CPU + '{mode="iowait"}', _NODE_CPU, rate=True),
            "cpu_steal_pct": _share(_NODE_CPU + '{mode="steal"}', _NODE_CPU, rate=True),
            "load1": "node_load1",
            "load5": "node_load5",
            "load15": "node_load15",
            "load_per_core": {"of": "node_load5", "per": _NODE_CPU + '{mode="idle"}', "per_reduce": "count"},
            "memory_used_pct": _used("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"),
            "memory_total_bytes": "node_memory_MemTotal_bytes",
            "memory_available_bytes": "node_memory_MemAvailable_bytes",
            "swap_total_bytes": "node_memory_SwapTotal_bytes",
            "swap_used_pct": _used("node_memory_SwapFree_bytes", "node_memory_SwapTotal_bytes"),
            "disk_used_pct": _share(
                f"{_SIZE} - {_FREE}", f"{_SIZE} - {_FREE} + {_AVAILABLE}", by="each", reduce="max"
            ),
            "disk_total_bytes": {"of": _SIZE, "reduce": "sum"},
            "inode_used_pct": _used(
                f"node_filesystem_files_free{_REAL}", f"node_filesystem_files{_REAL}", by="each", reduce="max"
            ),
            "read_only_disks": {"of": f"node_filesystem_readonly{_REAL}", "reduce": "sum"},
            "uptime_s": "node_time_seconds - node_boot_time_seconds",
            "rx_bytes_per_s": _sum_rate(f"node_network_receive_bytes_total{_NIC}"),
            "tx_bytes_per_s": _sum_rate(f"node_network_transmit_bytes_total{_NIC}"),
            "rx_errors_per_s": _sum_rate(f"node_network_receive_errs_total{_NIC}"),
            "tx_errors_per_s": _sum_rate(f"node_network_transmit_errs_total{_NIC}"),
            "processes": "node_processes_pids",
            "failed_units": {"of": 'node_systemd_unit_state{state="failed"}', "reduce": "sum"},
        },
        {
            "os": ("node_os_info", "name"),
            "os_version": ("node_os_info", "version_id"),
            "kernel": ("node_uname_info", "release"),
            "hostname": ("node_uname_info", "nodename"),
            "architecture": ("node_uname_info", "machine"),
            "vendor": ("node_dmi_info", "system_vendor"),
            "product": ("node_dmi_info", "product_name"),
            "serial": ("node_dmi_info", "product_serial"),
            "timezone": ("node_time_zone_offset_seconds", "time_zone"),
        },
    ),
    "windows_exporter": _preset(
        9182,
        {
            "cpu_pct": _used(
                'windows_cpu_time_total{mode="idle"}', 'windows_cpu_time_total{mode=~"idle|user|privileged"}',
                rate=True,
            ),
            "memory_used_pct": _used(_WINDOWS_AVAILABLE, _WINDOWS_TOTAL),
            "memory_total_bytes": _WINDOWS_TOTAL,
            "memory_available_bytes": _WINDOWS_AVAILABLE,
            "swap_total_bytes": {"of": _WINDOWS_PAGES, "reduce": "sum"},
            "swap_used_pct": _used(
                "windows_pagefile_free_bytes or windows_os_paging_free_bytes", _WINDOWS_PAGES, reduce="sum"
            ),
            "disk_used_pct": _used(
                f"windows_logical_disk_free_bytes{_VOLUME}", f"windows_logical_disk_size_bytes{_VOLUME}",
                by="each", reduce="max",
            ),
            "disk_total_bytes": {"of": f"windows_logical_disk_size_bytes{_VOLUME}", "reduce": "sum"},
            "uptime_s": {
                "of": "windows_system_boot_time_timestamp or windows_system_boot_time_timestamp_seconds"
                " or windows_system_system_up_time",
                "age": True,
            },
            "rx_bytes_per_s": _sum_rate("windows_net_bytes_received_total"),
            "tx_bytes_per_s": _sum_rate("windows_net_bytes_sent_total"),
            "rx_errors_per_s": _sum_rate("windows_net_packets_received_errors_total"),
            "tx_errors_per_s": _sum_rate("windows_net_packets_outbound_errors_total"),
            "processes": "windows_system_processes or windows_os_processes",
        },
        {
            "os": ("windows_os_info", "product"),
            "os_version": ("windows_os_info", "version"),
            "hostname": ("windows_os_hostname or windows_cs_hostname", "hostname"),
            "vendor": ("windows_os_smbios_info", "vendor"),
            "product": ("windows_os_smbios_info", "name"),
            "serial": ("windows_os_smbios_info", "identifying_number"),
            "timezone": ("windows_time_timezone or windows_os_timezone", "timezone"),
        },
    ),
}  # fmt: skip
