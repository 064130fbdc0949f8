"""What only root may read of a machine's hardware, by real sudo and the lines of docs/servers.md."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from probes.api import ProbeSettings, Reading
from probes.host.host import PROBE
from tests.probes.hardware.test_servers_docs import blocks
from tests.probes.host.test_hardware import DMIDECODE
from tests.probing import run_once, shared_here
from tests.servers.accounts import account_sshd, needs_root
from tests.servers.process import program

TOOL = """#!/bin/sh
[ "$(id -u)" = 0 ] || exit 1
case "$*" in
"-t 17") cat <<'TEXT'
{memory}
TEXT
;;
"-s system-serial-number") echo 7CE733P;;
*) exit 1;;
esac
"""
WANTED = {"memory_modules": 2, "serial": "7ce733p"}


async def _read(directory: Path, sudoers: list[str], *, sudo: bool) -> Reading:
    """Ask a host whose dmidecode answers as recorded, since machines of tests have no SMBIOS."""
    tool = directory / "dmidecode"
    tool.write_text(TOOL.replace("{memory}", DMIDECODE))
    tool.chmod(0o755)
    for each in (directory, *directory.parents):
        if str(each).startswith("/tmp/") and each.stat().st_uid == 0:
            each.chmod(each.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    over = {program("dmidecode"): tool}
    async with account_sshd(sudoers=sudoers, over=over) as server:
        settings = ProbeSettings(known_hosts=server.known_hosts)
        async with shared_here(settings, {"key": server.private_key}) as shared:
            ssh = {"user": server.user, "port": server.port, "key": "secret:key"}
            asked: dict[str, Any] = {"ssh": ssh, "sudo": sudo, "hardware": WANTED}
            return await run_once(PROBE.name, server.host, shared=shared, timeout=20, **asked)


@needs_root
async def test_by_the_documented_lines(tmp_path: Path) -> None:
    lines = [line.removeprefix("muster ") for block in blocks("sudoers") for line in block.splitlines()]
    reading = await _read(tmp_path, lines, sudo=True)
    assert reading.metrics["hardware_mismatches"] == 0, reading
    assert reading.facts["memory_modules"] == "16 GiB, 16 GiB"


@needs_root
async def test_without_the_right_it_is_unreadable(tmp_path: Path) -> None:
    for name, sudo in (("plain", False), ("refused", True)):
        (tmp_path / name).mkdir()
        reading = await _read(tmp_path / name, [], sudo=sudo)
        assert "hardware_mismatches" not in reading.metrics
        assert reading.facts["hardware_unreadable"] == "memory_modules, serial"
