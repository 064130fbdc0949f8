"""The datagrams and frames between a probe and a reflector, as bytes (pure).

    magic "MR", version, kind | session (8) | number (8) | body, padded with zeros | tag (16)

All integers are big endian. The number increases strictly in each direction of a session. The tag is
HMAC-SHA256 over all that precedes it, cut to 16 bytes: with the unit's key for OPEN, OPENED and what is said
outside a session, with the session's key of that direction for all else. HELLO and COOKIE carry no tag; they
only show that whoever asks can receive at the address it asks from. What each kind is for is in
docs/reflector.md; the measurement is in the spirit of RFC 8762 (STAMP), the format is our own.
"""

from __future__ import annotations

import hmac
import struct
from enum import IntEnum
from typing import NamedTuple

from probes.network._reflect_bodies import DATA_SIZE, ECHOED_SIZE, AnyBody, WireError, pack

PORT = 8862
MAGIC = b"MR"
VERSION = 1
HEADER = struct.Struct("!2sBBQQ")
TAG_SIZE = 16
OVERHEAD = HEADER.size + TAG_SIZE
MAX_SIZE = 1472
"""Largest datagram, in bytes of UDP payload: an Ethernet frame's worth over IPv4."""
HELLO_SIZE, OPEN_SIZE = 96, 160
"""Requests before a session are padded, so that no answer is longer."""
REQUEST_SIZE = 64
"""Least size of a request within a session: a refusal, which may come without one, is shorter."""
ECHO_SIZE = OVERHEAD + ECHOED_SIZE
"""Smallest echo: the answer, which is as long, must fit."""
PACKET_SIZE = OVERHEAD + DATA_SIZE
"""Smallest packet of a train."""


class Kind(IntEnum):
    """What a datagram or frame is. No flipped bit makes a tagged kind of an untagged one or back."""

    HELLO = 0xE1
    COOKIE = 0xE2
    OPEN = 3
    OPENED = 4
    REFUSED = 5
    ECHO = 6
    ECHOED = 7
    TRAIN_DOWN = 8
    TRAIN_UP = 9
    READY = 10
    DATA = 11
    REPORT = 12
    REPORTED = 13
    STOP = 14
    BYE = 15
    STREAM = 16
    COUNT = 17


UNTAGGED = (Kind.HELLO, Kind.COOKIE)


class Header(NamedTuple):
    """What every datagram begins with."""

    kind: Kind
    session: int
    number: int


class Frame(NamedTuple):
    """A datagram or frame whose tag was right (or that has none); `body` includes the padding."""

    kind: Kind
    session: int
    number: int
    body: bytes


def header(data: bytes) -> Header:
    """Return a datagram's header, before any tag is checked. Raises `WireError`."""
    if not HEADER.size <= len(data) <= MAX_SIZE:
        raise WireError("too short or too long")
    magic, version, kind, session, number = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION or kind not in _KINDS:
        raise WireError("not of this protocol")
    return Header(Kind(kind), session, number)


_KINDS = frozenset(int(kind) for kind in Kind)


def plain(kind: Kind, body: AnyBody, size: int = 0) -> bytes:
    """Return an untagged datagram (HELLO, COOKIE), padded to `size`."""
    return (HEADER.pack(MAGIC, VERSION, kind, 0, 0) + pack(body)).ljust(size, b"\0")


def sealed(key: bytes, kind: Kind, session: int, number: int, body: AnyBody, size: int = 0) -> bytes:
    """Return a tagged datagram or frame, padded to `size` bytes in all."""
    data = HEADER.pack(MAGIC, VERSION, kind, session, number) + pack(body)
    data = data.ljust(size - TAG_SIZE, b"\0")
    return data + hmac.digest(key, data, "sha256")[:TAG_SIZE]


def opened(data: bytes, key: bytes) -> Frame:
    """Return what a datagram or frame holds once its tag is found right. Raises `WireError`."""
    found = header(data)
    if found.kind in UNTAGGED:
        return Frame(*found, data[HEADER.size :])
    frame = unsigned(data)
    tag = hmac.digest(key, data[:-TAG_SIZE], "sha256")[:TAG_SIZE]
    if not hmac.compare_digest(tag, data[-TAG_SIZE:]):
        raise WireError("the tag is wrong")
    return frame


def unsigned(data: bytes) -> Frame:
    """Return what a datagram or frame holds whoever sealed it: good for nothing but a refusal of our key."""
    found = header(data)
    if len(data) < OVERHEAD:
        raise WireError("no room for a tag")
    return Frame(*found, data[HEADER.size : -TAG_SIZE])
