"""What an object store answers: its XML read with bounds, its errors as endings, its lists as figures."""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote_plus
from xml.parsers import expat

from probes.errors import (
    Ending,
    ExpectationFailed,
    Inconclusive,
    OwnLoginFailed,
    PermissionMissing,
    ProberFault,
    ProtocolViolated,
)

MAX_DEPTH = 16
WORDS: dict[str, tuple[type[Ending], str]] = {
    "wrong_password": (
        OwnLoginFailed,
        (
            "InvalidAccessKeyId SignatureDoesNotMatch InvalidToken ExpiredToken InvalidSecurity NotSignedUp "
            "InvalidClientTokenId TokenRefreshRequired"
        ),
    ),
    "clock_skew": (Inconclusive, "RequestTimeTooSkewed RequestExpired"),
    "wrong_region": (
        ProberFault,
        (
            "AuthorizationHeaderMalformed PermanentRedirect TemporaryRedirect SecondLevelDomainForbidden "
            "IllegalLocationConstraintException"
        ),
    ),
    "missing_right": (PermissionMissing, "AccessDenied AllAccessDisabled AccountProblem UnauthorizedAccess"),
    "no_such_bucket": (ExpectationFailed, "NoSuchBucket"),
    "disk_full": (
        ExpectationFailed,
        (
            "XMinioStorageFull QuotaExceeded XMinioAdminBucketQuotaExceeded InsufficientCapacity "
            "StorageQuotaExceeded"
        ),
    ),
    "busy": (
        ExpectationFailed,
        (
            "SlowDown ServiceUnavailable Busy RequestLimitExceeded SlowDownRead SlowDownWrite "
            "XMinioReadQuorum XMinioWriteQuorum"
        ),
    ),
}
"""First words of details: what each is, and the codes of S3, MinIO, OSS and OBS that mean it."""
CODES = {code: (ending, word) for word, (ending, codes) in WORDS.items() for code in codes.split()}
Record = tuple[str, dict[str, str]]
"""An element that holds texts: its name, and its children's texts by their names."""


class _Reader:
    """Collects records; namespaces are not told apart."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._text: list[str] = []
        self._leaf = False

    def start(self, name: str, _: object) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise ProtocolViolated(f"XML nested more than {MAX_DEPTH} deep")
        self._open.append((name.rpartition(" ")[2], {}))
        self._text.clear()
        self._leaf = True

    def end(self, _: str) -> None:
        name, children = self._open.pop()
        if self._leaf and self._open:
            self._open[-1][1].setdefault(name, "".join(self._text).strip())
        else:
            self.records.append((name, children))
        self._leaf = False

    def text(self, data: str) -> None:
        self._text.append(data)

    def doctype(self, *_: object) -> NoReturn:
        raise ProtocolViolated("XML with a document type")


def records(body: bytes) -> list[Record]:
    """Return the records of a document, inner before outer. Raises `ProtocolViolated`."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = reader.text, reader.doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ProtocolViolated(f"the answer is no XML: {error}") from None
    return reader.records


def first(found: Iterable[Record], name: str) -> dict[str, str]:
    """Return the first record of that name. Raises `ProtocolViolated` where none is."""
    for record, children in found:
        if record == name:
            return children
    raise ProtocolViolated(f"the answer holds no {name}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a store refused: its own code ("NoSuchBucket"), or none, and the status and message."""

    status: int
    code: str
    message: str

    def ending(self) -> Ending:
        """Return what it stands for."""
        text = f"HTTP {self.status} {self.code}" + (f": {self.message}" if self.message else "")
        if self.code in CODES:
            ending, word = CODES[self.code]
            return ending(f"{word}: {text}")
        if self.status == 403:
            return PermissionMissing(f"missing_right: {text}")
        if self.status == 507:
            return ExpectationFailed(f"disk_full: {text}")
        return ExpectationFailed(text)


def refusal(status: int, body: bytes) -> Refusal:
    """Read an answer that is not good; what is no XML has no code."""
    try:
        error = first(records(body), "Error")
    except ProtocolViolated:
        error = {}
    return Refusal(status, error.get("Code", "")[:100], error.get("Message", ""))


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a list."""

    key: str
    size: int
    modified: dt.datetime


def listed(body: bytes) -> tuple[list[Thing], str]:
    """Return the objects of one page of ListObjectsV2 (keys URL-encoded), and how to go on, if further.

    Raises `ProtocolViolated`.
    """
    found = records(body)
    outer = first(found, "ListBucketResult")
    truncated = outer.get("IsTruncated") == "true"
    things = [_thing(children) for name, children in found if name == "Contents"]
    token = outer.get("NextContinuationToken", "")
    if truncated and not token:
        raise ProtocolViolated("the list goes on, but does not say how")
    return things, token if truncated else ""


def _thing(children: dict[str, str]) -> Thing:
    try:
        modified = dt.datetime.fromisoformat(children["LastModified"])
        if modified.tzinfo is None:
            modified = modified.replace(tzinfo=dt.UTC)
        return Thing(unquote_plus(children["Key"], errors="replace"), int(children["Size"]), modified)
    except (KeyError, ValueError):
        raise ProtocolViolated("the list holds an object without key, size or time") from None


def clock(date: str) -> dt.datetime | None:
    """Return the store's own time, by its Date field (RFC 9110, section 6.6.1)."""
    try:
        return email.utils.parsedate_to_datetime(date).astimezone(dt.UTC)
    except (ValueError, OverflowError, TypeError):
        return None
