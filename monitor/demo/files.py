"""Writes the demonstration's settings, inventory, profiles and checklists."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from monitor.demo.services import NAME, Demo

TEMPLATES = Path(__file__).parent / "files"
PLACES = {
    "muster.toml": "muster.toml",
    "inventory.yaml": "inventory.yaml",
    "profiles.yaml": "profiles/demo.yaml",
    "checklists.yaml": "checklists/demo.yaml",
}
"""Each template, and where it is written."""


def write(directory: Path, demo: Demo, listen: str = "127.0.0.1:0") -> Path:
    """Write all files for the services of `demo` and return the path of the settings."""
    values = _values(demo, listen)
    for template, place in PLACES.items():
        path = directory / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled((TEMPLATES / template).read_text("utf-8"), values), "utf-8")
    return directory / "muster.toml"


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _values(demo: Demo, listen: str) -> Mapping[str, str]:
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    ports = {
        "APP_PORT": demo.app_port,
        "SLOW_PORT": demo.slow_port,
        "EXPIRING_PORT": demo.expiring_port,
        "DNS_PORT": demo.dns_port,
        "SMTP_PORT": demo.smtp_port,
    }
    return {
        "LISTEN": listen,
        "NAME": NAME,
        "CA_FILE": json.dumps(str(demo.ca_file.absolute()), ensure_ascii=False),
        **{name: str(port) for name, port in ports.items()},
        **{f"IN_{days}_DAYS": (today + timedelta(days=days)).isoformat() for days in (7, 14, 30)},
        **(_by_ping() if may_ping() else _by_tcp(demo)),
    }


def may_ping() -> bool:
    """Whether this process may send ICMP echo requests, as an ordinary user or as root."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        return True
    return False


def _by_ping() -> Mapping[str, str]:
    return {
        "REACH_CHECK": "{id: reach, for: {kind: channel}, probe: icmp, count: 5, every: 5s, timeout: 3s}",
        "REACH_PROBE": "icmp",
        "REACH_EXPECT": '{rtt_ms: "<= 50", loss_pct: "<= 1"}',
    }


def _by_tcp(demo: Demo) -> Mapping[str, str]:
    check = "{id: reach, for: {kind: channel}, probe: tcp, port: %d, every: 5s, timeout: 3s}"
    return {
        "REACH_CHECK": check % demo.app_port,
        "REACH_PROBE": "tcp",
        "REACH_EXPECT": '{connect_ms: "<= 50"}',
    }
