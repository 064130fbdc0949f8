"""CUPS' ippeveprinter, a printer without paper, on a private port of loopback, with a bus of its own.

It needs a system bus to start, and nobody on it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/><allow receive_type="method_return"/></policy></busconfig>
"""
FORMATS = "text/plain,image/pwg-raster"


@dataclass(slots=True)
class Printer:
    """A running printer; `spool` holds a folder with what was printed."""

    port: int
    spool: Path
    log: Path

    async def set(self, page: str, **fields: str) -> None:
        """Fill in a web form: `supplies` (supply0, supply1) or `media` (size1, type1, level1...)."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://localhost:{self.port}/{page}", params=fields) as answer,
        ):
            assert answer.status == 200

    def printed(self) -> list[Path]:
        """Return the documents of all jobs."""
        return sorted(path for path in self.spool.rglob("*") if path.is_file())


@asynccontextmanager
async def ippeveprinter(
    directory: Path, *options: str, formats: str = FORMATS, command: str = ""
) -> AsyncIterator[Printer]:
    """Run one; `command` is a shell script that prints the document $1."""
    port, spool = free_port(), directory / "spool"
    spool.mkdir()
    config, bus = directory / "bus.conf", directory / "bus"
    config.write_text(BUS.format(path=bus))
    if command:
        script = directory / "print"
        script.write_text(f"#!/bin/sh\n{command}\n")
        script.chmod(0o755)
        options = (*options, "-c", str(script))
    environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}", "HOME": str(directory)}
    daemon = (program("dbus-daemon"), f"--config-file={config}", "--nofork", "--nopidfile")
    printer = (
        program("ippeveprinter"), "-r", "off", "-p", str(port), "-n", "localhost", "-f", formats, "-k", "-vv",
        "-d", str(spool), "-M", "Muster", "-m", "Receipt", *options, "Till 1",
    )  # fmt: skip
    async with running(*daemon, log=directory / "bus.log"):
        while not bus.exists():
            await asyncio.sleep(0.02)
        log = directory / "printer.log"
        command_line = ("env", f"DBUS_SYSTEM_BUS_ADDRESS={environment['DBUS_SYSTEM_BUS_ADDRESS']}",
                        f"HOME={directory}", *printer)  # fmt: skip
        async with running(*command_line, log=log):
            await until_listening(port)
            yield Printer(port, spool, log)
