"""What the outside of an SNMP message tells: error status, reports and names (RFC 1157, 3412, 3414, 3416).

A fast library hands over values and little else; this reads the rest from a copy of the datagram. What is
encrypted stays so. Whatever is no message raises `ProtocolViolated`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probes.errors import ProtocolViolated

INTEGER, OCTETS, OID, SEQUENCE = 0x02, 0x04, 0x06, 0x30
RESPONSE, REPORT = 0xA2, 0xA8
MOST_VARBINDS = 4096


@dataclass(frozen=True, slots=True)
class Seen:
    """One message from outside. `pdu` is 0 where it is encrypted; `names` are the OIDs of its varbinds."""

    version: int
    pdu: int = 0
    status: int = 0
    index: int = 0
    varbinds: bytes = b""
    engine_id: bytes = b""

    def names(self) -> list[str]:
        """Return the OIDs of the varbinds, in the order in which they came."""
        return list(_names(self.varbinds))


class Reader:
    """Reads one tag, length and value after the other."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._end = data, 0, len(data)

    @property
    def more(self) -> bool:
        """Whether there is anything left."""
        return self._at < self._end

    def next(self) -> tuple[int, bytes]:
        """Return the next tag and value."""
        data, at = self._data, self._at
        if at + 2 > self._end:
            raise _broken("it breaks off")
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > self._end:
                raise _broken("a length that can't be")
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > self._end:
            raise _broken("it breaks off")
        self._at = at + length
        return tag, data[at : at + length]

    def take(self, tag: int) -> bytes:
        """Return the next value, which must have this tag."""
        found, value = self.next()
        if found != tag:
            raise _broken(f"tag {found:#04x} where {tag:#04x} belongs")
        return value

    def integer(self) -> int:
        """Return the next value, which must be an INTEGER of 8 octets at most."""
        value = self.take(INTEGER)
        if not 1 <= len(value) <= 8:
            raise _broken("an integer that can't be")
        return int.from_bytes(value, "big", signed=True)


def seen(data: bytes) -> Seen:
    """Return what the outside of the message `data` tells."""
    message = Reader(Reader(data).take(SEQUENCE))
    version = message.integer()
    if version in (0, 1):
        message.take(OCTETS)
        return _pdu(version, *message.next())
    if version != 3:
        raise _broken(f"version {version}")
    message.take(SEQUENCE)
    engine_id = Reader(Reader(message.take(OCTETS)).take(SEQUENCE)).take(OCTETS)
    tag, scoped = message.next()
    if tag == OCTETS:
        return Seen(version, engine_id=engine_id)
    if tag != SEQUENCE:
        raise _broken(f"tag {tag:#04x} where a scoped PDU belongs")
    inside = Reader(scoped)
    inside.take(OCTETS)
    inside.take(OCTETS)
    return _pdu(version, *inside.next(), engine_id)


def _pdu(version: int, tag: int, body: bytes, engine_id: bytes = b"") -> Seen:
    if tag not in (RESPONSE, REPORT):
        raise _broken(f"a PDU {tag:#04x} that answers nothing")
    fields = Reader(body)
    fields.integer()
    status, index = fields.integer(), fields.integer()
    return Seen(version, tag, status, index, fields.take(SEQUENCE), engine_id)


def _names(varbinds: bytes) -> Iterator[str]:
    rest = Reader(varbinds)
    for _ in range(MOST_VARBINDS):
        if not rest.more:
            return
        yield dotted(Reader(rest.take(SEQUENCE)).take(OID))
    raise _broken("varbinds without end")


def dotted(value: bytes) -> str:
    """Return an object identifier's octets as text (X.690 section 8.19)."""
    arcs, arc = [], 0
    for octet in value:
        arc = (arc << 7) | (octet & 0x7F)
        if arc > 0xFFFFFFFF:
            raise _broken("an object identifier that can't be")
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs or value[-1] & 0x80:
        raise _broken("an object identifier that can't be")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _broken(why: str) -> ProtocolViolated:
    return ProtocolViolated(f"no SNMP message: {why}")
