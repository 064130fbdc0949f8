"""SNTP packets (RFC 5905, section 7.3): 48 bytes, timestamps in 2^-32 s since 1900, modulo 2^64."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PACKET = struct.Struct("!BBbbIIIQQQQ")
UNIX_EPOCH = 2_208_988_800
CLIENT, SERVER = 3, 4
VERSION = 4
LEAPS = ("none", "insert", "delete", "unsynchronised")
MAX_STRATUM = 15


@dataclass(frozen=True, slots=True)
class Packet:
    """A server's answer. Root delay and dispersion in seconds, timestamps as on the wire."""

    leap: str
    version: int
    stratum: int
    root_delay: float
    root_dispersion: float
    refid: str
    reference: int
    received: int
    transmitted: int

    @property
    def kiss(self) -> str:
        """The kiss-o'-death code (RFC 5905, section 7.4), or an empty text."""
        return self.refid if self.stratum == 0 else ""

    @property
    def synchronised(self) -> bool:
        """Whether the server says that its own clock follows a source."""
        return self.leap != LEAPS[3] and 0 < self.stratum <= MAX_STRATUM


def request(cookie: int) -> bytes:
    """Return a client's packet that shows nothing but a random `cookie` in place of its time."""
    return PACKET.pack(VERSION << 3 | CLIENT, 0, 0, 0, 0, 0, 0, 0, 0, 0, cookie)


def decode(data: bytes, cookie: int) -> Packet | None:
    """Return the answer to `request(cookie)`, or None if `data` is none."""
    if len(data) < PACKET.size:
        return None
    first, stratum, _, _, delay, dispersion, refid, reference, origin, received, transmitted = (
        PACKET.unpack_from(data)
    )
    version = first >> 3 & 7
    if first & 7 != SERVER or not 1 <= version <= VERSION or origin != cookie:
        return None
    if stratum and not transmitted:
        return None
    name = _refid(refid.to_bytes(4, "big"), stratum)
    return Packet(
        LEAPS[first >> 6], version, stratum, delay / 65536, dispersion / 65536, name, reference, received,
        transmitted,
    )  # fmt: skip


def _refid(raw: bytes, stratum: int) -> str:
    """Four ASCII letters for a reference clock or a kiss, else an IPv4 address or a hash in its form."""
    if stratum < 2:
        return raw.rstrip(b"\0").decode("ascii", "replace")
    return ".".join(str(byte) for byte in raw)


def from_unix_ns(nanoseconds: int) -> int:
    """Return a time since the Unix epoch as a timestamp of the wire."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return ((seconds + UNIX_EPOCH) << 32 | (rest << 32) // 1_000_000_000) & 0xFFFF_FFFF_FFFF_FFFF


def difference(later: int, earlier: int) -> float:
    """Return the seconds between two timestamps, right across the era of 2036 (within 68 years)."""
    ticks = (later - earlier) & 0xFFFF_FFFF_FFFF_FFFF
    return (ticks - (1 << 64) if ticks >> 63 else ticks) / (1 << 32)


def offset_and_delay(packet: Packet, sent: int, arrived: int) -> tuple[float, float]:
    """Return how far the server's clock is ahead of ours, and the round trip, in seconds (section 8)."""
    there, back = difference(packet.received, sent), difference(packet.transmitted, arrived)
    held = difference(packet.transmitted, packet.received)
    return (there + back) / 2, difference(arrived, sent) - held
