"""A bundle as text: JSON lines, a manifest, the readings, a signature. Pure.

The signature (Ed25519, RFC 8032) covers the manifest's line, which has the SHA-256 of the readings' lines.
There is nothing to unpack: no archive, no names of files.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from monitor.readiness.digest import canonical
from probes.api import Outcome, Reading, clip

SCHEMA = "muster.bundle/1"
MOST_BYTES = 6 * 1024 * 1024
MOST_LINE = 256 * 1024
MOST_READINGS = 20_000
MOST_NUMBERS = 2000
"""Metrics, facts or phases of one reading."""
MOST_TEXT = 10_000
VANTAGE = r"^site:[\w.-]{1,40}$"

Text = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Moment = Annotated[float, Field(ge=0, lt=1e11, allow_inf_nan=False)]
Size = Annotated[float, Field(ge=0, lt=1e9, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=300)]


class NotTaken(Exception):  # noqa: N818 - reads better where it is raised
    """A bundle that is not taken in; `code` is one word for why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Clock(_Part):
    """What the laptop's clock is to a time server's."""

    offset_s: Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)] | None
    """To be added to the laptop's times; None: unknown."""
    check: Text = ""
    """The check that measured it."""


class Manifest(_Part):
    """What a bundle is. Times by the laptop's clock, in seconds since the epoch."""

    schema_: Literal["muster.bundle/1"] = Field(alias="schema")
    gate: Text
    unit: Text
    unit_digest: Digest
    checklists: Annotated[list[tuple[Text, Digest]], Field(max_length=100)]
    version: Text
    vantage: Annotated[str, Field(pattern=VANTAGE)]
    host: Text
    actor: Text
    clock: Clock
    started_at: Moment
    finished_at: Moment
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    readings: Annotated[int, Field(ge=0, le=MOST_READINGS)]
    readings_digest: Digest


class _Row(_Part):
    outcome: Literal["ok", "failed", "error", "not_run"]
    kind: Annotated[str, Field(max_length=100)]
    detail: Annotated[str, Field(max_length=MOST_TEXT)]
    metrics: Annotated[dict[Name, Number], Field(max_length=MOST_NUMBERS)]
    facts: Annotated[dict[Name, Annotated[str, Field(max_length=MOST_TEXT)]], Field(max_length=MOST_NUMBERS)]
    phases: Annotated[dict[Name, Number], Field(max_length=MOST_NUMBERS)]
    phase: Annotated[str, Field(max_length=100)]
    check: Text
    at: Moment
    lag_ms: Size
    duration_ms: Size


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is whole: its signature fits, and so does its manifest. Nobody is trusted yet."""

    manifest: Manifest
    readings: tuple[Reading, ...]
    """As the laptop has timed them; their vantage is the manifest's."""
    key: str
    """The public key that signed, in base64."""
    digest: str
    """Of the manifest."""


def public(key: Ed25519PublicKey) -> str:
    """Return a public key in base64."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def made(manifest: Mapping[str, Any], readings: Sequence[Reading], key: Ed25519PrivateKey) -> str:
    """Return the text of a bundle; `manifest` without what follows from the readings."""
    lines = [_line(each) for each in readings]
    whole = {
        **manifest, "schema": SCHEMA, "readings": len(lines), "readings_digest": _digest("".join(lines)),
    }  # fmt: skip
    head = canonical(whole) + "\n"
    signature = base64.b64encode(key.sign(_message(_digest(head)))).decode()
    last = {"key": public(key.public_key()), "signature": signature}
    return "".join([head, *lines, canonical(last) + "\n"])


def _line(reading: Reading) -> str:
    fields = {name: value for name, value in asdict(reading).items() if name != "vantage"}
    for name in ("metrics", "phases"):
        fields[name] = {key: value for key, value in fields[name].items() if math.isfinite(value)}
    return json.dumps(fields, ensure_ascii=True, sort_keys=True, separators=(",", ":")) + "\n"


def _message(digest: str) -> bytes:
    return f"{SCHEMA} {digest}".encode()


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def read(text: str) -> Bundle:
    """Return a bundle from its text. Raises NotTaken: `malformed`, or `tampered` where parts don't fit."""
    lines = _lines(text)
    key, signature = _last(lines[-1])
    if not _signed(key, signature, _message(_digest(lines[0]))):
        raise NotTaken(
            "tampered", "the signature does not fit the manifest: it was changed after it was signed"
        )
    manifest = _model(Manifest, _object(lines[0]))
    rows = lines[1:-1]
    if manifest.readings != len(rows) or manifest.readings_digest != _digest("".join(rows)):
        raise NotTaken("tampered", "the readings are not those that were signed")
    readings = tuple(_reading(row, manifest.vantage) for row in rows)
    if len({(each.check, each.at) for each in readings}) < len(readings):
        raise NotTaken("malformed", "a check has two readings of the same moment")
    return Bundle(manifest, readings, key, _digest(lines[0]))


def _lines(text: str) -> list[str]:
    if len(text) > MOST_BYTES:
        raise NotTaken("malformed", f"larger than {MOST_BYTES} bytes")
    lines = text.split("\n")
    if lines.pop() or not 2 <= len(lines) <= MOST_READINGS + 2:
        raise NotTaken("malformed", "not a bundle: it has no manifest and signature, or too many lines")
    if any(len(line) > MOST_LINE for line in lines):
        raise NotTaken("malformed", f"a line is longer than {MOST_LINE} bytes")
    if not text.isascii() and any(0xD800 <= ord(each) < 0xE000 for each in text):
        raise NotTaken("malformed", "not UTF-8")
    return [line + "\n" for line in lines]


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotTaken("malformed", "a line is not JSON, or has a key twice") from None
    if not isinstance(found, dict):
        raise NotTaken("malformed", "a line is not a JSON object")
    return found


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    several = list(pairs)
    found = dict(several)
    if len(found) != len(several):
        raise ValueError("a key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _model(kind: type[Any], data: Mapping[str, Any]) -> Any:
    try:
        return kind.model_validate_json(json.dumps(data))
    except (ValidationError, ValueError, RecursionError) as error:
        place = ""
        if isinstance(error, ValidationError):
            place = ".".join(str(each) for each in error.errors()[0]["loc"])
        raise NotTaken(
            "malformed", f"not a bundle of this version: {clip(place or 'unreadable', 100)}"
        ) from None


def _reading(line: str, vantage: str) -> Reading:
    row = _model(_Row, _object(line)).model_dump()
    texts = {name: clip(row[name]) for name in ("kind", "detail", "phase")}
    facts = {clip(name): clip(value, MOST_TEXT) for name, value in row["facts"].items()}
    return Reading(**{**row, **texts, "facts": facts, "outcome": Outcome(row["outcome"]), "vantage": vantage})


def _last(line: str) -> tuple[str, str]:
    found = _object(line)
    key, signature = found.get("key"), found.get("signature")
    if found.keys() != {"key", "signature"} or not (isinstance(key, str) and isinstance(signature, str)):
        raise NotTaken("malformed", "the last line is no signature")
    if not re.fullmatch(r"[A-Za-z0-9+/=]{1,100}", key):
        raise NotTaken("malformed", "the last line is no signature")
    return key, signature


def _signed(key: str, signature: str, message: bytes) -> bool:
    try:
        found = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        found.verify(base64.b64decode(signature, validate=True), message)
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True
