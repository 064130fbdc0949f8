"""Traps sent by net-snmp's snmptrap, from an address of one's choice on loopback."""

from __future__ import annotations

import asyncio
import os

from tests.servers.process import program

COMMUNITY, AUTH, PRIV = "marker-c0mmunity", "marker-auth-phrase", "marker-priv-phrase"
ENGINE = "0x8000000001020304"
LINK_DOWN, COLD_START = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.1"
V2 = ("-v2c", "-c", COMMUNITY)
SECRETS = {"community": COMMUNITY, "auth": AUTH, "priv": PRIV}
USER = {
    "user": "ops", "engine_ids": [ENGINE], "auth": "SHA256", "auth_key": "secret:auth", "priv": "AES128",
    "priv_key": "secret:priv",
}  # fmt: skip


def v3(level: str = "authPriv", user: str = "ops", auth: str = AUTH, engine: str = ENGINE) -> tuple[str, ...]:
    """Return the options of a user of version 3."""
    keys = ("-a", "SHA-256", "-A", auth, "-x", "AES", "-X", PRIV)
    return ("-v3", "-e", engine, "-u", user, "-l", level, *keys)


async def snmptrap(
    port: int, account: tuple[str, ...] = V2, *trap: str, source: str = "127.0.0.1", host: str = ""
) -> None:
    """Send one trap."""
    own = (f"--clientaddr={source}",) if source else ()
    where = (*own, host or f"127.0.0.1:{port}")
    named = trap or ("", LINK_DOWN)
    command = (program("snmptrap"), *account, *where, *named)
    environment = {
        "PATH": os.environ["PATH"],
        "MIBS": "",
        "HOME": "/nonexistent",
        "SNMPCONFPATH": "/nonexistent",
    }
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(10):
        _, said = await process.communicate()
    assert process.returncode == 0, said


async def v1(port: int, enterprise: str, generic: str, specific: str) -> None:
    """Send a trap of version 1."""
    await snmptrap(port, ("-v1", "-c", COMMUNITY), enterprise, "127.0.0.1", generic, specific, "")
