"""A namespace in which every address of 10.0.0.0/8 answers, save those that were silenced.

The kernel itself answers, since the whole network is local there. A silenced network is routed into a veth
pair without ARP, whose far end drops what is not addressed to it: requests go out and nothing comes back, no
error either. The namespace has no way out. Needs root.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.netns import Namespace
from tests.servers.smtp import Mailbox, SmtpServer

STOP_S = 30.0


def why_not() -> str:
    """Return why there can't be one here, or an empty text."""
    return "" if os.geteuid() == 0 else "simulated targets need root (a network namespace)"


class Country:
    """The namespace; what was silenced within something silent stays so when that answers again."""

    def __init__(self) -> None:
        self.namespace = Namespace()
        try:
            self._lay()
        except BaseException:
            self.close()
            raise

    def _lay(self) -> None:
        self.namespace.ip(
            "addr add 10.255.255.254/8 dev lo",
            "link add hole type veth peer name bottom",
            "link set hole arp off", "link set bottom arp off",
            "link set hole up", "link set bottom up",
        )  # fmt: skip

    def silence(self, *networks: str) -> None:
        """Let networks such as `10.3.0.0/16` answer no more."""
        self.namespace.ip(*(f"route add {each} dev hole table local" for each in networks))

    def restore(self, *networks: str) -> None:
        """Let them answer again."""
        self.namespace.ip(*(f"route del {each} dev hole table local" for each in networks))

    async def daemon(self, settings: Path, log: Path) -> asyncio.subprocess.Process:
        """Start `muster run` in it."""
        command = self.namespace.command(sys.executable, "-m", "monitor.cli", "run", "-c", str(settings))
        with log.open("ab") as out:
            return await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)

    @asynccontextmanager
    async def smtp(self, mailbox: Mailbox) -> AsyncIterator[SmtpServer]:
        """Run an SMTP server on a loopback port of it."""
        server = SmtpServer(mailbox)
        await self.namespace.loop(server.start)
        try:
            yield server
        finally:
            await server.stop()

    def close(self) -> None:
        """Let go of it."""
        self.namespace.close()


async def end(process: asyncio.subprocess.Process, number: signal.Signals = signal.SIGTERM) -> int:
    """Send a signal to a process and return its exit status; kill it where it takes too long."""
    if process.returncode is None:
        process.send_signal(number)
    try:
        return await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        process.kill()
        return await process.wait()


@asynccontextmanager
async def country() -> AsyncIterator[Country]:
    """Make one, and end it."""
    made = await asyncio.to_thread(Country)
    try:
        yield made
    finally:
        made.close()
