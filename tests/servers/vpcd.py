"""pcscd of its own, with the virtual reader of vsmartcard, and the card that is put into it.

pcscd gets its socket as systemd would give it, and runs in a mount namespace of its own, since it keeps its
process id in /run. The card comes to the reader: where the reader has to go to the card and finds none, vpcd
3.3 ends pcscd. It listens on all addresses, and can't be told otherwise.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.process import program, running

DRIVER = next(Path("/usr/lib/pcsc/drivers/serial").glob("libifdvpcd.so"), None)
ATR = bytes.fromhex("3B65000080318065B0")
AID = bytes.fromhex("A000000003101001")
CONTROL, ATR_WANTED = (b"\x00", b"\x01", b"\x02"), b"\x04"
"""What vpcd sends that is for no card: power off, power on, reset; and its question for the ATR."""
LAUNCH = """
import os, socket, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
os.mkdir("/run/pcscd")
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(16)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""
Answer = Callable[[bytes], bytes]


def test_card(command: bytes) -> bytes:
    """Answer as a card with one application, whose file has to be fetched (T=0)."""
    if command == bytes([0x00, 0xA4, 0x04, 0x00, len(AID)]) + AID:
        return b"\x61\x04"
    return b"\x6f\x02\x84\x00\x90\x00" if command == bytes.fromhex("00C0000004") else b"\x6a\x82"


test_card.__test__ = False  # type: ignore[attr-defined]


@functools.cache
def socket_of_this_process() -> Path:
    """Return where every pcscd of this process has its socket: the library reads the variable once."""
    directory = Path(tempfile.mkdtemp(prefix="pcsc-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.environ["PCSCLITE_CSOCK_NAME"] = str(directory / "comm")
    return directory / "comm"


@dataclass(slots=True)
class Slot:
    """The reader's slot: it holds the card that is connected to the port."""

    port: int
    path: Path
    log: Path
    process: asyncio.subprocess.Process | None = None
    heard: list[bytes] = field(default_factory=list)
    _card: asyncio.Task[None] | None = None

    async def insert(self, answer: Answer = test_card) -> None:
        """Put a card in."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._card = asyncio.create_task(self._serve(reader, writer, answer))

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
    ) -> None:
        try:
            while True:
                (size,) = struct.unpack(">H", await reader.readexactly(2))
                command = await reader.readexactly(size)
                if command in CONTROL:
                    continue
                if command != ATR_WANTED:
                    self.heard.append(command)
                said = ATR if command == ATR_WANTED else answer(command)
                writer.write(struct.pack(">H", len(said)) + said)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.transport.abort()

    async def remove(self) -> None:
        """Take it out."""
        if self._card is not None:
            self._card.cancel()
            await asyncio.gather(self._card, return_exceptions=True)
            self._card = None


@asynccontextmanager
async def pcscd(directory: Path, path: Path, *, readers: bool = True) -> AsyncIterator[Slot]:
    """Run one with its socket at `path`, and give the slot of its first reader, which is empty."""
    if DRIVER is None or shutil.which("unshare") is None:
        pytest.skip("vsmartcard-vpcd is not installed")
    unshare = await asyncio.create_subprocess_exec("unshare", "-m", "true", stderr=asyncio.subprocess.DEVNULL)
    if await unshare.wait():
        pytest.skip("pcscd runs in a mount namespace of its own, which needs root")
    slot = Slot(free_port(), path, directory / "pcscd.log")
    config = directory / "reader.conf.d"
    config.mkdir(exist_ok=True)
    if readers:
        (config / "vpcd").write_text(
            f'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x{slot.port:04X}\n'
            f"LIBPATH {DRIVER}\nCHANNELID 0x{slot.port:04X}\n"
        )
    path.unlink(missing_ok=True)
    command = (
        "unshare", "-m", sys.executable, "-c", LAUNCH, str(path),
        program("pcscd"), "-f", "-i", "-c", str(config),
    )  # fmt: skip
    async with running(*command, log=slot.log) as slot.process:
        while "daemon ready" not in slot.log.read_text(errors="replace"):
            await asyncio.sleep(0.02)
        try:
            yield slot
        finally:
            await slot.remove()
            path.unlink(missing_ok=True)
