"""NATS on the wire (docs.nats.io, client protocol): operations as lines, and what a server's error means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
)
from probes.middleware._broker import Wire

MAX_LINE = 65_536
MAX_MESSAGE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """A message that came: of which subscription, its status line where it has one, and its payload."""

    sid: str
    status: str
    payload: bytes

    def document(self) -> dict[str, Any]:
        """Return the JSON object it holds. Raises `ProtocolViolated` where it holds none."""
        try:
            found = json.loads(self.payload)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ProtocolViolated("an answer of JetStream that is no JSON object")
        return found


def sizes(line: bytes) -> tuple[str, int, int] | None:
    """Return subscription, bytes of headers and bytes in all that MSG or HMSG announces; None for no such.

    MSG subject sid [reply] size, and HMSG subject sid [reply] size-of-headers size.
    """
    words = line.split()
    least = {b"MSG": 4, b"HMSG": 5}.get(words[0].upper() if words else b"", 0)
    if not least or len(words) not in (least, least + 1):
        return None
    counts = words[-1:] if least == 4 else words[-2:]
    if not all(count.isdigit() and len(count) < 10 for count in counts):
        return None
    head, whole = (0, int(counts[0])) if least == 4 else (int(counts[0]), int(counts[1]))
    return (words[2].decode("ascii", "replace"), head, whole) if head <= whole <= MAX_MESSAGE else None


def status_of(headers: bytes) -> str:
    """Return what stands behind NATS/1.0 in the first line of the headers: a status, or nothing."""
    return headers.split(b"\r\n", 1)[0].removeprefix(b"NATS/1.0").strip().decode("ascii", "replace")


def ending_of(error: str) -> Ending:
    """Return the ending that an error of the server (-ERR) stands for."""
    low = error.lower()
    if "permissions violation" in low:
        return PermissionMissing(f"missing_right: {error}")
    if "authorization" in low or "authentication" in low:
        return OwnLoginFailed(f"wrong_password: {error}")
    if "maximum" in low and "exceeded" in low:
        return ExpectationFailed(f"too_many_connections: {error}")
    if "tls required" in low:
        return ExpectationFailed(f"tls_required: {error}")
    return ProtocolViolated(f"the server says: {error}")


def _error(line: bytes) -> str:
    return line[4:].decode("utf-8", "replace").strip().strip("'")


@dataclass(slots=True)
class NatsWire:
    """Operations over a wire; pings are answered, and news of the server is passed over."""

    wire: Wire

    async def info(self) -> dict[str, Any]:
        """Return what the server says of itself at first. Raises what it says instead."""
        line = await self.wire.line(MAX_LINE)
        if line[:4] == b"-ERR":
            raise ending_of(_error(line))
        try:
            found = json.loads(line[5:]) if line[:5].upper() == b"INFO " else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ProtocolViolated("it does not begin as NATS does (INFO)")
        return found

    async def say(self, *lines: bytes) -> float:
        """Send lines; return when the first byte went out."""
        return await self.wire.send(b"".join(line + b"\r\n" for line in lines))

    async def pong(self) -> None:
        """Send PING and wait for the answer, so that all sent before is dealt with. Raises `Ending`s."""
        await self.say(b"PING")
        while await self._next() != "PONG":
            pass

    async def message(self, sid: str) -> Message:
        """Return the next message of a subscription. Raises what the server's errors stand for."""
        while True:
            came = await self._next()
            if isinstance(came, Message) and came.sid == sid:
                return came

    async def _next(self) -> Message | str:
        line = await self.wire.line(MAX_LINE)
        word = line.split(None, 1)[0].upper().decode("ascii", "replace") if line.strip() else ""
        if word == "PING":
            await self.say(b"PONG")
        elif word == "-ERR":
            raise ending_of(_error(line))
        elif word in ("MSG", "HMSG"):
            return await self._message(line)
        elif word not in ("INFO", "PONG", "+OK"):
            raise ProtocolViolated(f"no operation of NATS: {line[:40]!r}")
        return word

    async def _message(self, line: bytes) -> Message:
        announced = sizes(line)
        if announced is None:
            raise ProtocolViolated(f"no message of NATS: {line[:80]!r}")
        sid, head, whole = announced
        data = await self.wire.exactly(whole + 2)
        return Message(sid, status_of(data[:head]), data[head:whole])
