"""What the datagrams between a probe and a reflector hold, as values and as bytes (pure).

All integers are big endian; what frames them is `_reflect_wire`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

NONCE_SIZE = 16
MAX_PACKETS = 4000
"""Most packets of one train, and most echoes of one session that are accounted for one by one."""
REPORT_ROOM = 1120
"""Bytes of a report's page that hold records."""
ECHO_RECORDS = 0
"""The train number under which a session's echoes are reported."""


class WireError(ValueError):
    """Bytes that are not of the protocol, or not from whom they should be."""


class Reason(IntEnum):
    """Why a request was refused."""

    AUTH = 1
    """The tag is not of this unit's key."""
    SESSION = 2
    """No such session: it expired, or the reflector was restarted."""
    BUDGET = 3
    """The peer's or the session's byte budget is used up."""
    RATE = 4
    """Too many requests a second."""
    BUSY = 5
    """Another train or stream is running."""
    LIMIT = 6
    """More packets, bytes or a longer time than is granted at all."""
    TRAIN = 7
    """No such train."""


class Body(NamedTuple):
    """A body of nothing."""


class Hello(NamedTuple):
    """HELLO: the client's nonce."""

    nonce: bytes


class Cookie(NamedTuple):
    """COOKIE: the client's nonce, and what proves its address."""

    nonce: bytes
    cookie: bytes


class Open(NamedTuple):
    """OPEN: both again, now tagged with the unit's key."""

    nonce: bytes
    cookie: bytes


class Opened(NamedTuple):
    """OPENED: the session is in the header; what is granted to it at most."""

    nonce: bytes
    reflector_nonce: bytes
    instance: int
    """Drawn anew at each start of the reflector."""
    packets: int
    """Packets of one train."""
    size: int
    """Bytes of UDP payload of one packet."""
    train_bytes: int
    """Bytes of UDP payload of one train."""
    rate_bps: int
    """Rate at which a train is sent, UDP payload."""
    stream_bytes: int
    """Bytes of one TCP stream."""
    stream_ms: int
    """Milliseconds of one TCP stream."""
    idle_ms: int
    """Milliseconds of silence after which the session ends."""


class Refused(NamedTuple):
    """REFUSED: what it is about (the client's nonce, or the number of the request in its last 8 bytes)."""

    about: bytes
    reason: int
    retry_ms: int
    """After which time to ask again; 0 where asking again does not help."""


class Echo(NamedTuple):
    """ECHO: a number from 0, one more each time."""

    sequence: int


class Echoed(NamedTuple):
    """ECHOED: the answer, as long as the request. Times are ns since the epoch, by the reflector's clock."""

    sequence: int
    received: int
    """Different echoes of this session that came, this one included."""
    duplicates: int
    """Copies of datagrams of this session that came, all kinds."""
    received_ns: int
    """When the kernel had the request."""
    sent_ns: int
    """Right before the answer was given to the kernel."""
    earlier: int
    """An echo answered before, whose exact time of sending is known by now, or 2**32 - 1."""
    earlier_sent_ns: int
    """When the kernel gave that earlier answer to the network device."""
    ttl: int
    """Time to live or hop limit the request arrived with, 0 where unknown."""
    tos: int
    """Traffic class (DSCP and ECN) the request arrived with."""
    clock: int
    """CLOCK_* bits of the reflector's clock."""
    clock_error_us: int
    """Estimated error of the reflector's clock (adjtimex), 2**32 - 1 where unknown."""


NO_ECHO = 2**32 - 1
UNKNOWN_ERROR = 2**32 - 1
CLOCK_SYNCHRONISED, CLOCK_STEPPED, CLOCK_NO_STAMP = 1, 2, 4
"""The kernel says it follows a source; it was stepped since the request came; the time of receiving is not
the kernel's."""


class TrainDown(NamedTuple):
    """TRAIN_DOWN: the client will send so many DATA packets of so many bytes of UDP payload."""

    train: int
    packets: int
    size: int


class TrainUp(NamedTuple):
    """TRAIN_UP: the reflector is to send them, at `rate_bps` of UDP payload (0: back to back)."""

    train: int
    packets: int
    size: int
    rate_bps: int


class Ready(NamedTuple):
    """READY: the train or stream is granted."""

    train: int


class Data(NamedTuple):
    """DATA: one packet of a train; sequence from 0."""

    train: int
    sequence: int


class Report(NamedTuple):
    """REPORT: asks for the records of a train from the record numbered `first`."""

    train: int
    first: int


