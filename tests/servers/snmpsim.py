"""snmpsim: agents that answer what real devices once answered, on a private port of loopback."""

from __future__ import annotations

import asyncio
import bz2
import importlib.util
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.process import running


def recorded(name: str, directory: Path, *subtrees: str) -> str:
    """Unpack the recording `name` of snmpsim-data (as network/switch/x) and give its community.

    Only these subtrees: whole recordings take long to be read.
    """
    spec = importlib.util.find_spec("snmpsim_data")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("snmpsim-data is not installed")
    packed = Path(spec.submodule_search_locations[0], "data", f"{name}.snmprec.bz2")
    community = packed.name.removesuffix(".snmprec.bz2")
    lines = bz2.decompress(packed.read_bytes()).splitlines(keepends=True)
    heads = tuple(f"{subtree}.".encode() for subtree in subtrees)
    (directory / f"{community}.snmprec").write_bytes(
        b"".join(line for line in lines if line.startswith(heads))
    )
    return community


@asynccontextmanager
async def snmpsim(directory: Path) -> AsyncIterator[int]:
    """Answer from each `COMMUNITY.snmprec` in `directory`; gives the port."""
    if importlib.util.find_spec("snmpsim") is None:
        pytest.skip("snmpsim is not installed")
    port, log = free_port(socket.SOCK_DGRAM), directory / "snmpsim.log"
    responder = "from snmpsim.commands.responder import main; raise SystemExit(main())"
    account = ("--process-user=root", "--process-group=root") if os.geteuid() == 0 else ()
    command = (
        sys.executable, "-c", responder, f"--data-dir={directory}", f"--cache-dir={directory}",
        f"--agent-udpv4-endpoint=127.0.0.1:{port}", *account,
    )  # fmt: skip
    async with running(*command, log=log):
        for _ in range(500):
            if await _listens(port):
                break
            await asyncio.sleep(0.02)
        yield port


async def _listens(port: int) -> bool:
    """Tell whether a datagram is not refused; snmpsim says that it listens before it does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setblocking(False)
        asker.connect(("127.0.0.1", port))
        try:
            asker.send(b"0")
            await asyncio.sleep(0.02)
            asker.recv(1)
        except BlockingIOError:
            return True
        except ConnectionRefusedError:
            return False
        return True
