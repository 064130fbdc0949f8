"""What comes back for the packets of `path`, as bytes (RFC 792, RFC 4443): replies, and errors with quotes.

All packets of a run look the same to whatever spreads traffic over several routes by looking at addresses,
protocol, type, code, identifier and checksum: the sequence number that tells them apart is made up for by a
word of the data, so that the checksum never changes (the way of Paris traceroute).
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from probes.network._icmp_packet import (
    ECHO,
    ECHO_REPLY,
    ECHO_REPLY6,
    ECHO_REQUEST,
    ECHO_REQUEST6,
    HEADER,
    IPV6_HEADER,
    KEY_SIZE,
    QUOTE_AT,
    TIME_EXCEEDED,
    TIME_EXCEEDED6,
    TOO_BIG6,
    UNREACHABLE,
    UNREACHABLE6,
    intact,
    ones_sum,
    padding,
    request,
)

IPV4_HEADER = 20
FRAGMENTATION_NEEDED = 4
"""Code of an unreachable message (RFC 1191); the next hop's MTU is in its last two bytes of header."""
WORD = struct.Struct("!H")
LEAST_DATA = KEY_SIZE + WORD.size
MTU4, MTU6 = struct.Struct("!6xH"), struct.Struct("!4xI")


class Answer(NamedTuple):
    """What came back for the packet `sequence`, from whom, and when by the kernel (ns since the epoch, or 0).

    `nature` is "reply" (the target), "expired" (its time to live was over there), "too_big" or "refused";
    `kind` and `code` are the ICMP message's. `mtu` goes with "too_big", 0 where the router didn't say. `mark`
    is the traffic class (8 bits) with which the packet got there, None where that is not known.
    """

    sequence: int
    source: str
    stamp: int
    nature: str
    kind: int = 0
    code: int = 0
    mtu: int = 0
    mark: int | None = None


class Identity(NamedTuple):
    """By what the packets of a run are known: identifier, key, and to whom they went."""

    ident: int
    key: bytes
    host: str


def header_size(family: str) -> int:
    """Return how many bytes of a packet are IP's."""
    return IPV4_HEADER if family == "4" else IPV6_HEADER


def echo_request(family: str, identity: Identity, sequence: int, size: int) -> bytes:
    """Return an echo request that makes an IP packet of `size` bytes, 60 or more."""
    kind = ECHO_REQUEST if family == "4" else ECHO_REQUEST6
    rest = size - header_size(family) - HEADER.size - LEAST_DATA
    data = identity.key + WORD.pack(0xFFFF - sequence) + padding(KEY_SIZE + rest)
    return request(kind, identity.ident, sequence, data, ones_sum(data))


def parse4(packet: bytes | memoryview, source: str, stamp: int, identity: Identity) -> Answer | None:
    """Return what an IPv4 packet from a raw ICMP socket says of the run's packets, or None."""
    if len(packet) < IPV4_HEADER + QUOTE_AT:
        return None
    message = packet[(packet[0] & 0x0F) * 4 :]
    if len(message) < QUOTE_AT or not intact(message):
        return None
    if message[0] == ECHO_REPLY:
        return _reply(message, source, stamp, identity)
    quote = bytes(message[QUOTE_AT:])
    if len(quote) < IPV4_HEADER or quote[0] >> 4 != 4 or quote[9] != socket.IPPROTO_ICMP:
        return None
    if socket.inet_ntop(socket.AF_INET, quote[16:20]) != identity.host:
        return None
    sequence = _quoted(quote[(quote[0] & 0x0F) * 4 :], ECHO_REQUEST, identity)
    if sequence is None:
        return None
    return error("4", message[0], message[1], MTU4.unpack_from(message)[0], source, stamp, sequence, quote[1])


def parse6(message: bytes | memoryview, source: str, stamp: int, identity: Identity) -> Answer | None:
    """Return what an ICMPv6 message from a raw socket (the kernel has checked it) says, or None."""
    if len(message) < QUOTE_AT:
        return None
    if message[0] == ECHO_REPLY6:
        return _reply(message, source, stamp, identity)
    quote = bytes(message[QUOTE_AT:])
    if len(quote) < IPV6_HEADER or quote[0] >> 4 != 6 or quote[6] != socket.IPPROTO_ICMPV6:
        return None
    if socket.inet_ntop(socket.AF_INET6, quote[24:40]) != identity.host:
        return None
    sequence = _quoted(quote[IPV6_HEADER:], ECHO_REQUEST6, identity)
    if sequence is None:
        return None
    mark = WORD.unpack_from(quote)[0] >> 4 & 0xFF
    return error("6", message[0], message[1], MTU6.unpack_from(message)[0], source, stamp, sequence, mark)


def error(
    family: str, kind: int, code: int, mtu: int, source: str, stamp: int, sequence: int, mark: int | None
) -> Answer | None:
    """Return the answer that an error message is, or None for one that says nothing of the way."""
    too_big = (UNREACHABLE, FRAGMENTATION_NEEDED) if family == "4" else (TOO_BIG6, code)
    expired = TIME_EXCEEDED if family == "4" else TIME_EXCEEDED6
    unreachable = UNREACHABLE if family == "4" else UNREACHABLE6
    if (kind, code) == too_big:
        return Answer(sequence, source, stamp, "too_big", kind, code, mtu, mark)
    if kind == expired and code == 0:
        return Answer(sequence, source, stamp, "expired", kind, code, 0, mark)
    if kind == unreachable:
        return Answer(sequence, source, stamp, "refused", kind, code, 0, mark)
    return None


def _reply(message: bytes | memoryview, source: str, stamp: int, identity: Identity) -> Answer | None:
    if len(message) < ECHO.size or source != identity.host:
        return None
    ident, sequence, key = ECHO.unpack_from(message)
    if (ident, key) != (identity.ident, identity.key):
        return None
    return Answer(sequence, source, stamp, "reply")


def _quoted(message: bytes, kind: int, identity: Identity) -> int | None:
    """Return the sequence number in a quote of one of our packets; a short quote has no key to check."""
    if len(message) < HEADER.size or message[0] != kind:
        return None
    _, _, _, ident, sequence = HEADER.unpack_from(message)
    key = message[HEADER.size : HEADER.size + KEY_SIZE]
    if ident != identity.ident or (len(key) == KEY_SIZE and key != identity.key):
        return None
    return int(sequence)
