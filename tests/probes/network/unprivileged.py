"""Bursts from a process that may not open raw sockets, and tests that need one which may ping."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from probes.network._icmp_channel import Channel

UNPRIVILEGED = """
import asyncio, json, sys
from tests.probing import run_once
async def main():
    for host in sys.argv[1:]:
        r = await run_once("icmp", host, count=3, interval=0.01, wait=0.3, timeout=3)
        print(json.dumps([r.outcome, r.kind, r.detail, r.metrics, r.facts]))
asyncio.run(main())
"""


async def without_raw(setup: str, *hosts: str) -> list[list[object]]:
    """Run bursts in a new namespace without CAP_NET_RAW."""
    script = f'ip link set lo up; {setup}; exec setpriv --bounding-set=-net_raw -- "$@"'
    command = ["unshare", "-n", "sh", "-c", script, "sh", sys.executable, "-W", "error", "-c", UNPRIVILEGED]
    done = await asyncio.to_thread(
        subprocess.run, [*command, *hosts], check=True, capture_output=True, text=True, timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def _may_ping() -> bool:
    try:
        Channel("4").close()
    except Exception:  # noqa: BLE001 - whatever the reason, it can't ping
        return False
    return True


needs_ping = pytest.mark.skipif(not _may_ping(), reason="needs CAP_NET_RAW or net.ipv4.ping_group_range")
