"""A card host by a network management message of ISO 8583: 0800 is asked, 0810 with code 00 is to come.

Nothing of a card is sent, and nothing is booked. Messages with a MAC are not supported: none is sent, and one
in an answer is not verified.
"""

from __future__ import annotations

import datetime as dt
import secrets
from types import ModuleType

from probes._driver import driver, loaded
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    NOT_TOLD,
    TLS_MS,
    Notes,
    Talk,
    address_of,
    talking,
)
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed, ProtocolViolated, TimedOut
from probes.peripheral._arrivals import Arrivals
from probes.peripheral._iso8583_message import (
    LENGTH_BYTES,
    MERCHANT,
    TERMINAL,
    Answer,
    answer,
    check,
    is_answer,
    length,
    question,
)
from probes.peripheral._iso8583_params import Iso8583Params

MOST_STRAYS = 20
MEANINGS = {
    "03": "the merchant is not known", "05": "not honoured", "12": "no such transaction",
    "30": "wrong format", "40": "the function is not supported", "58": "not permitted to the terminal",
    "63": "a breach of security", "77": "the terminal has to sign in again", "90": "the host closes its day",
    "91": "the switch or the bank does not work", "92": "there is no way to the bank",
    "94": "a message that was there before", "96": "the host does not work",
    "97": "the terminal is not registered", "98": "the bank did not answer",
    "A0": "the MAC is wrong or missing",
}  # fmt: skip
"""Response codes (ISO 8583:1987, and China UnionPay's specification of terminals) that may come here."""


async def probe_iso8583(target: Target, params: Iso8583Params, context: Context) -> Reading:
    """Send one message and read its answer.

    Raises `ExpectationFailed` (another response code: `code_NN: `), `ProtocolViolated` (garbage, the answer
    to something else), `ProberFault` (fields that can't be written so), and what a connection comes to.
    """
    await loaded("iso8583.specs", "iso8583")
    library = driver("iso8583", "iso8583")
    stan, notes = f"{secrets.randbelow(999_999) + 1:06}", Notes(context)
    asked = question(library, params, stan, dt.datetime.now(dt.UTC))
    with notes.kept():
        address = await address_of(target, notes)
        async with talking(target, address, params.port, params, notes) as talk:
            with notes.phase("query", told=False):
                found, took_ms = await _exchange(
                    library, Arrivals(talk.stream, talk.until), asked, params, notes
                )
        notes.facts |= _facts(found)
        code = notes.facts["response_code"] = check(found, stan, params)
        notes.metrics["response_ms"] = took_ms
        if found.unread:
            notes.missing(f"what follows in the answer: {found.unread}")
        if code not in params.accept:
            raise ExpectationFailed(f"code_{code}: {MEANINGS.get(code, 'the host says no more')}")
    return notes.reading()


async def _exchange(
    library: ModuleType, talk: Arrivals, asked: bytes, params: Iso8583Params, notes: Notes
) -> tuple[Answer, float]:
    """Return the answer and how long it took; messages that are none are passed over, and counted."""
    notes.metrics["strays"] = 0.0
    sent_at = await talk.stream.send(asked, talk.until)
    while notes.metrics["strays"] <= MOST_STRAYS:
        try:
            data = await _message(talk, params)
        except TimedOut:
            raise _nothing(talk, notes) from None
        found = answer(library, data, params) if data else None
        if found is not None and is_answer(found, params):
            return found, (talk.at - sent_at) * 1000
        notes.metrics["strays"] += 1
    raise ProtocolViolated(f"more than {MOST_STRAYS} messages, none of them the answer")


async def _message(talk: Talk, params: Iso8583Params) -> bytes:
    """Return the next message; until it is whole, all of it stays in `left`."""
    size = LENGTH_BYTES[params.framing]
    head = await talk.exactly(size)
    talk.left = head + talk.left
    return (await talk.exactly(size + length(head, params)))[size:]


def _nothing(talk: Talk, notes: Notes) -> ProtocolViolated | TimedOut:
    if talk.left:
        return ProtocolViolated(f"a message that breaks off after {len(talk.left)} bytes")
    if strays := notes.metrics["strays"]:
        return ProtocolViolated(f"{strays:g} messages came, none of them the answer")
    return TimedOut("query: no answer")


def _facts(found: Answer) -> dict[str, str]:
    told = {
        "type": found.type,
        "terminal": found.fields.get(TERMINAL, "").strip(),
        "merchant": found.fields.get(MERCHANT, "").strip(),
        "mac": "not verified" if found.has_mac else "",
    }
    return {name: text for name, text in told.items() if text}


PROBE = ProbeSpec(
    name="iso8583",
    family="peripheral",
    summary="A card host by an echo test of ISO 8583: its response code, and how fast it comes.",
    params=Iso8583Params,
    run=probe_iso8583,
    metrics=(
        CONNECT_MS, TLS_MS,
        MetricDef("response_ms", "ms", "lower", 0.001, "From the message to the end of its answer."),
        MetricDef("strays", "count", "lower", 1, "Messages that were not the answer (ignored)."),
    ),
    facts=(
        FactDef("response_code", help="Field 39 of the answer."),
        FactDef("type", help="Type of the answer."),
        FactDef("terminal", help="Field 41 of the answer."),
        FactDef("merchant", help="Field 42 of the answer."),
        FactDef("mac", help="That the answer has a MAC, which was not verified."),
        ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "query"),
    kinds=(*KINDS, "missing_driver"),
)  # fmt: skip
