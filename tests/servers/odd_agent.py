"""An SNMP agent of versions 1 and 2c that answers what a test says, right or wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from probes._snmp_message import INTEGER, OCTETS, OID, SEQUENCE, Reader, dotted
from tests.servers.hostile import udp_server

GET, GET_NEXT, GET_BULK, RESPONSE = 0xA0, 0xA1, 0xA5, 0xA2
END_OF_MIB, NO_SUCH_OBJECT = b"\x82\0", b"\x80\0"
Pair = tuple[str, bytes]
"""A name, and its value as it goes over the line (tag, length and all)."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked; `repetitions` is of GetBulk."""

    version: int
    kind: int
    request: int
    repetitions: int
    names: list[str]
    raw: bytes = field(repr=False, default=b"")


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return a value with its tag and length."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size, "big") + body


def number(value: int, tag: int = INTEGER) -> bytes:
    """Return an INTEGER, or another number by its tag."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def name(oid: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *arcs = map(int, oid.split("."))
    return tlv(OID, *(_arc(arc) for arc in (first * 40 + second, *arcs)))


def _arc(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | (arc & 0x7F))
    return bytes(reversed(octets))


def response(
    asked: Question, pairs: Sequence[Pair], status: int = 0, index: int = 0, request: int | None = None
) -> bytes:
    """Return the answer with these names and values."""
    varbinds = tlv(SEQUENCE, *(tlv(SEQUENCE, name(oid), value) for oid, value in pairs))
    wanted = asked.request if request is None else request
    pdu = tlv(RESPONSE, number(wanted), number(status), number(index), varbinds)
    return tlv(SEQUENCE, number(asked.version), tlv(OCTETS, b"public"), pdu)


def question(data: bytes) -> Question:
    """Read what a client asked."""
    message = Reader(data).inside(SEQUENCE)
    version = message.integer()
    message.take(OCTETS)
    kind, start, end = message.span()
    pdu = Reader(data, start, end)
    request, _, repetitions = pdu.integer(), pdu.integer(), pdu.integer()
    varbinds, names = pdu.inside(SEQUENCE), []
    while varbinds.at < varbinds.end:
        names.append(dotted(varbinds.inside(SEQUENCE).take(OID)))
    return Question(version, kind, request, repetitions, names, data)


@asynccontextmanager
async def odd_agent(answer: Callable[[Question], Sequence[bytes]]) -> AsyncIterator[int]:
    """Answer each question with these datagrams; gives the port."""
    async with udp_server(lambda data: list(answer(question(data)))) as port:
        yield port
