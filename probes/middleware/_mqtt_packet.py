"""MQTT control packets, of versions 3.1.1 and 5 (OASIS standards): made and read; pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
)

Version = Literal["3.1.1", "5"]
LEVELS: dict[Version, int] = {"3.1.1": 4, "5": 5}
CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 13, 14
MAX_PACKET = 1024 * 1024
"""Longest packet taken, in bytes; version 5 tells the broker so."""
EXPIRES_S = 60
CLEAN, HAS_PASSWORD, HAS_USER = 0x02, 0x40, 0x80
MESSAGE_EXPIRY, MAXIMUM_PACKET_SIZE = 0x02, 0x27
"""Properties of version 5, each followed by four bytes."""
FAILED = 0x80
"""Reason codes from here on are refusals."""

OLD_RETURN_CODES = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""What 3.1.1 says in CONNACK, as reason codes of version 5."""
REASONS = {
    0x80: "refused", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "refused by rules of the broker",
    0x84: "unsupported version of MQTT", 0x85: "client identifier not valid", 0x86: "bad user or password",
    0x87: "not authorized", 0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned",
    0x8B: "server shutting down", 0x8E: "session taken over", 0x8F: "topic filter invalid",
    0x90: "topic name invalid", 0x95: "packet too large", 0x97: "quota exceeded", 0x98: "administrative",
    0x9C: "use another server", 0x9D: "server moved", 0x9F: "connection rate exceeded",
}  # fmt: skip


class Malformed(ValueError):  # noqa: N818 - reads better where it is raised
    """Bytes that are no packet of MQTT."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that came: its kind, the reason codes it has, or the message it carries."""

    kind: int
    number: int = 0
    """The packet identifier, 0 for none."""
    codes: tuple[int, ...] = ()
    topic: str = ""
    payload: bytes = b""
    qos: int = 0
    retained: bool = False


def variable(number: int) -> bytes:
    """Return a variable byte integer (section 1.5.5)."""
    made = bytearray()
    while True:
        number, low = divmod(number, 128)
        made.append(low | (0x80 if number else 0))
        if not number:
            return bytes(made)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + variable(len(body)) + body


def _properties(version: Version, data: bytes = b"") -> bytes:
    return variable(len(data)) + data if version == "5" else b""


def connect(version: Version, client: str, user: str | None, password: str, keep_alive: int) -> bytes:
    """Return CONNECT for a clean session that ends with the connection."""
    flags = CLEAN | (HAS_USER if user is not None else 0) | (HAS_PASSWORD if password else 0)
    limit = struct.pack(">BI", MAXIMUM_PACKET_SIZE, MAX_PACKET)
    login = (_text(user) if user is not None else b"") + (_text(password) if password else b"")
    head = _text("MQTT") + struct.pack(">BBH", LEVELS[version], flags, keep_alive)
    return _packet(0x10, head + _properties(version, limit) + _text(client) + login)


def subscribe(version: Version, number: int, *topics: str, qos: int) -> bytes:
    """Return SUBSCRIBE for these topics."""
    wanted = b"".join(_text(topic) + bytes((qos,)) for topic in topics)
    return _packet(0x82, struct.pack(">H", number) + _properties(version) + wanted)


def publish(version: Version, number: int, topic: str, payload: bytes) -> bytes:
    """Return PUBLISH of quality 1, not retained; in version 5 the message expires after a minute."""
    expiry = struct.pack(">BI", MESSAGE_EXPIRY, EXPIRES_S)
    return _packet(0x32, _text(topic) + struct.pack(">H", number) + _properties(version, expiry) + payload)


def puback(number: int) -> bytes:
    """Return PUBACK that says that the message was taken."""
    return _packet(0x40, struct.pack(">H", number))


def disconnect() -> bytes:
    """Return DISCONNECT of a client that is done."""
    return _packet(0xE0, b"")


def pingreq() -> bytes:
    """Return PINGREQ."""
    return _packet(0xC0, b"")


def parse(version: Version, first: int, body: bytes) -> Packet:
    """Read a packet a broker sends, by its first byte and its body. Raises `Malformed`."""
    kind = first >> 4
    try:
        if kind == PUBLISH:
            return _message(version, first, body)
        return _READERS[kind](version, body)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError):
        raise Malformed(f"packet of kind {kind}") from None


def _after_properties(version: Version, body: bytes, at: int) -> int:
    """Return where what comes behind the properties begins."""
    if version != "5":
        return at
    size, shift = 0, 0
    for at_now in range(at, at + 4):
        size |= (body[at_now] & 0x7F) << shift
        shift += 7
        if body[at_now] < 0x80:
            return at_now + 1 + size
    raise Malformed("a length without end")


def _message(version: Version, first: int, body: bytes) -> Packet:
    qos, retained = first >> 1 & 3, bool(first & 1)
    (size,) = struct.unpack_from(">H", body)
    topic = body[2 : 2 + size].decode()
    at, number = 2 + size, 0
    if qos:
        (number,) = struct.unpack_from(">H", body, at)
        at += 2
    payload = body[_after_properties(version, body, at) :]
    if qos == 3 or len(body) < at:
        raise Malformed("a message")
    return Packet(PUBLISH, number, (), topic, payload, qos, retained)


def _connack(version: Version, body: bytes) -> Packet:
    code = body[1]
    return Packet(CONNACK, codes=(code if version == "5" else OLD_RETURN_CODES.get(code, code and FAILED),))


def _puback(_: Version, body: bytes) -> Packet:
    (number,) = struct.unpack_from(">H", body)
    return Packet(PUBACK, number, (body[2] if len(body) > 2 else 0,))


def _suback(version: Version, body: bytes) -> Packet:
    (number,) = struct.unpack_from(">H", body)
    codes = tuple(body[_after_properties(version, body, 2) :])
    return Packet(SUBACK, number, (codes[0], *codes[1:]))


def _pingresp(_: Version, __: bytes) -> Packet:
    return Packet(PINGRESP)


def _disconnect(_: Version, body: bytes) -> Packet:
    return Packet(DISCONNECT, codes=(body[0] if body else 0,))


_READERS = {
    CONNACK: _connack, PUBACK: _puback, SUBACK: _suback, PINGRESP: _pingresp, DISCONNECT: _disconnect,
}  # fmt: skip


def refusal(code: int, what: str, *, logging_in: bool = False) -> Ending:
    """Return the ending that a reason code stands for."""
    said = f"{what}: {REASONS.get(code, f'reason {code:#04x}')}"
    if logging_in and code in (0x86, 0x87, 0x8A):
        return OwnLoginFailed(f"wrong_password: {said}")
    if code in (0x80, 0x83, 0x85, 0x87):
        return PermissionMissing(f"missing_right: {said}")
    if code == 0x84:
        return ExpectationFailed(f"version_too_old: {said}")
    if code in (0x97, 0x9F):
        return ExpectationFailed(f"too_many_connections: {said}")
    if code in (0x88, 0x89, 0x8B, 0x98, 0x9C, 0x9D):
        return ExpectationFailed(said)
    return ProtocolViolated(said)
