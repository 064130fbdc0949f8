"""A serial device of the monitor's own machine: whether its line opens, and whether it answers as it should.

The line is this run's alone (`_serial_line`), and is put back as it was.
"""

from __future__ import annotations

import math
import os
import time
from typing import Annotated

from pydantic import Field, model_validator

from probes._patterns import Pattern, match, pattern
from probes._service import NOT_TOLD, Notes
from probes._sockets import own_deadline
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Seconds, Target, clip
from probes.errors import ExpectationFailed, ProtocolViolated, TimedOut
from probes.peripheral._serial_line import Device, LineParams, SerialLine, serial_line

LONGEST = 8192
"""Bytes of an answer that are read."""
SHOWN = 60
OWN_NAMES = ("connect_ms", "exchange_ms", "received", "device", "answer", "not_told")
Hex = Annotated[str, Field(pattern=r"^(?:[0-9A-Fa-f]{2} ?){1,512}$")]


class Step(Params):
    """Something is sent, something is waited for, or both."""

    send: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """Text that is sent (UTF-8); in YAML's double quotes `\\r` and `\\n` are line ends."""
    send_hex: Hex | None = None
    """Bytes that are sent, in hexadecimal ("1B 40")."""
    expect: Pattern | None = None
    """What the answer has to match, byte for character (ISO 8859-1). A named group is a metric where it is a
    number, else a fact."""
    expect_hex: Hex | None = None
    """Bytes that the answer has to hold, in hexadecimal."""
    within: Annotated[Seconds, Field(gt=0, le=60)] = 2.0
    """How long the answer may take."""

    @model_validator(mode="after")
    def _something(self) -> Step:
        if self.send is not None and self.send_hex is not None:
            raise ValueError("give send or send_hex")
        if self.expect is not None and self.expect_hex is not None:
            raise ValueError("give expect or expect_hex")
        if not self.model_fields_set & {"send", "send_hex", "expect", "expect_hex"}:
            raise ValueError("a step sends or expects something")
        return self

    @property
    def data(self) -> bytes:
        """What is sent."""
        return bytes.fromhex(self.send_hex) if self.send_hex else (self.send or "").encode()

    @property
    def names(self) -> tuple[str, ...]:
        """What it reports."""
        return tuple(pattern(self.expect).groupindex) if self.expect else ()


class SerialParams(Params):
    """Parameters of `serial`."""

    device: Device
    """Serial device; the asset's address is `local`."""
    line: LineParams = LineParams()
    """Settings of the line."""
    exchange: Annotated[tuple[Step, ...], Field(max_length=16)] = ()
    """What is said, step by step; without it the device is only opened."""
    keep: bool = False
    """Keep the last answer as a fact."""

    @model_validator(mode="after")
    def _distinct(self) -> SerialParams:
        names = [name for step in self.exchange for name in step.names]
        wrong = sorted({name for name in names if names.count(name) > 1 or name in OWN_NAMES})
        if wrong:
            raise ValueError(f"names must be distinct and not the probe's own: {', '.join(wrong)}")
        return self


async def probe_serial(target: Target, params: SerialParams, context: Context) -> Reading:
    """Open the device, and go through the exchange.

    Raises what `serial_line` does (no_device, busy, missing_right, no_serial_line), `TimedOut` (no_answer),
    `ExpectationFailed` (wrong_answer) and `ProtocolViolated` (hung_up, an endless answer).
    """
    notes = Notes(context)
    with notes.kept():
        notes.facts["device"] = params.device
        async with serial_line(target, params.device, params.line, context) as line:
            notes.add("connect", line.opened_ms)
            notes.facts["device"] = os.path.realpath(params.device)  # noqa: ASYNC240 - of a device, no wait
            if params.exchange:
                with notes.phase("exchange"):
                    await _exchanged(line, params, notes)
    return notes.reading()


async def _exchanged(line: SerialLine, params: SerialParams, notes: Notes) -> None:
    notes.metrics["received"] = 0.0
    for step in params.exchange:
        until = min(own_deadline(notes.context), time.perf_counter() + step.within)
        if step.data:
            await line.send(step.data, until)
        if step.expect is None and step.expect_hex is None:
            continue
        answer = await _answer(line, step, until, notes)
        if params.keep:
            notes.facts["answer"] = clip(answer.decode("latin-1"))


async def _answer(line: SerialLine, step: Step, until: float, notes: Notes) -> bytes:
    answer = b""
    while not _taken(step, answer, notes):
        if len(answer) >= LONGEST:
            raise ProtocolViolated(f"{len(answer)} bytes, and not what is expected")
        try:
            chunk = await line.recv(LONGEST, until)
        except TimedOut:
            raise _silent(answer, step) from None
        if not chunk.data:
            raise ProtocolViolated("hung_up: the device went away")
        notes.metrics["received"] += len(chunk.data)
        answer += chunk.data
    return answer


def _silent(answer: bytes, step: Step) -> TimedOut | ExpectationFailed:
    if not answer:
        return TimedOut(f"no_answer: nothing within {step.within:g} s")
    shown = answer[:SHOWN].hex(" ") if step.expect_hex else repr(answer[:SHOWN].decode("latin-1"))
    return ExpectationFailed(f"wrong_answer: {shown}")


def _taken(step: Step, answer: bytes, notes: Notes) -> bool:
    """Tell whether the answer holds what is expected, and note what it names."""
    if step.expect_hex is not None:
        return bytes.fromhex(step.expect_hex) in answer
    found = match(step.expect or "", answer.decode("latin-1"))
    if found is None:
        return False
    for name, text in found.groupdict().items():
        if text is None:
            notes.missing(f"{name}: not in the answer")
        else:
            _note(name, text, notes)
    return True


def _note(name: str, text: str, notes: Notes) -> None:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        notes.metrics[name] = number
    else:
        notes.facts[name] = clip(text)


PROBE = ProbeSpec(
    name="serial",
    family="peripheral",
    summary="A serial device of the monitor's own machine: its line opens, and it answers as it should.",
    params=SerialParams,
    run=probe_serial,
    metrics=(
        MetricDef("connect_ms", "ms", "lower", 0.001, "Opening the device and setting the line."),
        MetricDef("exchange_ms", "ms", "lower", 0.001, "The whole exchange."),
        MetricDef("received", "bytes", "none", 1, "What the device sent."),
    ),
    facts=(
        FactDef("device", help="The device, by the name that the kernel gave it."),
        FactDef("answer", help="The last answer, where the check keeps it."),
        NOT_TOLD,
    ),
    phases=("queued", "connect", "exchange"),
    kinds=(
        "unreachable",  # no_device
        "timeout",  # no_answer
        "protocol",  # hung_up
        "expectation",  # wrong_answer, no_serial_line
        "permission",  # missing_right
        "inconclusive",  # busy
        "prober_error",
    ),
    names_in=("exchange",),
)  # fmt: skip
