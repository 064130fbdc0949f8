"""pymodbus' server: the sensors of a machine room, over TCP, TLS or a serial line."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusBaseServer, ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.servers.ports import free_port
from tests.servers.process import program, running

BUSY, BROKEN, SLOW = 200, 201, 202
"""Holding registers whose device is busy, fails, and takes a second."""


async def _refuses(
    function: int,
    start: int,
    address: int,
    count: int,
    registers: list[int],
    values: list[int] | list[bool] | None,
) -> ExcCodes | None:
    if address == SLOW:
        await asyncio.sleep(1)
    return {BUSY: ExcCodes.DEVICE_BUSY, BROKEN: ExcCodes.DEVICE_FAILURE}.get(address)


def room(unit: int = 1) -> SimDevice:
    """Return a device with a thermometer, a hygrometer, a leak detector and values of all types."""
    coils = [SimData(0, values=[True, False, True], datatype=DataType.BITS)]
    inputs = [SimData(0, values=[False, True], datatype=DataType.BITS)]
    holding = [
        SimData(0, values=[235, 456, 0xFFC9, 0x7FFF, 0b101], datatype=DataType.REGISTERS),
        SimData(10, values=[3.25, -1.5], datatype=DataType.FLOAT32),
        SimData(20, values=70_000, datatype=DataType.UINT32),
        SimData(22, values=-70_000, datatype=DataType.INT32),
        SimData(24, values=2**40, datatype=DataType.UINT64),
        SimData(28, values=0.1, datatype=DataType.FLOAT64),
        SimData(40, values=[0x1170, 0x0001], datatype=DataType.REGISTERS),
        SimData(42, values=[0x0000, 0x5040], datatype=DataType.REGISTERS),
        SimData(44, values=float("nan"), datatype=DataType.FLOAT32),
        SimData(BUSY, values=[0, 0, 0], datatype=DataType.REGISTERS),
    ]
    registers = [SimData(100, values=[7, 8, 9], datatype=DataType.REGISTERS)]
    return SimDevice(unit, simdata=(coils, inputs, holding, registers), action=_refuses)


@asynccontextmanager
async def _serving(server: ModbusBaseServer) -> AsyncIterator[None]:
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def modbus_tcp(
    *devices: SimDevice, rtu: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve over TCP and give the port; with `rtu` as a gateway that passes serial frames on."""
    address, framer = ("127.0.0.1", free_port()), FramerType.RTU if rtu else FramerType.SOCKET
    units = list(devices) or [room()]
    server = (
        ModbusTlsServer(units, framer=framer, address=address, sslctx=tls)
        if tls
        else ModbusTcpServer(units, framer=framer, address=address)
    )
    async with _serving(server):
        yield address[1]


@asynccontextmanager
async def modbus_serial(directory: Path, *devices: SimDevice) -> AsyncIterator[str]:
    """Serve on one end of a pair of pseudo-terminals, and give the other."""
    ends = directory / "monitor", directory / "device"
    command = (program("socat"), *(f"PTY,link={end},rawer" for end in ends))
    async with running(*command, log=directory / "socat.log"):
        while not all(end.exists() for end in ends):
            await asyncio.sleep(0.02)
        server = ModbusSerialServer(
            list(devices) or [room()], port=os.path.realpath(ends[1]), baudrate=19200, parity="N", timeout=1
        )
        async with _serving(server):
            yield os.path.realpath(ends[0])
