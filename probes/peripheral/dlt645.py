"""Electricity meters by DL/T 645-2007 (or -1997), on a serial line or behind a serial server.

Meters are only read: energy (identifier 00010000, in 1997 9010), date and time (04000101 and 04000102, C010
and C011) and voltage (02010100 to 02010300, B611 to B613). A run asks each meter once.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from probes._clock import monitor_clock
from probes._service import ADDRESS, CONNECT_MS, KINDS, NOT_TOLD, TLS_MS, Notes, address_of, talking
from probes._sockets import Stream, own_deadline
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import Ending, Inconclusive, ProtocolViolated, TimedOut
from probes.peripheral._dlt645_bus import Bus, LineClosed, MeterRefused, NoTimeLeft, Turns
from probes.peripheral._dlt645_frame import Standard, date_of, number, numbers, shown, time_of
from probes.peripheral._dlt645_params import Dlt645Params
from probes.peripheral._serial_line import serial_line

ENERGY: dict[Standard, int] = {"2007": 0x00010000, "1997": 0x9010}
TARIFFS: dict[Standard, int] = {"2007": 0x0001FF00, "1997": 0x901F}
DATE: dict[Standard, int] = {"2007": 0x04000101, "1997": 0xC010}
TIME: dict[Standard, int] = {"2007": 0x04000102, "1997": 0xC011}
VOLTAGE: dict[Standard, tuple[int, ...]] = {
    "2007": (0x02010100, 0x02010200, 0x02010300), "1997": (0xB611, 0xB612, 0xB613),
}  # fmt: skip
VOLTAGE_DECIMALS: dict[Standard, int] = {"2007": 1, "1997": 0}
ENERGY_BYTES, ENERGY_DECIMALS, VOLTAGE_BYTES = 4, 2, 2
BLOCK_END = b"\xaa"
"""Ends a block of values in the standard of 1997."""
TARIFFS_TOLD = 4
TOLD_MISSING = 20


@dataclass(slots=True)
class Meter:
    """What one meter gave."""

    address: str = ""
    energy: list[float] = field(default_factory=list)
    """The total in kWh, then each tariff."""
    voltages: list[float] = field(default_factory=list)
    offset_s: float | None = None


@dataclass(slots=True)
class Sample:
    """What became of all that were to be asked."""

    wanted: int
    read: list[Meter] = field(default_factory=list)
    missing: list[tuple[str, Ending]] = field(default_factory=list)

    @property
    def unasked(self) -> int:
        """Meters for which the run had no time."""
        return self.wanted - len(self.read) - len(self.missing)


async def probe_dlt645(target: Target, params: Dlt645Params, context: Context) -> Reading:
    """Read the meters.

    Raises, where none of them was read, what became of the first: `TimedOut`, `ProtocolViolated` (only
    garbage came), `ExpectationFailed` (it answered with an error, whose first word begins the detail); and
    `Inconclusive` where there was no time to ask, and what a connection or a serial line comes to.
    """
    notes = Notes(context)
    with notes.kept():
        async with _line(target, params, notes) as stream:
            bus = Bus(stream, context, params.standard, params.answer_within, own_deadline(context))
            sample = Sample(len(params.addresses))
            try:
                with notes.phase("query", told=False):
                    await _ask_all(bus, params, sample)
            finally:
                notes.metrics |= figures(sample, bus.took_ms, bus.strays)
                notes.facts |= _names(sample)
        _judge(sample, params)
    _tell(sample, params, notes)
    return notes.reading()


@asynccontextmanager
async def _line(target: Target, params: Dlt645Params, notes: Notes) -> AsyncIterator[Stream]:
    if params.device is not None:
        notes.facts["address"] = params.device
        async with serial_line(target, params.device, params.line, notes.context) as line:
            notes.add("connect", line.opened_ms)
            yield line
        return
    address = await address_of(target, notes)
    assert params.port is not None
    notes.context.phase = "queued"
    async with (
        notes.context.shared.get(Turns).of(address.host, params.port),
        talking(target, address, params.port, params, notes) as talk,
    ):
        yield talk.stream


async def _ask_all(bus: Bus, params: Dlt645Params, sample: Sample) -> None:
    for address in params.addresses:
        try:
            sample.read.append(await _meter(bus, address, params))
        except NoTimeLeft:
            return
        except LineClosed:
            raise
        except (MeterRefused, TimedOut, ProtocolViolated) as ending:
            sample.missing.append((address, ending))


async def _meter(bus: Bus, address: str, params: Dlt645Params) -> Meter:
    found, standard = Meter(), params.standard
    if "energy" in params.read:
        answer = await bus.read(address, (TARIFFS if params.tariffs else ENERGY)[standard])
        found.address, found.energy = answer.meter, energies(answer.data, params)
    if "clock" in params.read:
        found.address, found.offset_s = await _offset(bus, address, params)
    if "voltage" in params.read:
        for identifier in VOLTAGE[standard][: params.phases]:
            answer = await bus.read(address, identifier)
            found.address = answer.meter
            found.voltages.append(number(answer.data, VOLTAGE_BYTES, VOLTAGE_DECIMALS[standard]))
    return found


def energies(data: bytes, params: Dlt645Params) -> list[float]:
    """Return the total, and the tariffs where those were asked for. Raises `ProtocolViolated`."""
    if not params.tariffs:
        return [number(data, ENERGY_BYTES, ENERGY_DECIMALS)]
    ended = params.standard == "1997" and len(data) % ENERGY_BYTES == 1
    found = numbers(data.removesuffix(BLOCK_END) if ended else data, ENERGY_BYTES, ENERGY_DECIMALS)
    if not found:
        raise ProtocolViolated("a block of energies that is empty")
    return found


async def _offset(bus: Bus, address: str, params: Dlt645Params) -> tuple[str, float]:
    """Return the meter's address, and how far its clock is ahead.

    The date is read first, and once more where midnight came in between.
    """
    date = date_of((await bus.read(address, DATE[params.standard])).data)
    answer = await bus.read(address, TIME[params.standard])
    time = time_of(answer.data)
    if (time.hour, time.minute) == (0, 0):
        date = date_of((await bus.read(address, DATE[params.standard])).data)
    return answer.meter, offset_s(date, time, params.timezone, answer.at)


def offset_s(date: dt.date, time: dt.time, zone: str, at: float) -> float:
    """Return the seconds that a clock is ahead of `at`; it tells whole seconds, so half of one is added."""
    told = dt.datetime.combine(date, time, ZoneInfo(zone))
    return told.timestamp() + 0.5 - at


def figures(sample: Sample, took_ms: Sequence[float], strays: int) -> dict[str, float]:
    """Return what is true of the part that was asked, however the run ends."""
    found = {
        "meters": float(sample.wanted), "answered": float(len(sample.read)), "strays": float(strays),
    }  # fmt: skip
    return found | ({"read_ms": statistics.median(took_ms)} if took_ms else {})


def _names(sample: Sample) -> dict[str, str]:
    missing = [f"{meter} ({_why(ending)})" for meter, ending in sample.missing]
    found = {"missing": shown(missing, TOLD_MISSING)} if missing else {}
    if len(sample.read) == sample.wanted:
        found["missing"] = "none"
    return found | ({"meter": sample.read[0].address} if sample.wanted == 1 and sample.read else {})


def _why(ending: Ending) -> str:
    return ending.detail.partition(":")[0] if isinstance(ending, MeterRefused) else ending.detail


def _judge(sample: Sample, params: Dlt645Params) -> None:
    """Raise where nothing was read."""
    if sample.read:
        return
    if not sample.missing:
        raise Inconclusive(f"the time left is less than a meter may take ({params.answer_within:g} s)")
    first = sample.missing[0][1]
    if sample.wanted > 1:
        asked = len(sample.missing)
        raise type(first)(f"{_first_word(first)}none of the {asked} meters asked was read")
    raise first


def _first_word(ending: Ending) -> str:
    return f"{_why(ending)}: " if isinstance(ending, MeterRefused) else ""


def _tell(sample: Sample, params: Dlt645Params, notes: Notes) -> None:
    if sample.unasked:
        notes.missing(f"answered_pct: time was up before {sample.unasked} of {sample.wanted} were asked")
    else:
        notes.metrics["answered_pct"] = 100 * len(sample.read) / sample.wanted
    volts = [volt for meter in sample.read for volt in meter.voltages]
    if volts:
        notes.metrics |= {"voltage_min_v": min(volts), "voltage_max_v": max(volts)}
    offsets = [meter.offset_s for meter in sample.read if meter.offset_s is not None]
    if offsets:
        clock = notes.facts["monitor_clock"] = monitor_clock()
        name = "clock_offset_unsynchronised_s" if clock == "unsynchronised" else "clock_offset_s"
        notes.metrics[name] = max(offsets, key=abs)
    if sample.wanted == 1 and "energy" in params.read:
        names = ("energy_kwh", *(f"energy_t{tariff}_kwh" for tariff in range(1, TARIFFS_TOLD + 1)))
        notes.metrics |= dict(zip(names, sample.read[0].energy, strict=False))


def _tariff(number: int) -> MetricDef:
    return MetricDef(
        f"energy_t{number}_kwh", "kWh", "none", 0.01, f"The same in tariff {number} (`tariffs`)."
    )


PROBE = ProbeSpec(
    name="dlt645",
    family="peripheral",
    summary="Electricity meters by DL/T 645: how many of a sample answer, energy, clock, voltage.",
    params=Dlt645Params,
    run=probe_dlt645,
    metrics=(
        CONNECT_MS, TLS_MS,
        MetricDef("meters", "count", "none", 1, "Meters of the check."),
        MetricDef("answered", "count", "higher", 1, "Meters that gave all that was asked of them."),
        MetricDef("answered_pct", "%", "higher", 0.01,
                  "The same of all; left out where time was up before all were asked."),
        MetricDef("read_ms", "ms", "lower", 0.001, "From a question to the end of its answer: the median."),
        MetricDef("energy_kwh", "kWh", "none", 0.01, "Active energy, forward, in all (of one meter)."),
        *(_tariff(tariff) for tariff in range(1, TARIFFS_TOLD + 1)),
        MetricDef("voltage_min_v", "V", "none", 0.1, "Lowest voltage of the phases and meters read."),
        MetricDef("voltage_max_v", "V", "none", 0.1, "Highest voltage of them."),
        MetricDef("clock_offset_s", "s", "none", 0.01,
                  "How far a meter's clock is ahead of the monitor's: of several, the one furthest off."),
        MetricDef("clock_offset_unsynchronised_s", "s", "none", 0.01,
                  "The same while the monitor's own clock is not synchronised: says nothing of the meters."),
        MetricDef("strays", "count", "lower", 1, "Frames that were no answer to what was asked (ignored)."),
    ),
    facts=(
        FactDef("meter", help="Address that the one meter answered with."),
        FactDef("missing", help="Meters that were not read, and why: the first 20; none."),
        FactDef("monitor_clock", help="Whether the monitor's own clock is synchronised, by its kernel."),
        ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "queued", "connect", "tls", "query"),
    kinds=KINDS,
    default_every=300.0,
    default_timeout=30.0,
)  # fmt: skip
