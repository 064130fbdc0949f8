"""OpenIPMI's simulator of a management controller, on a private port of loopback: lan and lanplus."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ports import free_port
from tests.servers.process import program, running

USER, TEMPERATURE, FAN, SUPPLY, DRIVE = "monitor", 0x01, 0x04, 0x08, 0x0D
CELSIUS, RPM = 1, 18


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor: with a reading (`unit`, times 100 for fans), or with the states whose bits are set."""

    name: str
    kind: int
    value: int = 0
    unit: int = 0
    bits: tuple[int, ...] = ()
    crossed: tuple[int, ...] = ()
    """Thresholds that are crossed: 3 upper non-critical, 4 upper critical, 1 lower critical."""
    scanning: bool = True


SENSORS = (
    Sensor("Inlet Temp", TEMPERATURE, 23, CELSIUS),
    Sensor("CPU1 Temp", TEMPERATURE, 61, CELSIUS),
    Sensor("Fan1", FAN, 42, RPM),
    Sensor("Fan2", FAN, 43, RPM),
    Sensor("PS1 Status", SUPPLY, bits=(0,)),
    Sensor("PS2 Status", SUPPLY, bits=(0,)),
    Sensor("Drive 0", DRIVE, bits=(0,)),
    Sensor("CPU2 Temp", TEMPERATURE, 0, CELSIUS, scanning=False),
)


def _hex(values: Sequence[int]) -> str:
    return " ".join(f"0x{each:02x}" for each in values)


def _record(number: int, sensor: Sensor) -> list[int]:
    """Return its SDR (IPMI 2.0, 43.1 and 43.2)."""
    name = [0xC0 | len(sensor.name), *sensor.name.encode()]
    analog = sensor.unit != 0
    capability, reading = (0x68, 0x01) if analog else (0x40, 0x6F)
    body = [0x20, 0, number, 7, 1, 0x7F, capability, sensor.kind, reading, 0xFF, 0x0F, 0xFF, 0x0F, 0x3F, 0x3F]
    if analog:
        factor = 100 if sensor.unit == RPM else 1
        body += [0x00, sensor.unit, 0, 0, factor, 0, 0, 0, 0, 0, 7, 40, 70, 10, 255, 0]
        body += [90, 80, 70, 3, 4, 5, 1, 1, 0, 0, 0]
    else:
        body += [0xC0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    body += name
    return [number, 0, 0x51, 1 if analog else 2, len(body), *body]


def _commands(sensors: Sequence[Sensor], events: Sequence[Sequence[int]], fru: bytes, power: bool) -> str:
    lines = [
        "mc_setbmc 0x20",
        "mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02",
        "sel_enable 0x20 100 0x0a",
    ]
    for number, sensor in enumerate(sensors, 1):
        lines.append(f"sensor_add 0x20 0 {number} {sensor.kind} {1 if sensor.unit else 0x6F}")
        if sensor.unit:
            lines.append(f"sensor_set_value 0x20 0 {number} {sensor.value} 0")
        lines += [f"sensor_set_bit 0x20 0 {number} {bit} 1 0" for bit in (*sensor.bits, *sensor.crossed)]
        scanning = "scanning" if sensor.scanning else "no-scanning"
        masks = " ".join(["000111111111111"] * 4)
        lines.append(f"sensor_set_event_support 0x20 0 {number} enable {scanning} per-state {masks}")
        lines.append(f"main_sdr_add 0x20 {_hex(_record(number, sensor))}")
    lines += [f"sel_add 0x20 0x02 {_hex(event)}" for event in events]
    if fru:
        lines.append(f"mc_add_fru_data 0x20 0 {len(fru)} data {_hex(fru)}")
    lines.append("mc_enable 0x20")
    return "\n".join([*lines, ""])


def event(kind: int, number: int, offset: int, *, ago: int = 60, reading: int = 0x6F) -> list[int]:
    """Return an event of the log (IPMI 2.0, 32.1), without id and record type."""
    at = int(time.time()) - ago
    return [*at.to_bytes(4, "little"), 0x20, 0, 4, kind, number, reading, offset, 0xFF, 0xFF]


def _field(text: str) -> list[int]:
    return [0xC0 | len(text), *text.encode()]


def fru(maker: str, product: str, serial: str) -> bytes:
    """Return a FRU with a product area (Platform Management FRU Information Storage Definition)."""
    area = [*_field(maker), *_field(product), *_field("P1"), *_field("1"), *_field(serial), 0xC0, 0xC0, 0xC1]
    body = [1, 0, 25, *area]
    body += [0] * (-(len(body) + 1) % 8)
    body[1] = (len(body) + 1) // 8
    body.append(-sum(body) % 256)
    head = [1, 0, 0, 0, 1, 0, 0]
    return bytes([*head, -sum(head) % 256, *body])


@asynccontextmanager
async def ipmi_sim(
    directory: Path,
    password: str,
    sensors: Sequence[Sensor] = SENSORS,
    events: Sequence[Sequence[int]] = (),
    inventory: bytes = b"",
    privilege: str = "user",
) -> AsyncIterator[int]:
    """Run one with one account, and give its port."""
    port, config, commands = free_port(socket.SOCK_DGRAM), directory / "lan.conf", directory / "sim.emu"
    config.write_text(
        f"""name "muster"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 {port}
  priv_limit admin
  allowed_auths_callback md5
  allowed_auths_user md5
  allowed_auths_operator md5
  allowed_auths_admin md5
  guid a123456789abcdefa123456789abcdef
endlan
user 1 true "" "" callback 10 none
user 2 true "{USER}" "{password}" {privilege} 10 md5
"""
    )
    commands.write_text(_commands(sensors, events, inventory, power=True))
    command = (program("ipmi_sim"), "-c", str(config), "-f", str(commands), "-s", str(directory), "-n")
    async with running(*command, log=directory / "sim.log") as process:
        async with asyncio.timeout(15):
            while not await asyncio.to_thread(_answers, port):
                assert process.returncode is None, (directory / "sim.log").read_text()
                await asyncio.sleep(0.05)
        yield port


def _answers(port: int) -> bool:
    """Ask by an ASF ping whether somebody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.3)
        asking.connect(("127.0.0.1", port))
        try:
            asking.send(bytes([6, 0, 0xFF, 6, 0, 0, 0x11, 0xBE, 0x80, 1, 0, 0]))
            return bool(asking.recv(100))
        except OSError:
            return False
