"""net-snmp's snmpd on a private port of loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.ports import free_port
from tests.servers.process import program, running


@asynccontextmanager
async def snmpd(
    directory: Path, *lines: str, port: int | None = None, address: str = "udp:127.0.0.1"
) -> AsyncIterator[int]:
    """Run one with these further lines of configuration and give its port.

    It reads nothing that an earlier one kept: `engineID`, `oldEngineID` and `engineBoots` make a restart.
    """
    port = port or free_port(socket.SOCK_DGRAM)
    config, log = directory / "muster.conf", directory / "snmpd.log"
    config.write_text("\n".join([f"agentAddress {address}:{port}", *lines, ""]))
    command = (program("snmpd"), "-f", "-C", "-c", str(config), "-Lo", "-M", "", "-m", "", "-I", "-smux")
    async with running("env", f"SNMP_PERSISTENT_DIR={directory}", *command, log=log):
        for _ in range(200):
            if "NET-SNMP version" in log.read_text():
                break
            await asyncio.sleep(0.02)
        yield port
