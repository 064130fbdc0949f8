"""Frames of STOMP 1.1 and 1.2 (stomp.github.io), made and read; and what a broker's ERROR means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
)

MAX_BODY = 1024 * 1024
MAX_HEADERS = 100
COMMANDS = frozenset({"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"})
"""What a broker may send."""
LOGIN_COMMANDS = frozenset({"CONNECT", "CONNECTED"})
"""Their headers are not escaped."""
ESCAPES = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"}
UNESCAPES = {"\\": "\\", "r": "\r", "n": "\n", "c": ":"}


class Malformed(ValueError):  # noqa: N818 - reads better where it is raised
    """Bytes that are no frame of STOMP."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame; of headers given twice the first counts, as the protocol has it."""

    command: str
    headers: Mapping[str, str]
    body: bytes = b""


def escape(text: str) -> str:
    """Return a header's name or value as it is sent."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)


def unescape(text: str) -> str:
    """Return a header's name or value as it was meant. Raises `Malformed` for an unknown escape."""
    if "\\" not in text:
        return text
    made, letters = [], iter(text)
    for letter in letters:
        if letter == "\\":
            meant = UNESCAPES.get(next(letters, ""))
            if meant is None:
                raise Malformed("an escape in a header")
            letter = meant  # noqa: PLW2901 - the escape stands for it
        made.append(letter)
    return "".join(made)


def frame(command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a frame as bytes. Raises `Malformed` where a header of a login holds a line break."""
    if command in LOGIN_COMMANDS:
        if any("\n" in text or "\r" in text for text in headers.values()):
            raise Malformed("a line break in a login")
        lines = [f"{name}:{value}" for name, value in headers.items()]
    else:
        lines = [f"{escape(name)}:{escape(value)}" for name, value in headers.items()]
    if body:
        lines.append(f"content-length:{len(body)}")
    return "\n".join((command, *lines, "", "")).encode() + body + b"\0"


def headers_of(command: str, lines: Iterable[str]) -> dict[str, str]:
    """Return headers by name. Raises `Malformed`."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed("a header without a colon")
        if command not in LOGIN_COMMANDS:
            name, value = unescape(name), unescape(value)
        found.setdefault(name, value)
    return found


def length_of(headers: Mapping[str, str]) -> int | None:
    """Return the announced length of the body, None where it ends with the first NUL. Raises `Malformed`."""
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) > MAX_BODY:
        raise Malformed("a length of the body")
    return int(text)


def refusal(error: Frame, *, logging_in: bool) -> Ending:
    """Return the ending that an ERROR stands for; brokers say it in words of their own."""
    words = f"{error.headers.get('message', '')}: {error.body[:2000].decode('utf-8', 'replace').strip()}"
    low = words.lower()
    if "limit" in low or "maximum" in low:
        return ExpectationFailed(f"too_many_connections: {words}")
    if logging_in and ("virtual host" in low or "vhost" in low):
        return PermissionMissing(f"missing_right: {words}")
    if logging_in and any(
        word in low for word in ("password", "access refused", "login", "security", "auth")
    ):
        return OwnLoginFailed(f"wrong_password: {words}")
    if any(
        word in low for word in ("not authorized", "access_refused", "access refused", "denied", "permission")
    ):
        return PermissionMissing(f"missing_right: {words}")
    if "not_found" in low or "not found" in low or "does not exist" in low:
        return ExpectationFailed(words)
    return ProtocolViolated(f"the broker says: {words}")
