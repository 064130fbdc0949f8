"""Network management messages of ISO 8583 (1987), made and read with pyiso8583. Pure.

    length | TPDU | header | type | bitmap | bitmap | fields

Packed decimals are as terminals in China write them: left-aligned, lengths packed, too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from probes.api import clip
from probes.errors import ProberFault, ProtocolViolated
from probes.peripheral._iso8583_params import MACS, Framing, Iso8583Params

Spec = dict[str, dict[str, Any]]
LENGTH_BYTES: dict[Framing, int] = {"binary2": 2, "ascii4": 4, "bcd2": 2}
TPDU_BYTES = 5
LONGEST = 4096
PACKED_FIXED = {*range(3, 28), 53, *range(70, 77), 100}
PACKED_VARIABLE = {2, 32, 33, 48, 60, 61}
"""Fields that are numbers; the others stay text where numbers are packed."""
TYPE, BITMAPS, TRANSMITTED, STAN, CODE, TERMINAL, MERCHANT, NETWORK = (
    "t", ("p", "1"), "7", "11", "39", "41", "42", "70",
)  # fmt: skip


def spec_of(library: ModuleType, params: Iso8583Params) -> Spec:
    """Return how messages are laid out, in the words of pyiso8583."""
    spec: Spec = {name: dict(field) for name, field in library.specs.default.items()}
    if params.encoding == "bcd":
        for name in spec:
            spec[name] |= _packed(name, spec[name])
    if params.bitmap == "ascii":
        for name in BITMAPS:
            spec[name] |= {"data_enc": "ascii", "max_len": 16}
    return spec


def _packed(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    variable = {"len_enc": "bcd", "len_type": (field["len_type"] + 1) // 2}
    packed = {"data_enc": "b", "len_count": "nibbles", "right_pad": "0"}
    if name == TYPE:
        return {"data_enc": "b", "max_len": 2}
    if not name.isdecimal() or int(name) not in PACKED_FIXED | PACKED_VARIABLE:
        return variable
    return variable | packed if int(name) in PACKED_VARIABLE else packed


def question(library: ModuleType, params: Iso8583Params, stan: str, now: dt.datetime) -> bytes:
    """Return the message as it is sent. Raises `ProberFault` for fields that can't be written so."""
    fields = {TYPE: params.type, STAN: stan} | {str(n): text for n, text in params.fields.items()}
    if params.transmission_time:
        fields[TRANSMITTED] = f"{now.astimezone(dt.UTC):%m%d%H%M%S}"
    if params.network_code is not None:
        fields[NETWORK] = params.network_code
    try:
        raw, _ = library.encode(fields, spec_of(library, params))
    except library.EncodeError as error:
        raise ProberFault(f"fields: {clip(str(error), 200)}") from None
    before = bytes.fromhex((params.tpdu or "") + params.header)
    return framed(before + bytes(raw), params)


def framed(message: bytes, params: Iso8583Params) -> bytes:
    """Return a message with its length before it."""
    size = len(message) + params.length_counts_itself * LENGTH_BYTES[params.framing]
    if params.framing == "binary2":
        return size.to_bytes(2, "big") + message
    return (f"{size:04}".encode() if params.framing == "ascii4" else bytes.fromhex(f"{size:04}")) + message


def length(head: bytes, params: Iso8583Params) -> int:
    """Return the bytes that follow the length `head`. Raises `ProtocolViolated`."""
    if params.framing == "binary2":
        size = int.from_bytes(head, "big")
    else:
        digits = head.hex() if params.framing == "bcd2" else head.decode("latin-1")
        if not (digits.isascii() and digits.isdecimal()):
            raise ProtocolViolated(f"a length that is none: {head!r}")
        size = int(digits)
    size -= params.length_counts_itself * len(head)
    if not 0 <= size <= LONGEST:
        raise ProtocolViolated(f"a message of {size} bytes")
    return size


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read of a message; `unread` is the first field that could not be, with why."""

    type: str
    fields: dict[str, str]
    unread: str = ""

    @property
    def has_mac(self) -> bool:
        """Whether it carries a MAC, as far as its bitmaps tell."""
        bits = f"{int(self.fields.get('p') or '0', 16):064b}{int(self.fields.get('1') or '0', 16):064b}"
        return any(bits[number - 1] == "1" for number in MACS)


def answer(library: ModuleType, data: bytes, params: Iso8583Params) -> Answer:
    """Return a message without its length. Raises `ProtocolViolated` where not even its type can be read.

    Fields come in their order, so what was read before one that is laid out differently stands.
    """
    before = TPDU_BYTES * (params.tpdu is not None) + len(params.header) // 2
    try:
        fields, _ = library.decode(data[before:], spec_of(library, params))
        unread = ""
    except library.DecodeError as error:
        fields = {name: text for name, text in error.doc_dec.items() if name != error.field}
        unread = f"field {error.field}: {error.msg}"
    kind = str(fields.get(TYPE, ""))
    if not (kind.isascii() and kind.isdecimal()):
        raise ProtocolViolated("no message of ISO 8583: " + clip(unread or f"type {kind!r}", 200))
    return Answer(kind, {str(name): str(text) for name, text in fields.items()}, clip(unread, 200))


def is_answer(found: Answer, params: Iso8583Params) -> bool:
    """Whether it is of the type that answers."""
    return found.type == f"{int(params.type) + 10:04}"


def check(found: Answer, stan: str, params: Iso8583Params) -> str:
    """Return the response code. Raises `ProtocolViolated` for an answer to something else, or without one."""
    sent = {STAN: stan} | {str(n): text for n, text in params.fields.items() if str(n) == TERMINAL}
    if params.network_code is not None and NETWORK in found.fields:
        sent[NETWORK] = params.network_code
    for name, text in sent.items():
        if name not in found.fields:
            if name == TERMINAL:
                continue
            raise ProtocolViolated(f"an answer without field {name}{_for(found)}")
        if found.fields[name].strip() != text.strip():
            raise ProtocolViolated(f"field {name} is {clip(found.fields[name], 20)!r}, not {text!r}")
    if CODE not in found.fields:
        raise ProtocolViolated(f"an answer without a response code (field {CODE}){_for(found)}")
    return clip(found.fields[CODE], 10)


def _for(found: Answer) -> str:
    return f": {found.unread}" if found.unread else ""
