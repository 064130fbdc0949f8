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


def recorded(name: str, directory: Path) -> str:
    """Unpack the recording `name` of snmpsim-data (as network/switch/x) and give its community."""
    spec = importlib.util.find_spec("snmpsim_data")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("snmpsim-data is not installed")
    packed = Path(spec.submodule_search_locations[0], "data", f"{name}.snmprec.bz2")
    community = packed.name.removesuffix(".snmprec.bz2")
    (directory / f"{community}.snmprec").write_bytes(bz2.decompress(packed.read_bytes()))
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
            if "Listening at UDP" in log.read_text(errors="replace"):
                break
            await asyncio.sleep(0.02)
        yield port
