"""What an SNMP message says besides its values: ids, error status, reports and names (RFC 1157, 3412, 3416).

A fast library hands over values and little else; this reads the rest. What is encrypted stays so, and goes
to `_snmp_usm`. Whatever is no message raises `ProtocolViolated`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probes.errors import ProtocolViolated

INTEGER, OCTETS, OID, SEQUENCE = 0x02, 0x04, 0x06, 0x30
RESPONSE, REPORT = 0xA2, 0xA8
AUTHENTIC, ENCRYPTED = 1, 2
"""Bits of `Header.flags` (RFC 3412 section 6.4)."""
MOST_VARBINDS = 4096


@dataclass(frozen=True, slots=True)
class Header:
    """What version 3 adds: who speaks, how it is signed, and what is encrypted (RFC 3414 section 2.4)."""

    id: int
    flags: int
    engine_id: bytes
    boots: int
    time: int
    user: bytes
    digest: tuple[int, int]
    """Where the signature begins and ends."""
    salt: bytes
    encrypted: bytes = b""


@dataclass(frozen=True, slots=True)
class Seen:
    """One message. `pdu` is 0 where it is encrypted; `names` are the OIDs of its varbinds."""

    version: int
    pdu: int = 0
    request: int = 0
    status: int = 0
    index: int = 0
    varbinds: bytes = b""
    header: Header | None = None

    def names(self) -> list[str]:
        """Return the OIDs of the varbinds, in the order in which they came."""
        return list(_names(self.varbinds))


class Reader:
    """Reads one tag, length and value after the other, between two places of `data`."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def span(self) -> tuple[int, int, int]:
        """Return the next tag, and where its value begins and ends."""
        data, at = self.data, self.at
        if at + 2 > self.end:
            raise broken("it breaks off")
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > self.end:
                raise broken("a length that can't be")
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > self.end:
            raise broken("it breaks off")
        self.at = at + length
        return tag, at, self.at

    def place(self, tag: int) -> tuple[int, int]:
        """Return where the next value, which must have this tag, begins and ends."""
        found, start, end = self.span()
        if found != tag:
            raise broken(f"tag {found:#04x} where {tag:#04x} belongs")
        return start, end

    def take(self, tag: int) -> bytes:
        """Return the next value, which must have this tag."""
        start, end = self.place(tag)
        return self.data[start:end]

    def inside(self, tag: int) -> Reader:
        """Return what reads the next value, which must have this tag."""
        return Reader(self.data, *self.place(tag))

    def integer(self) -> int:
        """Return the next value, which must be an INTEGER of 8 octets at most."""
        value = self.take(INTEGER)
        if not 1 <= len(value) <= 8:
            raise broken("an integer that can't be")
        return int.from_bytes(value, "big", signed=True)


def seen(data: bytes) -> Seen:
    """Return what the message `data` says, as far as it is not encrypted."""
    message = Reader(data).inside(SEQUENCE)
    version = message.integer()
    if version in (0, 1):
        message.place(OCTETS)
        return _pdu(message, version)
    if version != 3:
        raise broken(f"version {version}")
    return _third(message)


def scoped(data: bytes, header: Header | None) -> Seen:
    """Return what the scoped PDU in `data` says."""
    inside = Reader(data).inside(SEQUENCE)
    inside.place(OCTETS)
    inside.place(OCTETS)
    return _pdu(inside, 3, header)


def _third(message: Reader) -> Seen:
    first = message.inside(SEQUENCE)
    number, _, flags, _ = first.integer(), first.integer(), first.take(OCTETS), first.integer()
    usm = message.inside(OCTETS).inside(SEQUENCE)
    said = (usm.take(OCTETS), usm.integer(), usm.integer(), usm.take(OCTETS))
    signed, salt = usm.place(OCTETS), usm.take(OCTETS)
    begin = message.at
    tag, start, end = message.span()
    bits = flags[0] & 3 if flags else 0
    if (tag == OCTETS) is not bool(bits & ENCRYPTED):
        raise broken("its flags are not what it is")
    if tag == OCTETS:
        return Seen(3, header=Header(number, bits, *said, signed, salt, message.data[start:end]))
    return scoped(message.data[begin:end], Header(number, bits, *said, signed, salt))


def _pdu(inside: Reader, version: int, header: Header | None = None) -> Seen:
    tag, start, end = inside.span()
    fields = Reader(inside.data, start, end)
    request, status, index = fields.integer(), fields.integer(), fields.integer()
    return Seen(version, tag, request, status, index, fields.take(SEQUENCE), header)


def _names(varbinds: bytes) -> Iterator[str]:
    rest = Reader(varbinds)
    for _ in range(MOST_VARBINDS):
        if rest.at >= rest.end:
            return
        yield dotted(rest.inside(SEQUENCE).take(OID))
    raise broken("varbinds without end")


def dotted(value: bytes) -> str:
    """Return an object identifier's octets as text (X.690 section 8.19)."""
    arcs, arc = [], 0
    for octet in value:
        arc = (arc << 7) | (octet & 0x7F)
        if arc > 0xFFFFFFFF:
            raise broken("an object identifier that can't be")
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs or value[-1] & 0x80:
        raise broken("an object identifier that can't be")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def broken(why: str) -> ProtocolViolated:
    """Return the ending of what can't be read."""
    return ProtocolViolated(f"no SNMP message: {why}")
