"""A card reader of the monitor's own machine (PC/SC): is it there, does it hold a card, does that answer.

The calls of pcsc-lite block, so they are made in a few threads. A card is asked for nothing but SELECT of an
application, and not at all while another program uses it: that would change what the other one has selected.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from probes._patterns import Pattern, found
from probes._service import NOT_TOLD, Notes
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Shared, Target
from probes.errors import Ending, ExpectationFailed, Inconclusive, Unreachable
from probes.peripheral._here import must_be_here
from probes.peripheral._pcsc_library import (
    EXCLUSIVE,
    IN_USE,
    MUTE,
    PRESENT,
    T0,
    T1,
    UNAVAILABLE,
    Card,
    ReaderState,
    Service,
    service,
)
from probes.peripheral._threads import Threads

THREADS = 4
MOST_SHOWN = 16
PROTOCOLS = {T0: "T=0", T1: "T=1"}


class PcscParams(Params):
    """Parameters of `pcsc`."""

    reader: Pattern | None = None
    """Regular expression that the reader's name has to match; else the first reader is taken."""
    select: Annotated[str, Field(pattern=r"^(?:[0-9A-Fa-f]{2} ?){5,16}$")] | None = None
    """Identifier of an application (AID) that is selected on the card, in hexadecimal."""
    status: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{4}$")] = "9000"
    """Status that the card has to give for it."""


class Readers:
    """The few threads that wait for pcscd. A client of `Shared.get`."""

    def __init__(self, _shared: Shared) -> None:
        self.threads = Threads("pcsc", THREADS)


@dataclass(slots=True)
class Look:
    """What a look at the readers gave, also where it ended badly (`why`)."""

    readers: list[str] | None = None
    reader: str = ""
    state: ReaderState | None = None
    protocol: int = 0
    answer: bytes = b""
    took_ms: dict[str, float] = field(default_factory=dict)
    why: Ending | None = None


async def probe_pcsc(target: Target, params: PcscParams, context: Context) -> Reading:
    """Ask pcscd for its readers and the card in one of them, and select an application where that is wanted.

    Raises `Refused` (no_service), `Unreachable` (no_reader), `ExpectationFailed` (no_card, wrong_status),
    `ProtocolViolated` (mute_card...), `Inconclusive` (busy), `PermissionMissing`, `MissingDriver`,
    `ProberFault` for a target that is another machine.
    """
    notes = Notes(context)
    with notes.kept():
        must_be_here(target, "a card reader")
        look = await context.shared.get(Readers).threads.do(lambda: _look(params, context), context)
        _note(look, notes)
        if look.why is not None:
            raise look.why
    return notes.reading()


def _look(params: PcscParams, context: Context) -> Look:
    look = Look()
    try:
        context.phase, start = "connect", time.perf_counter()
        with service() as pcscd:
            start = _took(look, "connect", start)
            context.phase = "query"
            _readers(pcscd, params, look)
            start = _took(look, "query", start)
            if params.select is not None:
                context.phase = "select"
                _select(pcscd, bytes.fromhex(params.select), params.status, look)
                _took(look, "select", start)
    except Ending as ending:
        look.why = ending
    return look


def _took(look: Look, phase: str, start: float) -> float:
    now = time.perf_counter()
    look.took_ms[phase] = (now - start) * 1000
    return now


def _readers(pcscd: Service, params: PcscParams, look: Look) -> None:
    readers = look.readers = pcscd.readers()
    look.reader = next((r for r in readers if params.reader is None or found(params.reader, r)), "")
    if not look.reader:
        raise Unreachable(missing_reader(params.reader, readers))
    look.state = pcscd.state(look.reader)
    if look.state.flags & UNAVAILABLE:
        raise Inconclusive("busy: another program has the reader for itself")


def missing_reader(wanted: str | None, readers: list[str]) -> str:
    """Say which reader is missing."""
    if not readers:
        return "no_reader: pcscd knows none"
    return f"no_reader: none matches {wanted!r}; there are {', '.join(readers[:MOST_SHOWN])}"


