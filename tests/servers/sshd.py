"""OpenSSH's sshd on a private port of loopback, with keys of its own; as root and as an ordinary user.

HOME is the server's own directory, so that no start-up file of the account's shell slows commands down.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.netns import Namespace
from tests.servers.ports import free_port, until_listening

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or ""
PORT_INSIDE = 2222


@dataclass(slots=True)
class Sshd:
    """A running server: where, who may log in with which key, and the line that makes its host key known."""

    host: str
    port: int
    user: str
    private_key: str
    known_hosts: Path
    directory: Path
    process: asyncio.subprocess.Process

    def log(self) -> str:
        """Return what the server logged until now."""
        return (self.directory / "log").read_text(errors="replace")

    def ssh_command(self, *command: str) -> list[str]:
        """Return the command line of OpenSSH's client for the same login."""
        return [
            "ssh", "-F", "none", "-i", str(self.directory / "client"), "-p", str(self.port),
            "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "BatchMode=yes",
            f"{self.user}@{self.host}", *command,
        ]  # fmt: skip

    async def forget_connections(self) -> None:
        """Kill the processes that serve connections, so that kept ones break; the listener stays."""
        for pid in _descendants(self.process.pid):
            with open(f"/proc/{pid}/comm") as file:  # noqa: PTH123
                if file.read().startswith("sshd"):
                    os.kill(pid, 9)
        await asyncio.sleep(0.1)


@asynccontextmanager
async def sshd(
    *options: str,
    host: str = "127.0.0.1",
    inside: Namespace | None = None,
    account: str = "",
    wrap: Sequence[str] = (),
) -> AsyncIterator[Sshd]:
    """Run a server; `options` are lines of sshd_config that come first, and so win.

    In a namespace (`inside`, at its address `host`) it has a fixed port. `account` is who logs in, unless
    whoever runs the test; `wrap` is a command that the server is run by.
    """
    directory = Path(tempfile.mkdtemp(prefix="sshd-"))
    try:
        server = await _start(directory, host, options, inside, wrap)
        if account:
            server.user = account
            directory.chmod(0o711)
        try:
            yield server
        finally:
            children = _descendants(server.process.pid)
            server.process.kill()
            for pid in children:
                _kill(pid)
            await server.process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _start(
    directory: Path,
    host: str,
    options: tuple[str, ...],
    inside: Namespace | None,
    wrap: Sequence[str] = (),
) -> Sshd:
    await asyncio.to_thread(_prepare, directory)
    port = PORT_INSIDE if inside else free_port(host=host)
    known = directory / "known_hosts"
    known.write_text(f"[{host}]:{port} {(directory / 'host.pub').read_text()}")
    config = directory / "config"
    config.write_text("\n".join((*options, *_config(directory, host, port))))
    log = (directory / "log").open("wb")
    command: tuple[str, ...] = (*wrap, SSHD, "-D", "-e", "-f", str(config))
    if inside is not None:
        command = inside.command(*command)
    process = await asyncio.create_subprocess_exec(*command, stderr=log)
    log.close()
    if inside is not None:
        await inside.loop(lambda: until_listening(port, host))
    else:
        await _listening(host, port, process)
    key = (directory / "client").read_text()
    return Sshd(host, port, getpass.getuser(), key, known, directory, process)


def _prepare(directory: Path) -> None:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "client"):
        make_key(directory / name)
    shutil.copy(directory / "client.pub", directory / "authorized_keys")


def make_key(path: Path, *options: str) -> None:
    """Make a key pair at `path` and `path`.pub, Ed25519 unless the options say otherwise."""
    kind = options or ("-t", "ed25519", "-N", "")
    subprocess.run(["ssh-keygen", "-q", "-f", str(path), *kind], check=True, stdin=subprocess.DEVNULL)


def _config(directory: Path, host: str, port: int) -> tuple[str, ...]:
    return (
        f"ListenAddress {host}", f"Port {port}", f"HostKey {directory / 'host'}",
        f"AuthorizedKeysFile {directory / 'authorized_keys'}", f"PidFile {directory / 'pid'}",
        "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
        "PermitRootLogin yes", "LogLevel VERBOSE", f"SetEnv HOME={directory}", "",
    )  # fmt: skip


async def _listening(host: str, port: int, process: asyncio.subprocess.Process) -> None:
    for _ in range(200):
        if process.returncode is not None:
            raise RuntimeError(f"sshd ended with {process.returncode}")
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
    raise RuntimeError("sshd does not listen")


def _descendants(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    children = [int(word) for word in text.split()]
    return children + [below for child in children for below in _descendants(child)]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return
