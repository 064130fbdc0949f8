"""A commented starter for a new installation: settings, an inventory of this machine, systemd units."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

STARTER = Path(__file__).parent / "starter"
NAMES = ("muster.toml", "inventory.yaml", "muster.service", "muster-reflect.service")
CHANNEL = """\
      - id: uplink
        kind: channel
        role: primary
        address: {gateway}              # this machine's default gateway
        checks:
          - {{probe: icmp, every: 60s, count: 5}}
"""
NO_CHANNEL = """\
      # This machine has no default gateway. A channel is the line to the unit:
      # - {id: uplink, kind: channel, role: primary, address: 10.1.2.1, checks: [{probe: icmp}]}
"""


def create(directory: Path) -> list[Path]:
    """Write the starter's files and return their paths.

    Raises FileExistsError when one of them is there already; then nothing has been written.
    """
    paths = [directory / name for name in NAMES]
    for path in paths:
        if path.exists() or path.is_symlink():
            raise FileExistsError(f"{path} is there already")
    directory.mkdir(parents=True, exist_ok=True)
    facts = _facts(directory)
    for path in paths:
        text = _filled((STARTER / path.name).read_text(encoding="utf-8"), facts)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return paths


def _filled(text: str, facts: Mapping[str, str]) -> str:
    for name, value in facts.items():
        text = text.replace(f"@{name}@", value)
    return text


def _facts(directory: Path) -> Mapping[str, str]:
    hostname = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60] or "localhost"
    slug = re.sub(r"[^a-z0-9-]+", "-", hostname.partition(".")[0].lower()).strip("-")
    gateway = default_gateway()
    return {
        "HOSTNAME": f'"{hostname}"',
        "UNIT": f"unit-{slug}" if slug else "this-unit",
        "TIMEZONE": timezone(),
        "DIRECTORY": str(directory.resolve()),
        "PROGRAM": shutil.which("muster") or str(Path(sys.executable).with_name("muster")),
        "CHANNEL": (CHANNEL.format(gateway=gateway) if gateway else NO_CHANNEL).rstrip("\n"),
    }


def timezone(root: Path = Path("/")) -> str:
    """Return the machine's IANA time zone (`$TZ`, /etc/localtime, /etc/timezone), UTC where it is unknown."""
    candidates = [os.environ.get("TZ", "").removeprefix(":")]
    localtime = root / "etc/localtime"
    if localtime.is_symlink():
        candidates.append(str(localtime.resolve()).partition("zoneinfo/")[2])
    named = root / "etc/timezone"
    if named.is_file():
        candidates.append(named.read_text(encoding="utf-8", errors="replace").strip()[:100])
    return next((name for name in candidates if name and _is_zone(name)), "UTC")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def default_gateway(routes: Path = Path("/proc/net/route")) -> str | None:
    """Return the IPv4 default gateway (proc(5): addresses in hexadecimal, host byte order), or None."""
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and fields[2] != "00000000":
            return socket.inet_ntoa(int(fields[2], 16).to_bytes(4, sys.byteorder))
    return None
