"""The Internet Printing Protocol's encoding (RFC 8010): questions written, untrusted answers read.

Collections are passed over: nothing that is asked for is one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from probes.errors import ProtocolViolated

OPERATION, JOB, END, PRINTER = 1, 2, 3, 4
INTEGER, BOOLEAN, ENUM, OCTETS = 0x21, 0x22, 0x23, 0x30
RESOLUTION, RANGE = 0x32, 0x33
TEXT_WITH_LANGUAGE, NAME_WITH_LANGUAGE = 0x35, 0x36
BEGIN_COLLECTION, END_COLLECTION = 0x34, 0x37
TEXT, NAME, KEYWORD, URI, CHARSET, LANGUAGE, MIME = 0x41, 0x42, 0x44, 0x45, 0x47, 0x48, 0x49
OUT_OF_BAND = range(0x10, 0x20)
"""Tags of "unknown", "no-value" and the like: there is no value."""
MOST_VALUES = 4096
DEEPEST = 16

Value = int | bool | str | bytes | tuple[int, ...] | None
Attributes = dict[str, list[Value]]


class Attribute(NamedTuple):
    """An attribute of a question."""

    tag: int
    name: str
    values: tuple[str | int, ...]


@dataclass(slots=True)
class Message:
    """An answer: its status, the number of its question, and the attributes of its groups in order."""

    status: int
    number: int
    groups: list[tuple[int, Attributes]] = field(default_factory=list)

    def of(self, tag: int) -> list[Attributes]:
        """Return the groups of one kind."""
        return [found for kind, found in self.groups if kind == tag]


def question(version: str, operation: int, number: int, attributes: Iterable[Attribute]) -> bytes:
    """Return the bytes of a request; a document follows them."""
    major, _, minor = version.partition(".")
    head = (Attribute(CHARSET, "attributes-charset", ("utf-8",)),
            Attribute(LANGUAGE, "attributes-natural-language", ("en",)))  # fmt: skip
    parts = [struct.pack(">BBHIB", int(major), int(minor), operation, number, OPERATION)]
    parts += [_written(attribute) for attribute in (*head, *attributes)]
    return b"".join((*parts, bytes([END])))


def _written(attribute: Attribute) -> bytes:
    parts, name = [], attribute.name.encode()
    for value in attribute.values:
        data = struct.pack(">i", value) if isinstance(value, int) else value.encode()
        head = struct.pack(">BH", attribute.tag, len(name)) + name
        parts.append(head + struct.pack(">H", len(data)) + data)
        name = b""
    return b"".join(parts)


def answer(data: bytes, number: int) -> Message:
    """Read an answer to the question of that number. Raises `ProtocolViolated`."""
    try:
        major, _, status, given = struct.unpack_from(">BBHI", data)
        message = Message(status, given)
        _fill(message, data)
    except (struct.error, IndexError):
        raise ProtocolViolated("an IPP answer that breaks off") from None
    if major not in (1, 2) or given != number:
        raise ProtocolViolated(f"no answer to question {number} (IPP {major}, number {given})")
    return message


def _fill(message: Message, data: bytes) -> None:
    values: list[Value] = []
    group: Attributes | None = None
    depth = 0
    for tag, name, raw in _fields(data):
        if tag < 0x10:
            group = {}
            message.groups.append((tag, group))
            continue
        if group is None:
            raise ProtocolViolated("an IPP attribute outside of any group")
        if depth == 0 and name:
            values = group.setdefault(name, [])
        depth += (tag == BEGIN_COLLECTION) - (tag == END_COLLECTION)
        if not 0 <= depth <= DEEPEST:
            raise ProtocolViolated("collections that do not fit together")
        if depth == 0 and tag != END_COLLECTION:
            values.append(_read(tag, raw))


def _fields(data: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Yield tag, name and value one by one; of a group its tag alone."""
    at = 8
    for _ in range(MOST_VALUES):
        tag = data[at]
        at += 1
        if tag == END:
            return
        if tag < 0x10:
            yield tag, "", b""
            continue
        name, at = _piece(data, at)
        raw, at = _piece(data, at)
        yield tag, name.decode("utf-8", "replace"), raw
    raise ProtocolViolated(f"more than {MOST_VALUES} values in an IPP answer")


def _piece(data: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", data, at)
    end = at + 2 + size
    if end > len(data):
        raise IndexError
    return data[at + 2 : end], end


def _read(tag: int, raw: bytes) -> Value:
    if tag in OUT_OF_BAND:
        return None
    if tag in (INTEGER, ENUM):
        (number,) = struct.unpack(">i", raw)
        return int(number)
    if tag == BOOLEAN:
        return raw[0] != 0
    if tag == RESOLUTION:
        return struct.unpack(">iib", raw)
    if tag == RANGE:
        return struct.unpack(">ii", raw)
    if tag in (TEXT_WITH_LANGUAGE, NAME_WITH_LANGUAGE):
        _, at = _piece(raw, 0)
        raw, _ = _piece(raw, at)
    elif tag < 0x40:
        return raw
    return raw.decode("utf-8", "replace")
