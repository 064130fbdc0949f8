"""SIP as far as OPTIONS needs it (RFC 3261): one request, and the head of a response. Pure.

aiosipua is not used for this: it makes connections of its own, whose times are the loop's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from probes.api import clip
from probes.errors import ProtocolViolated

MAGIC = "z9hG4bK"
"""Begins the branch of everybody who speaks RFC 3261 (8.1.1.7)."""
LONGEST_HEAD = 16_384
MOST_LINES = 200
LONGEST_BODY = 65_536
HEAD_END = b"\r\n\r\n"
COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "l": "content-length", "k": "supported"}
"""Short names of fields (7.3.3)."""
_STATUS = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?", re.IGNORECASE | re.DOTALL | re.ASCII)
_FIELD = re.compile(r"([!%'*+\-.0-9A-Z_`a-z~]+)[ \t]*:[ \t]*(.*)", re.DOTALL | re.ASCII)
_FOLD = re.compile(r"\r\n[ \t]+")
_BRANCH = re.compile(r";\s*branch\s*=\s*([^\s;,]+)", re.IGNORECASE)
_TAG = re.compile(r";\s*tag\s*=\s*([^\s;,]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Response:
    """The head of a response; `fields` holds the first value of each, by its long name in lower case."""

    status: int
    reason: str
    fields: dict[str, str]

    def field(self, name: str) -> str:
        """Return a field, bounded; empty where it is not there."""
        return clip(self.fields.get(name, ""), 1000)

    @property
    def body_bytes(self) -> int:
        """How long its body is. Raises `ProtocolViolated` where that is not told (20.14)."""
        told = self.fields.get("content-length", "")
        if not (told.isascii() and told.isdecimal() and len(told) < 10):
            raise ProtocolViolated(f"no Content-Length: {clip(told, 40)!r}")
        if int(told) > LONGEST_BODY:
            raise ProtocolViolated(f"a body of {told} bytes")
        return int(told)


@dataclass(frozen=True, slots=True)
class Options:
    """One OPTIONS request; the tokens are of this run only."""

    uri: str
    transport: str
    sent_by: str
    branch: str
    tag: str
    call: str

    def data(self) -> bytes:
        """Return it as it is sent (11.1), with what any request needs (8.1.1) and `rport` (RFC 3581)."""
        lines = (
            f"OPTIONS {self.uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {self.sent_by};branch={MAGIC}{self.branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:muster@{self.sent_by}>;tag={self.tag}",
            f"To: <{self.uri}>",
            f"Call-ID: {self.call}",
            "CSeq: 1 OPTIONS",
            "Accept: application/sdp",
            "User-Agent: muster",
            "Content-Length: 0",
        )
        return "\r\n".join((*lines, "", "")).encode()

    def accepts(self, data: bytes) -> Response | None:
        """Return what a datagram holds where it is a response to this request, else None."""
        try:
            found = response(data.partition(HEAD_END)[0])
        except ProtocolViolated:
            return None
        return found if not self.foreign(found) else None

    def foreign(self, found: Response) -> str:
        """Return why a response is not to this request (17.1.3, 8.1.3.3), or an empty text."""
        via, sequence = _BRANCH.search(found.fields.get("via", "")), found.fields.get("cseq", "").split()
        if via is None or via[1] != MAGIC + self.branch:
            return "another branch"
        if [word.upper() for word in sequence] != ["1", "OPTIONS"]:
            return "another CSeq"
        if found.fields.get("call-id") != self.call:
            return "another Call-ID"
        tag = _TAG.search(found.fields.get("from", ""))
        return "" if tag is not None and tag[1] == self.tag else "another tag in From"


def response(head: bytes) -> Response:
    """Return the head of a response, without the empty line that ends it. Raises `ProtocolViolated`."""
    if len(head) > LONGEST_HEAD:
        raise ProtocolViolated(f"a head of more than {LONGEST_HEAD} bytes")
    lines = _FOLD.sub(" ", head.decode("utf-8", "replace")).split("\r\n")
    status = _STATUS.fullmatch(lines[0])
    if status is None:
        raise ProtocolViolated(f"no response of SIP: {clip(lines[0], 80)!r}")
    if len(lines) > MOST_LINES:
        raise ProtocolViolated(f"a head of more than {MOST_LINES} lines")
    return Response(int(status[1]), clip(status[2] or "", 200), _fields(lines[1:]))


def _fields(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise ProtocolViolated(f"a field that is none: {clip(line, 80)!r}")
        name = match[1].lower()
        name = COMPACT.get(name, name)
        if name == "allow" and name in found:
            found[name] += f", {match[2].strip()}"
        found.setdefault(name, match[2].strip())
    return found


def methods(allow: str) -> str:
    """Return the methods of an Allow field, sorted, so that another order is no change."""
    return ", ".join(sorted({method.strip().upper() for method in allow.split(",") if method.strip()}))
