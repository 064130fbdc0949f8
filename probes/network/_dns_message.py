"""DNS messages of untrusted servers (RFC 1035), read by dnspython and reduced to what a check looks at."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.reversename

from probes.api import clip

PAYLOAD = 1232
"""EDNS buffer size that crosses any path unfragmented (DNS flag day 2020)."""
MAX_ANSWERS = 256
MAX_ANSWER = 255
MAX_CLASSES = 10_000
"""Kinds of records that dnspython may remember; it keeps one for each pair that any answer ever named."""
FLAGS = (("aa", dns.flags.AA), ("ra", dns.flags.RA), ("ad", dns.flags.AD))

# Otherwise dnspython imports a module the first time an answer names a type: in the loop, as targets please.
dns.rdata.load_all_types()  # type: ignore[no-untyped-call]
_classes = dns.rdata._rdata_classes  # noqa: SLF001 - there is no other way to bound it
_known = dict(_classes)


@dataclass(frozen=True, slots=True)
class Question:
    """One query and its wire form."""

    message: dns.message.QueryMessage
    wire: bytes

    @property
    def framed(self) -> bytes:
        """The query as it goes over TCP, its length first."""
        return struct.pack("!H", len(self.wire)) + self.wire


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: data in presentation form, sorted; `ttl` in seconds, None without answers."""

    rcode: str
    flags: tuple[str, ...]
    truncated: bool
    data: tuple[str, ...]
    ttl: int | None


def question(name: str, kind: str, *, recursion: bool) -> Question:
    """Return a query for `name`; the PTR of an address is asked under its reverse name.

    Raises ValueError for a name or a type that can't be asked.
    """
    try:
        message = dns.message.make_query(
            _reverse(name) if kind == "PTR" else dns.name.from_text(name),
            kind,
            use_edns=0,
            payload=PAYLOAD,
            id=secrets.randbelow(65536),
            flags=dns.flags.RD if recursion else 0,
        )
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{name!r} {kind}: {error}") from None
    return Question(message, message.to_wire())


def _reverse(name: str) -> dns.name.Name:
    try:
        return dns.reversename.from_address(name)
    except dns.exception.SyntaxError:
        return dns.name.from_text(name)


def decode(data: bytes, asked: Question) -> Answer | None:
    """Return the answer to `asked`, or None if `data` is none (garbage, another id, another question)."""
    if len(data) < 12 or data[:2] != asked.wire[:2] or not data[2] & 0x80:
        return None
    truncated = bool(data[2] & 0x02)
    try:
        message = dns.message.from_wire(data, ignore_trailing=True, question_only=truncated)
        return _reduce(message, truncated) if asked.message.is_response(message) else None
    except (dns.exception.DNSException, ValueError, LookupError, struct.error, OverflowError, RecursionError):
        return None
    finally:
        if len(_classes) > MAX_CLASSES:
            _classes.clear()
            _classes.update(_known)


def _reduce(message: dns.message.Message, truncated: bool) -> Answer:
    kind = message.question[0].rdtype if message.question else dns.rdatatype.NONE
    sets = [rrset for rrset in message.answer if kind in (rrset.rdtype, dns.rdatatype.ANY)]
    data = [clip(canonical(item.to_text()), MAX_ANSWER) for rrset in sets for item in rrset]
    return Answer(
        dns.rcode.to_text(message.rcode()),
        tuple(name for name, bit in FLAGS if message.flags & bit),
        truncated,
        tuple(sorted(data)[:MAX_ANSWERS]),
        min((rrset.ttl for rrset in sets), default=None),
    )


def canonical(text: str) -> str:
    """Return an answer as it is compared: letter case and the root's dot do not matter outside quotes."""
    return text if '"' in text else text.rstrip(".").lower()