def _select(pcscd: Service, aid: bytes, status: str, look: Look) -> None:
    flags = look.state.flags if look.state is not None else 0
    if not flags & PRESENT:
        raise ExpectationFailed("no_card: there is no card in the reader")
    if flags & (IN_USE | EXCLUSIVE):
        raise Inconclusive("busy: another program uses the card; nothing is sent to it")
    with pcscd.card(look.reader) as card:
        look.protocol = card.protocol
        look.answer = selected(card, aid)
    given = look.answer[-2:].hex().upper()
    if given != status.upper():
        raise ExpectationFailed(f"wrong_status: {given}, not {status.upper()}")


def selected(card: Card, aid: bytes) -> bytes:
    """Return the answer to SELECT by name (ISO 7816-4, 7.1.1); what waits to be fetched is fetched."""
    answer = card.ask(bytes([0x00, 0xA4, 0x04, 0x00, len(aid)]) + aid)
    if answer[-2] == 0x61:
        answer = card.ask(bytes([0x00, 0xC0, 0x00, 0x00, answer[-1]]))
    return answer


def _note(look: Look, notes: Notes) -> None:
    for phase, took_ms in look.took_ms.items():
        notes.add(phase, took_ms)
    if look.readers is not None:
        notes.metrics["readers"] = float(len(look.readers))
        notes.facts |= {"reader_names": ", ".join(look.readers[:MOST_SHOWN])} if look.readers else {}
    if look.state is not None:
        notes.facts["reader"] = look.reader
        notes.metrics |= slot(look.state)
        if look.state.atr:
            notes.facts["atr"] = look.state.atr.hex().upper()
    if look.answer:
        notes.facts |= {
            "protocol": PROTOCOLS.get(look.protocol, str(look.protocol)),
            "status_word": look.answer[-2:].hex().upper(),
        }
        notes.metrics["response_bytes"] = float(len(look.answer) - 2)


def slot(state: ReaderState) -> dict[str, float]:
    """Return what a reader's flags say of its slot."""
    present = bool(state.flags & PRESENT)
    return {
        "card_present": float(present),
        "card_answers": float(present and not state.flags & MUTE and bool(state.atr)),
        "card_in_use": float(bool(state.flags & (IN_USE | EXCLUSIVE))),
    }


PROBE = ProbeSpec(
    name="pcsc",
    family="peripheral",
    summary="A card reader of the monitor's own machine (PC/SC): is it there, and does a card in it answer.",
    params=PcscParams,
    run=probe_pcsc,
    metrics=(
        MetricDef("connect_ms", "ms", "lower", 0.001, "Reaching pcscd."),
        MetricDef("query_ms", "ms", "lower", 0.001, "Asking for readers and the card."),
        MetricDef("select_ms", "ms", "lower", 0.001, "Selecting the application."),
        MetricDef("readers", "count", "higher", 1, "Readers that pcscd knows."),
        MetricDef("card_present", "count", "higher", 1, "Whether the reader holds a card (1 or 0)."),
        MetricDef("card_answers", "count", "higher", 1, "Whether the card has answered to reset (1 or 0)."),
        MetricDef("card_in_use", "count", "none", 1, "Whether another program uses the card (1 or 0)."),
        MetricDef("response_bytes", "bytes", "none", 1, "What the card gave for SELECT, without the status."),
    ),
    facts=(
        FactDef("reader", help="The reader that was looked at."),
        FactDef("reader_names", help="All readers."),
        FactDef("atr", help="The card's answer to reset, in hexadecimal."),
        FactDef("protocol", help="T=0 or T=1."),
        FactDef("status_word", help="Status that the card gave for SELECT."),
        NOT_TOLD,
    ),
    phases=("queued", "connect", "query", "select"),
    kinds=(
        "refused",  # no_service
        "unreachable",  # no_reader
        "timeout",
        "protocol",  # mute_card
        "expectation",  # no_card, wrong_status
        "permission", "inconclusive", "missing_driver", "prober_error",
    ),
)  # fmt: skip
