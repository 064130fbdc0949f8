"""Starts the peers of a service hall, real and simulated, and writes what Muster is told of it.

All of them run on private ports of loopback, or on pseudo-terminals.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

from pymodbus.simulator import DataType, SimData, SimDevice

from probes.api import Reading
from tests.probes.hardware import disks
from tests.probes.hardware.redfish_trees import Tree, idrac9
from tests.probing import run_once
from tests.servers import ipmi, pos_host, pty
from tests.servers.accounts import account_sshd
from tests.servers.contract import Contract, contract
from tests.servers.ftpd import Ftpd, proftpd
from tests.servers.hostile import tcp_server
from tests.servers.imap import MailSystem, mail_system
from tests.servers.ippeveprinter import Printer, ippeveprinter
from tests.servers.meter import Line, frame, meters_on_tcp
from tests.servers.modbus import modbus_tcp
from tests.servers.process import program
from tests.servers.redfish import controller
from tests.servers.sip import kamailio
from tests.servers.smtp import PASSWORD
from tests.servers.snmpsim import snmpsim
from tests.servers.vpcd import Slot, pcscd, socket_of_this_process
from tests.show.hall.devices import DEVICES, Agents
from tests.show.show import Show

HERE = Path(__file__).parent
SHANGHAI = ZoneInfo("Asia/Shanghai")
METERS = ("000000000161", "000000000162", "000000000163")
ENERGY, VOLTAGE = "00010000", "02010100"
ROWS = tuple(f"0100000{number:03},{number}.50" for number in range(1, 41))
FRU = ipmi.fru("Acme", "R740", "7CE733Q")
SMARTCTL = """#!/bin/sh
case "$*" in
--scan) echo '/dev/sda -d scsi # a disk';;
*"/dev/sda") cat /srv/disk;;
*) exit 1;;
esac
"""
T = TypeVar("T")


def room(temperature: int = 224, leak: bool = False) -> SimDevice:
    """Return the controller of the equipment room: temperature, humidity, a leak detector."""
    inputs = [SimData(0, values=[leak], datatype=DataType.BITS)]
    registers = [SimData(0, values=[temperature, 487], datatype=DataType.REGISTERS)]
    none = [SimData(0, values=[False], datatype=DataType.BITS)]
    holding = [SimData(0, values=[0], datatype=DataType.REGISTERS)]
    return SimDevice(1, simdata=(none, inputs, holding, registers))


@dataclass
class Hall(Show):
    """The running peers. What one of them says is changed on it, or by starting it anew (`run`)."""

    here: ClassVar[Path] = HERE
    agents: Agents = field(init=False)
    printer: Printer = field(init=False)
    scale: pty.Line = field(init=False)
    weight: bytes = b"ST,GS,   12.50kg\r\n"
    slot: Slot = field(init=False)
    meters: Line = field(init=False)
    pos: pos_host.Host = field(default_factory=pos_host.Host)
    systems: Contract = field(init=False)
    server: Tree = field(default_factory=idrac9)
    files: Ftpd = field(init=False)
    mail: MailSystem = field(init=False)
    _running: dict[str, AsyncExitStack] = field(default_factory=dict)

    # -- starting and ending -----------------------------------------------------------------------------

    async def run(self, name: str, peer: AbstractAsyncContextManager[T]) -> T:
        """Start a peer in the place of what runs under this name."""
        await self.end(name)
        stack = AsyncExitStack()
        running = await stack.enter_async_context(peer)
        self._running[name] = stack
        return running

    async def end(self, name: str) -> None:
        """End a peer."""
        if name in self._running:
            await self._running.pop(name).aclose()

    async def close(self) -> None:
        """End them all."""
        await asyncio.gather(*map(self.end, tuple(self._running)))

    async def serve(self, name: str, peer: AbstractAsyncContextManager[int]) -> None:
        """Start a peer that gives its port, which the inventory may name."""
        self.variables[f"{name}_port"] = await self.run(name, peer)

    async def moved(self, name: str, peer: AbstractAsyncContextManager[int]) -> None:
        """Start one anew, and tell Muster its new port."""
        await self.serve(name, peer)
        self.write()

    def scratch(self, name: str) -> Path:
        """Make a directory for a peer that may have had one before."""
        number = sum(1 for _ in self.home.glob(f"{name}-*"))
        return self.directory(f"{name}-{number}")

    # -- the peers ---------------------------------------------------------------------------------------

    async def devices(self) -> None:
        """Start the agents of router, switch, UPS, laser printer, room sensors and terminal."""
        communities = {name: self.secret(name) for name in DEVICES}
        self.agents = Agents(self.directory("agents"), communities)
        self.agents.record()
        await self.serve("snmp", snmpsim(self.agents.directory))

    async def receipts(self) -> None:
        """Start the receipt printer."""
        self.printer = await self.run("receipts", ippeveprinter(self.scratch("receipts"), command="exit 0"))
        self.variables["receipts_port"] = self.printer.port

    async def weigh(self) -> None:
        """Plug the scale in."""
        self.scale = await self.run("scale", pty.device(self._weighed))
        self.variables["scale"] = self.scale.path

    def _weighed(self, asked: bytes) -> bytes:
        return self.weight if asked.endswith(b"\n") else b""

    async def cards(self, readers: bool = True) -> None:
        """Start the service of the card readers, with a card in the one that there is."""
        self.slot = await self.run(
            "cards", pcscd(self.scratch("cards"), socket_of_this_process(), readers=readers)
        )
        if readers:
            await self.slot.insert()
            await self.noticed(lambda reading: reading.metrics.get("card_answers") == 1)

    async def noticed(self, holds: Callable[[Reading], bool]) -> None:
        """Wait until pcscd, which looks at its readers now and then, has noticed."""
        async with asyncio.timeout(10):
            while not holds(await run_once("pcsc", "local")):
                await asyncio.sleep(0.05)

    async def line(self) -> None:
        """Hang three meters on a line behind a serial server."""
        self.meters = Line({key: answer for meter in METERS for key, answer in self.metered(meter).items()})
        await self.serve("meters", meters_on_tcp(self.meters))

    @staticmethod
    def metered(meter: str, volts: str = "2305") -> dict[str, str]:
        """Return a meter's energy and voltage (in tenths) by the questions for them."""
        return {
            frame(meter, "11", ENERGY): frame(meter, "91", "00012345" + ENERGY),
            frame(meter, "11", VOLTAGE): frame(meter, "91", volts + VOLTAGE),
        }

    def answer(self, answers: dict[str, Any]) -> None:
        """Let meters answer otherwise."""
        self.meters.answers = {**self.meters.answers, **answers}

    async def money(self) -> None:
        """Start the card host, the SMS gateway and the bank, and a kiosk."""
        await self.serve("pos", pos_host.card_host(self.pos))
        self.systems = await self.run("systems", contract(self.secret("sms")))
        self.systems.delivered_after_s = 0.1
        self.variables["systems_port"] = self.systems.port
        await self.kiosk()

    async def kiosk(self) -> None:
        """Start the kiosk's program."""

        async def alive(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        await self.serve("kiosk", tcp_server(alive))

    async def hotline(self) -> None:
        """Start the hotline's server."""
        served = await self.run("hotline", kamailio())
        self.variables["hotline_port"] = served.port

    async def controllers(self) -> None:
        """Start the controller of the equipment room and those of two servers."""
        password = self.secret("bmc")
        await self.serve("room", modbus_tcp(room()))
        bmc = await self.run("redfish", controller(self.server, password))
        self.variables["redfish_port"] = bmc.port
        await self.ipmi()

    async def ipmi(self, *sensors: ipmi.Sensor) -> None:
        """Start the second server's controller with these sensors in the place of those of their names."""
        own = {each.name: each for each in (*ipmi.SENSORS, *sensors)}
        peer = ipmi.ipmi_sim(self.scratch("ipmi"), self.secrets["bmc"][:16], [*own.values()], inventory=FRU)
        self.secret("ipmi", self.secrets["bmc"][:16])
        await self.serve("ipmi", peer)

    async def drives(self) -> None:
        """Start the second server's sshd, whose smartctl answers as recorded."""
        directory = self.directory("disks")
        (directory / "smartctl").write_text(SMARTCTL)
        (directory / "smartctl").chmod(0o755)
        self.spin(disks.ata("ZC1A0B2C"))
        over = {program("smartctl"): directory / "smartctl", "/srv": directory}
        server = await self.run("ssh", account_sshd(over=over))
        self.secret("server_ssh", server.private_key)
        self.variables["ssh_port"] = server.port
        self.set_up(server.known_hosts)

    def spin(self, disk: disks.Json) -> None:
        """Let the second server have this disk."""
        (self.home / "disks" / "disk").write_text(disks.printed(disk))

    async def exchange(self) -> None:
        """Start the file server, with the bank's file of the day before."""
        self.files = await self.run("files", proftpd(self.secret("files")))
        self.variables["files_port"] = self.files.port
        self.reconcile()

    def reconcile(self, rows: int = len(ROWS), late_h: float = -2) -> None:
        """Put the bank's files of yesterday and today, so long after the midnight at which they were due."""
        today = dt.datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        whole = "".join(f"{row}\n" for row in ROWS)
        digest = hashlib.sha256(whole.encode()).hexdigest()
        for ago in (1, 0):
            day, due = today - dt.timedelta(days=ago), today + dt.timedelta(days=1 - ago)
            text = "".join(f"{row}\n" for row in ROWS[:rows])
            file = self.files.write(f"out/recon_{day:%Y%m%d}.csv", f"customer,amount\n{text}")
            at = due.timestamp() + late_h * 3600
            os.utime(file, (at, at))
            self.files.write(f"out/recon_{day:%Y%m%d}.ctl", f"rows={len(ROWS)}\nsha256={digest}\n")

    async def mails(self) -> None:
        """Start the mail system."""
        self.mail = await self.run("mail", mail_system())
        self.secret("mail", PASSWORD)
        self.variables |= {"smtp_port": self.mail.smtp.port, "imap_port": self.mail.imap}


@asynccontextmanager
async def hall(home: Path) -> AsyncIterator[Hall]:
    """Start all peers side by side; give the hall once each serves."""
    async with AsyncExitStack() as stack:
        made = Hall(home, stack)
        stack.push_async_callback(made.close)
        await made.start(
            made.devices, made.receipts, made.weigh, made.cards, made.line, made.money, made.hotline,
            made.controllers, made.drives, made.exchange, made.mails,
        )  # fmt: skip
        made.write()
        yield made