class Reported(NamedTuple):
    """REPORTED: a page of records: arrivals of a down train, departures of an up train."""

    train: int
    first: int
    total: int
    """Records there are by now."""
    start_ns: int
    """What the records count from, ns since the epoch by the reflector's clock."""
    overflowed: int
    """Datagrams that the reflector's own queue lost meanwhile: no loss of the link."""
    state: int
    """TRAIN_* bits."""
    records: tuple[tuple[int, int], ...]
    """(sequence, ns since `start_ns`), in the order of arrival or departure."""


TRAIN_RUNNING, TRAIN_STEPPED = 1, 2
"""Still being sent; the reflector's clock was stepped meanwhile, so the times mean nothing."""


class Stop(NamedTuple):
    """STOP: end the train that is being sent."""

    train: int


class Stream(NamedTuple):
    """STREAM, the request of a TCP connection: SEND or FILL (the reflector sends), or SINK (it counts)."""

    nonce: bytes
    reflector_nonce: bytes
    mode: int
    bytes: int
    milliseconds: int


SEND, SINK, FILL = 1, 2, 3
"""FILL is SEND by a congestion control that fills the queue on the way (`_sockets.fill_queues`)."""


class Count(NamedTuple):
    """COUNT: bytes a SINK has received so far, and when the last of them came (ns since the epoch)."""

    bytes: int
    at_ns: int


AnyBody = (
    Body | Hello | Cookie | Open | Opened | Refused | Echo | Echoed | TrainDown | TrainUp | Ready | Data
    | Report | Reported | Stop | Stream | Count
)  # fmt: skip
B = TypeVar("B", bound=AnyBody)

_FIELDS: dict[type[Any], struct.Struct] = {
    Body: struct.Struct("!"),
    Hello: struct.Struct("!16s"),
    Cookie: struct.Struct("!16s16s"),
    Open: struct.Struct("!16s16s"),
    Opened: struct.Struct("!16s16sQIHQQQII"),
    Refused: struct.Struct("!16sBI"),
    Echo: struct.Struct("!I"),
    Echoed: struct.Struct("!IIIQQIQBBBI"),
    TrainDown: struct.Struct("!IHH"),
    TrainUp: struct.Struct("!IHHQ"),
    Ready: struct.Struct("!I"),
    Data: struct.Struct("!II"),
    Report: struct.Struct("!II"),
    Stop: struct.Struct("!I"),
    Stream: struct.Struct("!16s16sBQI"),
    Count: struct.Struct("!QQ"),
}
_PAGE = struct.Struct("!IIIQIBH")
_RECORD = struct.Struct("!HBI")
"""Sequence, and 40 bits of nanoseconds (18 minutes)."""
PAGE_RECORDS = REPORT_ROOM // _RECORD.size
LONGEST_NS = 2**40 - 1
ECHOED_SIZE, DATA_SIZE = _FIELDS[Echoed].size, _FIELDS[Data].size


def pack(body: AnyBody) -> bytes:
    """Return a body as bytes. Raises `WireError` for a value that has no room."""
    try:
        if isinstance(body, Reported):
            return _pack_page(body)
        return _FIELDS[type(body)].pack(*body)
    except struct.error as error:
        raise WireError(str(error)) from None


def unpack(kind: type[B], data: bytes) -> B:
    """Return the body of that type at the start of `data`. Raises `WireError` when it is cut off."""
    if kind is Reported:
        return _unpack_page(data)  # type: ignore[return-value]
    fields = _FIELDS[kind]
    if len(data) < fields.size:
        raise WireError(f"{kind.__name__} is cut off")
    return kind(*fields.unpack_from(data))


def _pack_page(page: Reported) -> bytes:
    head = _PAGE.pack(*page[:6], len(page.records))
    if len(page.records) > PAGE_RECORDS:
        raise WireError("too many records for a page")
    return head + b"".join(_RECORD.pack(sequence, ns >> 32, ns & 0xFFFFFFFF) for sequence, ns in page.records)


def _unpack_page(data: bytes) -> Reported:
    if len(data) < _PAGE.size:
        raise WireError("Reported is cut off")
    train, first, total, start_ns, overflowed, state, count = _PAGE.unpack_from(data)
    end = _PAGE.size + count * _RECORD.size
    if count > PAGE_RECORDS or len(data) < end:
        raise WireError("a page with more records than it has")
    found = _RECORD.iter_unpack(data[_PAGE.size : end])
    records = tuple((sequence, high << 32 | low) for sequence, high, low in found)
    return Reported(train, first, total, start_ns, overflowed, state, records)


def page_of(records: Sequence[tuple[int, int]], first: int) -> tuple[tuple[int, int], ...]:
    """Return the records of the page that begins with record number `first`."""
    return tuple(records[first : first + PAGE_RECORDS])


def about(number: int) -> bytes:
    """Return a request's number as `Refused.about` has it."""
    return number.to_bytes(NONCE_SIZE, "big")
