"""The parameters of `dlt645`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from probes._service import Port, ServiceParams
from probes._zone import Zone
from probes.api import Seconds
from probes.peripheral._dlt645_frame import BROADCAST, WHOEVER, Standard
from probes.peripheral._serial_line import Baud, Device, LineParams

Meter = Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]
What = Literal["energy", "clock", "voltage"]


class MeterLine(LineParams):
    """Settings of a serial line, as meters of 2007 are delivered unless given."""

    baud: Baud = 2400
    """Bits a second; meters of 1997 often have 1200."""
    parity: Literal["none", "even", "odd"] = "even"
    """Parity bit."""


class Dlt645Params(ServiceParams):
    """Parameters of `dlt645`."""

    port: Port | None = None
    """TCP port of the serial server or concentrator, which passes frames on as they are."""
    device: Device | None = None
    """Path of a serial device of the monitor's own machine, in place of `port`; the address is `local`."""
    line: MeterLine = MeterLine()
    """Settings of the serial line."""
    standard: Standard = "2007"
    """The standard of the meters: DL/T 645-2007 or DL/T 645-1997."""
    meter: Meter | None = None
    """Address of the one meter that is read; without it and `meters`, the only meter on the line is."""
    meters: Annotated[tuple[Meter, ...], Field(max_length=1000)] = ()
    """Addresses of a sample of meters, read one after the other."""
    read: Annotated[tuple[What, ...], Field(min_length=1)] = ("energy", "clock", "voltage")
    """What is read of each: a meter that has not given all of it is a missing one."""
    phases: Literal[1, 3] = 1
    """Phases whose voltage is read: A, or A, B and C."""
    tariffs: bool = False
    """Whether the energy of each tariff is read with the total (of one meter)."""
    timezone: Zone = "Asia/Shanghai"
    """Time zone of the meters' clocks."""
    answer_within: Annotated[Seconds, Field(gt=0, le=60)] = 1.5
    """How long a meter may take for an answer, its transmission included."""

    @model_validator(mode="after")
    def _one_way_to_the_meters(self) -> Self:
        if (self.port is None) == (self.device is None):
            raise ValueError("give either port (a serial server) or device (a serial device of this machine)")
        if self.device is not None and self.tls == "on":
            raise ValueError("a serial line has no TLS")
        if self.meter is not None and self.meters:
            raise ValueError("meter and meters exclude each other")
        if BROADCAST in self.addresses:
            raise ValueError(f"nobody answers to {BROADCAST}: it is the address of broadcasts")
        if len(set(self.addresses)) < len(self.addresses):
            raise ValueError("a meter is there twice")
        return self

    @property
    def addresses(self) -> list[str]:
        """The meters' addresses, of 12 digits each."""
        given = self.meters or ((self.meter,) if self.meter is not None else ())
        return [meter.zfill(12) for meter in given] or [WHOEVER]
