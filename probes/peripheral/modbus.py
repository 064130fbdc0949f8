"""Registers of a Modbus device as metrics, over TCP, through a gateway, or on a serial line of the monitor.

Temperature, humidity and water leaks of a machine room are the usual ones. Only functions that read are sent
(1 to 4). What a device gives for "no sensor" is named by `absent` and left out, never given as a number.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from pydantic import Field, model_validator

from probes._service import (
    ADDRESS,
    CONNECT_MS,
    NOT_TOLD,
    QUERY_MS,
    TLS_MS,
    Notes,
    Port,
    ServiceParams,
    Talk,
    address_of,
    talking,
)
from probes._sockets import own_deadline
from probes.api import Context, MetricDef, Params, ProbeSpec, Reading, Target
from probes.errors import Ending, ExpectationFailed
from probes.peripheral._modbus_frame import (
    FORMATS,
    MOST_BITS,
    MOST_REGISTERS,
    Kind,
    Question,
    Type,
    answer,
    bits,
    framed,
    told,
    values,
)
from probes.peripheral._serial_line import Baud, Device, LineParams, serial_line

OWN_NAMES = ("connect_ms", "tls_ms", "query_ms", "values", "values_absent", "address", "not_told")
MOST_VALUES = 512
"""Values that one check reads."""
SILENCE_S = 0.005
"""Pause between two frames of a serial line: over 3.5 characters at 9600 bit/s."""


class Register(Params):
    """One value, or `count` values in a row."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    """Name of the metric; of several values they are NAME_1, NAME_2 and so on."""
    kind: Kind = "holding"
    """Table of the device."""
    address: Annotated[int, Field(ge=0, le=65535)]
    """Address in the frame, from 0 (40001 of a manual is holding 0)."""
    count: Annotated[int, Field(ge=1, le=125)] = 1
    """How many values."""
    type: Type | None = None
    """Type of the value; `bit` for coils and discrete inputs, otherwise `u16`, unless given."""
    bit: Annotated[int, Field(ge=0, le=15)] = 0
    """Which bit, where `bit` of a register is wanted."""
    words: Literal["big", "little"] = "big"
    """Which word of a longer value comes first."""
    bytes: Literal["big", "little"] = "big"
    """Which byte of a word comes first."""
    scale: float = 1.0
    """The value is multiplied by it."""
    offset: float = 0.0
    """And then this is added."""
    absent: tuple[float, ...] = ()
    """Values, before scaling, that mean there is no sensor or no measurement."""

    @model_validator(mode="after")
    def _fits(self) -> Register:
        single = self.kind in ("coil", "discrete")
        if single and self.type not in (None, "bit"):
            raise ValueError(f"a {self.kind} is one bit: leave type out")
        if self.length > (MOST_BITS if single else MOST_REGISTERS):
            raise ValueError(f"one request reads at most {MOST_REGISTERS} registers")
        if self.address + self.length > 65536:
            raise ValueError("the last address is over 65535")
        return self

    @property
    def shape(self) -> Type:
        """Type of the value."""
        return self.type or ("bit" if self.kind in ("coil", "discrete") else "u16")

    @property
    def length(self) -> int:
        """Registers or bits that are read."""
        return self.count * FORMATS[self.shape][0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return (self.name,) if self.count == 1 else tuple(f"{self.name}_{n + 1}" for n in range(self.count))


class BusLine(LineParams):
    """Settings of a serial line, by the standard (V1.02, 2.5.1) unless given."""

    baud: Baud = 19200
    """Bits a second."""
    parity: Literal["none", "even", "odd"] = "even"
    """Parity bit; many sensors have none."""


class ModbusParams(ServiceParams):
    """Parameters of `modbus`."""

    port: Port = 502
    """Port of the device or gateway (802 with TLS)."""
    device: Device | None = None
    """Serial device of the monitor's own machine; the asset's address is then `local`."""
    line: BusLine = BusLine()
    """Settings of the serial line."""
    framing: Literal["tcp", "rtu"] = "tcp"
    """Frames over TCP; `rtu` for a gateway that passes serial frames on. A serial line has always `rtu`."""
    unit: Annotated[int, Field(ge=0, le=255)] = 1
    """Unit (slave) that is asked."""
    registers: tuple[Register, ...] = Field(min_length=1, max_length=64)
    """What is read."""

    @model_validator(mode="after")
    def _distinct(self) -> ModbusParams:
        names = [name for register in self.registers for name in register.names]
        twice = sorted({name for name in names if names.count(name) > 1 or name in OWN_NAMES})
        if twice:
            raise ValueError(f"names must be distinct and not the probe's own: {', '.join(twice)}")
        if len(names) > MOST_VALUES:
            raise ValueError(f"one check reads at most {MOST_VALUES} values")
        if self.device is not None and self.tls == "on":
            raise ValueError("a serial line has no TLS")
        if self.device is not None and not 1 <= self.unit <= 247:
            raise ValueError("units of a serial line are 1 to 247; nobody answers to 0")
        return self


async def probe_modbus(target: Target, params: ModbusParams, context: Context) -> Reading:
    """Read the registers, one request each.

    Raises `ExpectationFailed` (illegal_address...: the first refusal, after all registers were asked),
    `Unreachable` (gateway_path_unavailable, no_device), `TimedOut` (also gateway_no_response),
    `ProtocolViolated` (bad_checksum...), and what a connection or a serial line comes to.
    """
    notes = Notes(context)
    with notes.kept():
        async with _wire(target, params, notes) as talk:
            with notes.phase("query"):
                refusal = await _read(talk, params, notes)
        if refusal is not None:
            raise refusal
    return notes.reading()


@asynccontextmanager
async def _wire(target: Target, params: ModbusParams, notes: Notes) -> AsyncIterator[Talk]:
    if params.device is None:
        address = await address_of(target, notes)
        async with talking(target, address, params.port, params, notes) as talk:
            yield talk
        return
    notes.facts["address"] = params.device
    async with serial_line(target, params.device, params.line, notes.context) as line:
        notes.add("connect", line.opened_ms)
        yield Talk(line, own_deadline(notes.context))


async def _read(talk: Talk, params: ModbusParams, notes: Notes) -> Ending | None:
    """Note all values; return the first refusal."""
    rtu, refusal = params.device is not None or params.framing == "rtu", None
    notes.metrics |= {"values": 0.0, "values_absent": 0.0}
    for number, register in enumerate(params.registers, 1):
        question = Question(params.unit, register.kind, register.address, register.length)
        if rtu and number > 1:
            await asyncio.sleep(SILENCE_S)
        await talk.say(framed(question, number, rtu=rtu))
        try:
            data = await answer(talk, question, number, rtu=rtu)
        except ExpectationFailed as error:
            refusal = refusal or error
            continue
        _note(register, decoded(register, data), notes)
    return refusal


def decoded(register: Register, data: bytes) -> list[float | int]:
    """Return the values in an answer, not scaled."""
    if register.kind in ("coil", "discrete"):
        return [*bits(data, register.count)]
    little = {"little_words": register.words == "little", "little_bytes": register.bytes == "little"}
    found = values(data, register.shape, **little)
    return [int(value) >> register.bit & 1 for value in found] if register.shape == "bit" else found


def _note(register: Register, found: list[float | int], notes: Notes) -> None:
    for name, value in zip(register.names, found, strict=True):
        scaled = value * register.scale + register.offset
        if told(value, register.absent) and math.isfinite(scaled):
            notes.metrics[name] = scaled
            notes.metrics["values"] += 1
        else:
            notes.metrics["values_absent"] += 1
            notes.missing(f"{name}: the device says that it has no value ({value:g})")


PROBE = ProbeSpec(
    name="modbus",
    family="peripheral",
    summary="Registers of a Modbus device (temperature, humidity, water leak...), over TCP or a serial line.",
    params=ModbusParams,
    run=probe_modbus,
    metrics=(
        CONNECT_MS, TLS_MS, QUERY_MS,
        MetricDef("values", "count", "none", 1, "Values that were read."),
        MetricDef("values_absent", "count", "lower", 1, "Values for which the device says it has none."),
    ),
    facts=(ADDRESS, NOT_TOLD),
    phases=("resolve", "queued", "connect", "tls", "query"),
    kinds=(
        "unreachable",  # also no_device, gateway_path_unavailable
        "refused",
        "timeout",  # also gateway_no_response
        "tls", "protocol", "dns",
        "expectation",  # illegal_function, illegal_address, device_failure, device_busy...
        "permission", "inconclusive", "prober_error",
    ),
    dynamic=True,
)  # fmt: skip
