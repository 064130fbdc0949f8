"""Echo requests, replies and error messages of ICMP (RFC 792) and ICMPv6 (RFC 4443) as bytes.

Each request begins its data with the eight random bytes of its burst (the key): a reply that carries them
comes from somebody who has seen the request.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import NamedTuple

ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED, PARAMETER_PROBLEM = 0, 3, 8, 11, 12
UNREACHABLE6, TOO_BIG6, TIME_EXCEEDED6, PARAMETER_PROBLEM6, ECHO_REQUEST6, ECHO_REPLY6 = 1, 2, 3, 4, 128, 129
PASS4 = (ECHO_REPLY, UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM)
PASS6 = (UNREACHABLE6, TOO_BIG6, TIME_EXCEEDED6, PARAMETER_PROBLEM6, ECHO_REPLY6)

HEADER = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence number."""
KEY_SIZE = 8
ECHO = struct.Struct("!4xHH8s")
"""Identifier, sequence number and key."""
IPV6_HEADER = 40
QUOTE_AT = 8
"""An error message quotes the packet it is about behind its own header."""

_TEXTS4 = {
    (3, 0): "network unreachable", (3, 1): "host unreachable", (3, 2): "protocol unreachable",
    (3, 3): "port unreachable", (3, 4): "packet too big", (3, 5): "source route failed",
    (3, 6): "network unknown", (3, 7): "host unknown", (3, 9): "network prohibited",
    (3, 10): "host prohibited", (3, 13): "prohibited by a filter",
    (11, 0): "time to live exceeded", (11, 1): "reassembly time exceeded",
}  # fmt: skip
_TEXTS6 = {
    (1, 0): "no route", (1, 1): "prohibited by a filter", (1, 2): "beyond the scope of the source",
    (1, 3): "address unreachable", (1, 4): "port unreachable", (1, 5): "source failed policy",
    (1, 6): "route rejects", (2, 0): "packet too big", (3, 0): "hop limit exceeded",
    (3, 1): "reassembly time exceeded",
}  # fmt: skip


class Echo(NamedTuple):
    """What identifies an echo: `key` is empty where an error message quotes too little."""

    ident: int
    sequence: int
    key: bytes


class ErrorMessage(NamedTuple):
    """A router's or host's complaint about the echo that was sent to `destination`."""

    destination: str
    echo: Echo
    text: str


@lru_cache(maxsize=64)
def padding(size: int) -> bytes:
    """Return what follows the key in `size` bytes of data, the same for all."""
    return bytes(number & 0xFF for number in range(size - KEY_SIZE))


def ones_sum(data: bytes | bytearray | memoryview) -> int:
    """Return the ones' complement sum of the 16-bit words (RFC 1071), modulo 65535.

    2**16 is 1 modulo 65535, so the whole packet as one number has the same remainder as its words' sum.
    """
    number = int.from_bytes(data, "big")
    return (number << 8 if len(data) & 1 else number) % 0xFFFF


def request(kind: int, ident: int, sequence: int, data: bytes, data_sum: int) -> bytes:
    """Return an echo request with its checksum; `data_sum` is `ones_sum(data)`.

    The kernel replaces the checksum of ICMPv6, which covers addresses, and the identifier on a ping socket.
    """
    rest = ((kind << 8) + ident + sequence + data_sum) % 0xFFFF
    return HEADER.pack(kind, 0, 0xFFFF - rest if rest else 0, ident, sequence) + data


def parse_echo(message: bytes | memoryview) -> Echo | None:
    """Return what identifies the echo in an ICMP message of either version, or None when it is too short."""
    if len(message) < ECHO.size:
        return None
    return Echo._make(ECHO.unpack_from(message))


def intact(message: bytes | bytearray | memoryview) -> bool:
    """Tell whether an ICMP message's checksum holds (a raw IPv4 socket gets them unchecked)."""
    return ones_sum(message) == 0


def error_text(family: str, kind: int, code: int) -> str:
    """Return what an ICMP or ICMPv6 error of this type and code says."""
    texts = _TEXTS4 if family == "4" else _TEXTS6
    return texts.get((kind, code), f"ICMP type {kind} code {code}")


def parse_error(family: str, message: bytes | memoryview) -> ErrorMessage | None:
    """Return the complaint in an ICMP or ICMPv6 error message, or None where it isn't about an echo."""
    if len(message) < QUOTE_AT:
        return None
    quote = bytes(message[QUOTE_AT:])
    found = _quoted4(quote) if family == "4" else _quoted6(quote)
    if found is None:
        return None
    destination, echo = found
    return ErrorMessage(destination, echo, error_text(family, message[0], message[1]))


def _quoted4(quote: bytes) -> tuple[str, Echo] | None:
    if len(quote) < 28 or quote[0] >> 4 != 4 or quote[9] != socket.IPPROTO_ICMP:
        return None
    echo = _quoted_echo(quote[(quote[0] & 0x0F) * 4 :], ECHO_REQUEST)
    return (socket.inet_ntop(socket.AF_INET, quote[16:20]), echo) if echo else None


def _quoted6(quote: bytes) -> tuple[str, Echo] | None:
    if len(quote) < IPV6_HEADER or quote[0] >> 4 != 6 or quote[6] != socket.IPPROTO_ICMPV6:
        return None
    echo = _quoted_echo(quote[IPV6_HEADER:], ECHO_REQUEST6)
    return (socket.inet_ntop(socket.AF_INET6, quote[24:40]), echo) if echo else None


def _quoted_echo(message: bytes, kind: int) -> Echo | None:
    """RFC 792 asks for 8 bytes of the datagram in a quote; most send more, and then the key is there."""
    if len(message) < HEADER.size or message[0] != kind:
        return None
    _, _, _, ident, sequence = HEADER.unpack_from(message)
    key = message[HEADER.size : HEADER.size + KEY_SIZE]
    return Echo(ident, sequence, key if len(key) == KEY_SIZE else b"")
