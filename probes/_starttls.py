"""The words before TLS: how smtp, imap, pop3, ldap and postgres are asked to start it (STARTTLS)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from probes._sockets import Connection
from probes.api import clip
from probes.errors import ExpectationFailed, ProtocolViolated

Protocol = Literal["none", "smtp", "imap", "pop3", "ldap", "postgres"]
MAX_TALK = 16_384
LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
"""ExtendedRequest with the OID of StartTLS (RFC 4511, section 4.14)."""
POSTGRES_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
"""SSLRequest (PostgreSQL, frontend/backend protocol, 54.7)."""


class _Talk:
    """Lines over a connection, bounded in all."""

    def __init__(self, connection: Connection, until: float) -> None:
        self._connection, self._until = connection, until
        self._left = b""
        self._read = 0

    async def say(self, data: bytes) -> None:
        await self._connection.send(data, self._until)

    async def more(self) -> bytes:
        data, _ = await self._connection.recv(4096, self._until)
        self._read += len(data)
        if not data:
            raise ProtocolViolated("closed before TLS was started")
        if self._read > MAX_TALK:
            raise ProtocolViolated(f"more than {MAX_TALK} bytes before TLS was started")
        return data

    async def line(self) -> str:
        while b"\n" not in self._left:
            self._left += await self.more()
        line, _, self._left = self._left.partition(b"\n")
        return clip(line.rstrip(b"\r").decode("utf-8", "replace"), 200)

    def finish(self) -> None:
        """Refuse what was sent ahead of TLS: it would pass for a part of it (CVE-2011-0411)."""
        if self._left:
            raise ProtocolViolated("data in the clear after the answer to STARTTLS")


def _refused(line: str) -> ExpectationFailed | ProtocolViolated:
    shaped = line[:3].isdigit() or line[:4] == "-ERR" or " NO" in line or " BAD" in line
    return (ExpectationFailed if shaped else ProtocolViolated)(f"TLS is not offered: {line!r}")


async def _smtp(talk: _Talk) -> None:
    """RFC 3207."""
    await _smtp_reply(talk, "220")
    await talk.say(b"EHLO muster\r\n")
    await _smtp_reply(talk, "250")
    await talk.say(b"STARTTLS\r\n")
    await _smtp_reply(talk, "220")


async def _smtp_reply(talk: _Talk, code: str) -> None:
    while True:
        line = await talk.line()
        if not line.startswith(code):
            raise _refused(line)
        if line[3:4] != "-":
            return


async def _imap(talk: _Talk) -> None:
    """RFC 9051, section 6.2.1."""
    line = await talk.line()
    if not line.startswith("* OK"):
        raise _refused(line)
    await talk.say(b"m1 STARTTLS\r\n")
    line = await talk.line()
    while line.startswith("* "):
        line = await talk.line()
    if not line.upper().startswith("M1 OK"):
        raise _refused(line)


async def _pop3(talk: _Talk) -> None:
    """RFC 2595, section 4."""
    for question in (b"", b"STLS\r\n"):
        await talk.say(question)
        line = await talk.line()
        if not line.startswith("+OK"):
            raise _refused(line)


async def _ldap(talk: _Talk) -> None:
    """An ExtendedResponse (tag 0x78) whose result code (ENUMERATED, 0x0a 0x01) is 0."""
    await talk.say(LDAP_REQUEST)
    answer = await talk.more()
    if answer[:1] != b"\x30" or b"\x78" not in answer[:12]:
        raise ProtocolViolated("the answer to StartTLS is no LDAP")
    at = answer.find(b"\x0a\x01")
    while at < 0 or at + 2 >= len(answer):
        answer += await talk.more()
        at = answer.find(b"\x0a\x01")
    if answer[at + 2]:
        raise ExpectationFailed(f"TLS is not offered: LDAP result code {answer[at + 2]}")


async def _postgres(talk: _Talk) -> None:
    await talk.say(POSTGRES_REQUEST)
    answer = await talk.more()
    if answer[:1] == b"N":
        raise ExpectationFailed("TLS is not offered: the server answered N")
    if answer != b"S":
        raise ProtocolViolated("the answer to SSLRequest is no PostgreSQL")


_TALKS: dict[str, Callable[[_Talk], Awaitable[None]]] = {
    "smtp": _smtp, "imap": _imap, "pop3": _pop3, "ldap": _ldap, "postgres": _postgres,
}  # fmt: skip


async def ask_for_tls(protocol: Protocol, connection: Connection, until: float) -> None:
    """Talk `protocol` until TLS may start.

    Raises `ExpectationFailed` where the server does not offer it, `ProtocolViolated` where it talks something
    else, and the endings of the connection.
    """
    if protocol == "none":
        return
    talk = _Talk(connection, until)
    await _TALKS[protocol](talk)
    talk.finish()
