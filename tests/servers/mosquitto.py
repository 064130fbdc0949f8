"""Mosquitto of Debian on a private port of loopback, with accounts and rights."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running


@dataclass(frozen=True, slots=True)
class Mosquitto:
    """A running broker."""

    port: int
    process: asyncio.subprocess.Process


@asynccontextmanager
async def mosquitto(
    directory: Path, accounts: Mapping[str, str] | None = None, acl: str = "", more: str = ""
) -> AsyncIterator[Mosquitto]:
    """Run a broker; without accounts anybody may do anything."""
    port = free_port()
    lines = [
        f"listener {port} 127.0.0.1", f"user {getpass.getuser()}", "persistence false", "sys_interval 1",
        "log_dest stderr", "log_type all", more,
    ]  # fmt: skip
    if accounts is None:
        lines.append("allow_anonymous true")
    else:
        (directory / "acl").write_text(acl)
        await _passwords(directory / "passwords", accounts)
        for file in (directory / "acl", directory / "passwords"):
            file.chmod(0o600)
        lines += [
            "allow_anonymous false", f"password_file {directory}/passwords", f"acl_file {directory}/acl"
        ]  # fmt: skip
    config = directory / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    async with running(program("mosquitto"), "-c", str(config), log=directory / "mosquitto.log") as process:
        await until_listening(port)
        yield Mosquitto(port, process)


async def _passwords(file: Path, accounts: Mapping[str, str]) -> None:
    file.write_text("".join(f"{user}:{password}\n" for user, password in accounts.items()))
    process = await asyncio.create_subprocess_exec(program("mosquitto_passwd"), "-U", str(file))
    assert await process.wait() == 0
