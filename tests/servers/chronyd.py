"""chronyd as a time server that never touches the machine's clock."""

from __future__ import annotations

import os
import pwd
import shlex
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from probes.network._ntp_packet import decode, request
from tests.servers.ports import free_port, until_answering
from tests.servers.process import program, running

COMMANDS = "/run/chrony/chronyd.sock"


@asynccontextmanager
async def chronyd(directory: Path, *, stratum: int | None = 8, run: Path | None = None) -> AsyncIterator[int]:
    """Serve time on loopback, both families; give the port. Without a `stratum` it is unsynchronised.

    With `run`, a directory that it sees as /run (so must who asks), chronyc finds it.
    """
    binary, port = program("chronyd"), free_port(socket.SOCK_DGRAM)
    local = f"local stratum {stratum}\n" if stratum else ""
    commands = COMMANDS if run else "/"
    (directory / "chrony.conf").write_text(
        f"port {port}\ncmdport 0\nbindcmdaddress {commands}\npidfile {directory}/chronyd.pid\n"
        f"allow 127.0.0.0/8\nallow ::1\n{local}"
    )
    user = ("-U", "-u", pwd.getpwuid(os.getuid()).pw_name)
    command: tuple[str, ...] = (binary, "-x", "-d", *user, "-f", str(directory / "chrony.conf"))
    if run is not None:
        mount = f'mount --make-rprivate / && mount --bind {shlex.quote(str(run))} /run && exec "$@"'
        command = ("unshare", "-m", "sh", "-c", mount, "sh", *command)
    async with running(*command, log=directory / "chronyd.log"):
        await until_answering(request(1), port, lambda data: decode(data, 1) is not None)
        yield port
