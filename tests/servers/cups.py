"""CUPS' scheduler on a private port of loopback, with queues of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

CONFIG = """Listen 127.0.0.1:{port}
WebInterface No
Browsing No
DefaultAuthType Basic
LogLevel info
<Location />
Order allow,deny
Allow all
</Location>
<Location /printers/closed>
AuthType Basic
Require valid-user
Order allow,deny
Allow all
</Location>
<Policy default>
<Limit All>
Order deny,allow
</Limit>
</Policy>
"""
FILES = """ServerRoot {at}/root
ServerKeychain {at}/root/ssl
StateDir {at}/run
RequestRoot {at}/spool
CacheDir {at}/cache
TempDir {at}/tmp
AccessLog {at}/log/access
ErrorLog {at}/log/error
PageLog {at}/log/page
FileDevice Yes
SystemGroup root
"""
QUEUE = """<Printer {name}>
PrinterId {number}
UUID urn:uuid:6f7c0b4a-6a1e-3f2b-5d52-8c1f0a4b0d{number:02}
Info {name}
DeviceURI {device}
State {state}
{more}
Shared Yes
</Printer>
"""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, and where it prints to."""

    name: str
    device: str = "file:///dev/null"
    state: str = "Idle"
    more: str = "Accepting Yes"


@asynccontextmanager
async def cups(directory: Path, *queues: Queue) -> AsyncIterator[int]:
    """Run one with these queues and give its port."""
    if os.geteuid() != 0:
        pytest.skip("CUPS' scheduler needs root")
    port, at = free_port(), directory / "cups"
    for name in ("root", "run", "spool", "cache", "log", "tmp"):
        (at / name).mkdir(parents=True)
    at.chmod(0o755)
    config, files = at / "cupsd.conf", at / "cups-files.conf"
    config.write_text(CONFIG.format(port=port))
    files.write_text(FILES.format(at=at))
    (at / "root" / "printers.conf").write_text(
        "".join(
            QUEUE.format(name=q.name, number=number, device=q.device, state=q.state, more=q.more)
            for number, q in enumerate(queues, 1)
        )
    )
    command = (program("cupsd"), "-f", "-c", str(config), "-s", str(files))
    async with running(*command, log=directory / "cupsd.log"):
        await until_listening(port)
        yield port
