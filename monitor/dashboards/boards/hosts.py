"""Hosts and hardware."""

from __future__ import annotations

from monitor.dashboards.model import Board
from monitor.dashboards.parts import INCIDENTS, PLACE, WORK, of

HOST = ("host", "exporter")

BOARD = Board(
    "hosts",
    "hosts and hardware",
    "Processors, memory and storage of hosts; power, fans, temperatures and disks of machines and rooms.",
    PLACE,
    (
        of("Processor", "cpu_pct", *HOST),
        of("Memory in use", "memory_used_pct", *HOST),
        of("Fullest file system", "disk_used_pct", *HOST),
        of("Fullest inode table", "inode_used_pct", *HOST),
        of("Load per core", "load_per_core", *HOST),
        of("Swap in use", "swap_used_pct", *HOST),
        of("Waiting for disks", "cpu_iowait_pct", *HOST),
        of("Disks that are read-only", "read_only_disks", *HOST),
        of("Services that failed", "failed_units", *HOST),
        of("Received", "rx_bytes_per_s", *HOST),
        of("Sent", "tx_bytes_per_s", *HOST),
        of("Time since the last start", "uptime_s", *HOST, how="min"),
        of("Clock against its source", "offset_ms", "time_sync"),
        of("Clock by NTP", "offset_ms", "ntp"),
        of("Differs from what was ordered", "hardware_mismatches", "host", "redfish", "entity"),
        of("Power supplies with a fault", "psus_bad", "redfish"),
        of("Fans with a fault", "fans_bad", "redfish", "sensors"),
        of("Inlet temperature", "inlet_c", "redfish"),
        of("Room: warmest", "temperature_max_c", "sensors"),
        of("Room: coldest", "temperature_min_c", "sensors", how="min"),
        of("Power drawn", "power_w", "redfish"),
        of("UPS: minutes left", "minutes_left", "ups", how="min"),
        of("UPS: charge", "charge_pct", "ups", how="min"),
        of("UPS: on mains", "on_mains", "ups", how="min"),
        of("Disks with a fault", "disks_bad", "smart"),
        of("Arrays degraded", "arrays_degraded", "smart"),
        of("Disks worn", "wear_used_pct", "smart"),
    ),
    (INCIDENTS, WORK),
)
