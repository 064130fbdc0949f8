"""HTTP/1.1 messages (RFC 9112): the bytes of a request, and the parsing of an untrusted response.

Parsed by llhttp. Heads are bounded in bytes, fields and interim responses, bodies in bytes kept and read; a
response is over when its framing says so, or with the connection where it has none.
"""

from __future__ import annotations

from collections.abc import Iterable

import httptools

from probes.api import clip
from probes.errors import ProtocolViolated

MAX_HEAD = 65_536
MAX_FIELDS = 256
MAX_INTERIM = 8
NO_BODY = (204, 304)
SWITCHING = 101

Fields = Iterable[tuple[str, str]]


def request(method: str, target: str, fields: Fields, body: bytes) -> bytes:
    """Return the bytes of a request. `fields` must not hold line breaks (checked where they are read)."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1", "replace") + body


class _Stop(Exception):  # noqa: N818 - leaves llhttp, nothing is wrong
    """Raised in a callback of llhttp to stop parsing."""


class Response:
    """A response as it arrives; feed it what is received until `done`."""

    __slots__ = (
        "_fields", "_framed", "_head", "_interim", "_keep", "_method", "_parser", "_violation", "body",
        "body_bytes", "complete", "done", "fields", "head_done", "limit", "status", "truncated",
    )  # fmt: skip

    def __init__(self, method: str, limit: int, *, keep: bool) -> None:
        """Read at most `limit` bytes of body, and `keep` them in `body` or only count them."""
        self._method, self.limit, self._keep = method, limit, keep
        self._parser: httptools.HttpResponseParser | None = None
        self._head = self._fields = self._interim = 0
        self._framed, self._violation = False, ""
        self.status = 0
        self.fields: dict[str, str] = {}
        self.body = bytearray()
        self.body_bytes = 0
        self.head_done = self.done = self.complete = self.truncated = False

    def feed(self, data: bytes) -> None:
        """Parse `data`. Raises `ProtocolViolated`; sets `done` once nothing more is needed."""
        if self.done:
            return
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.done:
                self._release()
                raise ProtocolViolated(self._violation or f"no valid HTTP response: {error}") from None
        self._after(len(data))

    def _after(self, received: int) -> None:
        if self.done:
            self._release()
        if not self.head_done:
            self._head += received
            if self._head > MAX_HEAD:
                raise ProtocolViolated(f"more than {MAX_HEAD} bytes and no end of the header fields")

    def end(self) -> None:
        """Note the end of the connection. Raises `ProtocolViolated` where it broke the response off."""
        self._release()
        if self.done:
            return
        if not self.head_done:
            raise ProtocolViolated(
                "closed before a response" if not self._head else "closed amid the header fields"
            )
        if self._framed:
            raise ProtocolViolated(f"closed amid the body, after {self.body_bytes} bytes")
        self.done = self.complete = True

    def _release(self) -> None:
        """Let the parser go: it and we hold each other, which keeps the cycle collector busy."""
        self._parser = None

    def on_message_begin(self) -> None:
        """Take the beginning of a message; whatever follows the response is not looked at."""
        if self.done:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one field. The first of a name counts, except that they are all counted."""
        self._fields += 1
        if self._fields > MAX_FIELDS:
            self._refuse(f"more than {MAX_FIELDS} header fields")
        self.fields.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Take the end of the head: of an interim response, or of the response."""
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        if 100 <= self.status < 200 and self.status != SWITCHING:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                self._refuse(f"more than {MAX_INTERIM} interim responses")
            return
        if self.status < 100:
            self._refuse(f"status {self.status}")
        self.head_done = True
        self._framed = "content-length" in self.fields or "transfer-encoding" in self.fields
        if self._method in ("HEAD", "CONNECT") or self.status in NO_BODY or self.status == SWITCHING:
            self.done = self.complete = True
            raise _Stop

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        room = self.limit - self.body_bytes
        self.body_bytes += min(len(data), room)
        if self._keep:
            self.body += data[:room]
        if len(data) > room:
            self.truncated = self.done = True
            raise _Stop

    def on_message_complete(self) -> None:
        """Take the end of a message."""
        if self.head_done:
            self.done = self.complete = True
            return
        self.fields.clear()
        self._fields = 0

    def _refuse(self, why: str) -> None:
        self._violation = why
        raise _Stop

    def field(self, name: str) -> str:
        """Return a field's value, bounded and printable, or an empty text."""
        return clip(self.fields.get(name, ""))
